//! The prototype of a decode in two halves (docs/decisions/0060-two-halves.md): Huffman codes on the CPU, everything after
//! them in kernels that would run on a GPU. Here they run on the CPU, from the same source.
//!
//! [`FirstHalf::read`] is the first half, [`second_half`] the second. Both implement `preprocess.mode = "crop"`.

mod failpoints;
mod first;
mod image;
mod pack;
mod resize;
mod second;

pub use first::{Coefficients, FirstHalf, Kept, Sizes};
pub use second::{Decoded, Run, second_half};

/// The form of a decoded file.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Side of the square.
    pub size: u32,
    /// The share of the resized image's shorter side that the square has.
    pub crop_share: f64,
    /// The filter.
    pub filter: Filter,
    /// Order of the row's elements.
    pub layout: Layout,
    /// Bytes of an element: 1, 2 or 4.
    pub element_bytes: u32,
    /// The element that each byte of each channel becomes, in the lowest bits: three times 256.
    pub elements: &'a [u32],
}

/// A filter of Pillow's whose weights need no function but the four operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Triangle, support 1.
    Bilinear,
    /// Cubic with a = −0.5, support 2.
    Bicubic,
}

/// As the program's layouts; the numbers are those of `image.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Planar.
    Nchw = 0,
    /// Interleaved.
    Nhwc = 1,
    /// Squares of 4×4 pixels as channels.
    SpaceToDepth = 2,
}
