//! A graph's description of a tensor: its name, its element type and its axes.

use super::onnx::proto::{self, AxisLength, ValueInfo};
use super::onnx::view::element_of;
use super::shorten::shorten;

/// Element type of a graph's input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
    /// Unsigned bytes.
    U8,
    /// Any other, by ONNX's number.
    Other(i32),
}

/// Length of an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// Always this.
    Fixed(usize),
    /// Free; with a name where the graph gives one.
    Free(Option<String>),
}

/// An input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub element: ElementType,
    /// Its axes; none where the graph does not declare them.
    pub shape: Vec<Dim>,
}

impl Dim {
    /// The length, if it is fixed.
    pub fn fixed(&self) -> Option<usize> {
        match self {
            Dim::Fixed(length) => Some(*length),
            Dim::Free(_) => None,
        }
    }
}

impl std::fmt::Display for TensorInfo {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "`{}` {:?} [", shorten(&self.name), self.element)?;
        for (position, dim) in self.shape.iter().take(8).enumerate() {
            let comma = if position > 0 { ", " } else { "" };
            match dim {
                Dim::Fixed(length) => write!(out, "{comma}{length}")?,
                Dim::Free(Some(name)) => write!(out, "{comma}{}", shorten(name))?,
                Dim::Free(None) => write!(out, "{comma}?")?,
            }
        }
        out.write_str("]")
    }
}

/// Tensors for a message.
pub(super) fn list(tensors: &[TensorInfo]) -> String {
    let shown: Vec<String> = tensors.iter().take(8).map(ToString::to_string).collect();
    shown.join(", ")
}

pub(super) fn tensor_info(value: &ValueInfo) -> TensorInfo {
    let tensor = element_of(value);
    let element = match tensor.and_then(|tensor| tensor.elem_type).unwrap_or_default() {
        proto::element::FLOAT => ElementType::F32,
        proto::element::FLOAT16 => ElementType::F16,
        proto::element::BFLOAT16 => ElementType::Bf16,
        proto::element::UINT8 => ElementType::U8,
        other => ElementType::Other(other),
    };
    let axes = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| shape.dim.as_slice());
    let dim = |axis: &proto::Axis| match &axis.length {
        Some(AxisLength::Value(length)) => usize::try_from(*length).map_or(Dim::Free(None), Dim::Fixed),
        Some(AxisLength::Param(name)) => Dim::Free(Some(name.clone())),
        None => Dim::Free(None),
    };
    TensorInfo {
        name: value.name.clone().unwrap_or_default(),
        element,
        shape: axes.unwrap_or_default().iter().map(dim).collect(),
    }
}
