//! Why one request gave nothing: read from its status and its headers, never from its body.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use crate::telemetry::redact;

use super::error::HubError;

/// Why one request gave nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A later try may succeed, after this time if the hub names one.
    Passing { why: String, after: Option<Duration> },
    /// The range that was asked for is not in the file.
    Range,
    /// The hub knows no such thing; the code that it gives, if it is a known one.
    Missing(Absence),
    /// Every try will end so.
    Lasting(HubError),
}

/// What the hub does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    Repository,
    Revision,
    File,
}

/// Who is asked, for the texts of refusals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// What was asked for.
    pub what: &'a str,
    /// The page of the repository, on which a licence is accepted.
    pub page: &'a str,
    /// True if the address is the hub's own and no store's to which it redirected.
    pub is_hub: bool,
    /// True if a token was sent.
    pub has_token: bool,
}

impl Trouble {
    /// A request that got no answer, or one whose body ended.
    pub fn unanswered(error: reqwest::Error) -> Trouble {
        // an address may be signed
        let error = error.without_url();
        let why = match &error {
            error if error.is_timeout() => "no answer in time".to_owned(),
            error => {
                let doing = if error.is_connect() { "no connection" } else { "the answer broke off" };
                format!("{doing} ({})", redact(&deepest(error)))
            }
        };
        Trouble::Passing { why, after: None }
    }

    /// Reads an answer that is no success.
    pub fn of(asked: Asked<'_>, answer: &Response) -> Trouble {
        let status = answer.status();
        let code =
            answer.headers().get("x-error-code").and_then(|code| code.to_str().ok()).unwrap_or_default();
        let what = asked.what.to_owned();
        match status.as_u16() {
            408 | 425 | 429 | 500..=599 => Trouble::Passing {
                why: format!("{} answers {}", asked.name(), status.as_u16()),
                after: retry_after(answer.headers()),
            },
            416 => Trouble::Range,
            // a signed address that has expired; the next try gets another one
            401 | 403 if !asked.is_hub => {
                Trouble::Passing { why: format!("{} answers {}", asked.name(), status.as_u16()), after: None }
            }
            401 | 403 => Trouble::Lasting(HubError::Denied { what, why: asked.denied(status, code) }),
            404 if code == "RevisionNotFound" => Trouble::Missing(Absence::Revision),
            404 if code == "EntryNotFound" => Trouble::Missing(Absence::File),
            404 if code == "RepoNotFound" => Trouble::Missing(Absence::Repository),
            404 | 410 => Trouble::Missing(Absence::File),
            _ => Trouble::Lasting(HubError::Answer {
                what,
                why: format!("{} answers {}", asked.name(), status.as_u16()),
            }),
        }
    }
}

impl Asked<'_> {
    fn name(&self) -> &'static str {
        if self.is_hub { "the hub" } else { "the store to which the hub redirects" }
    }

    fn denied(&self, status: StatusCode, code: &str) -> String {
        let Asked { page, has_token, .. } = self;
        match (code, has_token) {
            ("GatedRepo", false) => format!(
                "the model is gated: accept its licence at {page} and set HF_TOKEN to a token of that account"
            ),
            ("GatedRepo", true) => format!(
                "the model is gated, and the account of the token has no access: accept its licence at {page}, and give \
                 the token the right to read gated repositories"
            ),
            (_, false) => format!(
                "the hub answers {}: there is no such model, or it is private (set HF_TOKEN); see {page}",
                status.as_u16()
            ),
            (_, true) => format!(
                "the hub answers {} to the token: it is not valid, or has no right to read {page}",
                status.as_u16()
            ),
        }
    }
}

/// Seconds that the hub asks to wait.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Returns the text of the last cause, which is the most specific.
fn deepest(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
