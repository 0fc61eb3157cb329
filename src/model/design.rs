//! The paper's refinements of a ResNet, as far as a graph shows them, so that a benchmark can take one away.
//!
//! Squeeze-and-excitation and the kinds of blocks are the [`Architecture`](super::Architecture)'s. A network with a
//! part taken away computes something else, and no checkpoint of it exists: only its speed means anything.

/// The layers before the first stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StemDesign {
    /// TResNet's: squares of 4×4 pixels as channels, then a convolution of 3×3.
    SpaceToDepth,
    /// ResNet's: a convolution of 7×7 and stride 2, then a maximum over 3×3 of stride 2.
    Convolution7,
}

/// Which refinements a drawn network has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Design {
    /// The layers before the first stage.
    pub stem: StemDesign,
    /// Whether a halving block filters before it drops every second row and column; else its convolution has a
    /// stride of 2.
    pub antialias: bool,
    /// Whether batch norm is folded into the convolution before it; else it is a separate node.
    pub folded: bool,
}

impl Design {
    /// TResNet as published, drawn for inference.
    pub const TRESNET: Design = Design { stem: StemDesign::SpaceToDepth, antialias: true, folded: true };
}

impl Default for Design {
    fn default() -> Design {
        Design::TRESNET
    }
}
