//! The program's own decoder of Huffman codes, the same file compiled a second time, and its calls.

pub(crate) mod jpeg;
