//! What an `.onnx` file takes and gives, read from its bytes without touching its weights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use prost::Message;

use super::card::ModelCard;
use super::checkpoint::known_kind;
use super::error::ModelError;
use super::file::{read_capped, sha256_hex};
use super::onnx::file::properties;
use super::onnx::proto::{self, ModelSkim};
use super::onnx::view::check;
use super::tensor_info::{TensorInfo, tensor_info};

/// The most that an ONNX file holds: protobuf's limit.
const MAX_ONNX_BYTES: u64 = 2 << 30;

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
    /// Its description, if this program made it.
    pub card: Option<ModelCard>,
    /// Whether weights are in other files, so that these bytes are not the whole model.
    pub external_data: bool,
    /// SHA-256 of the bytes: a foreign graph's identity, unless weights are in other files.
    pub sha256: String,
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
    /// Bytes that are no ONNX model, one without a graph or of more parts than any network, and a spoilt card of ours.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        // bytes that are no message at all get a separate error
        <()>::decode(bytes).map_err(|source| match known_kind(bytes) {
            Some(what) => ModelError::NotAGraph { what },
            None => ModelError::OnnxSyntax(source),
        })?;
        check(bytes)?;
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

    /// An output by its name.
    pub fn output(&self, name: &str) -> Option<&TensorInfo> {
        self.outputs.iter().find(|output| output.name == name)
    }
}
