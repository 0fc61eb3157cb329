//! A graph's nodes as they are in the file's bytes. Weights are passed over, and nothing is copied.

use std::collections::HashMap;

use prost::Message;

use super::proto::{self, ValueInfo};
use super::wire::{Damaged, Field, fields};
use crate::model::error::ModelError;

/// Numbers of the fields that are looked at.
pub(in crate::model) mod tag {
    pub const MODEL_GRAPH: u64 = 7;
    pub const MODEL_FUNCTION: u64 = 25;
    pub const FUNCTION_NODE: u64 = 7;
    pub const FUNCTION_ATTRIBUTE: u64 = 11;
    pub const GRAPH_NODE: u64 = 1;
    pub const GRAPH_INITIALIZER: u64 = 5;
    pub const GRAPH_INPUT: u64 = 11;
    pub const GRAPH_OUTPUT: u64 = 12;
    pub const GRAPH_VALUE_INFO: u64 = 13;
    pub const GRAPH_SPARSE: u64 = 15;
    pub const NODE_INPUT: u64 = 1;
    pub const NODE_OUTPUT: u64 = 2;
    pub const NODE_OPERATOR: u64 = 4;
    pub const NODE_ATTRIBUTE: u64 = 5;
    pub const NODE_DOMAIN: u64 = 7;
    pub const ATTRIBUTE_NAME: u64 = 1;
    pub const ATTRIBUTE_INTEGER: u64 = 3;
    pub const ATTRIBUTE_TENSORS: [u64; 2] = [5, 10];
    pub const ATTRIBUTE_GRAPHS: [u64; 2] = [6, 11];
    pub const ATTRIBUTE_SPARSE: [u64; 2] = [22, 23];
    pub const SPARSE_TENSORS: [u64; 2] = [1, 2];
    pub const TENSOR_NAME: u64 = 8;
    pub const VALUE_NAME: u64 = 1;
}

/// Fields of one message, at most: a field of two bytes may become a hundred in memory.
const MOST_FIELDS: usize = 1 << 20;
/// Bytes of the description of one input, output or value, at most.
const LONGEST_VALUE: usize = 64 << 10;
/// Graphs inside of nodes, at most.
pub(in crate::model) const DEEPEST: usize = 16;

/// A file's graph.
#[derive(Debug)]
pub(in crate::model) struct View<'a> {
    /// The file.
    pub model: &'a [u8],
    /// Its graph's message.
    pub graph: &'a [u8],
    /// In the file's order.
    pub nodes: Vec<Node<'a>>,
    makers: HashMap<&'a str, usize>,
}

/// A node.
#[derive(Debug)]
pub(in crate::model) struct Node<'a> {
    /// Its message.
    pub body: &'a [u8],
    pub operator: &'a str,
    /// Whether the operator is ONNX's own.
    pub is_standard: bool,
    pub inputs: Vec<&'a str>,
    pub outputs: Vec<&'a str>,
}

