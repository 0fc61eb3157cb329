//! What an engine takes and gives.

use crate::tensor::{Dtype, Layout};

/// What an engine takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSpec {
    /// Element type of the input.
    pub dtype: Dtype,
    /// How a row is packed.
    pub layout: Layout,
    /// Channels of the input.
    pub channels: usize,
    /// Height of the input in pixels.
    pub height: usize,
    /// Width of the input in pixels.
    pub width: usize,
    /// Columns of the output `logits`.
    pub classes: usize,
    /// Columns of the output `embedding`.
    pub dim: usize,
    /// The one batch size that the device takes, where it takes only one.
    pub fixed_batch: Option<usize>,
    /// Batches in flight: 1 where submitting computes.
    pub depth: usize,
}

impl EngineSpec {
    /// Bytes of one input row.
    pub fn row_bytes(&self) -> usize {
        self.channels * self.height * self.width * self.dtype.size()
    }
}
