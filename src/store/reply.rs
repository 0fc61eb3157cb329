//! The status and the error code that a store answered with, taken from an error of the client.
//!
//! `object_store` 0.14 maps some statuses to variants of its error; listings, credentials and all other statuses end
//! as `Error::Generic`. Status and body are beneath it, in `RetryError` and its `RequestError`. Both types are in a
//! private module (`client::retry`), so neither can be named in a downcast; `HttpError`, which is public, stands for
//! requests without an answer. Both are links of the `source()` chain, though, and the text of `RequestError` is
//! `Server returned non-2xx status code: {status}: {body}`; the method, the URL and with it the object's key are in
//! the text of its parent. So only a link whose text begins with these words is read, and its body is parsed: a body
//! may quote the key, but not where the code is.
//!
//! The connector (`traffic.rs`) also sees every response. A reply that it noted would have to find its way past the
//! client's retries to the operation that asked, and a response that it turned into an `HttpError` would be
//! neither retried nor mapped by the client. The tests of `error.rs` run the real client on scripted responses, so a
//! version of it with another text fails them.

use std::error::Error;

/// What the text of `object_store`'s `RequestError::Status` begins with.
const STATUS: &str = "Server returned non-2xx status code: ";
/// What the text of `RequestError::BareRedirect` begins with: a redirect that leads nowhere, which S3 sends as 301.
const BARE_REDIRECT: &str = "Received redirect without LOCATION";

/// Codes of refused credentials, under whatever status: some stores say 400 for a token that has expired.
const DENIALS: [&str; 14] = [
    // S3 and what speaks its protocol, GCS's XML included
    "AccessDenied",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    // AWS's token service
    "ExpiredTokenException",
    // Azure
    "AuthenticationFailed",
    "AuthorizationFailure",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
    // GCS's JSON
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    // OAuth 2.0 (RFC 6749, section 5.2)
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
];

/// Codes of faults that pass, which some stores report under status 400.
const PASSING: [&str; 13] = [
    "BandwidthLimitExceeded",
    "IncompleteBody",
    "InternalError",
    "OperationTimedOut",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServerBusy",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "XAmzContentSHA256Mismatch",
];

/// Codes of a request that was signed wrongly, or at a wrong time: no property of the object.
const CREDENTIALS: [&str; 5] = [
    "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "TokenRefreshRequired",
];

/// Codes of an object or a bucket that does not exist.
const ABSENCES: [&str; 4] = ["BlobNotFound", "ContainerNotFound", "NoSuchBucket", "NoSuchKey"];

/// A refusal of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub status: u16,
    pub code: Option<String>,
}

impl Reply {
    /// Finds the reply beneath an error of `object_store`; `None` if the store did not answer, or answered well.
    pub fn beneath(error: &(dyn Error + 'static)) -> Option<Reply> {
        let mut link = Some(error);
        while let Some(error) = link {
            let text = error.to_string();
            if let Some(reply) = text.strip_prefix(STATUS) {
                let status = reply.get(..3)?.parse().ok()?;
                let (_, body) = reply.split_once(": ")?;
                return Some(Reply { status, code: code(body) });
            }
            if text.starts_with(BARE_REDIRECT) {
                return Some(Reply { status: 301, code: None });
            }
            link = error.source();
        }
        None
    }

    /// True if the store will answer this request in the same way again, as far as the answer shows it.
    pub fn is_definite(&self) -> bool {
        match self.status {
            400 => !self.is_one_of(&PASSING) && !self.is_one_of(&CREDENTIALS) && !self.denies(),
            301 | 405 | 410 | 451 | 501 => true,
            _ => false,
        }
    }

    /// True if the credentials are refused.
    pub fn denies(&self) -> bool {
        matches!(self.status, 401 | 403) || self.is_one_of(&DENIALS)
    }

    /// True if there is no such object.
    pub fn misses(&self) -> bool {
        self.status == 404 || self.is_one_of(&ABSENCES)
    }

    fn is_one_of(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }
}

/// The code in the body of an error.
pub(super) fn code(body: &str) -> Option<String> {
    let body = body.trim_start_matches('\u{feff}').trim_start();
    if body.starts_with('{') { json_code(body) } else { xml_code(body) }
}

/// `error.status` (GCS) or `error` (OAuth).
fn json_code(body: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_str(body).ok()?;
    let error = document.get("error")?;
    error.as_str().or_else(|| error.get("status")?.as_str()).map(str::to_owned)
}

/// The text of the first `<Code>` in the root `<Error>`, or in the `<Error>` of AWS's `<ErrorResponse>`. Elements
/// below others (a message, a key that looks like XML) are passed over.
fn xml_code(body: &str) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = body;
    loop {
        rest = &rest[rest.find('<')?..];
        if rest.starts_with("<!--") {
            rest = after(rest, "-->")?;
        } else if rest.starts_with("<![CDATA[") {
            rest = after(rest, "]]>")?;
        } else if rest.starts_with("<?") || rest.starts_with("<!") {
            rest = after(rest, ">")?;
        } else if let Some(closing) = rest.strip_prefix("</") {
            let name = &closing[..closing.find('>')?];
            if open.pop()? != name.trim_end() {
                return None;
            }
            rest = after(rest, ">")?;
        } else {
            let tag = &rest[1..rest.find('>')?];
            let name = tag.split(|c: char| c.is_ascii_whitespace() || c == '/').next()?;
            rest = after(rest, ">")?;
            if tag.ends_with('/') {
                continue;
            }
            open.push(name);
            match open[..] {
                ["Error", "Code"] | ["ErrorResponse", "Error", "Code"] => {
                    return Some(rest[..rest.find('<')?].trim().to_owned());
                }
                ["Error" | "ErrorResponse", ..] => {}
                _ => return None,
            }
        }
    }
}

