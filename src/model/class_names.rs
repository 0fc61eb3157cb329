//! Names of a network's classes where its own files have none.

use std::path::Path;

use super::error::ModelError;
use super::file::read_capped;
use crate::classes::imagenet_1k;

/// As for `config.json`.
const MAX_CLASS_FILE_BYTES: u64 = 16 << 20;

/// ImageNet-1k's names for a network of 1000 classes, else none: a guess at any other count would mislabel.
pub fn default_class_names(classes: usize) -> Option<Vec<String>> {
    let imagenet = imagenet_1k();
    (classes == imagenet.len()).then(|| imagenet.iter().map(|class| class.name.to_owned()).collect())
}

/// Reads a class map: UTF-8, one name a line, the first line for class 0. Names are trimmed; an empty line in the
/// middle would shift no index but name nothing, so it is refused.
///
/// # Errors
///
/// Unreadable files, and lines that name nothing, with their number.
pub fn read_class_file(path: &Path) -> Result<Vec<String>, ModelError> {
    let bytes = read_capped(path, MAX_CLASS_FILE_BYTES)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let wrong = |line, reason| ModelError::ClassMap { path: path.into(), line, reason };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        wrong(1 + before.iter().filter(|byte| **byte == b'\n').count(), "is not UTF-8")
    })?;
    let mut names = Vec::new();
    for (position, line) in text.trim_end().lines().enumerate() {
        let name = line.trim();
        if name.is_empty() {
            return Err(wrong(position + 1, "is empty"));
        }
        names.push(name.to_owned());
    }
    if names.is_empty() { Err(wrong(1, "is empty")) } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<String>, ModelError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes.txt");
        std::fs::write(&path, bytes).unwrap();
        read_class_file(&path)
    }

    #[test]
    fn a_line_is_a_class() {
        for text in ["cat\ndog, hound\n", "cat\r\ndog, hound", "\u{feff}cat \n dog, hound\n\n"] {
            assert_eq!(read(text.as_bytes()).unwrap(), ["cat", "dog, hound"], "{text:?}");
        }
    }

    #[test]
    fn lines_that_name_nothing_are_refused_by_number() {
        for (text, part) in [
            (&b"cat\n\ndog\n"[..], "line 2 of"),
            (b"", "line 1 of"),
            (b"\n\n", "line 1 of"),
            (b"cat\n\xff\n", "is not UTF-8"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn only_a_thousand_classes_are_taken_for_imagenet() {
        let names = default_class_names(1000).unwrap();
        assert_eq!(names[0], "tench, Tinca tinca");
        assert_eq!(names.len(), 1000);
        assert_eq!(default_class_names(999), None);
        assert_eq!(default_class_names(11_221), None);
    }
}
