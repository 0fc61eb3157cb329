//! Recognises files that PyTorch wrote before 1.6.

/// The number in the first pickle of a chain, which PyTorch calls its magic.
const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// Bytes of the instruction that begins a frame, from protocol 4 on.
const FRAME: usize = 9;

/// Whether a file is a chain of pickles with its storages after them.
pub(in crate::model::checkpoint) fn is_chain(bytes: &[u8]) -> bool {
    let begins = |at: usize| bytes.get(at..).is_some_and(|rest| rest.starts_with(MAGIC));
    matches!(bytes, [0x80, 2..=5, ..]) && (begins(2) || bytes.get(2) == Some(&0x95) && begins(2 + FRAME))
}

/// What kind of older file this is, which nothing here reads.
pub(in crate::model::checkpoint) fn legacy_format(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(257..262) == Some(b"ustar") {
        Some("a tar archive, as PyTorch wrote before 0.2")
    } else if matches!(bytes, [0x80, 2..=5, ..]) {
        Some("a bare pickle")
    } else {
        None
    }
}
