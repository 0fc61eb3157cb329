//! Which tensors of a graph are the images, the logits and the embedding.

use std::borrow::Cow;

use super::error::ModelError;
use super::info::OnnxInfo;
use super::interface::{EMBEDDING, LOGITS};
use super::onnx::retarget::{read_inputs, retarget};
use super::onnx::view::View;
use super::onnx::{Head, head_of};
use super::tensor_info::{Dim, ElementType, TensorInfo, list, tensor_info};

/// Names of outputs that are embeddings wherever they come from: ours, CLIP's and SigLIP's, DINOv2's.
const EMBEDDINGS: [&str; 3] = [EMBEDDING, "image_embeds", "pooler_output"];

/// Outputs that are examined if no name decides which one to use.
const MOST_OUTPUTS: usize = 64;

/// Names of a graph's tensors as a job gives them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Roles {
    /// The images.
    pub input: Option<String>,
    /// The classifier's output.
    pub logits: Option<String>,
    /// The pooled features.
    pub embedding: Option<String>,
}

/// A graph's input and outputs in their roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageModel {
    /// The tensors that were chosen, under the names that the file has for them.
    pub roles: Roles,
    /// Name of the image input, `[batch, 3, size, size]` or `[batch, size, size, 3]`.
    pub input: String,
    /// What it holds.
    pub element: ElementType,
    /// Its side in pixels, where the graph fixes it.
    pub image_size: Option<u32>,
    /// The batch, where the graph fixes it.
    pub fixed_batch: Option<usize>,
    /// Name of the input's first axis, where that is free and has one.
    pub batch_axis: Option<String>,
    /// Names of its axes of height and width, where these are free and have names.
    pub side_axes: Vec<String>,
    /// Name of the classifier's output, `[batch, classes]`, where there is one.
    pub logits: Option<String>,
    /// Number of classes, where the graph defines it.
    pub classes: Option<usize>,
    /// Name of the pooled features' output, `[batch, dim]`, where there is one, and its length.
    pub embedding: Option<(String, Option<usize>)>,
    /// The last node, which made probabilities of logits and was taken out.
    pub head: Option<Head>,
    /// The file that has these inputs and outputs, where it is another than the one that was read.
    pub rewritten: Option<Vec<u8>>,
}

/// The outputs that were chosen.
struct Chosen {
    logits: Option<TensorInfo>,
    embedding: Option<TensorInfo>,
}

impl ImageModel {
    /// Finds images, logits and embedding in a graph whose file is `bytes`. A role that `roles` does not name goes to the
    /// output called [`LOGITS`] or [`EMBEDDING`], or to the only one that it can go to. Where an embedding is named or
    /// found and nothing else can be the logits, there are none.
    ///
    /// Logits that come directly from a softmax over the last axis or from a sigmoid are read before that node. What is
    /// not single precision becomes it.
    ///
    /// # Errors
    /// [`ModelError::OnnxGraph`] shows the tensors among which a role has no candidate, or several.
    pub fn find(info: &OnnxInfo, bytes: &[u8], roles: &Roles) -> Result<Self, ModelError> {
        let view = View::read(bytes)?;
        let input = image(info, roles)?;
        let mut chosen = choose(info, &view, roles, input)?;
        let mut head = None;
        let mut named = Roles { input: None, ..chosen.names() };
        let mut classes = chosen.logits.as_ref().and_then(width);
        if let Some(logits) = chosen.logits.as_mut().filter(|_| info.card.is_none())
            && let Some((found, before)) = head_of(&view, logits, info.opset)?
        {
            head = Some(found);
            let before = inner(&view, before)?;
            if named.embedding.as_ref() == Some(&before.name) {
                return Err(wrong(format!(
                    "{before} cannot be both logits and embedding; set one of the two keys"
                )));
            }
            classes = classes.or_else(|| width(&before));
            *logits = before;
        }
        let dim = chosen.embedding.as_ref().and_then(width);
        let outputs: Vec<TensorInfo> = chosen.logits.iter().chain(&chosen.embedding).cloned().collect();
        refuse_other_inputs(info, &view, input, &outputs)?;
        named.input = Some(input.name.clone());
        // a graph that needs no change keeps its bytes
        let is_output = |output: &TensorInfo| info.output(&output.name).is_some();
        let is_as_earlier = named.logits.is_some() && named.logits.as_deref() == earlier_logits(info);
        let is_plain = info.inputs.len() == 1
            && head.is_none()
            && input.element != ElementType::Bf16
            && outputs.iter().all(|output| is_output(output) && output.element == ElementType::F32)
            && (is_as_earlier || outputs.len() == info.outputs.len());
        let (rewritten, name, mut names) = match is_plain {
            true => {
                let names = outputs.into_iter().map(|output| output.name).collect();
                (None, input.name.clone(), names)
            }
            false => {
                let (bytes, name, names) = retarget(&view, input, &outputs)?;
                (Some(bytes), name, names)
            }
        };
        let embedding = chosen.embedding.is_some().then(|| names.pop()).flatten().map(|name| (name, dim));
        let Some(Sides { height, width, .. }) = sides(input) else { return Err(no_image(input)) };
        let axis_name = |dim: &Dim| match dim {
            Dim::Free(name) => name.clone().filter(|name| !name.is_empty()),
            Dim::Fixed(_) => None,
        };
        let batch = &input.shape[0];
        let mut side_axes: Vec<String> = [height, width].into_iter().filter_map(axis_name).collect();
        side_axes.dedup();
        let image_size = height.fixed().or(width.fixed()).map(u32::try_from).transpose();
        Ok(Self {
            roles: named,
            input: name,
            element: if input.element == ElementType::Bf16 { ElementType::F32 } else { input.element },
            image_size: image_size.map_err(|_| no_image(input))?,
            fixed_batch: batch.fixed(),
            batch_axis: axis_name(batch),
            side_axes,
            logits: names.pop(),
            classes,
            embedding,
            head,
            rewritten,
        })
    }
}

