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
mod build_options;
mod calibration;
mod card;
mod checkpoint;
mod class_names;
mod companions;
mod config;
mod config_files;
mod design;
mod error;
mod external;
#[cfg(test)]
mod external_tests;
mod file;
mod fold;
#[cfg(test)]
mod graph_tests;
mod image_model;
mod image_processor;
#[cfg(test)]
mod image_processor_tests;
mod info;
mod interface;
mod macs;
mod network;
pub mod onnx;
mod own_network;
mod precision;
mod preprocessing;
pub mod quantize;
mod shorten;
mod tensor_info;
mod tensors;
#[cfg(test)]
mod tests;
mod values;

pub use architecture::{Architecture, BlockKind, Stage};
pub use build_options::BuildOptions;
pub use card::{Metadata, ModelCard};
pub use checkpoint::torch::error::TorchError;
pub use checkpoint::{
    Checkpoint, ChosenCheckpoint, MAX_CHECKPOINT_BYTES, PUBLISHED_NAMES, TakenSet, Tensor, WeightSet, load,
    load_set, published_in,
};
pub use class_names::{default_class_names, read_class_file};
pub use companions::companions;
pub use config::ModelConfig;
pub use design::{Design, StemDesign};
pub use error::{ModelError, TensorMismatch};
pub use external::{WeightFile, identity, read_weight_files};
pub use image_model::{ImageModel, Roles};
pub use info::OnnxInfo;
pub use interface::{BUILDER_VERSION, EMBEDDING, INPUT, LOGITS};
pub use network::{MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, build_design, build_onnx};
pub use onnx::{Blur, Classifier, Form, Head, Mean, Operators, Own, Pixels, Stem, Way, Ways};
pub use precision::Precision;
pub use preprocessing::Preprocessing;
pub use tensor_info::{Dim, ElementType, TensorInfo};
