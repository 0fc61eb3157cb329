//! How a manifest is written.

/// How a manifest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Csv,
    Tsv,
    Jsonl,
    Parquet,
    Plain,
    /// The `manifest.json` of an S3 Inventory, by its content.
    Inventory,
}

impl Kind {
    /// By its name.
    pub fn of(name: &str) -> Kind {
        match name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
            Some("csv") => Kind::Csv,
            Some("tsv") => Kind::Tsv,
            Some("jsonl" | "ndjson") => Kind::Jsonl,
            Some("parquet") => Kind::Parquet,
            _ => Kind::Plain,
        }
    }
}

/// The encoding of a text that is not UTF-8, by its byte order mark or by the zero bytes of its first characters.
pub(super) fn other_encoding(beginning: &[u8]) -> Option<&'static str> {
    match beginning {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [1..=255, 0, 1..=255, 0, ..] | [0, 1..=255, 0, 1..=255, ..] => Some("UTF-16"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_is_known_by_its_mark_and_without_one() {
        let units: Vec<u16> = "path,target\n".encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for text in [
            little.clone(),
            big.clone(),
            [&b"\xff\xfe"[..], &little].concat(),
            [&b"\xfe\xff"[..], &big].concat(),
        ] {
            assert_eq!(other_encoding(&text), Some("UTF-16"), "{text:?}");
        }
        assert_eq!(other_encoding(b"\xff\xfe\0\0p\0\0\0"), Some("UTF-32"));
        for text in [&b"path"[..], b"\xef\xbb\xbfpath", b"", b"p", "é".as_bytes()] {
            assert_eq!(other_encoding(text), None, "{text:?}");
        }
    }
}
