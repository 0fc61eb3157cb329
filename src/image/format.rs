//! Detects a file's format from its first bytes; names and content types are ignored.

use serde::{Deserialize, Serialize};

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// JPEG, all that libjpeg-turbo reads at 8 bits a sample.
    Jpeg,
    /// PNG; of an animated one the default image.
    Png,
    /// WebP; of an animated one the first frame.
    WebP,
    /// GIF, the first frame on its canvas.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// TIFF, the first page.
    Tiff,
}

impl Format {
    /// The word for it in the `format` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Jpeg => "jpeg",
            Format::Png => "png",
            Format::WebP => "webp",
            Format::Gif => "gif",
            Format::Bmp => "bmp",
            Format::Tiff => "tiff",
        }
    }
}

/// The format whose magic the bytes begin with.
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    match bytes {
        // A marker follows the start of a JPEG; a file that ends before it is still recognised.
        [0xff, 0xd8] | [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Format::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Format::WebP),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Format::Gif),
        [b'B', b'M', ..] => Some(Format::Bmp),
        // its first directory is a preview
        [b'I', b'I', b'*', 0, _, _, _, _, b'C', b'R', 2, ..] => None,
        [b'I', b'I', b'*' | b'+', 0, ..] | [b'M', b'M', 0, b'*' | b'+', ..] => Some(Format::Tiff),
        _ => None,
    }
}

/// What a source file is, as its header has it (before any EXIF transposition).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Detected from the magic bytes.
    pub format: Format,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_by_its_first_bytes_alone() {
        let cases: &[(&[u8], Option<Format>)] = &[
            (b"\xff\xd8\xff\xe0", Some(Format::Jpeg)),
            (b"\xff\xd8", Some(Format::Jpeg)),
            (b"\xff\xd8\x00", None),
            (b"\x89PNG\r\n\x1a\n", Some(Format::Png)),
            (b"RIFF\x00\x00\x00\x00WEBPVP8 ", Some(Format::WebP)),
            (b"RIFF\x00\x00\x00\x00WAVE", None),
            (b"GIF87a", Some(Format::Gif)),
            (b"GIF89a", Some(Format::Gif)),
            (b"GIF90a", None),
            (b"BM", Some(Format::Bmp)),
            (b"II*\0\x08\0\0\0", Some(Format::Tiff)),
            (b"MM\0*", Some(Format::Tiff)),
            (b"II+\0\x08\0\0\0", Some(Format::Tiff)),
            (b"MM\0+", Some(Format::Tiff)),
            (b"II*\0\x10\0\0\0CR\x02\0", None),
            (b"II\0*", None),
            (b"<svg xmlns=", None),
            (b"", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(sniff(bytes), *expected, "{bytes:?}");
        }
    }
}
