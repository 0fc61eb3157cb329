//! The rows as they stay: schema, part files, the commit, and the finish.
//!
//! A part file is encoded whole in memory and written by one conditional PUT; that PUT is the commit. Nothing
//! here overwrites what decides rows. Only a repair deletes it, and a run a torn part of a local disk.

mod committed;
mod content_hash;
mod cursor;
mod error;
pub mod export;
mod layout;
mod lost;
mod part;
mod ranges;
mod read_rows;
mod repair;
mod rows;
mod schema;
mod status;
mod success;
pub mod verify;

pub use committed::{CommittedPart, CommittedParts, PartTime};
pub use content_hash::content_hash;
pub use cursor::{Cursor, schema_of};
pub use error::OutputError;
pub use export::timm::csv_cell;
pub use layout::Layout;
pub use lost::LostParts;
pub use part::{Assembler, EncodedPart, PartContext, PartFile, PartFooter, commit, encode, error_rows};
pub use ranges::Ranges;
pub use read_rows::read_rows;
pub use repair::Repair;
pub use rows::{Odds, Predictions};
pub use schema::{Activation, COLUMNS, CONTENT_HASH, Embedding, Options};
pub use status::Status;
pub use success::{Success, Totals};
