//! What can be wrong with a job file.

use crate::failure::{Exit, Failure};
use crate::image::OptionsError;
use crate::store::StoreError;

/// A job that cannot be run as it is typed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The file cannot be read.
    #[error("cannot read the job file `{path}`: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// The error text of the system.
        why: String,
    },
    /// It is no TOML.
    #[error("`{path}` is no valid TOML: {why}")]
    Syntax {
        /// The file.
        path: String,
        /// The error text of the parser, with line and column.
        why: String,
    },
    /// A key that does not exist.
    #[error("{place}: unknown key `{key}`{nearest}")]
    UnknownKey {
        /// File and line, or `--set`.
        place: String,
        /// The key with its table.
        key: String,
        /// `; did you mean …?`, or nothing.
        nearest: String,
    },
    /// A key that looks like a credential.
    #[error(
        "{place}: `{key}` looks like a credential; those come from the environment, never from a job file"
    )]
    Credential {
        /// File and line, or `--set`.
        place: String,
        /// The key.
        key: String,
    },
    /// A value that does not fit its key.
    #[error("{place}: `{key}` {why}")]
    Value {
        /// File and line, or `--set`.
        place: String,
        /// The key with its table.
        key: String,
        /// What is wrong with its value.
        why: String,
    },
    /// A variable without a value.
    #[error("{place}: the variable `{name}` is not set; set it or write `${{{name}:-default}}`")]
    Variable {
        /// File and line, or `--set`.
        place: String,
        /// The variable.
        name: String,
    },
    /// Parts of the job that do not fit together.
    #[error("{0}")]
    Mismatch(String),
    /// The output belongs to another job.
    #[error("the output `{uri}` belongs to another job: {differences}; take another `output.uri`")]
    OtherJob {
        /// The output.
        uri: String,
        /// Each differing component with both values.
        differences: String,
    },
    /// The preprocessing cannot be.
    #[error("[preprocess]: {0}")]
    Preprocess(#[from] OptionsError),
    /// An address or a store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Failure {
        match error {
            JobError::Store(error) => error.into(),
            error => Failure::of(Exit::Config, error),
        }
    }
}
