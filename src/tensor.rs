//! The memory of one image's row as the network reads it: element type, layout and a typed view.
//!
//! A leaf: the image stage writes through [`RowMut`], the engine allocates its memory.

use half::f16;

/// Element type of the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// IEEE half precision, 2 bytes.
    F16,
    /// IEEE single precision, 4 bytes.
    F32,
    /// Bytes as decoded; the graph does the scaling.
    U8,
}

impl Dtype {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Dtype::F16 => 2,
            Dtype::F32 => 4,
            Dtype::U8 => 1,
        }
    }
}

/// How a worker packs one image into its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Planar: `[c, h, w]`.
    Nchw,
    /// Interleaved: `[h, w, c]`.
    Nhwc,
    /// Squares of 4×4 pixels as channels, as TResNet's stem reads them: `[h / 4, w / 4, 16 c]`, where channel
    /// `(4 · y + x) · c + k` is channel `k` of the pixel in row `y`, column `x` of the square.
    SpaceToDepth,
}

/// A mutable view of one row: `c * h * w` elements, in the engine's layout.
pub enum RowMut<'a> {
    /// Half precision elements.
    F16(&'a mut [f16]),
    /// Single precision elements.
    F32(&'a mut [f32]),
    /// Raw bytes.
    U8(&'a mut [u8]),
}
