//! Why two outputs cannot be compared.

use super::super::error::ReportError;

/// Why two outputs cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// The models have different classes.
    #[error("the two outputs cannot be compared: {0}")]
    Classes(String),
    /// The ground truth of a row is not the same.
    #[error(
        "row `{key}` has target {a} in A and {b} in B: accuracies over different truths cannot be compared; \
         run both with the same targets, or compare both with one truth by `--targets`"
    )]
    Targets {
        /// The row's key, shortened.
        key: String,
        /// A's target.
        a: i32,
        /// B's target, as A's class list numbers it.
        b: i32,
    },
    /// The sets of classes that a row may be are not the same.
    #[error(
        "row `{key}` has other targets in A than in B: accuracies over different truths cannot be compared; run both \
         with the same targets, or compare both with one truth by `--targets`"
    )]
    Sets {
        /// The row's key, shortened.
        key: String,
    },
    /// The rows of one side are not what `tresnet-batch` writes.
    #[error("output {side}: {error}")]
    Rows {
        /// `A` or `B`.
        side: char,
        /// What is wrong.
        error: ReportError,
    },
}
