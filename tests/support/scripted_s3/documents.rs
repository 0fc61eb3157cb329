//! The XML that S3 speaks, and how it writes times.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::faults::Refusal;
use super::request::Signed;

const HEADER_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
const LISTED_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
/// What `encoding-type=url` leaves as it is.
const LISTED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/').remove(b'*');

pub(super) const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
pub(super) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A time as `Last-Modified` has it.
pub(super) fn header_time(time: OffsetDateTime) -> String {
    time.format(HEADER_TIME).expect("a time can be written")
}

/// A time as a listing has it.
pub(super) fn listed_time(time: OffsetDateTime) -> String {
    time.format(LISTED_TIME).expect("a time can be written")
}

/// Text between two tags.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            control if control < ' ' => {
                write!(escaped, "&#x{:X};", control as u32).expect("a string takes all");
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// A key in a listing that was requested with `encoding-type=url`.
pub(super) fn url_encoded(text: &str) -> String {
    utf8_percent_encode(text, LISTED).to_string()
}

/// One element.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escaped(text))
}

/// The texts of all elements of this name that hold no others.
pub(super) fn texts(document: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let pieces = document.split(open.as_str()).skip(1);
    pieces.filter_map(|piece| piece.split_once(close.as_str())).map(|(text, _)| unescaped(text)).collect()
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let (entity, after) = after.split_once(';').unwrap_or((after, ""));
        let number = entity.strip_prefix('#').and_then(|number| match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        });
        match (entity, number.and_then(char::from_u32)) {
            ("amp", _) => plain.push('&'),
            ("lt", _) => plain.push('<'),
            ("gt", _) => plain.push('>'),
            ("quot", _) => plain.push('"'),
            ("apos", _) => plain.push('\''),
            (_, Some(character)) => plain.push(character),
            (other, None) => panic!("the entity `&{other};` is none of XML's"),
        }
        rest = after;
    }
    plain + rest
}

/// The document of an error.
pub(super) fn error(refusal: &Refusal, resource: &str, signed: &Signed) -> String {
    let mut document = format!("{DECLARATION}<Error>{}", element("Code", &refusal.code));
    document += &element("Message", &format!("scripted: {}", refusal.code));
    document += &element("Resource", resource);
    if let Some(region) = refusal.region {
        document += &element("Region", region);
    }
    if refusal.leaks {
        let Signed { access_key, signature, token, date, scope, .. } = signed;
        document += &element("AWSAccessKeyId", access_key);
        document += &element("StringToSign", &format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{signature}"));
        document += &element("SignatureProvided", signature);
        let canonical = format!("GET\n{resource}\n\nx-amz-date:{date}\nx-amz-security-token:{token}\n");
        document += &element("CanonicalRequest", &canonical);
    }
    // the text that was signed has several lines in a real document too
    document.replace("&#xA;", "\n") + &element("RequestId", "SCRIPTED00000000") + "</Error>"
}
