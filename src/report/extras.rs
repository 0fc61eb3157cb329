//! What a report computes only on request.

use super::slice_by::SliceBy;

/// Figures that a report has only on request. They cost columns that are otherwise not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// Columns that rows are grouped by.
    pub slices: Vec<SliceBy>,
    /// The rows keep the logits of a softmax: score all probabilities (Brier).
    pub logits: bool,
}
