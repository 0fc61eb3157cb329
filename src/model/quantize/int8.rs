//! A fp32 graph as one that a CPU computes in eight bits, in ONNX's `QuantizeLinear`/`DequantizeLinear` form.
//!
//! Maps are uint8 with a free zero, weights int8 with a step a channel, biases int32. What an inner activation does is
//! done by the rounding alone: a map after ReLU has no value below zero, so its zero is at the end of its range, and
//! cutting at the range's end is ReLU. The same serves LeakyReLU with its slopes of 1e-3 and 1e-2, whose values below
//! zero are mostly smaller than half a step; so no convolution is followed by a separate operator, and ONNX Runtime
//! makes `QLinearConv` of each. The two little layers of squeeze-and-excitation, the last mean and the classifier stay
//! in fp32: they take no time.

use std::collections::{BTreeMap, BTreeSet};

use super::file::GraphFile;
use super::range::{LEVELS, Range, Ranges};
use super::rewrite::{Wiring, axes, floats, operator, result};
use super::weights;
use crate::model::calibration::Calibration;
use crate::model::card::ModelCard;
use crate::model::error::ModelError;
use crate::model::onnx::nodes::{self, initializer, integer, node};
use crate::model::onnx::proto::{GraphDef, Initializer, Node, element};
use crate::model::precision::Precision;

/// What a gate between 0 and 1 is spread over.
const UNIT: Range = Range { low: 0.0, high: 1.0 };

/// Rewrites a fp32 graph of ours. `ranges` has every map that [`watch`](super::watch) names, and the input.
///
/// # Errors
///
/// [`ModelError::NotForQuantizing`] for a graph that is not ours or not fp32, [`ModelError::OnnxGraph`] where a map
/// has no range.
pub fn to_int8(graph: &[u8], ranges: &Ranges, calibration: Calibration) -> Result<Vec<u8>, ModelError> {
    let file = GraphFile::open(graph, Precision::Fp32)?;
    let card = ModelCard { precision: Precision::Int8, calibration: Some(calibration), ..file.card.clone() };
    let rewritten = Int8Rewrite::new(&file.graph, ranges).run()?;
    file.close(rewritten, &card)
}

/// How a map is stored in eight bits.
#[derive(Debug, Clone)]
struct EightBitMap {
    /// The output of `DequantizeLinear`.
    name: String,
    /// Names of step and zero.
    scale: [String; 2],
    step: f32,
}

struct Int8Rewrite<'a> {
    wiring: Wiring<'a>,
    ranges: &'a Ranges,
    nodes: Vec<Node>,
    stored: Vec<Initializer>,
    names: BTreeSet<String>,
    /// Maps of the old graph that are in eight bits in the new one.
    eight: BTreeMap<String, EightBitMap>,
    /// Values that are there already, because the node before gave them.
    given: BTreeSet<&'a str>,
}

impl<'a> Int8Rewrite<'a> {
    fn new(graph: &'a GraphDef, ranges: &'a Ranges) -> Self {
        Int8Rewrite {
            wiring: Wiring::of(graph),
            ranges,
            nodes: Vec::new(),
            stored: Vec::new(),
            names: BTreeSet::new(),
            eight: BTreeMap::new(),
            given: BTreeSet::new(),
        }
    }

    fn run(mut self) -> Result<GraphDef, ModelError> {
        let graph = self.wiring.graph;
        for node in &graph.node {
            if !self.given.contains(result(node)) {
                self.redraw(node)?;
            }
        }
        let (inputs, outputs) = (graph.input.clone(), graph.output.clone());
        Ok(GraphDef {
            node: self.nodes,
            name: graph.name.clone(),
            initializer: self.stored,
            input: inputs,
            output: outputs,
        })
    }

    fn redraw(&mut self, node: &'a Node) -> Result<(), ModelError> {
        match operator(node) {
            "Conv" if self.wiring.is_map_convolution(node) => self.convolution(node),
            // what they give are values of what they read
            "SpaceToDepth" | "Pad" | "Transpose" => {
                let input = self.eight_bit(&node.input[0])?;
                self.copy(node, Some(std::slice::from_ref(&input.name)));
                self.rounded(result(node), result(node), &input.scale, input.step);
                Ok(())
            }
            "Add" | "Mul" | "AveragePool" | "LeakyRelu" | "Relu" if !self.wiring.is_vector(result(node)) => {
                let inputs = node.input.iter().map(|input| Ok(self.eight_bit(input)?.name));
                let inputs = inputs.collect::<Result<Vec<String>, ModelError>>()?;
                self.copy(node, Some(&inputs));
                self.round_result(node)
            }
            "GlobalAveragePool" | "ReduceMean" => {
                let input = self.eight_bit(&node.input[0])?.name;
                // the one of the two that is computed in eight bits
                self.nodes.push(nodes::node("GlobalAveragePool", result(node), &[&input], Vec::new()));
                let gates = self.wiring.readers(result(node)).any(|reader| operator(reader) == "Conv");
                if gates { self.round(result(node), result(node), self.range(result(node))?) } else { Ok(()) }
            }
            _ => {
                self.copy(node, None);
                Ok(())
            }
        }
    }

