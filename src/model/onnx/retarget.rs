//! A graph with other outputs: its nodes stay as they are, and what no output needs is left out.

use std::collections::BTreeSet;

use prost::Message;

use super::nodes::{integer, node};
use super::proto::{Axis, AxisLength, Shape, TensorType, Type, ValueInfo, element};
use super::view::{View, damaged, tag, text_in};
use super::wire::{fields, push};
use crate::model::error::ModelError;
use crate::model::tensor_info::{Dim, ElementType, TensorInfo};

/// The graph that takes `input` and gives `outputs` in single precision, which may be any tensors of it. An input in
/// bfloat16 becomes one in single precision. Returns the file, the name of its input, and those of its outputs.
///
/// # Errors
/// [`ModelError::OnnxGraph`] for a damaged file.
pub(in crate::model) fn retarget(
    view: &View<'_>,
    input: &TensorInfo,
    outputs: &[TensorInfo],
) -> Result<(Vec<u8>, String, Vec<String>), ModelError> {
    let needed = Needed::of(view, outputs)?;
    let mut graph = Vec::with_capacity(view.graph.len() + 1024);
    let mut input_name = input.name.clone();
    let is_wide = input.element == ElementType::Bf16;
    if is_wide {
        // ahead of the nodes that read it
        input_name = view.unused(&input.name);
        let cast = integer("to", element::BFLOAT16.into());
        let mut cast = node("Cast", &input.name, &[&input_name], vec![cast]);
        cast.name = Some(input_name.clone());
        push(&mut graph, tag::GRAPH_NODE, &cast.encode_to_vec());
    }
    let mut names = Vec::with_capacity(outputs.len());
    let mut ends = Vec::with_capacity(outputs.len());
    for output in outputs {
        let is_single = output.element == ElementType::F32;
        let name = if is_single { output.name.clone() } else { view.unused(&output.name) };
        if !is_single {
            let cast = integer("to", element::FLOAT.into());
            ends.push((tag::GRAPH_NODE, node("Cast", &name, &[&output.name], vec![cast]).encode_to_vec()));
        }
        ends.push((tag::GRAPH_OUTPUT, described(&name, &output.shape).encode_to_vec()));
        names.push(name);
    }
    let mut index = 0;
    for field in fields(view.graph) {
        let field = field.map_err(damaged)?;
        let stays = match field.number {
            tag::GRAPH_NODE => {
                index += 1;
                needed.nodes.contains(&(index - 1))
            }
            tag::GRAPH_INITIALIZER => needed.has(text_in(field.body, tag::TENSOR_NAME)?),
            tag::GRAPH_OUTPUT => false,
            tag::GRAPH_VALUE_INFO => {
                let name = text_in(field.body, tag::VALUE_NAME)?;
                needed.has(name) && outputs.iter().all(|output| name != Some(&output.name))
            }
            tag::GRAPH_INPUT => {
                let name = text_in(field.body, tag::VALUE_NAME)?;
                let is_image = name == Some(&input.name);
                if is_image && is_wide {
                    push(&mut graph, tag::GRAPH_INPUT, &described(&input_name, &input.shape).encode_to_vec());
                }
                is_image && !is_wide || !is_image && needed.has(name)
            }
            _ => true,
        };
        if stays {
            graph.extend_from_slice(field.whole);
        }
    }
    ends.iter().for_each(|(number, message)| push(&mut graph, *number, message));
    let mut model = Vec::with_capacity(graph.len() + 1024);
    for field in fields(view.model) {
        let field = field.map_err(damaged)?;
        if field.number != tag::MODEL_GRAPH {
            model.extend_from_slice(field.whole);
        }
    }
    push(&mut model, tag::MODEL_GRAPH, &graph);
    Ok((model, input_name, names))
}

/// What outputs are computed from.
struct Needed<'a> {
    nodes: BTreeSet<usize>,
    tensors: BTreeSet<&'a str>,
}

impl<'a> Needed<'a> {
    fn of(view: &'a View<'a>, outputs: &'a [TensorInfo]) -> Result<Needed<'a>, ModelError> {
        let mut needed = Needed { nodes: BTreeSet::new(), tensors: BTreeSet::new() };
        let mut open: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
        while let Some(tensor) = open.pop() {
            if !needed.tensors.insert(tensor) {
                continue;
            }
            let Some(index) = view.maker(tensor) else { continue };
            if needed.nodes.insert(index) {
                let node = &view.nodes[index];
                open.extend(node.inputs.iter().filter(|name| !name.is_empty()));
                // a node's other outputs have descriptions too
                needed.tensors.extend(node.outputs.iter().filter(|name| !name.is_empty()));
                node.captured(&mut open)?;
            }
        }
        Ok(needed)
    }

    fn has(&self, name: Option<&str>) -> bool {
        name.is_some_and(|name| self.tensors.contains(name))
    }
}

/// Those of `inputs` from which any of `outputs` is computed, by their positions.
pub(in crate::model) fn read_inputs(
    view: &View<'_>,
    inputs: &[TensorInfo],
    outputs: &[TensorInfo],
) -> Result<Vec<usize>, ModelError> {
    let needed = Needed::of(view, outputs)?;
    let is_needed = |(index, input): (usize, &TensorInfo)| needed.has(Some(&input.name)).then_some(index);
    Ok(inputs.iter().enumerate().filter_map(is_needed).collect())
}

impl View<'_> {
    /// A name like this one that no tensor has.
    fn unused(&self, name: &str) -> String {
        let is_used = |name: &str| {
            let node =
                |node: &super::view::Node<'_>| node.inputs.contains(&name) || node.outputs.contains(&name);
            self.nodes.iter().any(node)
        };
        let mut unused = format!("{name}_f32");
        while is_used(&unused) {
            unused.push('_');
        }
        unused
    }
}

/// An input or output in single precision.
fn described(name: &str, shape: &[Dim]) -> ValueInfo {
    let axis = |dim: &Dim| Axis {
        length: match dim {
            Dim::Fixed(length) => i64::try_from(*length).ok().map(AxisLength::Value),
            Dim::Free(name) => name.clone().map(AxisLength::Param),
        },
    };
    let shape = Shape { dim: shape.iter().map(axis).collect() };
    let known = (!shape.dim.is_empty()).then_some(shape);
    let tensor_type = TensorType { elem_type: Some(element::FLOAT), shape: known };
    ValueInfo { name: Some(name.to_owned()), r#type: Some(Type { tensor_type: Some(tensor_type) }) }
}
