//! What a page of a listing must be before the client reads it.
//!
//! The client takes any XML for a page. A document of another kind has no keys and no token, so it would read as an
//! empty last page, and a plan would end there in silence.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::reply::code;

/// Roots of a page: S3 and GCS, Azure.
const ROOTS: [&[u8]; 2] = [b"ListBucketResult", b"EnumerationResults"];

/// Why an answer is no page of a listing, or no page that leads on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The body is empty.
    #[error("the store answers a listing with an empty document")]
    Empty,
    /// Another document under a good status.
    #[error("the store answers a listing with a document `{root}`{}", code.as_ref().map_or_else(String::new, |code| format!(" (`{code}`)")))]
    Foreign {
        /// Its root element, or `not XML`.
        root: String,
        /// The error code in it, if it is an error document.
        code: Option<String>,
    },
    /// The document ends too early.
    #[error("a page of the listing is cut off: {0}")]
    Cut(String),
    /// More keys follow, but there is no way to ask for them.
    #[error(
        "a page of the listing has `IsTruncated` = true and no `NextContinuationToken`: the keys after it cannot be \
         asked for"
    )]
    NoWayOn,
    /// The store ignores where it is told to go on.
    #[error("the store gives the same page of the listing again: it ignores the continuation token")]
    Repeated,
    /// The store gives tokens, and no keys.
    #[error("the store gives {0} pages of the listing without a key, one after another")]
    NoKeys(usize),
}

impl PageError {
    /// True where a later try may get a page: a store that ignores tokens ignores them again.
    pub(super) fn may_pass(&self) -> bool {
        !matches!(self, PageError::Repeated | PageError::NoKeys(_))
    }
}

/// Checks that a body is a whole page of a listing, and that it names a way on if keys follow.
///
/// # Errors
/// [`PageError`] says what the body is instead.
pub(super) fn check(body: &[u8]) -> Result<(), PageError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Err(PageError::Empty);
    }
    let mut reader = Reader::from_reader(body);
    let (mut open, mut has_ended) = (Vec::<Vec<u8>>::new(), false);
    let (mut truncated, mut has_token) = (String::new(), false);
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(_) if open.is_empty() && !has_ended => return Err(foreign("not XML", body)),
            Err(error) => return Err(PageError::Cut(error.to_string())),
        };
        match event {
            Event::Start(tag) => {
                let name = tag.local_name().as_ref().to_vec();
                if open.is_empty() && (has_ended || !ROOTS.contains(&&*name)) {
                    return Err(foreign(&String::from_utf8_lossy(&name), body));
                }
                open.push(name);
            }
            Event::Empty(tag) if open.is_empty() => {
                // `<ListBucketResult/>` says neither that it ends nor that it goes on
                return Err(foreign(&String::from_utf8_lossy(tag.local_name().as_ref()), body));
            }
            Event::End(_) => {
                open.pop();
                has_ended = open.is_empty();
            }
            Event::Text(text) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                match open.as_slice() {
                    [] if !text.trim().is_empty() && !has_ended => return Err(foreign("not XML", body)),
                    [_, name] if name == b"IsTruncated" => truncated.push_str(text.trim()),
                    [_, name] if name == b"NextContinuationToken" => has_token |= !text.trim().is_empty(),
                    _ => {}
                }
            }
            Event::CData(_) | Event::GeneralRef(_) => {
                has_token |= matches!(open.as_slice(), [_, name] if name == b"NextContinuationToken");
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match has_ended {
        false => Err(PageError::Cut("its root element has no end".into())),
        true if truncated.eq_ignore_ascii_case("true") && !has_token => Err(PageError::NoWayOn),
        true => Ok(()),
    }
}

fn foreign(root: &str, body: &[u8]) -> PageError {
    let shown: String = root.chars().take(40).flat_map(char::escape_debug).collect();
    PageError::Foreign { root: shown, code: code(&String::from_utf8_lossy(body)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S3: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

    #[test]
    fn pages_of_every_store_are_pages() {
        for page in [
            format!("<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"{S3}\"><IsTruncated>false</IsTruncated></ListBucketResult>"),
            format!("<ListBucketResult xmlns=\"{S3}\"><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken></ListBucketResult>\n"),
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>&amp;</NextContinuationToken></ListBucketResult>".into(),
            "<ListBucketResult><Name>b</Name></ListBucketResult>".into(),
            "\u{feff}<?xml version=\"1.0\"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>".into(),
            "<!-- kept --><ListBucketResult><Contents><Key>Error</Key></Contents></ListBucketResult>".into(),
        ] {
            assert_eq!(check(page.as_bytes()), Ok(()), "{page}");
        }
    }

    #[test]
    fn another_document_is_named_by_its_root_and_its_code() {
        for (body, root, code) in [
            ("<html><body>busy</body></html>", "html", None),
            ("<!DOCTYPE html>\n<html>", "html", None),
            ("<Error><Code>SlowDown</Code></Error>", "Error", Some("SlowDown")),
            ("<!-- x --><Error><Code>SlowDown</Code></Error>", "Error", Some("SlowDown")),
            ("<s:Error xmlns:s=\"x\"/>", "Error", None),
            (
                "<ErrorResponse><Error><Code>Busy</Code></Error></ErrorResponse>",
                "ErrorResponse",
                Some("Busy"),
            ),
            ("<ListBucketResult/>", "ListBucketResult", None),
            ("<ListAllMyBucketsResult></ListAllMyBucketsResult>", "ListAllMyBucketsResult", None),
            ("{\"kind\": \"storage#objects\"}", "not XML", None),
            ("busy", "not XML", None),
        ] {
            let found = check(body.as_bytes()).unwrap_err();
            let expected = PageError::Foreign { root: root.into(), code: code.map(str::to_owned) };
            assert_eq!(found, expected, "{body}");
        }
    }

    #[test]
    fn an_empty_body_and_a_body_that_was_cut_are_no_pages() {
        for body in ["", " \n", "\u{feff}"] {
            assert_eq!(check(body.as_bytes()), Err(PageError::Empty), "{body:?}");
        }
        let page = "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>";
        for (at, _) in page.char_indices().filter(|(at, _)| *at > 0) {
            let cut = check(&page.as_bytes()[..at]);
            assert!(cut.is_err(), "{} passes for a page", &page[..at]);
        }
    }

    #[test]
    fn a_page_that_goes_on_must_say_where() {
        for token in [
            "",
            "<NextContinuationToken></NextContinuationToken>",
            "<NextContinuationToken/>",
            "<NextMarker>a</NextMarker>",
            "<Contents><NextContinuationToken>a</NextContinuationToken></Contents>",
        ] {
            let page = format!("<ListBucketResult><IsTruncated>true</IsTruncated>{token}</ListBucketResult>");
            assert_eq!(check(page.as_bytes()), Err(PageError::NoWayOn), "{page}");
        }
    }
}
