//! A fp16 graph in which what fp16 cannot hold stays in fp32.

use std::collections::{BTreeMap, BTreeSet};

use super::file::GraphFile;
use super::rewrite::{Wiring, operator, result};
use crate::model::calibration::Calibration;
use crate::model::card::ModelCard;
use crate::model::error::ModelError;
use crate::model::onnx::nodes::{integer, node};
use crate::model::onnx::proto::{GraphDef, Initializer, Node, element};
use crate::model::precision::Precision;

/// A map with a larger magnitude over the sample stays in fp32: half of what fp16 holds, since a sample does not show
/// the largest value of all images.
pub const HALF_LIMIT: f32 = 32_000.0;

/// Rewrites a fp16 graph: the maps of `calibration.fp32_maps` are computed and read in fp32, with the weights of the
/// same network's fp32 graph, and cast to fp16 after that.
///
/// # Errors
///
/// [`ModelError::NotForQuantizing`] for graphs that are not ours or not of these precisions.
pub fn to_half(single: &[u8], half: &[u8], calibration: Calibration) -> Result<Vec<u8>, ModelError> {
    let file = GraphFile::open(half, Precision::Fp16)?;
    let single = GraphFile::open(single, Precision::Fp32)?;
    let large = calibration.fp32_maps.iter().map(String::as_str).collect();
    let rewritten = HalfRewrite::new(&file.graph, &single.graph, large).run()?;
    let card = ModelCard { calibration: Some(calibration), ..file.card.clone() };
    file.close(rewritten, &card)
}

struct HalfRewrite<'a> {
    graph: &'a GraphDef,
    halves: BTreeMap<&'a str, &'a Initializer>,
    singles: Wiring<'a>,
    large: BTreeSet<&'a str>,
    /// Values that are fp16 in the drawn graph.
    drawn_half: BTreeSet<&'a str>,
    /// Of these, those that the new graph gives in fp32.
    now_single: BTreeSet<&'a str>,
    nodes: Vec<Node>,
    stored: Vec<Initializer>,
    names: BTreeSet<String>,
}

impl<'a> HalfRewrite<'a> {
    fn new(graph: &'a GraphDef, single: &'a GraphDef, large: BTreeSet<&'a str>) -> Self {
        HalfRewrite {
            graph,
            halves: Wiring::of(graph).weights,
            singles: Wiring::of(single),
            large,
            drawn_half: halves(graph),
            now_single: BTreeSet::new(),
            nodes: Vec::new(),
            stored: Vec::new(),
            names: BTreeSet::new(),
        }
    }

    fn run(mut self) -> Result<GraphDef, ModelError> {
        let graph = self.graph;
        for node in &graph.node {
            self.redraw(node)?;
        }
        Ok(GraphDef { node: self.nodes, initializer: self.stored, ..self.graph.clone() })
    }

    fn redraw(&mut self, node: &'a Node) -> Result<(), ModelError> {
        let is_large = |name: &String| self.large.contains(name.as_str());
        // a cast names its result type and takes any input
        let is_cast = operator(node) == "Cast";
        let in_single = !is_cast && (node.input.iter().any(is_large) || node.output.iter().any(is_large));
        let mut copied = node.clone();
        for input in &mut copied.input {
            let name = input.clone();
            *input = match self.halves.get(name.as_str()).copied() {
                Some(weights) => self.weights(weights, in_single)?,
                None if is_cast || !self.drawn_half.contains(name.as_str()) => name,
                None => self.value(name, in_single),
            };
        }
        if in_single && self.drawn_half.contains(result(node)) {
            self.now_single.insert(result(node));
        }
        self.nodes.push(copied);
        Ok(())
    }

    /// Weights as this node needs them: as drawn, or the fp32 graph's.
    fn weights(&mut self, drawn: &Initializer, in_single: bool) -> Result<String, ModelError> {
        let mut weights = drawn.clone();
        let name = drawn.name.clone().unwrap_or_default();
        if in_single && drawn.data_type == Some(element::FLOAT16) {
            let Some(single) = self.singles.weights.get(name.as_str()) else {
                return Err(ModelError::OnnxGraph {
                    reason: format!("`{name}` is missing in the fp32 graph"),
                });
            };
            weights = Initializer { name: Some(format!("{name}.single")), ..(*single).clone() };
        }
        let name = weights.name.clone().unwrap_or_default();
        if self.names.insert(name.clone()) {
            self.stored.push(weights);
        }
        Ok(name)
    }

    /// A value as this node needs it, cast where the new graph has it otherwise.
    fn value(&mut self, name: String, in_single: bool) -> String {
        if self.now_single.contains(name.as_str()) == in_single {
            return name;
        }
        let (suffix, kind) = if in_single { ("single", element::FLOAT) } else { ("half", element::FLOAT16) };
        let cast = format!("{name}.{suffix}");
        if self.names.insert(cast.clone()) {
            self.nodes.push(node("Cast", &cast, &[&name], vec![integer("to", i64::from(kind))]));
        }
        cast
    }
}

/// The fp16 values of a drawn graph: an operator of ours gives what it reads, but for a cast.
fn halves(graph: &GraphDef) -> BTreeSet<&str> {
    let mut halves = BTreeSet::new();
    for input in &graph.input {
        let tensor = input.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
        if tensor.and_then(|tensor| tensor.elem_type) == Some(element::FLOAT16) {
            halves.extend(input.name.as_deref());
        }
    }
    for node in &graph.node {
        let to = node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some("to"));
        let gives_half = match operator(node) {
            "Cast" => to.and_then(|to| to.i) == Some(i64::from(element::FLOAT16)),
            _ => node.input.first().is_some_and(|input| halves.contains(input.as_str())),
        };
        if gives_half {
            halves.insert(result(node));
        }
    }
    halves
}
