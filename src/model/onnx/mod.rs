//! A small writer of ONNX graphs: the operators that TResNet needs, in one precision, with batch as the only free
//! axis.
//!
//! Beside it are the readers and the rewriter of graphs that others wrote (`view`, `retarget`).
//!
//! It knows shapes, so that a blur knows on which edges it reads beyond the map; it does not know checkpoints. A
//! difference between what providers run best is a [`Form`]; each operator is written in one place, which checks the
//! form.

pub(super) mod file;
mod form;
mod graph;
mod head;
mod layer;
pub(super) mod nodes;
mod operators;
mod own;
pub(super) mod proto;
pub(super) mod retarget;
mod stem;
pub(super) mod view;
mod ways;
pub(super) mod wire;

pub use form::{Blur, Classifier, Form, Mean, Operators, Own, Pixels, Stem};
pub use graph::{Features, Graph, Map};
pub use head::Head;
pub(super) use head::head_of;
pub(super) use layer::Norm;
pub use layer::{Activation, Kernel};
pub(super) use own::Epilogue;
pub use stem::Image;
pub use ways::{Way, Ways};
