//! What one image costs: the multiply-accumulates of a network.

use super::architecture::Architecture;
use super::blocks::{ConvShape, blocks, stem};
use super::design::{Design, StemDesign};

impl Architecture {
    /// Multiply-accumulates of one image of `image_size` pixels a side: convolutions (the blur's too),
    /// squeeze-and-excitation and the classifier. Batch norm counts two for each value, as in the figures that timm
    /// publishes, though folding spares them (0.3 %).
    pub fn macs(&self, image_size: u32) -> u64 {
        self.macs_of_design(image_size, Design::TRESNET)
    }

    /// As [`macs`](Self::macs), for the network with a part taken away or replaced.
    pub fn macs_of_design(&self, image_size: u32, design: Design) -> u64 {
        macs(self, image_size, design)
    }
}

/// Multiply-accumulates of one square image, counted as timm's table of results does.
fn macs(architecture: &Architecture, image_size: u32, design: Design) -> u64 {
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
