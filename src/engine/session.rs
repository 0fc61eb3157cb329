//! What every session of ONNX Runtime shares, whatever its provider: the names of a graph, and its shapes.

use ort::session::Session;
use ort::value::TensorElementType;

use crate::tensor::{Dtype, Layout};

use super::{EngineError, EngineSpec};

/// Channels of a row that holds squares of 4×4 pixels of 3 channels.
const SQUARES: i64 = 48;

/// What a graph calls its input and outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphNames {
    /// The images: `[batch, 3, height, width]`, or packed space-to-depth, `[batch, height / 4, width / 4, 48]`.
    pub input: String,
    /// The classifier's output, `[batch, C]`.
    pub logits: String,
    /// The pooled features, `[batch, D]`, where the graph gives them.
    pub embedding: Option<String>,
}

/// Reads shapes and types off the session.
pub(super) fn describe(session: &Session, names: &GraphNames) -> Result<EngineSpec, EngineError> {
    let Some(input) = session.inputs().iter().find(|input| input.name() == names.input) else {
        return Err(EngineError::Model(format!("has no input `{}`", names.input)));
    };
    let shape = input.dtype().tensor_shape().map(|shape| shape.to_vec()).unwrap_or_default();
    let (layout, batch, height, width) = match shape[..] {
        [batch, 3, height, width] if height > 0 && width > 0 => (Layout::Nchw, batch, height, width),
        [batch, rows, columns, SQUARES] if rows > 0 && columns > 0 => {
            (Layout::SpaceToDepth, batch, 4 * rows, 4 * columns)
        }
        _ => {
            return Err(EngineError::Model(format!(
                "has an input of shape {shape:?}; [batch, 3, height, width] is needed"
            )));
        }
    };
    let dtype = match input.dtype().tensor_type() {
        Some(TensorElementType::Float32) => Dtype::F32,
        Some(TensorElementType::Float16) => Dtype::F16,
        Some(TensorElementType::Uint8) => Dtype::U8,
        other => return Err(EngineError::Model(format!("has an input of type {other:?}"))),
    };
    let columns = |name: &str| {
        let output = session.outputs().iter().find(|output| output.name() == name);
        let shape = output.and_then(|output| output.dtype().tensor_shape()).map(|shape| shape.to_vec());
        match shape.as_deref() {
            Some([_, columns]) if *columns > 0 => Ok(*columns as usize),
            Some(other) => Err(EngineError::Model(format!("has an output `{name}` of shape {other:?}"))),
            None => Err(EngineError::Model(format!("has no output `{name}`"))),
        }
    };
    Ok(EngineSpec {
        dtype,
        layout,
        channels: 3,
        height: height as usize,
        width: width as usize,
        classes: columns(&names.logits)?,
        dim: names.embedding.as_deref().map_or(Ok(0), columns)?,
        fixed_batch: (batch > 0).then_some(batch as usize),
        depth: 1,
    })
}

impl EngineSpec {
    /// The input's shape for `rows` rows.
    pub(super) fn input_shape(&self, rows: usize) -> [i64; 4] {
        let [rows, channels, height, width] =
            [rows, self.channels, self.height, self.width].map(|axis| axis as i64);
        match self.layout {
            Layout::Nchw => [rows, channels, height, width],
            Layout::Nhwc => [rows, height, width, channels],
            Layout::SpaceToDepth => [rows, height / 4, width / 4, 16 * channels],
        }
    }
}
