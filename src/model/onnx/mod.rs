//! A small writer of ONNX graphs: the operators that TResNet needs, in one precision, with batch as the only free
//! axis.
//!
//! It knows shapes, so that a blur can tell on which edges it reads beyond the map; it knows nothing of
//! checkpoints. Rewrites for one provider (a 12×12 stem, padded channels, another layout) start here: each
//! operator is drawn in one place.

mod graph;
mod operators;
pub(super) mod proto;

pub use graph::{Features, Graph, Map, Precision};
pub use operators::{Activation, Kernel};
