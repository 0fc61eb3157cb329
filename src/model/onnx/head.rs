//! A last node that makes probabilities of logits.

use super::view::{Node, View};
use crate::model::error::ModelError;
use crate::model::tensor_info::TensorInfo;

/// The version of ONNX's operators from which a softmax goes over the last axis where nothing else is written.
const LAST_AXIS: i64 = 13;
/// Types between which a cast keeps a probability: single, half and double precision, and bfloat16.
const FLOATS: [i64; 4] = [1, 10, 11, 16];
/// Changes of type and pairs of quantization between the probabilities and the output, at most.
const MOST_HOPS: usize = 4;

/// What makes probabilities of logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// Softmax over the last axis.
    Softmax,
    /// Sigmoid of each class.
    Sigmoid,
}

impl Head {
    /// As components and messages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Head::Softmax => "softmax",
            Head::Sigmoid => "sigmoid",
        }
    }
}

/// The head that an output comes from, but for changes of type and quantization, and the tensor before it.
pub(in crate::model) fn head_of<'a>(
    view: &View<'a>,
    output: &TensorInfo,
    opset: i64,
) -> Result<Option<(Head, &'a str)>, ModelError> {
    let mut tensor = output.name.as_str();
    for _ in 0..MOST_HOPS {
        let Some(node) = view.maker(tensor).map(|index| &view.nodes[index]) else { return Ok(None) };
        let Some(&before) = node.inputs.first().filter(|_| node.is_standard) else { return Ok(None) };
        match node.operator {
            "Identity" => tensor = before,
            "Cast" if node.integer("to")?.is_none_or(|to| FLOATS.contains(&to)) => tensor = before,
            "DequantizeLinear" => match quantized(view, node)? {
                Some(before) => tensor = before,
                None => return Ok(None),
            },
            "Sigmoid" => return Ok(Some((Head::Sigmoid, before))),
            "Softmax" => {
                let axis = node.integer("axis")?.unwrap_or(if opset < LAST_AXIS { 1 } else { -1 });
                // an output of unknown axes has two, or is refused when it is tried
                let is_last = axis == -1 || axis == 1 && matches!(output.shape.len(), 0 | 2);
                return Ok(is_last.then_some((Head::Softmax, before)));
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// What was quantized and is made floats again by this node, by the same scale and zero point.
fn quantized<'a>(view: &View<'a>, node: &Node<'a>) -> Result<Option<&'a str>, ModelError> {
    let maker = node.inputs.first().and_then(|tensor| view.maker(tensor)).map(|index| &view.nodes[index]);
    let Some(pair) = maker.filter(|maker| maker.is_standard && maker.operator == "QuantizeLinear") else {
        return Ok(None);
    };
    let mut is_same = pair.inputs.get(1..) == node.inputs.get(1..);
    for name in ["axis", "block_size"] {
        is_same = is_same && pair.integer(name)? == node.integer(name)?;
    }
    Ok(pair.inputs.first().copied().filter(|_| is_same))
}
