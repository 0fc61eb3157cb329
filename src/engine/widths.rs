//! The widths of a graph's outputs, where the graph does not declare them.

use half::f16;
use ort::session::Session;
use ort::value::{DynTensor, Tensor};

use crate::tensor::{Dtype, Layout};

use super::session::{Face, GraphFiles, GraphNames, face};
use super::{EngineError, Runtime};

/// Images of the trial: with one, an axis of the batch could not be distinguished from one of length 1.
const ROWS: usize = 2;

/// Numbers of the trial's input, at most: 4 GiB in single precision.
const MOST_NUMBERS: usize = 1 << 30;

/// Columns of a graph's outputs; 0 where it has no such output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    /// C.
    pub classes: usize,
    /// D.
    pub dim: usize,
}

/// Runs two black images, or as many as the graph takes, on the processor, and looks at what comes out.
///
/// # Errors
/// [`EngineError::Load`] by ONNX Runtime; [`EngineError::Model`] for images too large for a trial, a graph that does not run,
/// and an output that is not `[batch, n]`.
pub fn find_widths(
    runtime: &Runtime,
    graph: GraphFiles<'_>,
    names: &GraphNames,
) -> Result<Widths, EngineError> {
    let load = |error: ort::Error| EngineError::Load(error.to_string());
    let set = |error: ort::Error<_>| EngineError::Load(error.to_string());
    let builder =
        Session::builder(&runtime.environment).map_err(load)?.with_intra_op_spinning(false).map_err(set)?;
    let mut session = graph.commit(builder)?;
    let face = face(&session, names)?;
    let rows = face.batch.unwrap_or(ROWS);
    let shape = shape(&face, rows);
    let length = shape.iter().try_fold(1, |all: usize, axis| all.checked_mul(*axis));
    let Some(length) = length.filter(|length| *length <= MOST_NUMBERS) else {
        return Err(EngineError::Model(format!(
            "takes images of the shape {shape:?}, more than a trial of its outputs' widths can hold; set a smaller \
             `preprocess.image_size`, or export it with fixed widths"
        )));
    };
    // to run it again would not help
    let run = |error: ort::Error| {
        EngineError::Model(format!(
            "does not run on {rows} black images, which would show how wide its outputs are; export it for any batch, or \
             with fixed widths: {error}"
        ))
    };
    let input = black(face.dtype, shape, length).map_err(run)?;
    let results = session.run(ort::inputs![names.input.as_str() => input]).map_err(run)?;
    let width = |name: &Option<String>| {
        let Some(name) = name else { return Ok(0) };
        let shape = results.get(name.as_str()).map(|value| value.shape().to_vec()).unwrap_or_default();
        match shape[..] {
            [found, columns] if found == rows as i64 && columns > 0 => Ok(columns as usize),
            _ => Err(EngineError::Model(format!(
                "gives `{name}` as {shape:?} for {rows} images, and not as [{rows}, n]; name another tensor by \
                 `model.logits` or `model.embedding`"
            ))),
        }
    };
    Ok(Widths { classes: width(&names.logits)?, dim: width(&names.embedding)? })
}

fn shape(face: &Face, rows: usize) -> [usize; 4] {
    match face.layout {
        Layout::Nchw => [rows, 3, face.height, face.width],
        Layout::Nhwc => [rows, face.height, face.width, 3],
        Layout::SpaceToDepth => [rows, face.height / 4, face.width / 4, 48],
    }
}

fn black(dtype: Dtype, shape: [usize; 4], length: usize) -> ort::Result<DynTensor> {
    Ok(match dtype {
        Dtype::F32 => Tensor::from_array((shape, vec![0.0_f32; length]))?.upcast(),
        Dtype::F16 => Tensor::from_array((shape, vec![f16::ZERO; length]))?.upcast(),
        Dtype::U8 => Tensor::from_array((shape, vec![0_u8; length]))?.upcast(),
    })
}
