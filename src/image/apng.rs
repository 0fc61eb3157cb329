//! The still image of an animated PNG: its chunks without those of the animation.
//!
//! The animation's chunks are checked as far as Pillow checks them when it reads the default image: their order up to
//! the image data, and after them up to the second frame, or to the end of a file that counts one frame or none; their
//! checksums up to the image data.
//!
//! Two departures from Pillow: a file whose image data are in the animation alone is corrupt, and so is one whose first
//! frame is its default image without covering it.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use crc_fast::CrcAlgorithm;

use super::error::Error;

const SIGNATURE: usize = 8;
/// Bytes of a chunk before its content, and the checksum after it.
const HEAD: usize = 8;
const CHECKSUM: usize = 4;

fn is_animation(name: &[u8]) -> bool {
    matches!(name, b"acTL" | b"fcTL" | b"fdAT")
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes([field[0], field[1], field[2], field[3]]))
}

/// Name of the chunk at `at`, and where the next one begins; `None` if the file ends before its content.
fn chunk_at(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let length = u32_at(bytes, at)? as usize;
    let name = bytes.get(at + 4..at + HEAD)?;
    Some((name, at.checked_add(HEAD + CHECKSUM)?.checked_add(length)?))
}

/// What of the animation was read so far.
#[derive(Default)]
struct Order {
    size: (u32, u32),
    /// Sequence number of the last chunk that has one.
    last: Option<u32>,
    /// As counted by `acTL`.
    frames: Option<u32>,
    has_frame: bool,
    has_image: bool,
}

impl Order {
    /// Whether Pillow takes the file for an animation.
    fn is_animated(&self) -> bool {
        self.frames.is_some_and(|frames| frames > 1 || !self.has_frame)
    }

    fn control(&mut self, content: &[u8]) -> Result<(), Error> {
        let frames = u32_at(content, 0).filter(|_| content.len() >= 8);
        let frames = frames.ok_or_else(|| Error::corrupt("its animation control is too short"))?;
        if !self.has_image {
            let is_valid = (1..=0x8000_0000).contains(&frames);
            self.frames = match self.frames {
                None => Some(frames).filter(|_| is_valid),
                Some(_) => None,
            };
        }
        Ok(())
    }

    fn frame(&mut self, content: &[u8]) -> Result<(), Error> {
        if content.len() < 26 {
            return Err(Error::corrupt("a frame control is too short"));
        }
        self.sequence(content)?;
        let field = |at| u64::from(u32_at(content, at).unwrap_or(u32::MAX));
        let (right, bottom) = (field(12) + field(4), field(16) + field(8));
        let (width, height) = (u64::from(self.size.0), u64::from(self.size.1));
        if right > width || bottom > height {
            return Err(Error::corrupt("a frame reaches beyond the image"));
        }
        if !self.has_image && (field(4), field(8)) != (width, height) {
            return Err(Error::corrupt("its first frame does not cover the image"));
        }
        self.has_frame = true;
        Ok(())
    }

    /// The sequence number that begins a chunk's content follows the last one.
    fn sequence(&mut self, content: &[u8]) -> Result<(), Error> {
        let found =
            u32_at(content, 0).ok_or_else(|| Error::corrupt("a chunk of its animation is too short"))?;
        let expected = self.last.map_or(0, |last| last.wrapping_add(1));
        if found != expected {
            return Err(Error::corrupt(format!(
                "a chunk of its animation has the number {found} in place of {expected}"
            )));
        }
        self.last = Some(found);
        Ok(())
    }
}

/// Checks the animation of a PNG; true if it has one.
///
/// # Errors
/// `corrupt` if Pillow refuses the order or a checksum of its chunks.
pub(super) fn check(bytes: &[u8]) -> Result<bool, Error> {
    let mut order = Order::default();
    let (mut at, mut has_animation, mut is_checked) = (SIGNATURE, false, true);
    while let Some((name, next)) = chunk_at(bytes, at) {
        // a chunk that is cut is the decoder's to report
        let Some(content) = bytes.get(at + HEAD..next - CHECKSUM).filter(|_| next <= bytes.len()) else {
            break;
        };
        match name {
            b"IEND" => break,
            b"IHDR" => order.size = u32_at(content, 0).zip(u32_at(content, 4)).unwrap_or_default(),
            b"IDAT" => order.has_image = true,
            b"fcTL" if order.has_image && order.is_animated() => is_checked = false,
            _ => {}
        }
        if is_animation(name) {
            has_animation = true;
            let stated = u32_at(bytes, next - CHECKSUM).map(u64::from);
            let named = &bytes[at + 4..next - CHECKSUM];
            if !order.has_image && stated != Some(crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, named)) {
                return Err(Error::corrupt("a chunk of its animation has a wrong checksum"));
            }
            match name {
                _ if !is_checked => {}
                b"acTL" => order.control(content)?,
                b"fcTL" => order.frame(content)?,
                _ if !order.has_image => {
                    return Err(Error::corrupt("its animation begins before its image"));
                }
                // data count from the frame before them
                _ if order.last.is_none() => {
                    return Err(Error::corrupt("its animation begins without a frame"));
                }
                _ => order.sequence(content)?,
            }
        }
        at = next;
    }
    Ok(has_animation)
}

