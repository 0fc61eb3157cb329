//! The program's own decoder of Huffman codes, the same file compiled a second time, and what it is asked here.

pub(crate) mod jpeg;
