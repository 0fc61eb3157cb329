//! A graph of ours as a file: opened to be rewritten, and closed with another card.

use prost::Message;

use super::range::Watched;
use super::rewrite::Wiring;
use crate::model::card::ModelCard;
use crate::model::error::ModelError;
use crate::model::onnx::file::{encode, entries, properties};
use crate::model::onnx::proto::{GraphDef, Model, TensorType, Type, ValueInfo, element};
use crate::model::precision::Precision;

/// A file and its graph.
pub(super) struct GraphFile {
    model: Model,
    /// Its description.
    pub card: ModelCard,
    /// Nodes, weights, inputs and outputs.
    pub graph: GraphDef,
}

impl GraphFile {
    /// Opens a graph of ours that is of this precision.
    ///
    /// # Errors
    ///
    /// [`ModelError::NotForQuantizing`] for a graph that is not ours, or of another precision. Bytes that are no ONNX
    /// model, one without a graph, and a damaged card of ours.
    pub fn open(bytes: &[u8], precision: Precision) -> Result<GraphFile, ModelError> {
        let mut model = Model::decode(bytes).map_err(ModelError::OnnxSyntax)?;
        let wrong = |reason: String| ModelError::NotForQuantizing { reason };
        let card = ModelCard::from_properties(&properties(&model.metadata_props))?.ok_or_else(|| {
            wrong(
                "the ONNX graph is not one that `model import` wrote; give the checkpoint itself".to_owned(),
            )
        })?;
        if card.precision != precision {
            return Err(wrong(format!(
                "the graph is {} already; give the checkpoint, or its graph in {precision}",
                card.precision
            )));
        }
        let Some(graph) = model.graph.take() else {
            return Err(ModelError::OnnxGraph { reason: "the file holds no graph".to_owned() });
        };
        Ok(GraphFile { model, card, graph })
    }

    /// The bytes of the file with this graph and this card.
    ///
    /// # Errors
    ///
    /// [`ModelError::GraphTooLarge`] beyond 2 GiB.
    pub fn close(self, graph: GraphDef, card: &ModelCard) -> Result<Vec<u8>, ModelError> {
        let metadata_props = entries(&card.to_properties());
        encode(&Model { graph: Some(graph), metadata_props, ..self.model })
    }
}

/// Whether ranges can be measured of a graph.
///
/// # Errors
///
/// [`ModelError::NotForQuantizing`] for a graph that is not ours, or not fp32.
pub fn check(graph: &[u8]) -> Result<(), ModelError> {
    GraphFile::open(graph, Precision::Fp32).map(|_| ())
}

/// A fp32 graph that gives its maps as outputs, too, and the names of those.
///
/// # Errors
///
/// [`ModelError::NotForQuantizing`] for a graph that is not ours, or not fp32.
pub fn watch(graph: &[u8], watched: Watched) -> Result<(Vec<u8>, Vec<String>), ModelError> {
    let file = GraphFile::open(graph, Precision::Fp32)?;
    let mut drawn = file.graph.clone();
    let wiring = Wiring::of(&file.graph);
    let names: Vec<String> = wiring.watched(watched).into_iter().map(str::to_owned).collect();
    for name in names.iter().filter(|name| !wiring.is_output(name)) {
        let tensor = TensorType { elem_type: Some(element::FLOAT), shape: None };
        let kind = Type { tensor_type: Some(tensor) };
        drawn.output.push(ValueInfo { name: Some(name.clone()), r#type: Some(kind) });
    }
    let card = file.card.clone();
    Ok((file.close(drawn, &card)?, names))
}
