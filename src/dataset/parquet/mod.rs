//! Parquet files that hold images: a column of bytes, of structs of `bytes` and `path` as Hugging Face writes it, or of
//! lists of these. Rows with a path alone are read from the object that it names.
//!
//! A row group is a part. Footers are read when the plan is made; of a group only the columns that are needed.

mod columns;
mod dataset;
mod footers;
mod group_source;
mod image_column;
mod images;
mod labels;
mod opened;
mod options;
mod paths;
mod reading;
#[cfg(test)]
mod reading_tests;
mod scan;
mod source;
#[cfg(test)]
mod tests;

pub use dataset::ParquetDataset;
pub use image_column::TableColumns;
pub use images::{ImageBytes, ParquetImage};
pub use labels::Labels;
pub use options::ParquetOptions;
pub use paths::EARLIER_UNREAD;
pub use scan::scan;
pub use source::{ParquetSource, TableFacts};