/// Reads a PNG, without the chunks of its animation if `skips`.
pub(super) struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the run of bytes that is read ends.
    end: usize,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(bytes: &'a [u8], skips: bool) -> Chunks<'a> {
        let end = if skips { bytes.len().min(SIGNATURE) } else { bytes.len() };
        Chunks { bytes, at: 0, end }
    }
}

impl BufRead for Chunks<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.end && self.end < self.bytes.len() {
            let length = self.bytes.len();
            match chunk_at(self.bytes, self.at) {
                Some((name, next)) if is_animation(name) => {
                    self.at = next.min(length);
                    self.end = self.at;
                }
                Some((name, next)) if name != b"IEND" => self.end = next.min(length),
                _ => self.end = length,
            }
        }
        Ok(&self.bytes[self.at..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.end);
    }
}

impl Read for Chunks<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let found = self.fill_buf()?;
        let count = found.len().min(to.len());
        to[..count].copy_from_slice(&found[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// Asked for by the decoder's bounds, and never called.
impl Seek for Chunks<'_> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let named = [name.as_slice(), content].concat();
        let checksum = crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, &named) as u32;
        [&(content.len() as u32).to_be_bytes()[..], &named, &checksum.to_be_bytes()].concat()
    }

    fn control(frames: u32) -> Vec<u8> {
        chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat())
    }

    /// A frame of the size of the image, which is 2 × 2.
    fn frame(number: u32) -> Vec<u8> {
        let fields = [number, 2, 2, 0, 0].map(u32::to_be_bytes).concat();
        chunk(b"fcTL", &[fields.as_slice(), &[0, 1, 0, 1, 0, 0]].concat())
    }

    fn data(number: u32) -> Vec<u8> {
        chunk(b"fdAT", &[&number.to_be_bytes()[..], b"frame"].concat())
    }

    fn image() -> Vec<u8> {
        chunk(b"IDAT", b"image")
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let size = [2u32, 2].map(u32::to_be_bytes).concat();
        let header = chunk(b"IHDR", &[size.as_slice(), &[8, 2, 0, 0, 0]].concat());
        [b"\x89PNG\r\n\x1a\n", header.as_slice(), &chunks.concat(), &chunk(b"IEND", b"")].concat()
    }

    /// What it is, its chunks between header and end, and whether it is an animation or the kind of its error.
    type Case<'a> = (&'a str, &'a [Vec<u8>], Result<bool, &'a str>);

    fn kind(chunks: &[Vec<u8>]) -> Result<bool, &'static str> {
        check(&file(chunks)).map_err(|error| error.kind())
    }

    #[test]
    fn the_order_of_an_animation_counts_up_to_its_second_frame() {
        let cases: &[Case<'_>] = &[
            ("a still image", &[image()], Ok(false)),
            ("in order", &[control(2), frame(0), image(), frame(1), data(2)], Ok(true)),
            ("later frames out of order", &[control(2), frame(0), image(), frame(7), data(3)], Ok(true)),
            ("frames without data", &[control(3), frame(0), image(), frame(1), frame(1)], Ok(true)),
            ("an image that is no frame", &[control(1), image(), frame(3)], Ok(true)),
            ("data without a frame", &[control(2), frame(0), image(), data(1), frame(2)], Ok(true)),
            ("a first frame out of order", &[control(2), frame(1), image()], Err("corrupt")),
            (
                "data out of order before the second frame",
                &[control(2), frame(0), image(), data(2)],
                Err("corrupt"),
            ),
            ("one frame and others out of order", &[control(1), frame(0), image(), frame(2)], Err("corrupt")),
            ("no count and frames out of order", &[frame(0), image(), frame(2)], Err("corrupt")),
            (
                "two counts and frames out of order",
                &[control(2), control(2), image(), frame(1)],
                Err("corrupt"),
            ),
            ("data without any frame", &[control(2), image(), data(0), frame(1)], Err("corrupt")),
            ("an animation before the image", &[control(2), frame(0), data(1), image()], Err("corrupt")),
        ];
        for (what, chunks, expected) in cases {
            assert_eq!(kind(chunks), *expected, "{what}");
        }
    }

    #[test]
    fn the_checksums_of_an_animation_count_up_to_the_image() {
        let spoiled = |mut chunk: Vec<u8>| {
            *chunk.last_mut().expect("a checksum") ^= 1;
            chunk
        };
        let before = [control(2), spoiled(frame(0)), image(), frame(1), data(2)];
        let after = [control(2), frame(0), image(), spoiled(frame(1)), spoiled(data(2))];
        assert_eq!([kind(&before), kind(&after)], [Err("corrupt"), Ok(true)]);
    }

    #[test]
    fn the_chunks_of_an_animation_are_left_out_and_no_others() {
        let chunks = [control(2), frame(0), image(), frame(1), chunk(b"tEXt", b"k\0v"), data(2)];
        let whole = file(&chunks);
        for (skips, expected) in [(true, file(&[image(), chunk(b"tEXt", b"k\0v")])), (false, whole.clone())] {
            let mut found = Vec::new();
            Chunks::new(&whole, skips).read_to_end(&mut found).expect("bytes in memory");
            assert_eq!(found, expected, "{skips}");
        }
        // wherever the file ends
        for end in 0..whole.len() {
            let mut found = Vec::new();
            Chunks::new(&whole[..end], true).read_to_end(&mut found).expect("bytes in memory");
            assert!(found.len() <= end);
        }
    }
}