impl Chosen {
    fn names(&self) -> Roles {
        let name = |tensor: &Option<TensorInfo>| tensor.as_ref().map(|tensor| tensor.name.clone());
        Roles { input: None, logits: name(&self.logits), embedding: name(&self.embedding) }
    }
}

/// The logits by the rule of version 0.1.0.
fn earlier_logits(info: &OnnxInfo) -> Option<&str> {
    let only = match info.outputs.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    info.output(LOGITS).or(only).map(|output| output.name.as_str())
}

fn choose(info: &OnnxInfo, view: &View<'_>, roles: &Roles, input: &TensorInfo) -> Result<Chosen, ModelError> {
    let named = |name: &Option<String>, key: &str| match name {
        Some(name) => find(info, view, name, key).map(|tensor| Some(tensor.into_owned())),
        None => Ok(None),
    };
    let (logits, embedding) =
        (named(&roles.logits, "model.logits")?, named(&roles.embedding, "model.embedding")?);
    let chosen = match (logits, embedding) {
        (None, None) => by_name(info, view, input)?,
        (Some(logits), None) => {
            let embedding = info.output(EMBEDDING).filter(|output| output.name != logits.name).cloned();
            Chosen { logits: Some(logits), embedding }
        }
        (None, Some(embedding)) => {
            let logits = info.output(LOGITS).filter(|output| output.name != embedding.name).cloned();
            Chosen { logits, embedding: Some(embedding) }
        }
        (logits, embedding) => Chosen { logits, embedding },
    };
    if let (Some(logits), Some(embedding)) = (&chosen.logits, &chosen.embedding)
        && logits.name == embedding.name
    {
        return Err(wrong(format!("{logits} cannot be both logits and embedding; set one of the two keys")));
    }
    for output in chosen.logits.iter().chain(&chosen.embedding) {
        if !matches!(output.shape.len(), 0 | 2) {
            return Err(wrong(format!(
                "its output {output} is not `[batch, n]`; name one that is by `model.logits` or `model.embedding`. It has {}",
                list(&info.outputs)
            )));
        }
        if !is_float(output.element) {
            return Err(wrong(format!("its output {output} holds no floats")));
        }
    }
    Ok(chosen)
}

/// The outputs by their names, where a job names none. Of a graph with texts too, those of the images alone.
fn by_name(info: &OnnxInfo, view: &View<'_>, input: &TensorInfo) -> Result<Chosen, ModelError> {
    let all = info.outputs.as_slice();
    let is_named = |output: &&TensorInfo| EMBEDDINGS.contains(&output.name.as_str());
    let only = match all {
        [only] if !is_named(&only) => Some(only),
        _ => None,
    };
    if let Some(logits) = info.output(LOGITS).or(only) {
        let embedding = info.output(EMBEDDING).cloned();
        return Ok(Chosen { logits: Some(logits.clone()), embedding });
    }
    let mut fitting = Vec::new();
    for output in all.iter().take(MOST_OUTPUTS) {
        let fits = matches!(output.shape.len(), 0 | 2) && is_float(output.element);
        if fits && further_inputs(info, view, input, std::slice::from_ref(output))?.is_empty() {
            fitting.push(output);
        }
    }
    let embedding =
        EMBEDDINGS.iter().find_map(|name| fitting.iter().copied().find(|output| output.name == *name));
    let others: Vec<&TensorInfo> = fitting.iter().copied().filter(|output| !is_named(output)).collect();
    match (embedding, others.as_slice()) {
        (Some(embedding), []) => Ok(Chosen { logits: None, embedding: Some(embedding.clone()) }),
        (Some(embedding), [logits]) => {
            Ok(Chosen { logits: Some((*logits).clone()), embedding: Some(embedding.clone()) })
        }
        _ => Err(wrong(format!(
            "its outputs cannot be distinguished: {}; name the one with a number for each class by `model.logits`, the \
             pooled features by `model.embedding`, or both",
            list(all)
        ))),
    }
}

