//! The common form of a checkpoint, whatever layout it came in.

use std::collections::BTreeMap;

/// Last part of the name of a counter that only training reads.
const COUNTER: &str = "num_batches_tracked";

/// One tensor of weights, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Lengths of its axes, outermost first.
    pub shape: Vec<usize>,
    /// As many values as the shape says. Wider types were rounded to f32, narrower ones are exact.
    pub values: Vec<f32>,
}

/// The tensors of a network under timm's names (the authors' were translated), without the counters that only training reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// By name.
    pub tensors: BTreeMap<String, Tensor>,
    /// SHA-256 of the file, 64 hexadecimal digits: the identity of the weights.
    pub sha256: String,
}

/// Whether a name is that of a counter, which readers leave out.
pub(super) fn is_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some(COUNTER)
}