    fn convolution(&mut self, node: &'a Node) -> Result<(), ModelError> {
        let input = self.eight_bit(&node.input[0])?;
        let name = &node.input[1];
        let Some(factors) = self.wiring.weights.get(name.as_str()) else {
            return Err(broken(format!("`{}` has no stored weights", result(node))));
        };
        let axes = axes(factors);
        let outputs = axes.first().copied().unwrap_or_default();
        let bias_name = node.input.get(2);
        let bias = bias_name.and_then(|name| self.wiring.weights.get(name.as_str())).map(|bias| floats(bias));
        if outputs == 0 || bias.as_ref().is_some_and(|bias| bias.len() != outputs) {
            return Err(broken(format!("the weights of `{}` have an impossible shape", result(node))));
        }
        let quantized = weights::quantize(&floats(factors), outputs, bias.as_deref(), input.step);
        let mut inputs = vec![input.name];
        let bytes = quantized.factors.iter().map(|factor| factor.to_le_bytes()[0]).collect();
        inputs.push(self.dequantized(name, element::INT8, &axes, bytes, &quantized.steps));
        if let (Some(name), Some(bias)) = (bias_name, &quantized.bias) {
            let bytes = bias.iter().flat_map(|value| value.to_le_bytes()).collect();
            inputs.push(self.dequantized(name, element::INT32, &[outputs], bytes, &quantized.bias_steps));
        }
        self.copy(node, Some(&inputs));
        self.round_result(node)
    }

    /// Stored integers and the node that gives them as numbers, one step a channel; the same weights once.
    fn dequantized(
        &mut self,
        name: &str,
        kind: i32,
        axes: &[usize],
        bytes: Vec<u8>,
        steps: &[f32],
    ) -> String {
        let [integers, step, zero, numbers] =
            ["q", "step", "zero", "dq"].map(|suffix| format!("{name}.{suffix}"));
        if self.names.insert(numbers.clone()) {
            let step_bytes = steps.iter().flat_map(|step| step.to_le_bytes()).collect();
            let width = if kind == element::INT8 { 1 } else { 4 };
            self.stored.push(initializer(&integers, kind, axes, bytes));
            self.stored.push(initializer(&step, element::FLOAT, &[steps.len()], step_bytes));
            self.stored.push(initializer(&zero, kind, &[steps.len()], vec![0; steps.len() * width]));
            let inputs = [integers.as_str(), &step, &zero];
            self.nodes.push(node("DequantizeLinear", &numbers, &inputs, vec![integer("axis", 0)]));
        }
        numbers
    }

    /// Quantizes the result of a node to eight bits, together with the activation after it if that is a cut at zero.
    fn round_result(&mut self, node: &'a Node) -> Result<(), ModelError> {
        let Some(activation) = self.wiring.clipped_by(node) else {
            return self.round(result(node), result(node), self.range(result(node))?);
        };
        let name = result(activation);
        self.given.insert(name);
        let high = self.range(name)?.high;
        self.round(result(node), name, Range { low: 0.0, high })
    }

    /// Puts the value `from` of the new graph into eight bits; readers of `name` in the old one get it.
    fn round(&mut self, from: &str, name: &str, range: Range) -> Result<(), ModelError> {
        let Range { low, high } = range;
        if !(low <= 0.0 && high >= 0.0 && (high - low).is_finite()) {
            return Err(broken(format!("`{name}` has the impossible range {low} to {high}")));
        }
        #[allow(clippy::cast_possible_truncation)]
        let step = ((high - low) / LEVELS) as f32;
        // of a map that was zero throughout
        let step = if step < f32::MIN_POSITIVE { 1.0 / 255.0 } else { step };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let zero = (-low / f64::from(step)).round().clamp(0.0, LEVELS) as u8;
        let scale = [format!("{name}.step"), format!("{name}.zero")];
        self.stored.push(initializer(&scale[0], element::FLOAT, &[], step.to_le_bytes().to_vec()));
        self.stored.push(initializer(&scale[1], element::UINT8, &[], vec![zero]));
        self.rounded(from, name, &scale, step);
        Ok(())
    }

    fn rounded(&mut self, from: &str, name: &str, scale: &[String; 2], step: f32) {
        let (integers, numbers) = (format!("{name}.q"), format!("{name}.dq"));
        let [step_name, zero] = scale;
        self.nodes.push(node("QuantizeLinear", &integers, &[from, step_name, zero], Vec::new()));
        self.nodes.push(node("DequantizeLinear", &numbers, &[&integers, step_name, zero], Vec::new()));
        self.eight.insert(name.to_owned(), EightBitMap { name: numbers, scale: scale.clone(), step });
    }

    /// A map of the old graph in eight bits; what was left in fp32 is rounded here.
    fn eight_bit(&mut self, name: &str) -> Result<EightBitMap, ModelError> {
        if !self.eight.contains_key(name) {
            let range = if self.wiring.is_vector(name) { UNIT } else { self.range(name)? };
            self.round(name, name, range)?;
        }
        self.eight.get(name).cloned().ok_or_else(|| broken(format!("`{name}` could not be rounded")))
    }

    fn range(&self, name: &str) -> Result<Range, ModelError> {
        self.ranges.get(name).copied().ok_or_else(|| broken(format!("`{name}` was not measured")))
    }

    /// Copies the node with other inputs, or with its own: the eight-bit ones where there are any.
    fn copy(&mut self, node: &Node, inputs: Option<&[String]>) {
        let mut copied = node.clone();
        for (position, input) in copied.input.iter_mut().enumerate() {
            if let Some(given) = inputs.and_then(|inputs| inputs.get(position)) {
                given.clone_into(input);
            } else if let Some(eight) = self.eight.get(input) {
                input.clone_from(&eight.name);
            } else if let Some(weights) = self.wiring.weights.get(input.as_str())
                && self.names.insert(input.clone())
            {
                self.stored.push((*weights).clone());
            }
        }
        self.nodes.push(copied);
    }
}

fn broken(reason: String) -> ModelError {
    ModelError::OnnxGraph { reason }
}
