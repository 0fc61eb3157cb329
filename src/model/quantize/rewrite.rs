//! What the rewrites share: who reads what in a graph, and what its nodes and weights hold.

use std::collections::{BTreeMap, BTreeSet};

use super::range::Watched;
use crate::model::onnx::proto::{GraphDef, Initializer, Node};

/// A slope at which what lies below zero counts as nothing in eight bits: a hundredth is at most three levels where a
/// map reaches as far below zero as above.
const NEARLY_FLAT: f32 = 0.011;

/// Who reads what.
pub(super) struct Wiring<'a> {
    pub graph: &'a GraphDef,
    readers: BTreeMap<&'a str, Vec<usize>>,
    pub weights: BTreeMap<&'a str, &'a Initializer>,
    /// Values of one element a channel, and what is made of them alone.
    vectors: BTreeSet<&'a str>,
    outputs: BTreeSet<&'a str>,
}

impl<'a> Wiring<'a> {
    pub fn of(graph: &'a GraphDef) -> Self {
        let weights: BTreeMap<&str, &Initializer> = graph
            .initializer
            .iter()
            .map(|weights| (weights.name.as_deref().unwrap_or_default(), weights))
            .collect();
        let outputs = graph.output.iter().filter_map(|output| output.name.as_deref()).collect();
        let mut wiring =
            Wiring { graph, readers: BTreeMap::new(), weights, vectors: BTreeSet::new(), outputs };
        for (index, node) in graph.node.iter().enumerate() {
            for input in &node.input {
                wiring.readers.entry(input).or_default().push(index);
            }
            let pools = matches!(operator(node), "GlobalAveragePool" | "ReduceMean");
            let mut values = node.input.iter().filter(|input| !wiring.weights.contains_key(input.as_str()));
            if pools || values.all(|value| wiring.vectors.contains(value.as_str())) {
                wiring.vectors.insert(result(node));
            }
        }
        wiring
    }

    pub fn is_output(&self, name: &str) -> bool {
        self.outputs.contains(name)
    }

    pub fn is_vector(&self, name: &str) -> bool {
        self.vectors.contains(name)
    }

    /// The nodes that read a value.
    pub fn readers(&self, name: &str) -> impl Iterator<Item = &'a Node> {
        self.readers.get(name).into_iter().flatten().map(|index| &self.graph.node[*index])
    }

    /// The activation that makes zero of what lies below it, or nearly so, where nothing else reads the node.
    pub fn clipped_by(&self, node: &Node) -> Option<&'a Node> {
        let mut readers = self.readers(result(node));
        let (Some(only), None) = (readers.next(), readers.next()) else { return None };
        let clips = match operator(only) {
            "Relu" => true,
            "LeakyRelu" => number(only, "alpha").is_some_and(|slope| (0.0..=NEARLY_FLAT).contains(&slope)),
            _ => false,
        };
        (clips && !self.is_output(result(node))).then_some(only)
    }

    /// A convolution of maps, not of one element a channel.
    pub fn is_map_convolution(&self, node: &Node) -> bool {
        operator(node) == "Conv"
            && !self.is_vector(result(node))
            && self.weights.contains_key(node.input[1].as_str())
    }

    pub fn watched(&self, watched: Watched) -> Vec<&'a str> {
        let all = self.graph.node.iter();
        let taken = all.filter(|node| match watched {
            Watched::All => true,
            Watched::Int8 => {
                let pools = matches!(operator(node), "GlobalAveragePool" | "ReduceMean");
                let is_map = pools || !self.is_vector(result(node));
                // a map that is cut at once is watched after the cut, so that the two stay fused
                is_map && self.clipped_by(node).is_none()
            }
        });
        taken.map(result).collect()
    }
}

/// What a node is.
pub(super) fn operator(node: &Node) -> &str {
    node.op_type.as_deref().unwrap_or_default()
}

/// The one value that a node of ours gives.
pub(super) fn result(node: &Node) -> &str {
    node.output.first().map_or("", String::as_str)
}

fn number(node: &Node, name: &str) -> Option<f32> {
    let found = node.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name));
    found.and_then(|attribute| attribute.f)
}

/// The numbers of an f32 initialiser.
pub(super) fn floats(weights: &Initializer) -> Vec<f32> {
    let bytes = weights.raw_data.as_deref().unwrap_or_default();
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}

/// Its axes.
pub(super) fn axes(weights: &Initializer) -> Vec<usize> {
    weights.dims.iter().map(|axis| usize::try_from(*axis).unwrap_or_default()).collect()
}
