//! The graph as it grows: nodes, weights, inputs, outputs, and the file in the end.

use std::collections::BTreeSet;

use half::f16;

use super::file::{encode, entries};
use super::form::{Form, Operators, Stem};
use super::nodes::{self, length};
use super::proto::{
    Attribute, Axis, AxisLength, GraphDef, Model, Node, Opset, Shape, TensorType, Type, ValueInfo, element,
};
use crate::model::error::ModelError;
use crate::model::precision::Precision;

/// Operator set: the newest before `ReduceMean` and `Pad` changed, and read by ONNX Runtime since 1.12.
const OPSET: i64 = 17;
/// The file format's version that goes with it.
const IR_VERSION: i64 = 8;
/// Name of the free axis.
const BATCH: &str = "batch";
/// Domain of our own operators, and its version.
const OWN_DOMAIN: (&str, i64) = ("tresnet", 1);
/// Our own operators read and write as many channels at once.
const OWN_CHANNELS: usize = 8;

/// A batch of feature maps in the graph: `[batch, channels, height, width]`, or `[batch, height, width, channels]` where
/// the form has our own operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    pub(super) name: String,
    /// Length of the second axis.
    pub channels: usize,
    /// Length of the third axis.
    pub height: usize,
    /// Length of the fourth axis.
    pub width: usize,
}

/// A batch of vectors in the graph, f32: `[batch, len]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    pub(super) name: String,
    /// Length of the second axis.
    pub len: usize,
}

/// A graph under construction. Operators are appended in the order of computation, so it is sorted as ONNX asks.
#[derive(Debug)]
pub struct Graph {
    pub(super) precision: Precision,
    pub(super) form: Form,
    definition: GraphDef,
    named: BTreeSet<String>,
}

impl Graph {
    /// An empty graph.
    pub fn new(precision: Precision, mut form: Form) -> Self {
        if form.operators != Operators::Stock {
            form.stem = Stem::Packed;
            form.channel_multiple = form.channel_multiple.next_multiple_of(OWN_CHANNELS);
        }
        let definition = GraphDef { name: Some("tresnet".to_owned()), ..GraphDef::default() };
        Self { precision, form, definition, named: BTreeSet::new() }
    }

    /// Declares an input of `[batch, axes…]` in one of ONNX's element types.
    pub(super) fn declare(&mut self, name: &str, element: i32, axes: &[usize]) {
        self.definition.input.push(value_info(name, element, axes));
    }

    /// Declares an input of maps in the graph's precision.
    pub fn input(&mut self, name: &str, channels: usize, height: usize, width: usize) -> Map {
        self.declare(name, element_of(self.precision), &[channels, height, width]);
        Map { name: name.to_owned(), channels, height, width }
    }

    /// Declares vectors as an output, under the name that they have.
    pub fn output(&mut self, features: &Features) {
        self.definition.output.push(value_info(&features.name, element::FLOAT, &[features.len]));
    }

    /// Declares maps as an output, under the name that they have and in the graph's precision.
    pub fn output_map(&mut self, map: &Map) {
        let axes = [map.channels, map.height, map.width];
        self.definition.output.push(value_info(&map.name, element_of(self.precision), &axes));
    }