impl<'a> View<'a> {
    /// Finds the nodes of a file.
    ///
    /// # Errors
    /// [`ModelError::OnnxGraph`] for what [`check`] refuses, and damaged nodes.
    pub fn read(model: &'a [u8]) -> Result<View<'a>, ModelError> {
        let graph = check(model)?;
        let mut nodes = Vec::new();
        for field in fields(graph) {
            let field = field.map_err(damaged)?;
            if field.number == tag::GRAPH_NODE {
                nodes.push(Node::read(field.body)?);
            }
        }
        let mut makers = HashMap::new();
        for (index, node) in nodes.iter().enumerate() {
            makers.extend(node.outputs.iter().filter(|name| !name.is_empty()).map(|name| (*name, index)));
        }
        Ok(View { model, graph, nodes, makers })
    }

    /// The node that computes a tensor, by its position.
    pub fn maker(&self, tensor: &str) -> Option<usize> {
        self.makers.get(tensor).copied()
    }

    /// Returns the file's entry for a tensor that is neither input nor output.
    ///
    /// # Errors
    /// The graph has a damaged field, or a name that is not UTF-8.
    pub fn value(&self, tensor: &str) -> Result<Option<ValueInfo>, ModelError> {
        for field in fields(self.graph) {
            let field = field.map_err(damaged)?;
            if field.number == tag::GRAPH_VALUE_INFO
                && text_in(field.body, tag::VALUE_NAME)? == Some(tensor)
                && field.body.len() <= LONGEST_VALUE
            {
                return ValueInfo::decode(field.body).map(Some).map_err(ModelError::OnnxSyntax);
            }
        }
        Ok(None)
    }
}

impl<'a> Node<'a> {
    fn read(body: &'a [u8]) -> Result<Node<'a>, ModelError> {
        let mut node =
            Node { body, operator: "", is_standard: true, inputs: Vec::new(), outputs: Vec::new() };
        for field in fields(body) {
            let field = field.map_err(damaged)?;
            match field.number {
                tag::NODE_INPUT => node.inputs.push(text(field)?),
                tag::NODE_OUTPUT => node.outputs.push(text(field)?),
                tag::NODE_OPERATOR => node.operator = text(field)?,
                tag::NODE_DOMAIN => node.is_standard = matches!(text(field)?, "" | "ai.onnx"),
                _ => {}
            }
        }
        if node.inputs.len().max(node.outputs.len()) > MOST_FIELDS {
            return Err(too_many());
        }
        Ok(node)
    }

    /// The integer that an attribute has.
    ///
    /// # Errors
    /// The node has a damaged field, or the name of an attribute is not UTF-8.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, ModelError> {
        for field in fields(self.body) {
            let field = field.map_err(damaged)?;
            if field.number == tag::NODE_ATTRIBUTE && text_in(field.body, tag::ATTRIBUTE_NAME)? == Some(name)
            {
                for field in fields(field.body) {
                    let field = field.map_err(damaged)?;
                    if field.number == tag::ATTRIBUTE_INTEGER {
                        return Ok(Some(field.value.cast_signed()));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Adds the tensors that graphs inside of it read; they may be of the graph around it.
    ///
    /// # Errors
    /// The node has a damaged field or a name that is not UTF-8, or more graphs in graphs than any network.
    pub fn captured(&self, names: &mut Vec<&'a str>) -> Result<(), ModelError> {
        captured(self.body, names, 0)
    }
}

fn captured<'a>(node: &'a [u8], names: &mut Vec<&'a str>, depth: usize) -> Result<(), ModelError> {
    if depth > DEEPEST {
        return Err(too_deep());
    }
    for attribute in fields(node) {
        let attribute = attribute.map_err(damaged)?;
        if attribute.number != tag::NODE_ATTRIBUTE {
            continue;
        }
        for graph in fields(attribute.body) {
            let graph = graph.map_err(damaged)?;
            if !tag::ATTRIBUTE_GRAPHS.contains(&graph.number) {
                continue;
            }
            for field in fields(graph.body) {
                let field = field.map_err(damaged)?;
                match field.number {
                    tag::GRAPH_NODE => {
                        for input in fields(field.body) {
                            let input = input.map_err(damaged)?;
                            if input.number == tag::NODE_INPUT {
                                names.push(text(input)?);
                            }
                        }
                        captured(field.body, names, depth + 1)?;
                    }
                    // a tensor of the graph around may be an output as it is
                    tag::GRAPH_OUTPUT => names.extend(text_in(field.body, tag::VALUE_NAME)?),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// Returns the message of a file's graph, once nothing of its outside can take much more memory than the file.
///
/// # Errors
/// [`ModelError::OnnxGraph`] for no graph, several, and more fields than any network has.
pub(in crate::model) fn check(model: &[u8]) -> Result<&[u8], ModelError> {
    let mut graph = None;
    for (count, field) in fields(model).enumerate() {
        let field = field.map_err(damaged)?;
        if count > MOST_FIELDS {
            return Err(too_many());
        }
        if field.number == tag::MODEL_GRAPH && graph.replace(field.body).is_some() {
            return Err(wrong("the file holds several graphs"));
        }
    }
    let graph = graph.ok_or_else(|| wrong("the file holds no graph"))?;
    for (count, field) in fields(graph).enumerate() {
        let field = field.map_err(damaged)?;
        let is_outside = matches!(field.number, tag::GRAPH_INPUT | tag::GRAPH_OUTPUT);
        if count > MOST_FIELDS || is_outside && field.body.len() > LONGEST_VALUE {
            return Err(too_many());
        }
    }
    Ok(graph)
}

/// A field as text.
pub(in crate::model) fn text(field: Field<'_>) -> Result<&str, ModelError> {
    std::str::from_utf8(field.body).map_err(|_| wrong("a name in it is not UTF-8"))
}

/// The text in the last field of a number, which is the one that counts.
pub(in crate::model) fn text_in(message: &[u8], number: u64) -> Result<Option<&str>, ModelError> {
    let mut found = None;
    for field in fields(message) {
        let field = field.map_err(damaged)?;
        if field.number == number {
            found = Some(text(field)?);
        }
    }
    Ok(found)
}

pub(in crate::model) fn damaged(_: Damaged) -> ModelError {
    wrong("the file is damaged; fetch or export it again")
}

fn wrong(reason: &str) -> ModelError {
    ModelError::OnnxGraph { reason: reason.to_owned() }
}

fn too_many() -> ModelError {
    wrong("it has more parts than any network")
}

pub(in crate::model) fn too_deep() -> ModelError {
    wrong("its nodes hold graphs in graphs, deeper than any network")
}

/// Returns the type of a tensor, if the file declares one.
pub(in crate::model) fn element_of(value: &ValueInfo) -> Option<&proto::TensorType> {
    value.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref())
}
