//! What the readers of a built graph rely on: the names of its input and outputs, and the version of its function.

/// Version of the function that a built graph computes. It is part of a model's identity, so it rises when the
/// same weights give other numbers, and stays when only the way of computing them changes.
pub const BUILDER_VERSION: u32 = 1;

/// Name of the graph's input: `[batch, 3, size, size]`, RGB.
pub const INPUT: &str = "images";
/// Name of the classifier's output: `[batch, classes]`, f32, before softmax.
pub const LOGITS: &str = "logits";
/// Name of the pooled features' output: `[batch, dim]`, f32, what the classifier reads.
pub const EMBEDDING: &str = "embedding";
