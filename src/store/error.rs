//! What can go wrong with storage, sorted by what a scheduler should do about it.

use std::io;

use crate::failure::{Exit, Failure};

use super::redact;

/// Signs of a refusal in the text of an error that carries no status of its own.
const DENIALS: [&str; 5] =
    ["status code: 403", "status code: 401", "ExpiredToken", "InvalidToken", "InvalidAccessKeyId"];

/// A storage operation that failed for good (retries are behind it). Details are already redacted.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address cannot be used.
    #[error("`{uri}` is no usable address: {why}")]
    BadUri {
        /// The address, redacted.
        uri: String,
        /// What is wrong with it.
        why: String,
    },
    /// The store's settings in the environment do not work.
    #[error("cannot open `{uri}`: {why}")]
    Setup {
        /// The address, redacted.
        uri: String,
        /// What is wrong.
        why: String,
    },
    /// A key that would read as another object.
    #[error("the key `{key}` cannot be addressed: {why}; rename the object or leave it out of the input")]
    BadKey {
        /// The key, or as much of the listing's error as names it.
        key: String,
        /// What is wrong with it.
        why: String,
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
    /// Nothing there.
    #[error("{what}: not found")]
    Missing {
        /// What was tried.
        what: String,
    },
    /// No right to do it.
    #[error("{what}: access denied: {detail}")]
    Denied {
        /// What was tried.
        what: String,
        /// The store's words.
        detail: String,
    },
    /// The place cannot be written.
    #[error("{what}: cannot be written: {detail}")]
    Unwritable {
        /// What was tried.
        what: String,
        /// The store's words.
        detail: String,
    },
    /// Disk full, a file too large, or another local I/O error.
    #[error("{what}: {detail}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's words.
        detail: String,
    },
    /// No answer, or an answer that a later try may better.
    #[error("{what}: the store does not answer: {detail}")]
    Unavailable {
        /// What was tried.
        what: String,
        /// The store's words.
        detail: String,
    },
}

impl StoreError {
    /// The exit code that tells a scheduler what to do.
    pub fn exit(&self) -> Exit {
        match self {
            StoreError::BadUri { .. } | StoreError::Setup { .. } | StoreError::Disorder { .. } => {
                Exit::Config
            }
            StoreError::BadKey { .. } | StoreError::Missing { .. } => Exit::NoInput,
            StoreError::Denied { .. } => Exit::Denied,
            StoreError::Unwritable { .. } => Exit::CannotCreate,
            StoreError::Io { .. } => Exit::Io,
            StoreError::Unavailable { .. } => Exit::Unavailable,
        }
    }

    /// True where trying again soon may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Unavailable { .. })
    }

    /// Sorts an error of `object_store`; `what` says what was tried, for a person.
    pub(super) fn from_store(error: object_store::Error, what: impl Into<String>, writing: bool) -> Self {
        use object_store::Error as E;
        let what = what.into();
        let detail = redact(&error.to_string());
        match &error {
            E::NotFound { .. } if writing => StoreError::Unwritable { what, detail },
            E::NotFound { .. } => StoreError::Missing { what },
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => StoreError::Denied { what, detail },
            E::InvalidPath { source } => {
                StoreError::BadKey { key: source.to_string(), why: "its path is not plain".into() }
            }
            E::UnknownConfigurationKey { .. } | E::NotSupported { .. } | E::NotImplemented { .. } => {
                StoreError::Setup { uri: what, why: detail }
            }
            // listings lose their status on the way, and some stores say 400 for a token that has expired
            _ if DENIALS.iter().any(|sign| detail.contains(sign)) => StoreError::Denied { what, detail },
            _ if detail.contains("status code: 404") => StoreError::Missing { what },
            _ if writing && detail.contains("501 Not Implemented") => StoreError::Unwritable {
                what,
                detail: format!(
                    "the store does not know conditional writes ({detail}); set `[storage] conditional_put = \"off\"` and \
                     see to it that one process at a time plans"
                ),
            },
            _ => match io_error(&error) {
                Some(cause) => StoreError::from_io(cause, what, writing),
                None => StoreError::Unavailable { what, detail },
            },
        }
    }

    /// Sorts an error of writing to the local file system.
    pub fn io(error: &io::Error, what: impl Into<String>) -> Self {
        Self::from_io(error, what, true)
    }

    /// Sorts an error of the local file system.
    pub(super) fn from_io(error: &io::Error, what: impl Into<String>, writing: bool) -> Self {
        use io::ErrorKind as K;
        let (what, detail) = (what.into(), error.to_string());
        match error.kind() {
            K::NotFound => StoreError::Missing { what },
            K::NotADirectory if !writing => StoreError::Missing { what },
            K::PermissionDenied if !writing => StoreError::Denied { what, detail },
            K::PermissionDenied | K::ReadOnlyFilesystem | K::NotADirectory => {
                StoreError::Unwritable { what, detail }
            }
            _ => StoreError::Io { what, detail },
        }
    }
}

/// The operating system's error behind a local store's, if that is what it is. Network errors are wrapped in
/// the HTTP client's own types and carry an `io::Error` too, so only the local store's are looked at.
fn io_error(error: &object_store::Error) -> Option<&io::Error> {
    let object_store::Error::Generic { store: "LocalFileSystem", source } = error else { return None };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(source.as_ref());
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return Some(io);
        }
        cause = inner.source();
    }
    None
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::new(error.exit(), error.to_string())
    }
}

/// Why one image's bytes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The store says there is no such object.
    #[error("not found")]
    NotFound,
    /// The store says it may not be read.
    #[error("access denied")]
    Denied,
    /// It is not the object that was planned.
    #[error("changed since it was planned")]
    Changed,
    /// It is larger than the limit.
    #[error("{size} bytes")]
    TooLarge {
        /// Bytes of the object.
        size: u64,
    },
    /// Anything else: a fault of the store, not of the image.
    #[error(transparent)]
    Store(#[from] StoreError),
}
