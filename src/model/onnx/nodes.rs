//! The pieces of a graph as messages: nodes, attributes and stored numbers.

use super::proto::{Attribute, Initializer, Node, attribute};

/// A node whose one output has the node's own name.
pub(in crate::model) fn node(
    operator: &str,
    name: &str,
    inputs: &[&str],
    attributes: Vec<Attribute>,
) -> Node {
    Node {
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![name.to_owned()],
        name: Some(name.to_owned()),
        op_type: Some(operator.to_owned()),
        attribute: attributes,
        domain: None,
    }
}

/// Stored numbers of one of ONNX's element types; `axes` is empty for a single one.
pub(in crate::model) fn initializer(name: &str, element: i32, axes: &[usize], bytes: Vec<u8>) -> Initializer {
    Initializer {
        dims: axes.iter().map(|axis| length(*axis)).collect(),
        data_type: Some(element),
        name: Some(name.to_owned()),
        raw_data: Some(bytes),
    }
}

/// Lengths of axes come from memory, so they fit.
pub(super) fn length(axis: usize) -> i64 {
    i64::try_from(axis).unwrap_or(i64::MAX)
}

pub(in crate::model) fn float(name: &str, value: f32) -> Attribute {
    Attribute { f: Some(value), ..named(name, attribute::FLOAT) }
}

pub(in crate::model) fn integer(name: &str, value: i64) -> Attribute {
    Attribute { i: Some(value), ..named(name, attribute::INT) }
}

pub(in crate::model) fn integer_list(name: &str, values: &[i64]) -> Attribute {
    Attribute { ints: values.to_vec(), ..named(name, attribute::INTS) }
}

pub(in crate::model) fn text(name: &str, value: &str) -> Attribute {
    Attribute { s: Some(value.as_bytes().to_vec()), ..named(name, attribute::STRING) }
}

fn named(name: &str, kind: i32) -> Attribute {
    Attribute { name: Some(name.to_owned()), kind: Some(kind), ..Attribute::default() }
}
