//! What every session of ONNX Runtime shares, whatever its provider: the names of a graph, and its shapes.

use ort::session::Session;
use ort::value::TensorElementType;

use crate::tensor::{Dtype, Layout};

use super::{EngineError, EngineSpec};

/// What a graph calls its input and outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphNames {
    /// The images, `[batch, 3, height, width]`.
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
    let [batch, channels, height, width] = shape[..] else {
        return Err(EngineError::Model(format!(
            "has an input of shape {shape:?}; [batch, 3, height, width] is needed"
        )));
    };
    if channels != 3 || height < 1 || width < 1 {
        return Err(EngineError::Model(format!(
            "has an input of shape {shape:?}; [batch, 3, height, width] is needed"
        )));
    }
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
        layout: Layout::Nchw,
        channels: 3,
        height: height as usize,
        width: width as usize,
        classes: columns(&names.logits)?,
        dim: names.embedding.as_deref().map_or(Ok(0), columns)?,
        fixed_batch: (batch > 0).then_some(batch as usize),
        depth: 1,
    })
}
