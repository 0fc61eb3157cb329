//! What is decided when a graph is built.

use super::onnx::Form;
use super::precision::Precision;

/// What is decided when a graph is built, besides its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildOptions {
    /// Arithmetic of the maps.
    pub precision: Precision,
    /// Side of the square input in pixels: a multiple of 4.
    pub image_size: u32,
    /// How the network is drawn; the function is the same in every form.
    pub form: Form,
}
