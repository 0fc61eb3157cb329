//! TResNet drawn as an ONNX graph.

use super::architecture::{Architecture, BlockKind};
use super::blocks::{self, Block};
use super::build_options::BuildOptions;
use super::card::{Metadata, ModelCard};
use super::checkpoint::Checkpoint;
use super::design::{Design, StemDesign};
use super::error::ModelError;
use super::fold;
use super::interface::{EMBEDDING, INPUT, LOGITS};
use super::onnx::{Activation, Form, Graph, Image, Kernel, Map, Norm, Operators};
use super::own_network::{OwnDrawing, Slopes};
use super::precision::Precision;
use super::preprocessing::Preprocessing;

/// Slope of the stem's LeakyReLU: PyTorch's default, which timm and the authors left in place there.
const STEM_SLOPE: f32 = 1e-2;
const STEM: Activation = Activation::LeakyRelu(STEM_SLOPE);
/// Slope of every other LeakyReLU.
const INNER_SLOPE: f32 = 1e-3;
const INNER: Activation = Activation::LeakyRelu(INNER_SLOPE);

/// Below it the last blur has a map of one row, which cannot be reflected.
pub const MIN_IMAGE_SIZE: u32 = 20;
/// A hundred times the pixels of the largest published model.
pub const MAX_IMAGE_SIZE: u32 = 4096;

/// Draws a network with its weights and metadata, and gives the bytes of an `.onnx` file.
///
/// Input [`INPUT`] `[batch, 3, size, size]` in the graph's precision, unless the form differs; outputs [`LOGITS`]
/// `[batch, classes]` and [`EMBEDDING`] `[batch, dim]` in f32. The batch is free, everything else fixed.
///
/// # Errors
///
/// A size that does not fit, tensors that are not the architecture's, names that do not pair with the classes, and
/// weights that no sound training produces or that half precision cannot hold.
pub fn build_onnx(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    options: &BuildOptions,
    metadata: &Metadata,
) -> Result<Vec<u8>, ModelError> {
    architecture.check(checkpoint)?;
    build_design(checkpoint, architecture, options, metadata, Design::TRESNET)
}

/// As [`build_onnx`], with some refinements of the network taken away; `checkpoint` holds what is left. Our own operators
/// draw the whole network only: with anything taken away, the form's choice of operators is passed over.
///
/// # Errors
///
/// As [`build_onnx`], but tensors that the design does not read are not looked at.
pub fn build_design(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    options: &BuildOptions,
    metadata: &Metadata,
    design: Design,
) -> Result<Vec<u8>, ModelError> {
    let size = options.image_size;
    if !size.is_multiple_of(4) || !(MIN_IMAGE_SIZE..=MAX_IMAGE_SIZE).contains(&size) {
        return Err(ModelError::ImageSize { size, least: MIN_IMAGE_SIZE, most: MAX_IMAGE_SIZE });
    }
    if options.precision == Precision::Int8 {
        return Err(ModelError::NeedsRanges);
    }
    let card = ModelCard::of_build(checkpoint, architecture, options, metadata)?;
    let Preprocessing { mean, std, .. } = metadata.preprocessing;
    let image = Image {
        name: INPUT,
        size: size as usize,
        mean: mean.unwrap_or([0.0; 3]),
        std: std.unwrap_or([1.0; 3]),
    };
    let form = match design {
        Design::TRESNET => options.form,
        _ => Form { operators: Operators::Stock, ..options.form },
    };
    let mut graph = Graph::new(options.precision, form);
    let map = match form.operators {
        Operators::Own(own) => {
            let slopes = Slopes { stem: STEM_SLOPE, inner: INNER_SLOPE };
            OwnDrawing { graph: &mut graph, checkpoint, own, slopes }.trunk(&image, architecture)?
        }
        Operators::Stock => {
            let mut drawing = Drawing { graph: &mut graph, checkpoint, design };
            let mut map = drawing.stem(&image, architecture)?;
            for block in blocks::blocks(architecture) {
                map = drawing.residual(&block, &map)?;
            }
            map
        }
    };
    let embedding = graph.pooled(EMBEDDING, &map, architecture.embedding_dim());
    let logits = graph.linear(LOGITS, &embedding, &fold::biased_layer(checkpoint, "head.fc")?)?;
    graph.output(&logits);
    graph.output(&embedding);
    graph.finish(&card.to_properties())
}

