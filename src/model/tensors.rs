//! The tensors that a network needs, under timm's names, held against those of a checkpoint.

use std::collections::BTreeMap;

use super::architecture::{Architecture, BlockKind, Stage};
use super::blocks::{ConvShape, blocks, stem};
use super::checkpoint::Checkpoint;
use super::design::{Design, StemDesign};
use super::error::{TensorMismatch, shorten};

/// One tensor of a network.
pub(super) struct Expected {
    /// timm's name.
    pub name: String,
    /// Lengths of its axes.
    pub shape: Vec<usize>,
}

impl Expected {
    /// How many values it holds.
    pub(super) fn count(&self) -> u64 {
        self.shape.iter().fold(1, |product: u64, axis| product.saturating_mul(*axis as u64))
    }

    /// Whether training moves it by gradients; batch norm's running statistics it does not.
    pub(super) fn is_trained(&self) -> bool {
        !self.name.contains(".running_")
    }
}

/// All tensors of a network, in its order.
pub(super) fn expected(architecture: &Architecture) -> Vec<Expected> {
    let mut list = Vec::new();
    push_conv(&mut list, &stem(architecture));
    for block in blocks(architecture) {
        for conv in block.convs().iter().chain(block.shortcut_conv().as_ref()) {
            push_conv(&mut list, conv);
        }
        if let Some(hidden) = block.se_hidden {
            let channels = block.se_channels();
            for (layer, inputs, outputs) in [("fc1", channels, hidden), ("fc2", hidden, channels)] {
                let name = format!("body.{}.se.{layer}", block.scope);
                push(&mut list, format!("{name}.weight"), &[outputs, inputs, 1, 1]);
                push(&mut list, format!("{name}.bias"), &[outputs]);
            }
        }
    }
    push(&mut list, "head.fc.weight".to_owned(), &[architecture.classes, architecture.embedding_dim()]);
    push(&mut list, "head.fc.bias".to_owned(), &[architecture.classes]);
    list
}

fn push(list: &mut Vec<Expected>, name: String, shape: &[usize]) {
    list.push(Expected { name, shape: shape.to_vec() });
}

fn push_conv(list: &mut Vec<Expected>, conv: &ConvShape) {
    let shape = [conv.outputs, conv.inputs, conv.kernel, conv.kernel];
    push(list, format!("body.{}.conv.weight", conv.scope), &shape);
    for part in ["weight", "bias", "running_mean", "running_var"] {
        push(list, format!("body.{}.bn.{part}", conv.scope), &[conv.outputs]);
    }
}

/// The network that a checkpoint's names and shapes come closest to. The first block that a stage has tells the kind
/// and the squeeze-and-excitation of all.
pub(super) fn closest(checkpoint: &Checkpoint) -> Architecture {
    let axis = |name: &str| checkpoint.tensors.get(name).and_then(|tensor| tensor.shape.first().copied());
    let width = axis("body.conv1.conv.weight").or_else(|| axis("body.conv1.bn.weight")).unwrap_or(64);
    let classes = axis("head.fc.weight").or_else(|| axis("head.fc.bias")).unwrap_or(1000);
    let stages = std::array::from_fn(|index| {
        let blocks = tensors_by_block(checkpoint, index + 1);
        let first = blocks.first_key_value().map_or(0, |(position, _)| *position);
        let has = |rest: &str| has_prefix(checkpoint, &format!("body.layer{}.{first}.{rest}", index + 1));
        Stage {
            // no stage is empty: a lacking one is then listed as missing
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

/// The depth that leaves the fewest tensors missing or in excess: a block that is lacking in the middle is a gap, and a
/// stray tensor far behind the last block is no block. Bounded by the number of tensors, whatever their names are.
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

fn has_prefix(checkpoint: &Checkpoint, prefix: &str) -> bool {
    let mut from_here = checkpoint.tensors.range(prefix.to_owned()..);
    from_here.next().is_some_and(|(name, _)| name.starts_with(prefix))
}

/// What a checkpoint lacks, has in excess, or has in another shape.
pub(super) fn compare(architecture: &Architecture, checkpoint: &Checkpoint) -> TensorMismatch {
    let mut mismatch = TensorMismatch { expected: architecture.name(), ..TensorMismatch::default() };
    let mut rest: BTreeMap<&str, _> =
        checkpoint.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    for Expected { name, shape } in expected(architecture) {
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

fn hint(checkpoint: &Checkpoint) -> Option<&'static str> {
    if has_prefix(checkpoint, "module.") || has_prefix(checkpoint, "model.") {
        Some("the names carry a prefix of the training wrapper: save the inner model's state")
    } else if has_prefix(checkpoint, "body.") && !has_prefix(checkpoint, "head.") {
        Some("the classifier is missing: save the model with its head")
    } else if !(checkpoint.tensors.is_empty() || has_prefix(checkpoint, "body.")) {
        Some("no name of a TResNet is among them: these are the weights of another network")
    } else {
        None
    }
}

/// Multiply-accumulates of one square image, counted as timm's table of results does.
pub(super) fn macs(architecture: &Architecture, image_size: u32, design: Design) -> u64 {
    let conv = |conv: &ConvShape, side: u64| {
        // the two are batch norm's scale and shift
        let each = conv.inputs as u64 * (conv.kernel * conv.kernel) as u64 + 2;
        conv.outputs as u64 * each * side * side
    };
    let mut side = u64::from(image_size) / 4;
    let mut total = match design.stem {
        StemDesign::SpaceToDepth => conv(&stem(architecture), side),
        StemDesign::Convolution7 => {
            let shape = ConvShape { inputs: 3, kernel: 7, ..stem(architecture) };
            conv(&shape, u64::from(image_size) / 2)
        }
    };
    for block in blocks(architecture) {
        let before = side;
        if block.halves {
            side = side.div_ceil(2);
            if design.antialias {
                total += 9 * block.planes as u64 * side * side;
            }
        }
        for (position, shape) in block.convs().iter().enumerate() {
            // the convolution in front of the blur still runs at full size; without a blur it strides
            let last = block.blurred();
            let full = block.halves && (position < last || design.antialias && position == last);
            total += conv(shape, if full { before } else { side });
        }
        if let Some(shape) = block.shortcut_conv() {
            total += conv(&shape, side);
        }
        if let Some(hidden) = block.se_hidden {
            total += 2 * hidden as u64 * block.se_channels() as u64;
        }
    }
    total + architecture.embedding_dim() as u64 * architecture.classes as u64
}
