//! What can go wrong with storage, classified by what a scheduler should do about it.
//!
//! An error keeps its cause, down to the client's or the system's own error. Its text quotes the cause, redacted by
//! [`Redacted`]; nothing else here redacts. The class comes from types, statuses and error codes, never from
//! the text of an error: that contains the object's key.

use std::error::Error;
use std::io;

use crate::failure::{Exit, Failure};
use crate::telemetry::Redacted;

use super::causes::{cause_of, io_error};
use super::credentials::CredentialError;
use super::page::PageError;
use super::reply::Reply;
use super::unanswered::{Reason, Unanswered};

/// A storage operation that failed for good, after all retries.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address cannot be used.
    #[error("`{uri}` is no usable address: {cause}")]
    BadUri {
        /// The address, redacted.
        uri: String,
        /// What is wrong with it.
        #[source]
        cause: Redacted,
    },
    /// The store's settings in the environment do not work.
    #[error("cannot open `{uri}`: {cause}")]
    Setup {
        /// The address, redacted.
        uri: String,
        /// What is wrong.
        #[source]
        cause: Redacted,
    },
    /// A key that would read as another object.
    #[error("the key `{key}` cannot be addressed: {why}; rename the object or leave it out of the input")]
    BadKey {
        /// The key, or as much of the listing's error as names it.
        key: String,
        /// What is wrong with it.
        why: String,
        /// The client's own word on it.
        #[source]
        cause: Redacted,
    },
    /// A listing whose keys do not increase, found too late to sort it.
    #[error(
        "the store lists the key `{key}` out of order, which a plan that was begun in order does not survive; set \
         `[input] listing = \"sort\"` and take a new `output.uri`"
    )]
    Disorder {
        /// The key.
        key: String,
    },
    /// A listing that cannot be relied on.
    #[error("{what}: {cause}")]
    Listing {
        /// What was tried.
        what: String,
        /// What the store answered.
        #[source]
        cause: PageError,
    },
    /// There is no such object or file.
    #[error("{what}: not found")]
    Missing {
        /// What was tried.
        what: String,
        /// The error of the store or the system, if there was one.
        #[source]
        cause: Option<Redacted>,
    },
    /// No right to do it.
    #[error("{what}: access denied: {cause}")]
    Denied {
        /// What was tried.
        what: String,
        /// The store's words.
        #[source]
        cause: Redacted,
    },
    /// There are no credentials, or they have expired: no property of an object.
    #[error("{cause} (for {what})")]
    Credentials {
        /// What was tried.
        what: String,
        /// What is missing, and what to do.
        #[source]
        cause: Redacted,
    },
    /// The object is in an archive tier.
    #[error("{what}: the object is in an archive tier; restore it and run again: {cause}")]
    Archived {
        /// What was tried.
        what: String,
        /// The store's words.
        #[source]
        cause: Redacted,
    },
    /// The store is in another region than the requests are signed for.
    #[error(
        "{what}: {}; set AWS_REGION to the bucket's region (and no AWS_ENDPOINT_URL of another): {cause}",
        region.as_ref().map_or_else(
            || "the bucket is in another region, which the store does not name".to_owned(),
            |region| format!("the bucket is in the region `{region}`"),
        )
    )]
    Region {
        /// What was tried.
        what: String,
        /// The region that the store names.
        region: Option<String>,
        /// The store's words.
        #[source]
        cause: Redacted,
    },
    /// The machine's clock differs from that of the store.
    #[error(
        "{what}: the clock of this machine is wrong, so the store refuses its requests; set the clock (NTP) and run \
         again: {cause}"
    )]
    Clock {
        /// What was tried.
        what: String,
        /// The store's words.
        #[source]
        cause: Redacted,
    },
    /// The place cannot be written.
    #[error("{what}: cannot be written: {cause}")]
    Unwritable {
        /// What was tried.
        what: String,
        /// The store's words.
        #[source]
        cause: Redacted,
    },
    /// A full disk or store, a file too large, or another local error.
    #[error("{what}: {cause}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's words.
        #[source]
        cause: Redacted,
    },
    /// An object with fewer bytes than were recorded of it.
    #[error("{what}: it has {size} bytes and should have {wanted} or more")]
    Short {
        /// What was tried.
        what: String,
        /// Its bytes.
        size: u64,
        /// The end of what was asked for.
        wanted: u64,
    },
    /// No answer, or an answer that a later try may better.
    #[error("{what}: the store does not answer: {cause}")]
    Unavailable {
        /// What was tried.
        what: String,
        /// How it failed to answer.
        unanswered: Unanswered,
        /// The store's words.
        #[source]
        cause: Redacted,
    },
}

