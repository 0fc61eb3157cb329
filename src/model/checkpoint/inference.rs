//! Which network a checkpoint holds, inferred from the names and shapes of its tensors.

use std::collections::BTreeMap;

use super::family::nearest;
use super::prefixes::wrapper_of_network;
use super::weights::Checkpoint;
use crate::model::architecture::{Architecture, BlockKind, Stage};
use crate::model::error::{ModelError, TensorMismatch};
use crate::model::shorten::shorten;
use crate::model::tensors::{ExpectedTensor, expected_tensors};

impl Architecture {
    /// Reads the network off a checkpoint, and checks that the checkpoint has exactly its tensors.
    ///
    /// # Errors
    ///
    /// [`ModelError::Tensors`] lists what is missing, unexpected or wrongly shaped.
    pub fn infer(checkpoint: &Checkpoint) -> Result<Self, ModelError> {
        let architecture = closest(checkpoint);
        architecture.check(checkpoint)?;
        Ok(architecture)
    }

    /// Whether a checkpoint has exactly this network's tensors.
    ///
    /// # Errors
    ///
    /// [`ModelError::Tensors`], as in [`infer`](Self::infer).
    pub fn check(&self, checkpoint: &Checkpoint) -> Result<(), ModelError> {
        let mismatch = compare(self, checkpoint);
        if mismatch.is_empty() { Ok(()) } else { Err(ModelError::Tensors(Box::new(mismatch))) }
    }
}

/// Returns the network that a checkpoint's names and shapes come closest to. The first block of a stage decides the
/// kind and the squeeze-and-excitation of all its blocks.
pub(super) fn closest(checkpoint: &Checkpoint) -> Architecture {
    let axis = |name: &str| checkpoint.tensors.get(name).and_then(|tensor| tensor.shape.first().copied());
    let width = axis("body.conv1.conv.weight").or_else(|| axis("body.conv1.bn.weight")).unwrap_or(64);
    let classes = axis("head.fc.weight").or_else(|| axis("head.fc.bias")).unwrap_or(1000);
    let stages = std::array::from_fn(|index| {
        let blocks = tensors_by_block(checkpoint, index + 1);
        let first = blocks.first_key_value().map_or(0, |(position, _)| *position);
        let has = |rest: &str| checkpoint.has_prefix(&format!("body.layer{}.{first}.{rest}", index + 1));
        Stage {
            // no stage is empty: one that the checkpoint does not have is then listed as missing
            depth: depth(&blocks).max(1),
            kind: if has("conv3.") || (blocks.is_empty() && index >= 2) {
                BlockKind::Bottleneck
            } else {
                BlockKind::Basic
            },
            squeeze_excite: has("se."),
        }
    });
    Architecture { width: width.max(1), stages, classes: classes.max(1) }
}

/// How many tensors a stage has of each of its blocks.
fn tensors_by_block(checkpoint: &Checkpoint, stage: usize) -> BTreeMap<usize, usize> {
    let prefix = format!("body.layer{stage}.");
    let names = checkpoint.tensors.range(prefix.clone()..).map(|(name, _)| name);
    let rest = names.map_while(|name| name.strip_prefix(&prefix));
    let mut counts = BTreeMap::new();
    for position in rest.filter_map(|rest| rest.split('.').next()?.parse().ok()) {
        *counts.entry(position).or_default() += 1;
    }
    counts
}

/// Returns the depth that leaves the fewest tensors missing or in excess: a block that is missing in the middle is a
/// gap, and a stray tensor far after the last block is no block. Bounded by the number of tensors, whatever their
/// names are.
fn depth(blocks: &BTreeMap<usize, usize>) -> usize {
    let whole = blocks.values().copied().max().unwrap_or_default();
    let total: usize = blocks.values().sum();
    let (mut best, mut least, mut found) = (0, total, 0);
    for (position, count) in blocks {
        found += count;
        let depth = position.saturating_add(1);
        let wrong = (depth.saturating_mul(whole) - found).saturating_add(total - found);
        if wrong <= least {
            (best, least) = (depth, wrong);
        }
    }
    best
}

/// Lists the tensors that a checkpoint is missing, has in excess, or has in another shape.
pub(super) fn compare(architecture: &Architecture, checkpoint: &Checkpoint) -> TensorMismatch {
    let mut mismatch = TensorMismatch { expected: architecture.name(), ..TensorMismatch::default() };
    let mut rest: BTreeMap<&str, _> =
        checkpoint.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    for ExpectedTensor { name, shape } in expected_tensors(architecture) {
        match rest.remove(name.as_str()) {
            None => mismatch.missing.push(name),
            Some(tensor) if tensor.shape != shape => {
                mismatch.misshapen.push((name, shape, tensor.shape.clone()));
            }
            Some(_) => {}
        }
    }
    mismatch.unexpected = rest.into_keys().map(shorten).collect();
    mismatch.hint = hint(checkpoint);
    mismatch
}

fn hint(checkpoint: &Checkpoint) -> Option<String> {
    let names = || checkpoint.tensors.keys().map(String::as_str);
    if let Some(prefix) = names().find_map(wrapper_of_network) {
        let why = format!(
            "some names have the prefix `{prefix}` of a training's wrapper, and others do not: save the state of one \
             network alone"
        );
        return Some(why);
    }
    if checkpoint.has_prefix("body.") {
        let why = "the classifier is missing: save the model with its head";
        return (!checkpoint.has_prefix("head.")).then(|| why.to_owned());
    }
    if checkpoint.tensors.is_empty() {
        return None;
    }
    let which = match nearest(names()) {
        Some(family) => format!("these are the weights of another network, by its tensor names a `{family}`"),
        None => "no name of a TResNet is among them: these are the weights of another network".to_owned(),
    };
    Some(format!("{which}; an ONNX export of it runs, if `model.path` names the `.onnx` file"))
}
