//! How a store fails to answer for an object: whether asking again can help, and a word to count it by.

use object_store::client::{HttpError, HttpErrorKind};

use super::causes::cause_of;
use super::reply::Reply;

/// Why there is no good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered {
    /// The kind of it.
    pub reason: Reason,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
}

/// A word for why there is no good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A status that means "never": 400, 405, 410, 451, 501, or a redirect that is not followed.
    Refused,
    /// Another status of failure, such as 500 or 503.
    Status,
    /// No answer in time.
    Timeout,
    /// The connection failed, or was reset.
    Connection,
    /// A good status, and other bytes than it announces or than were planned.
    Incomplete,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 5] =
        [Reason::Refused, Reason::Status, Reason::Timeout, Reason::Connection, Reason::Incomplete];

    /// The spelling in metrics and summaries.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Refused => "refused",
            Reason::Status => "status",
            Reason::Timeout => "timeout",
            Reason::Connection => "connection",
            Reason::Incomplete => "incomplete",
        }
    }
}

impl Unanswered {
    /// A good status with wrong bytes.
    pub(super) const INCOMPLETE: Unanswered = Unanswered { reason: Reason::Incomplete, status: None };

    /// Reads it from an error of the client.
    pub(super) fn of(error: &object_store::Error) -> Unanswered {
        if let Some(reply) = Reply::beneath(error) {
            let reason = if reply.is_definite() { Reason::Refused } else { Reason::Status };
            return Unanswered { reason, status: Some(reply.status) };
        }
        let reason = match cause_of::<HttpError>(error).map(HttpError::kind) {
            Some(HttpErrorKind::Timeout) => Reason::Timeout,
            Some(_) => Reason::Connection,
            None => Reason::Incomplete,
        };
        Unanswered { reason, status: None }
    }

    /// True if the store will answer in the same way again, as far as its answer shows it.
    pub fn is_definite(self) -> bool {
        self.reason == Reason::Refused
    }

    /// What the store does, for a row. Quotes nothing of its answer.
    pub fn text(self) -> String {
        match (self.reason, self.status) {
            (_, Some(status @ (302 | 303 | 307 | 308))) => {
                format!("answers with status {status} (redirects are not followed)")
            }
            (_, Some(status)) => format!("answers with status {status}"),
            (Reason::Timeout, None) => "gives no answer in time".to_owned(),
            (Reason::Connection, None) => "breaks the connection".to_owned(),
            (_, None) => "gives other bytes than it announces".to_owned(),
        }
    }
}
