//! What a report computes only on request.

use super::slice_by::SliceBy;

/// What a report says beyond what every report says. It costs columns that are else not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// Columns that rows are told apart by.
    pub slices: Vec<SliceBy>,
    /// The rows keep the logits of a softmax: score all probabilities (Brier).
    pub logits: bool,
}
