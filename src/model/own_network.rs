//! TResNet drawn with our own operators, up to its last map. Which layers have one is the form's choice.

use super::architecture::{Architecture, BlockKind};
use super::blocks::{self, Block};
use super::checkpoint::Checkpoint;
use super::error::ModelError;
use super::fold;
use super::onnx::{Activation, Epilogue, Graph, Image, Kernel, Map, Own, Way};

impl Architecture {
    /// Names of all convolutions, below `body.`, in the order by which [`Ways`](super::Ways) counts them: the stem; then
    /// those of each block, its shortcut's last. Layers of squeeze-and-excitation are not among them.
    pub fn convolutions(&self) -> Vec<String> {
        let mut names = vec![blocks::stem(self).scope];
        for block in blocks::blocks(self) {
            names.extend(block.convs().into_iter().chain(block.shortcut_conv()).map(|conv| conv.scope));
        }
        names
    }
}

/// Slopes of the stem's LeakyReLU and of all others.
pub(super) struct Slopes {
    pub stem: f32,
    pub inner: f32,
}

/// The graph so far, and where its weights come from.
pub(super) struct OwnDrawing<'a> {
    pub graph: &'a mut Graph,
    pub checkpoint: &'a Checkpoint,
    pub own: Own,
    pub slopes: Slopes,
}

