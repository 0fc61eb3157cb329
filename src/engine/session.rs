//! What every session of ONNX Runtime shares, whatever its provider: the names of a graph, and its shapes.

use std::sync::Arc;

use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::TensorElementType;

use crate::tensor::{Dtype, Layout};

use super::{EngineError, EngineSpec};

/// Channels of a row that holds squares of 4×4 pixels of 3 channels.
const SQUARES: i64 = 48;

/// What a graph calls its input and outputs, and how long the axes are that it leaves free.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct GraphNames {
    /// The images: `[batch, 3, height, width]`, `[batch, height, width, 3]`, or packed space-to-depth,
    /// `[batch, height / 4, width / 4, 48]`.
    pub input: String,
    /// The classifier's output, `[batch, C]`, where the graph has one.
    pub logits: Option<String>,
    /// The pooled features, `[batch, D]`, where the graph gives them.
    pub embedding: Option<String>,
    /// What the graph does not fix.
    pub free: FreeAxes,
}

/// Lengths of axes that a graph leaves free.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FreeAxes {
    /// Height and width in pixels.
    pub side: Option<usize>,
    /// The names that height and width have in the graph.
    pub side_names: Vec<String>,
    /// The name that the batch has there; default: `batch`.
    pub batch_name: Option<String>,
    /// C.
    pub classes: Option<usize>,
    /// D.
    pub dim: Option<usize>,
}

impl GraphNames {
    /// The same for images of this side, where the graph leaves it free.
    #[must_use]
    pub fn at(mut self, side: u32) -> GraphNames {
        self.free.side = Some(side as usize);
        self
    }

    /// The outputs that are read.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &String> {
        self.logits.iter().chain(&self.embedding)
    }
}

/// A graph's file, and the files beside it that hold weights of it, by their paths in the graph.
#[derive(Debug, Clone, Copy)]
pub struct GraphFiles<'a> {
    /// The graph.
    pub graph: &'a [u8],
    /// The weights.
    pub weights: &'a [(String, Arc<[u8]>)],
}

impl<'a, B: AsRef<[u8]> + ?Sized> From<&'a B> for GraphFiles<'a> {
    fn from(graph: &'a B) -> GraphFiles<'a> {
        GraphFiles { graph: graph.as_ref(), weights: &[] }
    }
}

impl GraphFiles<'_> {
    /// A session of the graph. The bytes of its weights stay in memory as long as that.
    pub(super) fn commit(self, mut builder: SessionBuilder) -> Result<Session, EngineError> {
        let load = |error: &dyn std::fmt::Display| EngineError::Load(error.to_string());
        for (location, bytes) in self.weights {
            builder = builder
                .with_external_initializer_file_in_memory(location, bytes.clone())
                .map_err(|error| load(&error))?;
        }
        builder.commit_from_memory(self.graph).map_err(|error| load(&error))
    }
}

/// What a session takes.
pub(super) struct Face {
    pub dtype: Dtype,
    pub layout: Layout,
    /// Where the graph fixes it.
    pub batch: Option<usize>,
    pub height: usize,
    pub width: usize,
}

/// Reads the input's type and axes off the session.
pub(super) fn face(session: &Session, names: &GraphNames) -> Result<Face, EngineError> {
    let Some(input) = session.inputs().iter().find(|input| input.name() == names.input) else {
        return Err(EngineError::Model(format!("has no input `{}`", names.input)));
    };
    let shape = input.dtype().tensor_shape().map(|shape| shape.to_vec()).unwrap_or_default();
    let side = |axis: i64| match usize::try_from(axis) {
        Ok(0) => None,
        Ok(axis) => Some(axis),
        Err(_) => names.free.side,
    };
    let axes = match shape[..] {
        [batch, 3, height, width] => Some((Layout::Nchw, batch, height, width)),
        [batch, rows, columns, SQUARES] if rows > 0 && columns > 0 => {
            Some((Layout::SpaceToDepth, batch, 4 * rows, 4 * columns))
        }
        [batch, height, width, 3] => Some((Layout::Nhwc, batch, height, width)),
        [batch, -1, height, width] => Some((Layout::Nchw, batch, height, width)),
        _ => None,
    };
    let axes =
        axes.and_then(|(layout, batch, height, width)| Some((layout, batch, side(height)?, side(width)?)));
    let Some((layout, batch, height, width)) = axes else {
        return Err(EngineError::Model(format!(
            "has an input of shape {shape:?}; [batch, 3, height, width] or [batch, height, width, 3] is needed"
        )));
    };
    let dtype = match input.dtype().tensor_type() {
        Some(TensorElementType::Float32) => Dtype::F32,
        Some(TensorElementType::Float16) => Dtype::F16,
        Some(TensorElementType::Uint8) => Dtype::U8,
        other => return Err(EngineError::Model(format!("has an input of type {other:?}"))),
    };
    let batch = usize::try_from(batch).ok().filter(|batch| *batch > 0);
    Ok(Face { dtype, layout, batch, height, width })
}

/// Reads shapes and types off the session.
pub(super) fn describe(session: &Session, names: &GraphNames) -> Result<EngineSpec, EngineError> {
    let Face { dtype, layout, batch, height, width } = face(session, names)?;
    let columns = |name: &Option<String>, free: Option<usize>| {
        let Some(name) = name else { return Ok(0) };
        let Some(output) = session.outputs().iter().find(|output| output.name() == name) else {
            return Err(EngineError::Model(format!("has no output `{name}`")));
        };
        let shape = output.dtype().tensor_shape().map(|shape| shape.to_vec());
        match (shape.as_deref(), free) {
            (Some([_, columns]), _) if *columns > 0 => Ok(*columns as usize),
            (Some([_, _] | []) | None, Some(free)) => Ok(free),
            (shape, _) => Err(EngineError::Model(format!("has an output `{name}` of shape {shape:?}"))),
        }
    };
    Ok(EngineSpec {
        dtype,
        layout,
        channels: 3,
        height,
        width,
        classes: columns(&names.logits, names.free.classes)?,
        dim: columns(&names.embedding, names.free.dim)?,
        fixed_batch: batch,
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
