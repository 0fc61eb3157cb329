//! The network unrolled into its blocks: the one walk that naming tensors, counting and drawing the graph share.

use super::architecture::{Architecture, BlockKind};

/// One residual block with everything that its place in the network decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Its name below `body.`, such as `layer1.0`.
    pub scope: String,
    /// Its kind.
    pub kind: BlockKind,
    /// Channels that it reads.
    pub inputs: usize,
    /// Channels of its inner convolutions.
    pub planes: usize,
    /// Channels that it gives.
    pub outputs: usize,
    /// Whether it halves the map.
    pub halves: bool,
    /// Hidden channels of its squeeze-and-excitation, if it has one.
    pub se_hidden: Option<usize>,
    /// Position of the shortcut's convolution within `downsample`: after an average pool at 0, or alone.
    pub shortcut: Option<usize>,
}

/// One convolution followed by batch norm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConvShape {
    /// Its name below `body.`, such as `layer1.0.conv1`.
    pub scope: String,
    /// Channels that it reads.
    pub inputs: usize,
    /// Channels that it gives.
    pub outputs: usize,
    /// Side of its square kernel.
    pub kernel: usize,
}

/// The convolution after the stem's rearrangement: 16 pixels of 3 channels make 48.
pub(super) fn stem(architecture: &Architecture) -> ConvShape {
    ConvShape { scope: "conv1".to_owned(), inputs: 48, outputs: architecture.width, kernel: 3 }
}

/// All blocks, in the order of the network.
pub(super) fn blocks(architecture: &Architecture) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut inputs = architecture.width;
    for (index, stage) in architecture.stages.iter().enumerate() {
        let planes = architecture.planes(index);
        let outputs = architecture.channels(index);
        for position in 0..stage.depth {
            let halves = index > 0 && position == 0;
            let shortcut = match (halves, inputs == outputs) {
                (true, _) => Some(1),
                (false, false) => Some(0),
                (false, true) => None,
            };
            blocks.push(Block {
                scope: format!("layer{}.{position}", index + 1),
                kind: stage.kind,
                inputs,
                planes,
                outputs,
                halves,
                se_hidden: stage.squeeze_excite.then(|| se_hidden(stage.kind, planes)),
                shortcut,
            });
            inputs = outputs;
        }
    }
    blocks
}

/// A quarter of the block's planes, or a half in a Bottleneck, and at least 64.
fn se_hidden(kind: BlockKind, planes: usize) -> usize {
    match kind {
        BlockKind::Basic => (planes / 4).max(64),
        BlockKind::Bottleneck => (planes / 2).max(64),
    }
}

impl Block {
    /// Its convolutions in order; the shortcut's is apart.
    pub(super) fn convs(&self) -> Vec<ConvShape> {
        let shapes = match self.kind {
            BlockKind::Basic => vec![(self.inputs, self.planes, 3), (self.planes, self.outputs, 3)],
            BlockKind::Bottleneck => {
                vec![
                    (self.inputs, self.planes, 1),
                    (self.planes, self.planes, 3),
                    (self.planes, self.outputs, 1),
                ]
            }
        };
        let numbered = shapes.into_iter().enumerate();
        numbered
            .map(|(index, (inputs, outputs, kernel))| ConvShape {
                scope: format!("{}.conv{}", self.scope, index + 1),
                inputs,
                outputs,
                kernel,
            })
            .collect()
    }

    /// Position (from 0) of the convolution after which a halving block blurs.
    pub(super) fn blurred(&self) -> usize {
        match self.kind {
            BlockKind::Basic => 0,
            BlockKind::Bottleneck => 1,
        }
    }

    /// The shortcut's convolution, where there is one.
    pub(super) fn shortcut_conv(&self) -> Option<ConvShape> {
        self.shortcut.map(|position| ConvShape {
            scope: format!("{}.downsample.{position}", self.scope),
            inputs: self.inputs,
            outputs: self.outputs,
            kernel: 1,
        })
    }

    /// Channels on which squeeze-and-excitation acts: after a BasicBlock's last convolution, before a
    /// Bottleneck's.
    pub(super) fn se_channels(&self) -> usize {
        self.planes
    }
}
