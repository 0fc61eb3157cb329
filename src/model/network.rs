//! TResNet drawn as an ONNX graph.

use super::architecture::{Architecture, BlockKind};
use super::blocks::{self, Block};
use super::card::{Metadata, ModelCard};
use super::checkpoint::Checkpoint;
use super::error::ModelError;
use super::fold;
use super::onnx::{Activation, Graph, Map, Precision};
use super::{EMBEDDING, INPUT, LOGITS};

/// Slope of the stem's LeakyReLU: PyTorch's default, which timm and the authors left in place there.
const STEM: Activation = Activation::LeakyRelu(1e-2);
/// Slope of every other LeakyReLU.
const INNER: Activation = Activation::LeakyRelu(1e-3);

/// Below it the last blur has a map of one row, which cannot be reflected.
pub const MIN_IMAGE_SIZE: u32 = 20;
/// A hundred times the pixels of the largest published model.
pub const MAX_IMAGE_SIZE: u32 = 4096;

/// What is decided when a graph is built, besides its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildOptions {
    /// Arithmetic of the maps.
    pub precision: Precision,
    /// Side of the square input in pixels: a multiple of 4.
    pub image_size: u32,
}

/// Draws a network with its weights and metadata, and gives the bytes of an `.onnx` file.
///
/// Input [`INPUT`] `[batch, 3, size, size]` in the graph's precision; outputs [`LOGITS`] `[batch, classes]` and
/// [`EMBEDDING`] `[batch, dim]` in f32. The batch is free, everything else fixed.
///
/// # Errors
///
/// A size that does not fit, tensors that are not the architecture's, names that do not pair with the classes, and
/// weights that no sound training leaves behind or that half precision cannot hold.
pub fn build_onnx(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    options: &BuildOptions,
    metadata: &Metadata,
) -> Result<Vec<u8>, ModelError> {
    architecture.check(checkpoint)?;
    let size = options.image_size;
    if !size.is_multiple_of(4) || !(MIN_IMAGE_SIZE..=MAX_IMAGE_SIZE).contains(&size) {
        return Err(ModelError::ImageSize { size, least: MIN_IMAGE_SIZE, most: MAX_IMAGE_SIZE });
    }
    if options.precision == Precision::Int8 {
        return Err(ModelError::NeedsRanges);
    }
    let card = ModelCard::of_build(checkpoint, architecture, options, metadata)?;

    let mut graph = Graph::new(options.precision);
    let images = graph.input(INPUT, 3, size as usize, size as usize);
    let mut map = stem(&mut graph, checkpoint, &images, architecture)?;
    for block in blocks::blocks(architecture) {
        map = residual(&mut graph, checkpoint, &block, &map)?;
    }
    let embedding = graph.pooled(EMBEDDING, &map);
    let logits = graph.linear(LOGITS, &embedding, &fold::plain(checkpoint, "head.fc")?)?;
    graph.output(&logits);
    graph.output(&embedding);
    graph.finish(&card.to_properties())
}

fn stem(
    graph: &mut Graph,
    checkpoint: &Checkpoint,
    images: &Map,
    architecture: &Architecture,
) -> Result<Map, ModelError> {
    let squares = graph.space_to_depth("stem", images);
    let conv = blocks::stem(architecture);
    graph.conv(&conv.scope, &squares, &fold::conv(checkpoint, &conv.scope)?, STEM)
}

fn residual(graph: &mut Graph, checkpoint: &Checkpoint, block: &Block, map: &Map) -> Result<Map, ModelError> {
    let mut branch = map.clone();
    let convs = block.convs();
    let last = convs.len() - 1;
    for (position, conv) in convs.iter().enumerate() {
        if position == last && block.kind == BlockKind::Bottleneck {
            branch = excite(graph, checkpoint, block, branch)?;
        }
        let activation = if position == last { Activation::Identity } else { INNER };
        branch = graph.conv(&conv.scope, &branch, &fold::conv(checkpoint, &conv.scope)?, activation)?;
        if block.halves && position == block.blurred() {
            branch = graph.blur(&format!("{}.blur", conv.scope), &branch)?;
        }
    }
    if block.kind == BlockKind::Basic {
        branch = excite(graph, checkpoint, block, branch)?;
    }
    let mut shortcut = map.clone();
    if block.halves {
        shortcut = graph.halve(&format!("{}.downsample.0", block.scope), &shortcut);
    }
    if let Some(conv) = block.shortcut_conv() {
        let kernel = fold::conv(checkpoint, &conv.scope)?;
        shortcut = graph.conv(&conv.scope, &shortcut, &kernel, Activation::Identity)?;
    }
    Ok(graph.add_relu(&block.scope, &branch, &shortcut))
}

fn excite(graph: &mut Graph, checkpoint: &Checkpoint, block: &Block, map: Map) -> Result<Map, ModelError> {
    if block.se_hidden.is_none() {
        return Ok(map);
    }
    let scope = format!("{}.se", block.scope);
    let reduce = fold::plain(checkpoint, &format!("body.{scope}.fc1"))?;
    let expand = fold::plain(checkpoint, &format!("body.{scope}.fc2"))?;
    graph.squeeze_excite(&scope, &map, &reduce, &expand)
}
