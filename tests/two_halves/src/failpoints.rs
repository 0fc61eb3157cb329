//! What the decoder of Huffman codes asks for; there are no failpoints here.

/// Does nothing.
#[inline(always)]
pub const fn pass(_point: &str) {}