fn after<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    text.split_once(end).map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::{Reply, code};

    #[test]
    fn a_status_means_never_unless_its_code_says_that_it_passes_or_blames_the_credentials() {
        for (status, code, expected) in [
            (400, None, true),
            (400, Some("InvalidRequest"), true),
            (400, Some("KMS.DisabledException"), true),
            (400, Some("RequestTimeout"), false),
            (400, Some("SlowDown"), false),
            (400, Some("ExpiredToken"), false),
            (400, Some("AuthorizationHeaderMalformed"), false),
            (301, None, true),
            (405, None, true),
            (410, None, true),
            (451, None, true),
            (501, Some("NotImplemented"), true),
            (500, None, false),
            (503, Some("SlowDown"), false),
            (429, None, false),
        ] {
            let reply = Reply { status, code: code.map(str::to_owned) };
            assert_eq!(reply.is_definite(), expected, "{reply:?}");
        }
    }

    #[test]
    fn the_code_is_read_from_its_own_place_in_the_body() {
        for (body, expected) in [
            ("<Error><Code>NoSuchKey</Code><Key>InvalidToken</Key></Error>", Some("NoSuchKey")),
            ("<Error><Key>InvalidToken</Key><Code>NoSuchKey</Code></Error>", Some("NoSuchKey")),
            ("<Error><Key><Code>InvalidToken</Code></Key><Code>SlowDown</Code></Error>", Some("SlowDown")),
            ("<Error><Key><![CDATA[<Code>InvalidToken</Code>]]></Key></Error>", None),
            ("<Error><!-- <Code>InvalidToken</Code> --><Code> SlowDown </Code></Error>", Some("SlowDown")),
            (
                "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Error xmlns=\"x\"><Code>BlobNotFound</Code>",
                Some("BlobNotFound"),
            ),
            (
                "<ErrorResponse xmlns=\"x\"><Error><Type/><Code>ExpiredTokenException</Code></Error></ErrorResponse>",
                Some("ExpiredTokenException"),
            ),
            ("<html><Error><Code>InvalidToken</Code></Error></html>", None),
            ("<Error></Key><Code>InvalidToken</Code></Error>", None),
            ("<Error><Message>InvalidToken</Message></Error>", None),
            ("<Error><Code>cut", None),
            ("InvalidToken", None),
            ("", None),
            ("{\"error\":{\"code\":401,\"status\":\"UNAUTHENTICATED\"}}", Some("UNAUTHENTICATED")),
            ("{\"error\":\"invalid_grant\",\"error_description\":\"x\"}", Some("invalid_grant")),
            ("{\"message\":\"InvalidToken\"}", None),
            ("{\"error\":", None),
        ] {
            assert_eq!(code(body).as_deref(), expected, "{body}");
        }
    }
}
