//! What a caller requests of a comparison.

use super::super::slice_by::SliceBy;

/// What a comparison keeps and reports beside its figures.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// The column that rows are grouped by.
    pub by: Option<SliceBy>,
    /// How many keys each list keeps.
    pub examples: usize,
    /// Whether every changed row is kept until [`PairSums::take_changes`](super::PairSums::take_changes).
    pub changes: bool,
}