    /// The file's bytes, with `metadata` as its properties.
    ///
    /// # Errors
    ///
    /// [`ModelError::GraphTooLarge`] beyond 2 GiB.
    pub fn finish(self, metadata: &[(String, String)]) -> Result<Vec<u8>, ModelError> {
        let opset = |(domain, version): (&str, i64)| Opset {
            domain: Some(domain.to_owned()),
            version: Some(version),
        };
        let mut opsets = vec![opset(("", OPSET))];
        if self.form.operators != Operators::Stock {
            opsets.push(opset(OWN_DOMAIN));
        }
        let model = Model {
            ir_version: Some(IR_VERSION),
            opset_import: opsets,
            producer_name: Some("tresnet-batch".to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            graph: Some(self.definition),
            metadata_props: entries(metadata),
        };
        encode(&model)
    }

    /// Appends a node whose one output has the node's own name, and gives that name back.
    pub(super) fn node(
        &mut self,
        op: &str,
        name: String,
        inputs: &[&str],
        attributes: Vec<Attribute>,
    ) -> String {
        debug_assert!(self.named.insert(name.clone()), "two values are called {name}");
        self.definition.node.push(nodes::node(op, &name, inputs, attributes));
        name
    }

    /// As [`node`](Self::node), for an operator of ours.
    pub(super) fn own_node(
        &mut self,
        op: &str,
        name: String,
        inputs: &[&str],
        attributes: Vec<Attribute>,
    ) -> String {
        debug_assert!(self.named.insert(name.clone()), "two values are called {name}");
        let domain = Some(OWN_DOMAIN.0.to_owned());
        self.definition.node.push(Node { domain, ..nodes::node(op, &name, inputs, attributes) });
        name
    }

    /// Stores weights in the graph's precision or in f32, each rounded once.
    pub(super) fn weights(
        &mut self,
        name: String,
        axes: &[usize],
        precision: Precision,
        values: &[f64],
    ) -> Result<String, ModelError> {
        debug_assert_eq!(axes.iter().product::<usize>(), values.len(), "shape of {name}");
        let (bytes, overflow) = match precision {
            Precision::Fp32 | Precision::Int8 => spelled(values, |value| {
                #[allow(clippy::cast_possible_truncation)]
                let single = value as f32;
                (single.to_le_bytes(), single.is_infinite())
            }),
            Precision::Fp16 => spelled(values, |value| {
                let half = half(value);
                (half.to_le_bytes(), half.is_infinite())
            }),
        };
        if overflow {
            return Err(ModelError::Overflow { layer: name, precision });
        }
        Ok(self.initializer(name, axes, element_of(precision), bytes))
    }

    /// Stores a vector of integers; the same name twice is the same vector.
    pub(super) fn integers(&mut self, name: String, values: &[i64]) -> String {
        if self.has(&name) {
            return name;
        }
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(name, &[values.len()], element::INT64, bytes)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.named.contains(name)
    }

    fn initializer(&mut self, name: String, axes: &[usize], kind: i32, bytes: Vec<u8>) -> String {
        self.named.insert(name.clone());
        self.definition.initializer.push(nodes::initializer(&name, kind, axes, bytes));
        name
    }
}

/// ONNX's element type of a precision's maps and weights, as they are drawn.
pub(super) fn element_of(precision: Precision) -> i32 {
    match precision {
        Precision::Fp32 | Precision::Int8 => element::FLOAT,
        Precision::Fp16 => element::FLOAT16,
    }
}

fn value_info(name: &str, kind: i32, axes: &[usize]) -> ValueInfo {
    let batch = Axis { length: Some(AxisLength::Param(BATCH.to_owned())) };
    let fixed = axes.iter().map(|axis| Axis { length: Some(AxisLength::Value(length(*axis))) });
    let shape = Shape { dim: std::iter::once(batch).chain(fixed).collect() };
    let tensor = TensorType { elem_type: Some(kind), shape: Some(shape) };
    ValueInfo { name: Some(name.to_owned()), r#type: Some(Type { tensor_type: Some(tensor) }) }
}

/// The nearest half, ties to even. `f16::from_f64` rounds twice (through f32, or by dropping bits); going through
/// the f32 whose last bit records that something was lost rounds once.
fn half(value: f64) -> f16 {
    #[allow(clippy::cast_possible_truncation)]
    let mut single = value as f32;
    if single.is_finite() && f64::from(single) != value {
        let above = f64::from(single).abs() > value.abs();
        let toward_zero = single.to_bits() - u32::from(above);
        single = f32::from_bits(toward_zero | 1);
    }
    f16::from_f32(single)
}

/// The bytes of numbers, and whether one of them overflows. Memory is taken once and gone over once: these are all weights.
fn spelled<const BYTES: usize>(
    values: &[f64],
    number: impl Fn(f64) -> ([u8; BYTES], bool),
) -> (Vec<u8>, bool) {
    let mut bytes = vec![0; BYTES * values.len()];
    let (places, _) = bytes.as_chunks_mut::<BYTES>();
    let mut overflow = false;
    for (place, value) in places.iter_mut().zip(values) {
        let (written, is_infinite) = number(*value);
        *place = written;
        overflow |= is_infinite;
    }
    (bytes, overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_once() {
        let ulp = 2.0f64.powi(-10);
        let tie = 1.0 + ulp / 2.0;
        let tiny = 2.0f64.powi(-45);
        for (value, expected) in [
            (tie, 1.0),
            (tie + tiny, 1.0 + ulp),
            (tie - tiny, 1.0),
            (tie + ulp, 1.0 + 2.0 * ulp),
            (tie + ulp - tiny, 1.0 + ulp),
            (-tie - tiny, -1.0 - ulp),
            (65504.0, 65504.0),
            (65519.99, 65504.0),
            (65520.0, f64::INFINITY),
            (1e300, f64::INFINITY),
            (2.0f64.powi(-24), 2.0f64.powi(-24)),
            (2.0f64.powi(-25), 0.0),
            (2.0f64.powi(-25) + tiny, 2.0f64.powi(-24)),
            (0.0, 0.0),
        ] {
            assert_eq!(half(value).to_f64(), expected, "{value:e}");
        }
    }

    #[test]
    fn a_weight_beyond_the_precision_is_an_error_not_an_infinity() {
        for (precision, value) in [(Precision::Fp16, 7e4), (Precision::Fp32, 1e39)] {
            let mut graph = Graph::new(precision, Form::PLAIN);
            let error = graph.weights("w".to_owned(), &[1], precision, &[value]).unwrap_err();
            assert!(matches!(error, ModelError::Overflow { .. }), "{error}");
        }
    }
}
