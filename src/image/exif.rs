//! The one EXIF tag that moves pixels.
//!
//! Only a value from 1 to 8 in a well-formed first directory counts; anything else means upright, as in Pillow. An
//! orientation that is only in XMP, or after a PNG's pixels, is not looked for.

use super::filter::{Region, Window};

/// How a stored image is turned upright. The names are what is done to the stored pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Orientation {
    Upright,
    FlipX,
    Rotate180,
    FlipY,
    Transpose,
    RotateRight,
    Transverse,
    RotateLeft,
}

const ORIENTATION: u16 = 0x0112;
const TYPE_SHORT: u16 = 3;

impl Orientation {
    /// Of the tag's value.
    pub(super) fn from_tag(value: u16) -> Orientation {
        match value {
            2 => Orientation::FlipX,
            3 => Orientation::Rotate180,
            4 => Orientation::FlipY,
            5 => Orientation::Transpose,
            6 => Orientation::RotateRight,
            7 => Orientation::Transverse,
            8 => Orientation::RotateLeft,
            _ => Orientation::Upright,
        }
    }

    /// Of a TIFF block, with or without EXIF's own prefix; upright where there is none.
    pub(super) fn of_tiff(block: &[u8]) -> Orientation {
        let tiff = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
        tag(tiff).map_or(Orientation::Upright, Orientation::from_tag)
    }

    /// Of the first EXIF segment before a JPEG's first scan; upright where there is none.
    pub(super) fn of_jpeg(bytes: &[u8]) -> Orientation {
        let mut rest = bytes.get(2..).unwrap_or_default();
        while let [0xff, marker, tail @ ..] = rest {
            match (*marker, tail) {
                (0xff, _) => rest = &rest[1..],
                (0xda | 0xd9, _) => break,
                (0x01 | 0xd0..=0xd8, _) => rest = tail,
                (_, [high, low, ..]) => {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    let Some(segment) = tail.get(2..length) else { break };
                    if *marker == 0xe1 && segment.starts_with(b"Exif\0\0") {
                        return Orientation::of_tiff(segment);
                    }
                    rest = &tail[length..];
                }
                _ => break,
            }
        }
        Orientation::Upright
    }

    /// Whether columns become rows.
    pub(super) fn swaps(self) -> bool {
        use Orientation::{RotateLeft, RotateRight, Transpose, Transverse};
        matches!(self, Transpose | RotateRight | Transverse | RotateLeft)
    }

    /// Returns the stored pixel that is at (`x`, `y`) of the upright image, of a stored size of `width` × `height`.
    pub(super) fn stored(self, x: u32, y: u32, width: u32, height: u32) -> (u32, u32) {
        match self {
            Orientation::Upright => (x, y),
            Orientation::FlipX => (width - 1 - x, y),
            Orientation::Rotate180 => (width - 1 - x, height - 1 - y),
            Orientation::FlipY => (x, height - 1 - y),
            Orientation::Transpose => (y, x),
            Orientation::RotateRight => (y, height - 1 - x),
            Orientation::Transverse => (width - 1 - y, height - 1 - x),
            Orientation::RotateLeft => (width - 1 - y, x),
        }
    }

    /// Where a region of the upright image is stored; `width` × `height` are the stored size.
    pub(super) fn stored_region(self, upright: Region, width: u32, height: u32) -> Region {
        let Region { columns, rows } = upright;
        let one = self.stored(columns.lo, rows.lo, width, height);
        let other = self.stored(columns.hi - 1, rows.hi - 1, width, height);
        let window = |a: u32, b: u32| Window { lo: a.min(b), hi: a.max(b) + 1 };
        Region { columns: window(one.0, other.0), rows: window(one.1, other.1) }
    }
}

/// The orientation's value in the first directory of a TIFF block.
fn tag(tiff: &[u8]) -> Option<u16> {
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let bytes = [*tiff.get(at)?, *tiff.get(at.checked_add(1)?)?];
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let (low, high) = if little { (4, 6) } else { (6, 4) };
    let directory = usize::from(short(low)?) | usize::from(short(high)?) << 16;
    let entries = usize::from(short(directory)?);
    (0..entries)
        .map(|entry| directory + 2 + entry * 12)
        .take_while(|&at| at < tiff.len())
        .find(|&at| short(at) == Some(ORIENTATION))
        .filter(|&at| short(at + 2) == Some(TYPE_SHORT))
        .and_then(|at| short(at + 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiff(little: bool, value: u16) -> Vec<u8> {
        let two = |v: u16| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let four = |v: u32| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let mut block = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        block.extend(four(8));
        block.extend(two(2));
        for (tag, kind, value) in [(0x0100, 3, 77), (ORIENTATION, TYPE_SHORT, value)] {
            block.extend(two(tag));
            block.extend(two(kind));
            block.extend(four(1));
            block.extend(two(value));
            block.extend(two(0));
        }
        block.extend(four(0));
        block
    }

    fn jpeg(segments: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8];
        for (marker, body) in segments {
            bytes.extend([0xff, 0xff, *marker]);
            bytes.extend((body.len() as u16 + 2).to_be_bytes());
            bytes.extend(*body);
        }
        bytes.extend([0xff, 0xda, 0, 2]);
        bytes
    }

    #[test]
    fn values_outside_one_to_eight_are_upright() {
        let of = |value| Orientation::of_tiff(&tiff(true, value));
        assert_eq!([0, 1, 9, 65535].map(of), [Orientation::Upright; 4]);
        assert_eq!(of(6), Orientation::RotateRight);
        assert_eq!(Orientation::of_tiff(&tiff(false, 8)), Orientation::RotateLeft);
    }

    #[test]
    fn a_block_cut_anywhere_is_read_without_harm() {
        let whole = tiff(false, 6);
        for end in 0..whole.len() {
            let found = Orientation::of_tiff(&whole[..end]);
            assert!(found == Orientation::Upright || end >= 32, "{end}");
        }
        let mut looping = b"II*\0".to_vec();
        looping.extend(u32::MAX.to_le_bytes());
        assert_eq!(Orientation::of_tiff(&looping), Orientation::Upright);
    }

    #[test]
    fn the_segment_is_found_behind_others_and_not_behind_the_scan() {
        let exif = [b"Exif\0\0".as_slice(), &tiff(true, 3)].concat();
        let xmp = b"http://ns.adobe.com/xap/1.0/\0".as_slice();
        assert_eq!(
            Orientation::of_jpeg(&jpeg(&[(0xe0, b"JFIF\0"), (0xe1, xmp), (0xe1, &exif)])),
            Orientation::Rotate180
        );
        let mut late = jpeg(&[(0xe0, b"JFIF\0")]);
        late.extend(&jpeg(&[(0xe1, &exif)])[2..]);
        assert_eq!(Orientation::of_jpeg(&late), Orientation::Upright);
        assert_eq!(Orientation::of_jpeg(&jpeg(&[(0xe1, &exif)])[..20]), Orientation::Upright);
        assert_eq!(Orientation::of_jpeg(b"\xff\xd8\xff\xe1\x00\x00"), Orientation::Upright);
    }
}