/// What an error of `object_store` amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Class {
    Missing,
    Denied,
    Archived,
    Unwritable,
    /// The store knows no conditional writes.
    Unconditional,
    /// The store has no room left.
    Full,
    /// The region that the store names.
    Region(Option<String>),
    Clock,
    /// The credentials have expired.
    Expired,
    Setup,
    Unavailable,
}

/// What was asked of the store when it answered with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Read,
    Write,
    /// A write that must not find an object.
    Create,
}

/// A conditional write that the store answered with 501, or with 400 over its header.
#[derive(Debug, thiserror::Error)]
#[error(
    "the store does not know conditional writes ({source}); set `[storage] conditional_put = \"off\"` and see to it \
     that one process at a time plans"
)]
struct Unconditional {
    source: object_store::Error,
}

/// Credentials that a store no longer takes, and that cannot be renewed.
#[derive(Debug, thiserror::Error)]
#[error("renew the credentials and run again: the store reports that they have expired ({source})")]
struct Expired {
    source: object_store::Error,
}

/// A write for which the store has no room.
#[derive(Debug, thiserror::Error)]
#[error("the store has no room left ({source}); make room or raise the quota, and run again")]
struct Full {
    source: object_store::Error,
}

impl StoreError {
    /// Returns the exit code by which a scheduler decides what to do.
    pub fn exit(&self) -> Exit {
        match self {
            StoreError::BadUri { .. }
            | StoreError::Setup { .. }
            | StoreError::Region { .. }
            | StoreError::Disorder { .. } => Exit::Config,
            StoreError::BadKey { .. } | StoreError::Missing { .. } | StoreError::Archived { .. } => {
                Exit::NoInput
            }
            StoreError::Denied { .. } | StoreError::Clock { .. } | StoreError::Credentials { .. } => {
                Exit::Denied
            }
            StoreError::Short { .. } => Exit::Rejected,
            StoreError::Unwritable { .. } => Exit::CannotCreate,
            StoreError::Io { .. } => Exit::Io,
            StoreError::Unavailable { .. } | StoreError::Listing { .. } => Exit::Unavailable,
        }
    }

    /// True where trying again soon may help.
    pub fn is_transient(&self) -> bool {
        match self {
            StoreError::Unavailable { .. } => true,
            StoreError::Listing { cause, .. } => cause.may_pass(),
            _ => false,
        }
    }

    /// How the store failed to answer; `None` if it answered.
    pub fn unanswered(&self) -> Option<Unanswered> {
        match self {
            StoreError::Unavailable { unanswered, .. } => Some(*unanswered),
            _ => None,
        }
    }

    /// Makes an error that a later try may better.
    pub(super) fn unavailable(
        what: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        StoreError::Unavailable {
            what: what.into(),
            unanswered: Unanswered::INCOMPLETE,
            cause: Redacted::new(cause),
        }
    }

    /// Makes an error of local work that did not come to its end, such as a panic.
    pub(super) fn local(what: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        StoreError::Io { what: what.into(), cause: Redacted::new(cause) }
    }

    /// Classifies an error of `object_store`; `what` names the operation, for a person.
    pub(super) fn from_store(error: object_store::Error, what: impl Into<String>, writing: bool) -> Self {
        Self::from_answer(error, what, if writing { Asked::Write } else { Asked::Read })
    }

