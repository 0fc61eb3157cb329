//! Recognises files that PyTorch wrote before 1.6, to name them in a refusal.

/// What kind of older file this is, which nothing here reads.
pub(in crate::model::checkpoint) fn legacy_format(bytes: &[u8]) -> Option<&'static str> {
    // the first pickle of such a file holds one number, which PyTorch calls its magic
    const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    if bytes.get(257..262) == Some(b"ustar") {
        Some("a tar archive, as PyTorch wrote before 0.2")
    } else if bytes.starts_with(&[0x80]) && bytes.get(2..).is_some_and(|rest| rest.starts_with(MAGIC)) {
        Some("a chain of pickles, as PyTorch wrote before 1.6")
    } else if matches!(bytes, [0x80, 2..=5, ..]) {
        Some("a bare pickle")
    } else {
        None
    }
}
