//! What an `.onnx` file takes and gives, read from its bytes without touching its weights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prost::Message;

use super::card::ModelCard;
use super::error::ModelError;
use super::file::{read_capped, sha256_hex};
use super::interface::{EMBEDDING, LOGITS};
use super::onnx::file::properties;
use super::onnx::proto::{self, AxisLength, ModelSkim, ValueInfo};
use super::shorten::shorten;

/// The most that an ONNX file holds: protobuf's limit.
const MAX_ONNX_BYTES: u64 = 2 << 30;

/// Element type of a graph's input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
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
    /// Its axes; none where the graph does not say.
    pub shape: Vec<Dim>,
}

/// The outside of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxInfo {
    /// Version of the file format.
    pub ir_version: i64,
    /// Version of ONNX's own operators.
    pub opset: i64,
    /// The program that wrote it.
    pub producer: String,
    /// Without those that have a stored value.
    pub inputs: Vec<TensorInfo>,
    /// In the graph's order.
    pub outputs: Vec<TensorInfo>,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// What it says of itself, where it is ours.
    pub card: Option<ModelCard>,
    /// Whether weights lie in other files, so that these bytes are not the whole model.
    pub external_data: bool,
    /// SHA-256 of the bytes: a foreign graph's identity.
    pub sha256: String,
}

/// A graph's input and outputs in their roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageModel {
    /// Name of the image input, `[batch, 3, size, size]`.
    pub input: String,
    /// What it holds.
    pub element: ElementType,
    /// Its side in pixels, where the graph fixes it.
    pub image_size: Option<u32>,
    /// The batch, where the graph fixes it.
    pub fixed_batch: Option<usize>,
    /// Name of the classifier's output, `[batch, classes]`.
    pub logits: String,
    /// Classes, where the graph says it.
    pub classes: Option<usize>,
    /// Name of the pooled features' output, `[batch, dim]`, where there is one, and its length.
    pub embedding: Option<(String, Option<usize>)>,
}

impl OnnxInfo {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and unreadable or oversized files.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        Self::parse(&read_capped(path, MAX_ONNX_BYTES)?)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    ///
    /// Bytes that are no ONNX model, one without a graph, and a spoilt card of ours.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let model = ModelSkim::decode(bytes).map_err(ModelError::OnnxSyntax)?;
        let Some(graph) = model.graph else {
            return Err(ModelError::OnnxGraph { reason: "the file holds no graph".to_owned() });
        };
        let stored: BTreeSet<&str> =
            graph.initializer.iter().filter_map(|initializer| initializer.name.as_deref()).collect();
        let inputs = graph.input.iter().map(tensor_info);
        let inputs = inputs.filter(|input| !stored.contains(input.name.as_str())).collect();
        let external =
            graph.initializer.iter().any(|initializer| initializer.data_location == Some(proto::EXTERNAL));
        let properties = properties(&model.metadata_props);
        let own_operators = |domain: Option<&str>| matches!(domain, None | Some("" | "ai.onnx"));
        let opset = model.opset_import.iter().find(|set| own_operators(set.domain.as_deref()));
        Ok(Self {
            ir_version: model.ir_version.unwrap_or_default(),
            opset: opset.and_then(|set| set.version).unwrap_or_default(),
            producer: model.producer_name.unwrap_or_default(),
            inputs,
            outputs: graph.output.iter().map(tensor_info).collect(),
            card: ModelCard::from_properties(&properties)?,
            properties,
            external_data: external,
            sha256: sha256_hex(bytes),
        })
    }

    /// Finds image, logits and embedding: the one input, which must be `[batch, 3, size, size]` of floats or bytes;
    /// the output called [`LOGITS`], else the only one; the output called [`EMBEDDING`], if any.
    ///
    /// # Errors
    ///
    /// [`ModelError::OnnxGraph`] says which role has no candidate, or several.
    pub fn image_model(&self) -> Result<ImageModel, ModelError> {
        let wrong = |reason: String| ModelError::OnnxGraph { reason };
        if self.external_data {
            return Err(wrong("its weights lie in other files: save it as one file".to_owned()));
        }
        let [input] = self.inputs.as_slice() else {
            return Err(wrong(format!(
                "it has {} inputs, not one image: {}",
                self.inputs.len(),
                list(&self.inputs)
            )));
        };
        if matches!(input.element, ElementType::Other(_)) {
            return Err(wrong(format!("its input {input} is neither f32, f16 nor u8")));
        }
        let [batch, channels, height, width] = input.shape.as_slice() else {
            return Err(wrong(format!("its input {input} is not `[batch, 3, size, size]`")));
        };
        let square = height.fixed() == width.fixed() && height.fixed() != Some(0);
        let image_size = height.fixed().map(u32::try_from).transpose();
        let (true, Some(3), Ok(image_size)) = (square, channels.fixed(), image_size) else {
            return Err(wrong(format!("its input {input} is not `[batch, 3, size, size]`")));
        };
        let logits = match (self.output(LOGITS), self.outputs.as_slice()) {
            (Some(logits), _) | (None, [logits]) => logits,
            _ => {
                let names = list(&self.outputs);
                return Err(wrong(format!("none of its outputs is called `{LOGITS}`: {names}")));
            }
        };
        let embedding = self.output(EMBEDDING).filter(|embedding| embedding.name != logits.name);
        for output in std::iter::once(logits).chain(embedding) {
            if !matches!(output.shape.len(), 0 | 2) {
                return Err(wrong(format!("its output {output} is not `[batch, n]`")));
            }
            if output.element != ElementType::F32 {
                return Err(wrong(format!("its output {output} is not f32")));
            }
        }
        let length = |output: &TensorInfo| output.shape.get(1).and_then(Dim::fixed);
        Ok(ImageModel {
            input: input.name.clone(),
            element: input.element,
            image_size,
            fixed_batch: batch.fixed(),
            logits: logits.name.clone(),
            classes: length(logits),
            embedding: embedding.map(|output| (output.name.clone(), length(output))),
        })
    }

    /// An output by its name.
    pub fn output(&self, name: &str) -> Option<&TensorInfo> {
        self.outputs.iter().find(|output| output.name == name)
    }
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

fn list(tensors: &[TensorInfo]) -> String {
    let shown: Vec<String> = tensors.iter().take(8).map(ToString::to_string).collect();
    shown.join(", ")
}

fn tensor_info(value: &ValueInfo) -> TensorInfo {
    let tensor = value.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let element = match tensor.and_then(|tensor| tensor.elem_type).unwrap_or_default() {
        proto::element::FLOAT => ElementType::F32,
        proto::element::FLOAT16 => ElementType::F16,
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
