//! What can be wrong with an output as a whole.

use crate::failure::{Exit, Failure};
use crate::store::{ParquetReadError, StoreError};

/// What can be wrong with an output.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A file on the output that this job did not write.
    #[error("`{name}` on the output {why}; take another `output.uri`")]
    Foreign {
        /// The object.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A part file whose footer contradicts the plan or its own name.
    #[error("the part file `{name}` {why}")]
    Inconsistent {
        /// The object.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A part file that is not whole: damage from elsewhere, since a part is written at once or not at all.
    #[error(
        "the part file `{name}` is damaged: {why}; `tresnet-batch verify JOB --repair` removes it, and the next run \
         makes it again"
    )]
    Damaged {
        /// The object.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A finished output without some of its parts.
    #[error(
        "the finished output `{uri}` has lost rows: {lost}; `tresnet-batch verify {uri} --repair` prepares it for a \
         run that makes these parts again"
    )]
    Lost {
        /// The output.
        uri: String,
        /// The parts, and what is wrong with each.
        lost: String,
    },
    /// A repair has begun and not ended.
    #[error(
        "a repair of the output `{uri}` has begun and not ended; `tresnet-batch verify {uri} --repair` ends it"
    )]
    Repairing {
        /// The output.
        uri: String,
    },
    /// Encoding failed: a bug, since the columns are ours.
    #[error("cannot encode rows: {0}")]
    Encode(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Failure {
        let exit = match &error {
            OutputError::Foreign { .. } | OutputError::Inconsistent { .. } => Exit::CannotCreate,
            OutputError::Damaged { .. } | OutputError::Lost { .. } | OutputError::Repairing { .. } => {
                Exit::Rejected
            }
            OutputError::Encode(_) => Exit::Bug,
            // an output that refuses writes is a matter of its location; on a store, of the rights to it
            OutputError::Store(error) => error.exit(),
        };
        Failure::of(exit, error)
    }
}

impl From<ParquetReadError> for OutputError {
    fn from(error: ParquetReadError) -> OutputError {
        match error {
            ParquetReadError::Damaged { name, why } => OutputError::Damaged { name, why },
            ParquetReadError::Refused { name, error } => {
                OutputError::Inconsistent { name, why: format!("cannot be read: {error}") }
            }
            ParquetReadError::Store(error) => OutputError::Store(error),
        }
    }
}