/// A tensor by the name that a key gives.
fn find<'a>(
    info: &'a OnnxInfo,
    view: &View<'_>,
    name: &str,
    key: &str,
) -> Result<Cow<'a, TensorInfo>, ModelError> {
    if let Some(output) = info.output(name) {
        return Ok(Cow::Borrowed(output));
    }
    match view.maker(name) {
        Some(_) => inner(view, name).map(Cow::Owned),
        None => Err(wrong(format!(
            "`{key}` names no tensor that it computes; its outputs are {}",
            list(&info.outputs)
        ))),
    }
}

/// A tensor inside of the graph, whose type is known where the file has it.
fn inner(view: &View<'_>, name: &str) -> Result<TensorInfo, ModelError> {
    let unknown = || TensorInfo { name: name.to_owned(), element: ElementType::Other(0), shape: Vec::new() };
    Ok(view.value(name)?.as_ref().map_or_else(unknown, tensor_info))
}

/// The image among the inputs.
fn image<'a>(info: &'a OnnxInfo, roles: &Roles) -> Result<&'a TensorInfo, ModelError> {
    let all = info.inputs.as_slice();
    let is_image = |input: &&TensorInfo| sides(input).is_some();
    let input = match (&roles.input, all) {
        (Some(name), _) => all.iter().find(|input| input.name == *name).ok_or_else(|| {
            wrong(format!("`model.input` names none of its inputs, which are {}", list(all)))
        })?,
        (None, [only]) => only,
        (None, _) => match all.iter().filter(is_image).collect::<Vec<_>>().as_slice() {
            [only] => only,
            _ => {
                return Err(wrong(format!(
                    "it has {} inputs, not one image: {}; name the images by `model.input`",
                    all.len(),
                    list(all)
                )));
            }
        },
    };
    if is_image(&input) { Ok(input) } else { Err(no_image(input)) }
}

/// Refuses outputs that are computed from more than the images.
fn refuse_other_inputs(
    info: &OnnxInfo,
    view: &View<'_>,
    input: &TensorInfo,
    outputs: &[TensorInfo],
) -> Result<(), ModelError> {
    match further_inputs(info, view, input, outputs)?.as_slice() {
        [] => Ok(()),
        further => Err(wrong(format!(
            "its outputs need more than the images {input}: {}; name others by `model.logits` or `model.embedding`, or \
             export the images' part alone",
            list(further)
        ))),
    }
}

/// The inputs beside the images that outputs are computed from.
fn further_inputs(
    info: &OnnxInfo,
    view: &View<'_>,
    input: &TensorInfo,
    outputs: &[TensorInfo],
) -> Result<Vec<TensorInfo>, ModelError> {
    let others: Vec<TensorInfo> =
        info.inputs.iter().filter(|other| other.name != input.name).cloned().collect();
    if others.is_empty() {
        return Ok(others);
    }
    let read = read_inputs(view, &others, outputs)?;
    Ok(read.into_iter().map(|index| others[index].clone()).collect())
}

/// Axes of an image input.
struct Sides<'a> {
    height: &'a Dim,
    width: &'a Dim,
}

/// The axes of an input that images can be; free channels are the second axis, as exporters write them.
fn sides(input: &TensorInfo) -> Option<Sides<'_>> {
    let [_, first, second, third] = input.shape.as_slice() else { return None };
    let sides = match (first.fixed(), third.fixed()) {
        (Some(3), _) => Sides { height: second, width: third },
        (_, Some(3)) => Sides { height: first, width: second },
        (None, _) => Sides { height: second, width: third },
        _ => return None,
    };
    let is_square = match (sides.height.fixed(), sides.width.fixed()) {
        (Some(height), Some(width)) => height == width && height > 0,
        (Some(side), None) | (None, Some(side)) => side > 0,
        (None, None) => true,
    };
    (is_square && !matches!(input.element, ElementType::Other(_))).then_some(sides)
}

fn no_image(input: &TensorInfo) -> ModelError {
    match input.element {
        ElementType::Other(_) => wrong(format!("its input {input} is neither f32, f16, bf16 nor u8")),
        _ => wrong(format!(
            "its input {input} is neither `[batch, 3, size, size]` nor `[batch, size, size, 3]`"
        )),
    }
}

/// Types that become single precision; 0 is a tensor whose type the file does not have.
fn is_float(element: ElementType) -> bool {
    const DOUBLE: i32 = 11;
    !matches!(element, ElementType::U8)
        && !matches!(element, ElementType::Other(other) if other != DOUBLE && other != 0)
}

fn width(output: &TensorInfo) -> Option<usize> {
    output.shape.get(1).and_then(Dim::fixed)
}

fn wrong(reason: String) -> ModelError {
    ModelError::OnnxGraph { reason }
}
