//! Manifests: a file that lists the images, one a row, with what else is known of them.
//!
//! CSV and TSV with a header, JSON lines, Parquet, plain lines, or an S3 Inventory. It is read once from its beginning to its end
//! and never held whole; the order of its rows is the order of the plan.

mod columns;
mod file;
mod inventory;
mod keys;
mod kind;
mod lines;
mod reading;
mod rows;
mod rules;
mod source;
mod walk;

pub use columns::ColumnNames;
pub use file::Manifest;
pub(super) use rows::json_text;
pub use rules::{LaterTargets, ManifestRules};
pub use source::ManifestSource;
