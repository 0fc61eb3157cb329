//! The functions that the decoder of Huffman codes calls; there are no failpoints here.

/// Does nothing.
#[inline(always)]
pub const fn pass(_point: &str) {}