/// The graph so far, and where its weights come from.
struct Drawing<'a> {
    graph: &'a mut Graph,
    checkpoint: &'a Checkpoint,
    design: Design,
}

impl Drawing<'_> {
    fn stem(&mut self, image: &Image<'_>, architecture: &Architecture) -> Result<Map, ModelError> {
        let scope = blocks::stem(architecture).scope;
        let (kernel, norm) = self.conv_weights(&scope)?;
        let fused = fused_activation(norm.as_ref(), STEM);
        let map = match self.design.stem {
            StemDesign::SpaceToDepth => self.graph.stem(&scope, image, &kernel, fused)?,
            StemDesign::Convolution7 => self.graph.stem_of_resnet(&scope, image, &kernel, fused)?,
        };
        self.normalised(&scope, map, norm.as_ref(), STEM)
    }

    fn conv(&mut self, scope: &str, map: &Map, stride: usize, after: Activation) -> Result<Map, ModelError> {
        let (kernel, norm) = self.conv_weights(scope)?;
        let map = self.graph.conv(scope, map, &kernel, stride, fused_activation(norm.as_ref(), after))?;
        self.normalised(scope, map, norm.as_ref(), after)
    }

    /// A convolution's weights, and its batch norm where the design keeps that as a node.
    fn conv_weights(&self, scope: &str) -> Result<(Kernel, Option<Norm>), ModelError> {
        if self.design.folded {
            return Ok((fold::folded_conv(self.checkpoint, scope)?, None));
        }
        let (kernel, norm) = fold::conv_and_norm(self.checkpoint, scope)?;
        Ok((kernel, Some(norm)))
    }

    fn normalised(
        &mut self,
        scope: &str,
        map: Map,
        norm: Option<&Norm>,
        after: Activation,
    ) -> Result<Map, ModelError> {
        match norm {
            Some(norm) => self.graph.batch_norm(scope, &map, norm, after),
            None => Ok(map),
        }
    }

    fn residual(&mut self, block: &Block, map: &Map) -> Result<Map, ModelError> {
        let mut branch = map.clone();
        let convs = block.convs();
        let last = convs.len() - 1;
        for (position, conv) in convs.iter().enumerate() {
            if position == last && block.kind == BlockKind::Bottleneck {
                branch = self.excite(block, branch)?;
            }
            let activation = if position == last { Activation::Identity } else { INNER };
            let halves = block.halves && position == block.blurred();
            let stride = if halves && !self.design.antialias { 2 } else { 1 };
            branch = self.conv(&conv.scope, &branch, stride, activation)?;
            if halves && self.design.antialias {
                branch = self.graph.blur(&format!("{}.blur", conv.scope), &branch)?;
            }
        }
        if block.kind == BlockKind::Basic {
            branch = self.excite(block, branch)?;
        }
        let mut shortcut = map.clone();
        if block.halves {
            shortcut = self.graph.halve(&format!("{}.downsample.0", block.scope), &shortcut);
        }
        if let Some(conv) = block.shortcut_conv() {
            shortcut = self.conv(&conv.scope, &shortcut, 1, Activation::Identity)?;
        }
        Ok(self.graph.add_relu(&block.scope, &branch, &shortcut))
    }

    fn excite(&mut self, block: &Block, map: Map) -> Result<Map, ModelError> {
        if block.se_hidden.is_none() {
            return Ok(map);
        }
        let scope = format!("{}.se", block.scope);
        let reduce = fold::biased_layer(self.checkpoint, &format!("body.{scope}.fc1"))?;
        let expand = fold::biased_layer(self.checkpoint, &format!("body.{scope}.fc2"))?;
        self.graph.squeeze_excite(&scope, &map, &reduce, &expand)
    }
}

/// The activation that is drawn with a convolution: none if a batch norm comes between the two.
fn fused_activation(norm: Option<&Norm>, after: Activation) -> Activation {
    if norm.is_some() { Activation::Identity } else { after }
}
