//! Takes secrets out of text that may quote a request: signatures, key ids and user info.
//!
//! An error keeps its cause as it is, so that code can ask for the cause's type. The text of that cause is redacted
//! here and nowhere else: [`Redacted`] is how an error holds a cause that may quote a request, and [`explain`] is
//! how an error with its causes is printed.

use std::error::Error;
use std::fmt;

/// Query parameters whose values must never be seen.
const SECRET_PARAMETERS: [&str; 9] = [
    "sig=",
    "x-amz-signature=",
    "x-amz-credential=",
    "x-amz-security-token=",
    "awsaccesskeyid=",
    "signature=",
    "x-goog-signature=",
    "x-goog-credential=",
    // of a connection string
    "accountkey=",
];

/// Elements of a store's error document that quote the request's signature.
const SECRET_ELEMENTS: [&str; 6] = [
    "<AWSAccessKeyId>",
    "<StringToSign>",
    "<SignatureProvided>",
    "<StringToSignBytes>",
    "<CanonicalRequest>",
    "<CanonicalRequestBytes>",
];

/// The text with the values of signature parameters, of elements that quote a signature, and any `user:password@` of a URL replaced by `***`.
pub fn redact(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    'scan: while let Some(next) = rest.chars().next() {
        let starts_word = result.chars().next_back().is_none_or(|c| !c.is_ascii_alphanumeric() && c != '-');
        if starts_word {
            for parameter in SECRET_PARAMETERS {
                if rest.get(..parameter.len()).is_some_and(|head| head.eq_ignore_ascii_case(parameter)) {
                    let (name, after) = rest.split_at(parameter.len());
                    let (value, end) = after.split_at(after.find(is_end_of_value).unwrap_or(after.len()));
                    result.push_str(name);
                    result.push_str(if is_switch(value) { value } else { "***" });
                    rest = end;
                    continue 'scan;
                }
            }
        }
        if let Some(element) = SECRET_ELEMENTS.iter().find(|element| rest.starts_with(**element)) {
            result.push_str(element);
            result.push_str("***");
            let end = rest[element.len()..].find("</");
            rest = end.map_or("", |end| &rest[element.len() + end..]);
            continue;
        }
        if let Some(after) = rest.strip_prefix("://") {
            let authority = &after[..after.find(['/', '?', ' ', '"']).unwrap_or(after.len())];
            if let Some(at) = authority.rfind('@') {
                result.push_str("://***");
                rest = &after[at..];
                continue;
            }
        }
        result.push(next);
        rest = &rest[next.len_utf8()..];
    }
    result
}

/// An error that may quote a request, as the cause of another. Its text and its debug output are redacted; the error
/// itself is its source.
pub struct Redacted(Box<dyn Error + Send + Sync>);

impl Redacted {
    /// Wraps an error, or a message in place of one.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Redacted(error.into())
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text_of(&*self.0))
    }
}

/// The text in quotes: the fields of a foreign error could hold a secret in a form that no rule knows.
impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&text_of(&*self.0), f)
    }
}

impl Error for Redacted {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// Returns the text of an error and of each of its causes that adds something, redacted: one paragraph for a person.
/// A cause is left out if the text before it already contains its own.
pub fn explain(error: &dyn Error) -> String {
    let mut text = text_of(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = text_of(error);
        if !text.contains(&line) {
            text.push_str("\n  caused by: ");
            text.push_str(&line);
        }
        cause = error.source();
    }
    text
}

fn text_of(error: &dyn Error) -> String {
    redact(&error.to_string())
}

/// True for the value of a setting such as `AWS_SKIP_SIGNATURE`, which is no secret.
fn is_switch(value: &str) -> bool {
    let value = value.trim_end_matches(['`', ',', '.', ';', ':']);
    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
}

fn is_end_of_value(c: char) -> bool {
    matches!(c, '&' | ' ' | '"' | '\'' | ')' | '>' | '\n')
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::{Redacted, explain, redact};

    /// `outer`, whose cause is `inner`.
    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        #[source]
        cause: Redacted,
    }

    const SIGNED: &str = "GET https://h/b?sig=c4n4ry failed";

    #[test]
    fn a_secret_in_a_cause_is_printed_neither_as_text_nor_as_debug_output() {
        let link = Link { text: "reading `a`", cause: Redacted::new(std::io::Error::other(SIGNED)) };
        assert_eq!(explain(&link), "reading `a`\n  caused by: GET https://h/b?sig=*** failed");
        let debug = format!("{link:?} {:?}", link.cause);
        assert!(!debug.contains("c4n4ry") && debug.contains("sig=***"), "{debug}");
    }

    #[test]
    fn a_cause_is_found_by_its_type() {
        let link = Link { text: "reading `a`", cause: Redacted::new(std::io::Error::other(SIGNED)) };
        let cause = link.source().and_then(Error::source).unwrap();
        assert!(cause.is::<std::io::Error>());
    }

    #[test]
    fn a_cause_whose_text_is_in_the_one_before_it_is_printed_once() {
        let text = "reading `a`: GET https://h/b?sig=*** failed";
        let link = Link { text, cause: Redacted::new(SIGNED) };
        assert_eq!(explain(&link), text);
    }

    #[test]
    fn signatures_keys_and_user_info_never_survive() {
        let cases = [
            ("GET https://h/b?sig=abc%2F&x=1", "GET https://h/b?sig=***&x=1"),
            (
                "https://h/k?X-Amz-Credential=AKIA/1&X-Amz-Signature=ff",
                "https://h/k?X-Amz-Credential=***&X-Amz-Signature=***",
            ),
            ("AccountName=a;AccountKey=c4n4ry==", "AccountName=a;AccountKey=***"),
            ("?AWSAccessKeyId=AKIA)", "?AWSAccessKeyId=***)"),
            ("s3://user:pass@bucket/key", "s3://***@bucket/key"),
            ("s3://bucket/mail@example.jpg", "s3://bucket/mail@example.jpg"),
            ("a design=good thing", "a design=good thing"),
            ("set AWS_SKIP_SIGNATURE=true (asked: x)", "set AWS_SKIP_SIGNATURE=true (asked: x)"),
            ("`AWS_SKIP_SIGNATURE=False`, or", "`AWS_SKIP_SIGNATURE=False`, or"),
            ("?signature=trueAbc&x", "?signature=***&x"),
            (
                "<Code>X</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId>",
                "<Code>X</Code><AWSAccessKeyId>***</AWSAccessKeyId>",
            ),
            ("<StringToSign>a\nb&amp;c", "<StringToSign>***"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected);
        }
    }
}
