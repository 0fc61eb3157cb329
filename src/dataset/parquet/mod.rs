//! Parquet files that hold the images themselves, as Hugging Face lays them out: a column `image` of
//! `struct<bytes, path>`, and a column `label`.
//!
//! A row group is a part. Footers are read when the plan is made; of a group only the columns that are needed.

mod columns;
mod dataset;
mod images;
mod source;

pub use columns::Labels;
pub use dataset::ParquetDataset;
pub use images::{ParquetImage, ParquetOptions, scan};
pub use source::ParquetSource;
