//! What a reader of Parquet files needs to know of the job.

use crate::dataset::{CarriedColumn, Truth};

use super::image_column::TableColumns;

/// Encoded bytes of the largest row group that is read into memory; a larger one is read in windows.
const MOST_HELD: u64 = 1 << 30;

/// What a reader of Parquet files needs to know of the job.
#[derive(Debug, Clone)]
pub struct ParquetOptions {
    /// The largest image.
    pub max_encoded_bytes: u64,
    /// Names of the columns of images and keys, where the job has any.
    pub columns: TableColumns,
    /// Where targets come from, if from anywhere.
    pub targets: Option<Truth>,
    /// What is carried.
    pub carried: Vec<CarriedColumn>,
    /// True where version 0.1.0 began the job: it took no float for a class and read no image by its path.
    pub has_earlier_rules: bool,
    /// Encoded bytes of the largest row group that is read into memory.
    pub most_held: u64,
}

impl ParquetOptions {
    /// Images of at most this many bytes, in the columns that a file shows itself, without targets.
    pub fn new(max_encoded_bytes: u64) -> Self {
        ParquetOptions {
            max_encoded_bytes,
            columns: TableColumns::default(),
            targets: None,
            carried: Vec::new(),
            has_earlier_rules: false,
            most_held: MOST_HELD,
        }
    }
}