    /// As [`StoreError::from_store`], for a write that may be a create.
    pub(super) fn from_answer(error: object_store::Error, what: impl Into<String>, asked: Asked) -> Self {
        let (what, writing) = (what.into(), asked != Asked::Read);
        if let object_store::Error::InvalidPath { source } = error {
            let (key, why) = (source.to_string(), "its path is not plain".into());
            return StoreError::BadKey { key, why, cause: Redacted::new(source) };
        }
        if let Some(cause) = cause_of::<PageError>(&error) {
            return StoreError::Listing { what, cause: cause.clone() };
        }
        if let Some(cause) = cause_of::<CredentialError>(&error).cloned() {
            return StoreError::from_credentials(cause, what);
        }
        if let Some(error) = io_error(&error) {
            return StoreError::from_io(error, what, writing);
        }
        match classify(&error, asked) {
            Class::Missing => StoreError::Missing { what, cause: Some(Redacted::new(error)) },
            Class::Denied => StoreError::Denied { what, cause: Redacted::new(error) },
            Class::Archived => StoreError::Archived { what, cause: Redacted::new(error) },
            Class::Unwritable => StoreError::Unwritable { what, cause: Redacted::new(error) },
            Class::Unconditional => {
                StoreError::Unwritable { what, cause: Redacted::new(Unconditional { source: error }) }
            }
            Class::Full => StoreError::Io { what, cause: Redacted::new(Full { source: error }) },
            Class::Region(region) => StoreError::Region { what, region, cause: Redacted::new(error) },
            Class::Clock => StoreError::Clock { what, cause: Redacted::new(error) },
            Class::Expired => {
                StoreError::Credentials { what, cause: Redacted::new(Expired { source: error }) }
            }
            Class::Setup => StoreError::Setup { uri: what, cause: Redacted::new(error) },
            Class::Unavailable => {
                let unanswered = Unanswered::of(&error);
                StoreError::Unavailable { what, unanswered, cause: Redacted::new(error) }
            }
        }
    }

    /// Makes the error of an operation for which there are no credentials.
    pub(super) fn from_credentials(cause: CredentialError, what: impl Into<String>) -> Self {
        let what = what.into();
        match cause.is_transient() {
            true => {
                let unanswered = Unanswered { reason: Reason::Connection, status: None };
                StoreError::Unavailable { what, unanswered, cause: Redacted::new(cause) }
            }
            false => StoreError::Credentials { what, cause: Redacted::new(cause) },
        }
    }

    /// Classifies an error of writing to the local file system.
    pub fn io(error: io::Error, what: impl Into<String>) -> Self {
        Self::from_io(error, what, true)
    }

    /// Classifies an error of the local file system.
    pub(super) fn from_io(error: io::Error, what: impl Into<String>, writing: bool) -> Self {
        use io::ErrorKind as K;
        let (what, kind, cause) = (what.into(), error.kind(), Redacted::new(error));
        match kind {
            K::NotFound => StoreError::Missing { what, cause: Some(cause) },
            K::NotADirectory if !writing => StoreError::Missing { what, cause: Some(cause) },
            K::PermissionDenied if !writing => StoreError::Denied { what, cause },
            K::PermissionDenied | K::ReadOnlyFilesystem | K::NotADirectory => {
                StoreError::Unwritable { what, cause }
            }
            _ => StoreError::Io { what, cause },
        }
    }
}

fn classify(error: &object_store::Error, asked: Asked) -> Class {
    use object_store::Error as E;
    let reply = Reply::beneath(error);
    // these come under the statuses of other classes
    match &reply {
        Some(reply) if reply.is_about_the_clock() => return Class::Clock,
        Some(reply) if reply.is_about_expiry() => return Class::Expired,
        Some(reply) if reply.is_about_the_region() => return Class::Region(reply.region.clone()),
        Some(reply) if asked != Asked::Read && reply.has_no_room() => return Class::Full,
        Some(reply) if asked == Asked::Read && reply.is_about_an_archive() => return Class::Archived,
        _ => {}
    }
    match error {
        E::NotFound { .. } if asked != Asked::Read => return Class::Unwritable,
        E::NotFound { .. } => return Class::Missing,
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => return Class::Denied,
        E::UnknownConfigurationKey { .. } | E::NotSupported { .. } | E::NotImplemented { .. } => {
            return Class::Setup;
        }
        _ => {}
    }
    match reply {
        Some(reply) if reply.denies() => Class::Denied,
        Some(reply) if reply.misses() => Class::Missing,
        Some(reply) if asked == Asked::Create && reply.refuses_a_header() => Class::Unconditional,
        Some(reply) if asked == Asked::Write && reply.status == 501 => Class::Unwritable,
        _ => Class::Unavailable,
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::of(error.exit(), error)
    }
}

#[cfg(test)]
mod tests;
