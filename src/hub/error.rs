//! What can be wrong with a model of a hub.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::failure::{Exit, Failure};

/// Why a model of a hub cannot be used.
#[derive(Debug, Error)]
pub enum HubError {
    /// What was typed is no address.
    #[error("`{address}` is no address of a model on a hub: {why}")]
    Address {
        /// As typed, without what may be a secret.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// A variable, or the file that it names, cannot be used.
    #[error("the environment variable {name} {why}")]
    Environment {
        /// The variable.
        name: &'static str,
        /// What is wrong with it; never its value.
        why: String,
    },
    /// The hub refuses to give it to this user.
    #[error("{what}: {why}")]
    Denied {
        /// What was asked for.
        what: String,
        /// What to do about it.
        why: String,
    },
    /// The hub has no such repository, revision or file.
    #[error("{what} does not exist{near}")]
    Missing {
        /// What was asked for.
        what: String,
        /// What is near to it and exists, with its comma, or nothing.
        near: String,
    },
    /// No answer, or an answer that a later try may better.
    #[error("{what}: {why}; run the same command again later, which resumes")]
    Unavailable {
        /// What was asked for.
        what: String,
        /// How it failed to answer.
        why: String,
    },
    /// An answer that contradicts itself or the protocol.
    #[error("{what}: {why}")]
    Answer {
        /// What was asked for.
        what: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// A file that is not what the hub promised.
    #[error(
        "{what} does not have the {kind} that the hub promises ({promised}); it was removed from the cache, and nothing of it is used: {then}"
    )]
    Hash {
        /// The file.
        what: String,
        /// `SHA-256` or `git hash`.
        kind: &'static str,
        /// The promised hash.
        promised: String,
        /// What to do.
        then: &'static str,
    },
    /// Not in the cache, while only the cache may be used.
    #[error(
        "{what} is not in the cache `{cache}`, and HF_HUB_OFFLINE forbids to fetch it: fetch it once with `tresnet-batch \
         model pull`"
    )]
    Offline {
        /// What was asked for.
        what: String,
        /// The cache.
        cache: PathBuf,
    },
    /// A repository with several files that may be meant, or none.
    #[error("{what} {why}")]
    Choice {
        /// The repository.
        what: String,
        /// The candidates, and how to name one.
        why: String,
    },
    /// The cache cannot be written or read.
    #[error("the cache of the hub at `{path}` cannot be {doing}")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// `read` or `written`.
        doing: &'static str,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

impl HubError {
    /// True if a later try may succeed.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, HubError::Unavailable { .. })
    }

    fn exit(&self) -> Exit {
        match self {
            HubError::Denied { .. } => Exit::Denied,
            HubError::Unavailable { .. } => Exit::Unavailable,
            HubError::Cache { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Exit::CannotCreate,
                _ => Exit::Io,
            },
            HubError::Address { .. }
            | HubError::Environment { .. }
            | HubError::Missing { .. }
            | HubError::Answer { .. }
            | HubError::Hash { .. }
            | HubError::Offline { .. }
            | HubError::Choice { .. } => Exit::Config,
        }
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Failure {
        Failure::of(error.exit(), error)
    }
}
