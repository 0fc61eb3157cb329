//! The status and the error code that a store answered with, taken from an error of the client.
//!
//! `object_store` 0.14 maps some statuses to variants of its error; listings, credentials and all other statuses end
//! as `Error::Generic`. Status and body are beneath it, in `RetryError` and its `RequestError`. Both types are in a
//! private module (`client::retry`), so neither can be named in a downcast; `HttpError`, which is public, is for
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

/// Codes of refused credentials, under whatever status: some stores answer 400 for a token that has expired.
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

/// Codes of credentials that were good and have expired.
const EXPIRIES: [&str; 3] = ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"];

/// Codes of an object or a bucket that does not exist, or cannot by its name.
const ABSENCES: [&str; 6] = [
    "BlobNotFound",
    "ContainerNotFound",
    "InvalidBucketName",
    "InvalidResourceName",
    "NoSuchBucket",
    "NoSuchKey",
];

/// Codes of an object in an archive tier, or on its way out of one: S3's and Azure's.
const ARCHIVED: [&str; 3] = ["BlobArchived", "BlobBeingRehydrated", "InvalidObjectState"];

/// Codes of a request for another region's bucket, if they name a region.
const ELSEWHERE: [&str; 3] = ["AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect"];

/// Codes of a 400 for a header that the store does not know.
const HEADERS: [&str; 4] = ["InvalidArgument", "InvalidRequest", "NotImplemented", "UnsupportedHeader"];

/// Codes of a write beyond a quota: Ceph's and MinIO's.
const FULL: [&str; 3] = ["QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"];

/// A refusal of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reply {
    pub status: u16,
    pub code: Option<String>,
    /// The bucket's region, where the store names it.
    pub region: Option<String>,
    has_a_wrong_time: bool,
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
                return Some(Reply {
                    status,
                    code: code(body),
                    region: region(body),
                    has_a_wrong_time: has_a_wrong_time(body),
                });
            }
            if text.starts_with(BARE_REDIRECT) {
                return Some(Reply { status: 301, ..Reply::default() });
            }
            link = error.source();
        }
        None
    }

    /// True if the store will answer this request in the same way again, as far as the answer shows it.
    pub fn is_definite(&self) -> bool {
        match self.status {
            400 => !self.is_one_of(&PASSING) && !self.is_one_of(&CREDENTIALS) && !self.denies(),
            300..=303 | 307 | 308 | 405 | 410 | 451 | 501 => true,
            _ => false,
        }
    }

    /// True if the credentials are refused.
    pub fn denies(&self) -> bool {
        matches!(self.status, 401 | 403) || self.is_one_of(&DENIALS)
    }

    /// True if the credentials have expired.
    pub fn is_about_expiry(&self) -> bool {
        self.is_one_of(&EXPIRIES)
    }

    /// True if there is no such object.
    pub fn misses(&self) -> bool {
        self.status == 404 || self.is_one_of(&ABSENCES)
    }

    /// True if the object is in an archive tier.
    pub fn is_about_an_archive(&self) -> bool {
        matches!(self.status, 403 | 409) && self.is_one_of(&ARCHIVED)
    }

    /// True if the request's time is too far from the store's.
    pub fn is_about_the_clock(&self) -> bool {
        self.has_a_wrong_time || self.is_one_of(&["RequestTimeTooSkewed"])
    }

    /// True if the request was for another region.
    pub fn is_about_the_region(&self) -> bool {
        self.region.is_some() && self.is_one_of(&ELSEWHERE)
            || self.is_one_of(&["IllegalLocationConstraintException"])
    }

    /// Returns whether a write is refused because the store is full.
    pub fn has_no_room(&self) -> bool {
        self.status == 507 || self.is_one_of(&FULL)
    }

    /// True if the store does not know a header of the request.
    pub fn refuses_a_header(&self) -> bool {
        self.status == 501 || self.status == 400 && (self.code.is_none() || self.is_one_of(&HEADERS))
    }

    fn is_one_of(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }
}

/// The code in the body of an error.
pub(super) fn code(body: &str) -> Option<String> {
    let body = start_of(body);
    if body.starts_with('{') { json_code(body) } else { xml_text(body, "Code") }
}

/// The region that an error of S3 names, if it is a plain name.
pub(super) fn region(body: &str) -> Option<String> {
    xml_text(start_of(body), "Region").filter(|region| is_region(region))
}

/// True for the name of a region: nothing else is quoted in an error.
pub(super) fn is_region(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
}

/// True for the words of Azure and of Google's token service over a clock that is wrong, which come under the codes of
/// refused credentials.
fn has_a_wrong_time(body: &str) -> bool {
    let body = start_of(body);
    if !body.starts_with('{') {
        let detail = xml_text(body, "AuthenticationErrorDetail");
        return detail.is_some_and(|detail| detail.starts_with("Request date header too old"));
    }
    let Ok(document) = serde_json::from_str::<serde_json::Value>(body) else { return false };
    let described = document.get("error_description").and_then(|described| described.as_str());
    described.is_some_and(|described| described.contains("reasonable timeframe"))
}

fn start_of(body: &str) -> &str {
    body.trim_start_matches('\u{feff}').trim_start()
}

/// `error.status` (GCS) or `error` (OAuth).
fn json_code(body: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_str(body).ok()?;
    let error = document.get("error")?;
    error.as_str().or_else(|| error.get("status")?.as_str()).map(str::to_owned)
}

/// The text of the first element of this name in the root `<Error>`, or in the `<Error>` of AWS's `<ErrorResponse>`. Elements
/// below others (a message, a key that looks like XML) are passed over.
fn xml_text(body: &str, wanted: &str) -> Option<String> {
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
                ["Error", name] | ["ErrorResponse", "Error", name] if name == wanted => {
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
    use super::{Reply, code, has_a_wrong_time, region};

    #[test]
    fn the_region_is_a_plain_name_or_none() {
        for (body, expected) in [
            ("<Error><Code>x</Code><Region>eu-west-1</Region></Error>", Some("eu-west-1")),
            ("<Error><Code>x</Code><Region>eu west</Region></Error>", None),
            ("<Error><Key><Region>eu-west-1</Region></Key></Error>", None),
            ("<Error><Region></Region></Error>", None),
            ("{}", None),
        ] {
            assert_eq!(region(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_wrong_clock_is_known_by_its_own_words_and_not_by_a_key_that_has_them() {
        for (body, expected) in [
            (
                "<Error><Code>AuthenticationFailed</Code><AuthenticationErrorDetail>Request date header too old: 'x'\
                 </AuthenticationErrorDetail></Error>",
                true,
            ),
            (
                "{\"error\":\"invalid_grant\",\"error_description\":\"must be in a reasonable timeframe\"}",
                true,
            ),
            ("<Error><Code>AuthenticationFailed</Code></Error>", false),
            ("<Error><Key>Request date header too old</Key></Error>", false),
            ("{\"error\":\"invalid_grant\"}", false),
            ("{", false),
        ] {
            assert_eq!(has_a_wrong_time(body), expected, "{body}");
        }
    }

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
            let reply = Reply { status, code: code.map(str::to_owned), ..Reply::default() };
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
