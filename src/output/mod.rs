//! The rows as they stay: schema, part files, the commit, and the finish.
//!
//! A part file is encoded whole in memory and written by one conditional PUT; that PUT is the commit. Nothing
//! here overwrites or deletes what decides rows.

mod committed;
mod cursor;
pub mod export;
mod layout;
mod part;
mod ranges;
mod rows;
mod schema;
mod status;
mod success;
pub mod verify;

pub use committed::{CommittedPart, CommittedParts, PartTime, read_rows};
pub use cursor::{Cursor, schema_of};
pub use export::timm::csv_cell;
pub use layout::Layout;
pub use part::{Assembler, EncodedPart, PartContext, PartFile, PartFooter, commit, encode, error_rows};
pub use ranges::Ranges;
pub use rows::{Odds, Predictions};
pub use schema::{Activation, COLUMNS, Embedding, Options};
pub use status::Status;
pub use success::{Success, Totals};

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
            OutputError::Encode(_) => Exit::Bug,
            // an output that may not be written is a matter of where it lies; of rights to it, on a store
            OutputError::Store(error) => error.exit(),
        };
        Failure::new(exit, error.to_string())
    }
}

impl From<ParquetReadError> for OutputError {
    fn from(error: ParquetReadError) -> OutputError {
        match error {
            ParquetReadError::Damaged { name, why } => {
                OutputError::Inconsistent { name, why: format!("is damaged: {why}") }
            }
            ParquetReadError::Refused { name, error } => {
                OutputError::Inconsistent { name, why: format!("cannot be read: {error}") }
            }
            ParquetReadError::Store(error) => OutputError::Store(error),
        }
    }
}
