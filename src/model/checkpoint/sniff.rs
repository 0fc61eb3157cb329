//! What a file is that is no checkpoint, by its first bytes.

use std::path::Path;

use super::safetensors::MAX_HEADER_BYTES;
use super::torch;
use crate::model::error::ModelError;

/// First bytes, and what begins with them.
const KINDS: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"RIFF", "a WebP image or another RIFF file"),
    (b"%PDF", "a PDF document"),
    (b"PAR1", "a Parquet file"),
    (b"\x89HDF\r\n", "an HDF5 file, as Keras writes it"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"GGUF", "a GGUF file"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x1f\x8b", "a gzip archive (unpack it first)"),
    (b"\xfd7zXZ", "an xz archive (unpack it first)"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive (unpack it first)"),
    (b"7z\xbc\xaf", "a 7z archive (unpack it first)"),
    (b"BZh", "a bzip2 archive (unpack it first)"),
];

/// First characters of a text, and what begins with them.
const TEXTS: &[(&str, &str)] = &[
    ("version https://git-lfs", "a Git LFS pointer (`git lfs pull` fetches the weights)"),
    ("<!doctype html", "an HTML page"),
    ("<html", "an HTML page"),
    ("<svg", "an SVG image"),
    ("<?xml", "an XML document"),
    ("<", "an XML document"),
    ("{", "a JSON document"),
    ("[", "a JSON document, or a job file"),
];

/// Bytes that decide whether a file is a text, and of which kind.
const HEAD: usize = 4096;

/// Refuses what is no safetensors file by its first bytes, which are a length and the brace of its header, if it is of a
/// kind that has a name.
///
/// # Errors
/// [`ModelError::NotACheckpoint`] and [`ModelError::OldTorch`].
pub(super) fn refuse_others(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let length = bytes.first_chunk::<8>().map(|length| u64::from_le_bytes(*length));
    let (has_brace, has_length) =
        (bytes.get(8) == Some(&b'{'), length.is_none_or(|length| length <= MAX_HEADER_BYTES));
    if has_brace && has_length {
        return Ok(());
    }
    if let Some(what) = known_kind(bytes) {
        return Err(ModelError::NotACheckpoint { path: path.into(), what });
    }
    if has_brace {
        return Ok(());
    }
    if let Some(what) = torch::legacy_format(bytes) {
        return Err(ModelError::OldTorch { path: path.into(), what });
    }
    let what = match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "onnx" => "an ONNX graph",
        "pth" | "pt" | "bin" | "tar" => "neither PyTorch's archive nor safetensors",
        _ if !has_length => "neither safetensors nor PyTorch's archive",
        _ => return Ok(()),
    };
    Err(ModelError::NotACheckpoint { path: path.into(), what })
}

/// The kind of a file that can be no checkpoint; `None` if its first bytes are no kind that is known here.
pub(in crate::model) fn known_kind(bytes: &[u8]) -> Option<&'static str> {
    let begins = |first: &[u8]| bytes.starts_with(first);
    let kind = KINDS.iter().find(|(first, _)| begins(first)).map(|(_, kind)| *kind);
    kind.or_else(|| text_kind(bytes))
}

/// The kind of a text. A safetensors file is none: its first eight bytes are a length with zeros in it.
fn text_kind(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some("a text in UTF-16");
    }
    let head = &bytes[..bytes.len().min(HEAD)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // cut within a character
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x0c');
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.is_empty() || !text.chars().all(is_plain) {
        return None;
    }
    let begins = |first: &str| text.get(..first.len()).is_some_and(|head| head.eq_ignore_ascii_case(first));
    let known = TEXTS.iter().find(|(first, _)| begins(first)).map(|(_, kind)| *kind);
    Some(known.unwrap_or_else(|| if is_table(text) { "a CSV table" } else { "a text file" }))
}

/// Whether the first lines of a text have a separator equally often.
fn is_table(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.is_empty()).take(2);
    let (first, second) = (lines.next().unwrap_or_default(), lines.next());
    [',', ';', '\t'].into_iter().any(|separator| {
        let count = |line: &str| line.matches(separator).count();
        count(first) > 0 && second.is_none_or(|second| count(second) == count(first))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_given_by_mistake_are_known() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], "a PNG image"),
            (b"<!doctype html><html>", "an HTML page"),
            (b"\n\n  <HTML>", "an HTML page"),
            (b"\xef\xbb\xbfpath,target\na.jpg,1\n", "a CSV table"),
            (b"id,path,{\"a\": 1}\n", "a CSV table"),
            (b"path\ttarget\r\na.jpg\t1\r\n", "a CSV table"),
            (b"path;target", "a CSV table"),
            (b"{\"num_classes\": 10}", "a JSON document"),
            (b"once, upon\na time", "a text file"),
            ("\u{e4}".as_bytes(), "a text file"),
            (b"\xff\xfep\0a\0", "a text in UTF-16"),
            (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it"),
        ] {
            assert_eq!(known_kind(bytes), Some(kind), "{}", bytes.escape_ascii());
        }
        assert!(
            known_kind(b"version https://git-lfs.github.com/spec/v1\n").unwrap().contains("git lfs pull")
        );
    }

    #[test]
    fn a_text_that_is_cut_within_a_character_is_a_text() {
        let long = format!("{}\u{e4}more", "x".repeat(HEAD - 1));
        assert_eq!(known_kind(long.as_bytes()), Some("a text file"));
    }

    #[test]
    fn what_may_be_a_checkpoint_is_no_kind() {
        for bytes in
            [&b"\x10\0\0\0\0\0\0\0{\"a\":{}}"[..], b"\x80\x02}.", b"PK\x03\x04", b"", b" \n", b"\0\0\0\0"]
        {
            assert_eq!(known_kind(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
