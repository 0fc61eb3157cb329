//! TResNet itself: a checkpoint's tensors in, an ONNX graph with its metadata out.
//!
//! ```text
//! .safetensors, .pth ─load─► Checkpoint ─infer─► Architecture ─┐
//!                                └───────────────────────────────┴─build_onnx─► graph bytes ─► OnnxInfo
//! config.json ─────────────► ModelConfig ─► Preprocessing, class names ─► Metadata ┘
//! ```
//!
//! This room exists so that a job needs the weights and nothing else: no Python, no exported graph lying about,
//! no second file whose settings may disagree. What a network is follows from the names and shapes of its
//! tensors; a file is checked against that before a single weight is used.
//!
//! It refuses to run a graph (that is the engine's), to fetch anything, to guess which of two readings of a file
//! was meant, and to execute what a file contains. Only the list of ImageNet's classes is shared with the rest
//! of the crate.

mod architecture;
mod blocks;
mod card;
mod checkpoint;
mod config;
mod design;
mod error;
mod floats;
mod fold;
mod info;
mod layout;
mod names;
mod network;
pub mod onnx;
pub mod quantize;
mod random;
mod safetensors;
mod tensors;
#[cfg(test)]
mod tests;
mod torch;

pub use architecture::{Architecture, BlockKind, Stage};
pub use card::{Metadata, ModelCard};
pub use checkpoint::{Checkpoint, MAX_CHECKPOINT_BYTES, Tensor, load};
pub use config::{ModelConfig, Preprocessing};
pub use design::{Design, StemDesign};
pub use error::{ModelError, TensorMismatch};
pub use info::{Dim, ElementType, ImageModel, OnnxInfo, TensorInfo};
pub use names::{default_class_names, read_class_file};
pub use network::{BuildOptions, MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, build_design, build_onnx};
pub use onnx::{Blur, Form, Mean, Pixels, Precision, Stem};
pub use torch::TorchError;

/// Version of the function that a built graph computes. It is part of a model's identity, so it rises when the
/// same weights give other numbers, and stays when only the way of computing them changes.
pub const BUILDER_VERSION: u32 = 1;

/// Name of the graph's input: `[batch, 3, size, size]`, RGB.
pub const INPUT: &str = "images";
/// Name of the classifier's output: `[batch, classes]`, f32, before softmax.
pub const LOGITS: &str = "logits";
/// Name of the pooled features' output: `[batch, dim]`, f32, what the classifier reads.
pub const EMBEDDING: &str = "embedding";
