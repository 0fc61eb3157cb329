//! What a file is that is no checkpoint, by its first bytes.

/// First bytes, and what begins with them.
const KINDS: [(&[u8], &str); 11] = [
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a WebP image or another RIFF file"),
    (b"%PDF", "a PDF document"),
    (b"PAR1", "a Parquet file"),
    (b"\x1f\x8b", "a gzip archive (unpack it first)"),
    (b"\xfd7zXZ", "an xz archive (unpack it first)"),
    (b"version https://git-lfs", "a Git LFS pointer (`git lfs pull` fetches the weights)"),
    (b"<!DOCTYPE", "an HTML page"),
    (b"<html", "an HTML page"),
];

/// The kind of a file that can be no checkpoint; `None` if its first bytes are no kind that is known here.
pub(super) fn known_kind(bytes: &[u8]) -> Option<&'static str> {
    let begins = |first: &[u8]| bytes.get(..first.len()).is_some_and(|head| head.eq_ignore_ascii_case(first));
    KINDS.iter().find(|(first, _)| begins(first)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_given_by_mistake_are_known() {
        assert_eq!(known_kind(b"\x89PNG\r\n\x1a\n...."), Some("a PNG image"));
        assert_eq!(known_kind(b"<!doctype html><html>"), Some("an HTML page"));
        assert!(
            known_kind(b"version https://git-lfs.github.com/spec/v1\n").unwrap().contains("git lfs pull")
        );
        assert_eq!(known_kind(b"\x10\0\0\0\0\0\0\0{\"a\":{}}"), None);
        assert_eq!(known_kind(b""), None);
    }
}