impl OwnDrawing<'_> {
    /// Draws the stem and all blocks.
    ///
    /// # Errors
    ///
    /// Weights that no sound training produces, or that the precision cannot hold.
    pub(super) fn trunk(
        &mut self,
        image: &Image<'_>,
        architecture: &Architecture,
    ) -> Result<Map, ModelError> {
        let pixels = self.graph.packed_image(image)?;
        let stem = Activation::LeakyRelu(self.slopes.stem);
        let mut map = self.conv((&blocks::stem(architecture).scope, 0), &pixels, stem, false)?;
        let mut first = 1;
        for block in blocks::blocks(architecture) {
            map = self.residual(&block, first, &map)?;
            first += block.convs().len() + usize::from(block.shortcut.is_some());
        }
        Ok(map)
    }

    /// A convolution, by its name and position, with an activation. `deferred`: an operator of ours that follows includes
    /// the activation.
    fn conv(
        &mut self,
        (scope, position): (&str, usize),
        map: &Map,
        activation: Activation,
        deferred: bool,
    ) -> Result<Map, ModelError> {
        let kernel = fold::folded_conv(self.checkpoint, scope)?;
        let way = self.own.convolutions.at(position);
        let fused = if way == Way::Fused && !deferred { activation } else { Activation::Identity };
        let map = match way {
            Way::Fused | Way::Apart => {
                self.graph.own_conv(scope, map, &kernel, Epilogue { sum: None, activation: fused })?
            }
            Way::Stock => self.stock_conv(scope, map, &kernel)?,
        };
        let is_left = !deferred && fused != activation;
        Ok(if is_left { self.graph.activated(scope, map, activation) } else { map })
    }

    fn stock_conv(&mut self, scope: &str, map: &Map, kernel: &Kernel) -> Result<Map, ModelError> {
        self.graph.in_planes(scope, map, |graph, map| graph.conv(scope, map, kernel, 1, Activation::Identity))
    }

    fn residual(&mut self, block: &Block, first: usize, map: &Map) -> Result<Map, ModelError> {
        let convs = block.convs();
        let (before, last) = (&convs[..convs.len() - 1], convs.len() - 1);
        let shortcut = self.shortcut(block, first + convs.len(), map)?;
        let is_excited = block.se_hidden.is_some();
        let mut branch = map.clone();
        for (position, conv) in before.iter().enumerate() {
            let halves = block.halves && position == block.blurred();
            let excites = is_excited && block.kind == BlockKind::Bottleneck && position + 1 == last;
            let is_fused = self.own.convolutions.at(first + position) == Way::Fused;
            // cheapest where a pass over the map follows anyway
            let by_blur = halves && self.own.blur;
            let by_gate = excites && !halves && self.own.squeeze_excite && !is_fused;
            let activation = Activation::LeakyRelu(self.slopes.inner);
            let place = (conv.scope.as_str(), first + position);
            branch = self.conv(place, &branch, activation, by_blur || by_gate)?;
            if halves {
                branch = self.blur(&format!("{}.blur", conv.scope), &branch)?;
            }
            if excites {
                let slope = if by_gate { self.slopes.inner } else { 1.0 };
                branch = self.excite(block, &branch, slope)?;
            }
        }
        let place = (convs[last].scope.as_str(), first + last);
        if !is_excited || block.kind == BlockKind::Bottleneck {
            return self.conv_add_relu(block, place, &branch, &shortcut);
        }
        let branch = self.conv(place, &branch, Activation::Identity, false)?;
        if !self.own.squeeze_excite {
            let branch = self.excite(block, &branch, 1.0)?;
            return Ok(self.graph.add_relu(&block.scope, &branch, &shortcut));
        }
        let (scope, layers) = self.layers(block)?;
        let gate = self.graph.own_gate(&scope, &branch, layers.each_ref(), 1.0)?;
        Ok(self.graph.gate_add_relu(&block.scope, &branch, &gate, &shortcut))
    }

    fn shortcut(&mut self, block: &Block, position: usize, map: &Map) -> Result<Map, ModelError> {
        let mut shortcut = map.clone();
        if block.halves {
            let scope = format!("{}.downsample.0", block.scope);
            shortcut = self.graph.in_planes(&scope, map, |graph, map| Ok(graph.halve(&scope, map)))?;
        }
        match block.shortcut_conv() {
            Some(conv) => self.conv((&conv.scope, position), &shortcut, Activation::Identity, false),
            None => Ok(shortcut),
        }
    }

    /// The last convolution of a block, the sum with the shortcut, and ReLU.
    fn conv_add_relu(
        &mut self,
        block: &Block,
        (scope, position): (&str, usize),
        map: &Map,
        shortcut: &Map,
    ) -> Result<Map, ModelError> {
        let kernel = fold::folded_conv(self.checkpoint, scope)?;
        if self.own.convolutions.at(position) == Way::Stock {
            let branch = self.stock_conv(scope, map, &kernel)?;
            return Ok(self.graph.add_relu(&block.scope, &branch, shortcut));
        }
        let epilogue = Epilogue { sum: Some(shortcut), activation: Activation::Relu };
        self.graph.own_conv(scope, map, &kernel, epilogue)
    }

    /// The anti-alias filter; ours includes the activation.
    fn blur(&mut self, scope: &str, map: &Map) -> Result<Map, ModelError> {
        if self.own.blur {
            return Ok(self.graph.leaky_blur(scope, map, self.slopes.inner));
        }
        self.graph.in_planes(scope, map, |graph, map| graph.blur(scope, map))
    }

    /// Squeeze-and-excitation; ours includes a LeakyReLU of `slope`.
    fn excite(&mut self, block: &Block, map: &Map, slope: f32) -> Result<Map, ModelError> {
        let (scope, layers) = self.layers(block)?;
        if !self.own.squeeze_excite {
            return self.graph.interleaved_squeeze_excite(&scope, map, layers.each_ref());
        }
        let gate = self.graph.own_gate(&scope, map, layers.each_ref(), slope)?;
        Ok(self.graph.gated(&scope, map, &gate, slope))
    }

    /// The name of a block's squeeze-and-excitation, and its two layers.
    fn layers(&self, block: &Block) -> Result<(String, [Kernel; 2]), ModelError> {
        let scope = format!("{}.se", block.scope);
        let layer = |name: &str| fold::biased_layer(self.checkpoint, &format!("body.{scope}.{name}"));
        let layers = [layer("fc1")?, layer("fc2")?];
        Ok((scope, layers))
    }
}
