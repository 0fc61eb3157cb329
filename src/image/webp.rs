//! WebP, by the `image-webp` crate; of an animation the first frame on its canvas. Alpha is dropped, never blended.
//!
//! The crate blends the first frame of an animation onto its canvas, so that transparent pixels become black. libwebp
//! keeps their colours: it blends from the second frame on. Such a frame is therefore decoded as a separate file, and
//! placed here; the canvas around it is black.
//!
//! Pillow decodes with libwebp, so equality is measured, not built in: a test over lossy, lossless, transparent and
//! animated files finds no differing byte, and fails if that changes.

use std::io::{Cursor, ErrorKind};

use image_webp::{DecodingError, WebPDecoder};

use super::canvas::Canvas;
use super::error::Error;
use super::exif::Orientation;
use super::format::Source;
use super::options::Rules;

/// An EXIF block larger than this is not looked into.
const MAX_EXIF: usize = 1 << 20;

/// Name and length of a chunk.
const CHUNK_HEADER: usize = 8;

/// Bytes before the first chunk.
const RIFF_HEADER: usize = 12;

/// Bytes before the first chunk within a frame of an animation.
const FRAME_HEADER: usize = 16;

/// Where lossy data have their size: after a tag and a start code of three bytes each.
const LOSSY_SIZE: usize = 6;

/// `frame` is scratch for 3 or 4 bytes a pixel.
pub(super) fn decode(bytes: &[u8], frame: &mut Vec<u8>, canvas: &mut Canvas<'_>) -> Result<(), Error> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| fault(error, bytes))?;
    let (width, height) = decoder.dimensions();
    canvas.admit(width, height)?;
    if decoder.is_lossy() {
        check_lossy(bytes, decoder.is_animated(), (width, height))?;
    }
    let mut orientation = Orientation::Upright;
    if canvas.wants_orientation() {
        decoder.set_memory_limit(MAX_EXIF);
        if let Ok(Some(block)) = decoder.exif_metadata() {
            orientation = Orientation::of_tiff(&block);
        }
    }
    if decoder.is_animated() && canvas.options().rules == Rules::Current {
        let first = FirstFrame::find(bytes).ok_or_else(|| missing(bytes))?;
        return first.decode(bytes, frame, canvas, orientation);
    }
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    frame.clear();
    frame.resize(width as usize * height as usize * channels, 0);
    decoder.read_image(frame).map_err(|error| fault(error, bytes))?;
    canvas.start(orientation)?;

    for row in frame.chunks_exact(width as usize * channels) {
        if channels == 3 {
            canvas.row_of_rgb(row);
        } else {
            canvas.row(0, row);
        }
    }
    Ok(())
}

/// The first frame of an animation.
struct FirstFrame<'a> {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
    /// Its alpha and its pixels, as chunks without padding.
    alpha: Option<&'a [u8]>,
    pixels: &'a [u8],
}

impl<'a> FirstFrame<'a> {
    /// `None` if the file has no frame, or not all of its chunks.
    fn find(bytes: &'a [u8]) -> Option<FirstFrame<'a>> {
        let mut at = RIFF_HEADER;
        let frame = loop {
            let chunk = Chunk::at(bytes, at)?;
            if chunk.name == b"ANMF" {
                break chunk;
            }
            at = chunk.next;
        };
        let field = |at: usize| u24_at(bytes, frame.begin + at);
        let content = &bytes[..bytes.len().min(frame.next)];
        let whole = |chunk: &Chunk<'a>| content.get(chunk.begin - CHUNK_HEADER..chunk.end);
        let first = Chunk::at(content, frame.begin + FRAME_HEADER)?;
        let (alpha, pixels) = match first.name {
            b"ALPH" => {
                (Some(whole(&first)?), Chunk::at(content, first.next).filter(|next| next.name == b"VP8 ")?)
            }
            b"VP8 " | b"VP8L" => (None, first),
            _ => return None,
        };
        Some(FirstFrame {
            left: field(0)? * 2,
            top: field(3)? * 2,
            width: field(6)? + 1,
            height: field(9)? + 1,
            alpha,
            pixels: whole(&pixels)?,
        })
    }

    /// The frame as a separate file.
    fn still(&self) -> Vec<u8> {
        let mut body = b"WEBP".to_vec();
        if let Some(alpha) = self.alpha {
            body.extend_from_slice(b"VP8X\x0a\0\0\0\x10\0\0\0");
            for side in [self.width, self.height] {
                body.extend_from_slice(&(side - 1).to_le_bytes()[..3]);
            }
            body.extend_from_slice(alpha);
            body.resize(body.len().next_multiple_of(2), 0);
        }
        body.extend_from_slice(self.pixels);
        [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
    }

    /// Decodes it onto an admitted canvas. `frame` is scratch for 3 or 4 bytes a pixel of the frame.
    fn decode(
        &self,
        bytes: &[u8],
        frame: &mut Vec<u8>,
        canvas: &mut Canvas<'_>,
        orientation: Orientation,
    ) -> Result<(), Error> {
        let Some(Source { width, height, .. }) = canvas.source() else { return Err(missing(bytes)) };
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        if right > width || bottom > height {
            return Err(Error::corrupt("its first frame reaches beyond the canvas"));
        }
        let still = self.still();
        let mut decoder = WebPDecoder::new(Cursor::new(&still)).map_err(|error| fault(error, bytes))?;
        let (across, down) = decoder.dimensions();
        if (across, down) != (self.width, self.height) {
            return Err(Error::corrupt(format!(
                "its first frame has {across} × {down} pixels, its place {} × {}",
                self.width, self.height
            )));
        }
        let channels = if decoder.has_alpha() { 4 } else { 3 };
        let stride = across as usize * channels;
        frame.clear();
        frame.resize(stride * down as usize, 0);
        decoder.read_image(frame).map_err(|error| fault(error, bytes))?;
        canvas.start(orientation)?;

        let mut line = vec![0; width as usize * channels];
        for y in 0..height {
            let place = &mut line[self.left as usize * channels..][..stride];
            match y.checked_sub(self.top).filter(|&y| y < down) {
                Some(y) => place.copy_from_slice(&frame[y as usize * stride..][..stride]),
                None => place.fill(0),
            }
            if channels == 3 {
                canvas.row_of_rgb(&line);
            } else {
                canvas.row(0, &line);
            }
        }
        Ok(())
    }
}

/// Holds the size that lossy data claim against the one that was admitted: of the canvas, or of the first frame, which
/// lies within it. The crate decodes whatever they claim before it compares, and beside alpha in a frame it never does.
fn check_lossy(bytes: &[u8], animated: bool, canvas: (u32, u32)) -> Result<(), Error> {
    let mut at = RIFF_HEADER;
    while let Some(chunk) = Chunk::at(bytes, at) {
        let (size, lossy) = match chunk.name {
            b"VP8 " if !animated => (Some(canvas), Some(chunk)),
            b"ANMF" if animated => {
                let first = Chunk::at(bytes, chunk.begin + FRAME_HEADER);
                let lossy = match first {
                    Some(alpha) if alpha.name == b"ALPH" => Chunk::at(bytes, alpha.next),
                    other => other.filter(|chunk| chunk.name == b"VP8 "),
                };
                let side = |at: usize| Some(1 + u24_at(bytes, chunk.begin + at)?);
                (side(6).zip(side(9)), lossy)
            }
            _ => {
                at = chunk.next;
                continue;
            }
        };
        let claimed = lossy.and_then(|chunk| u32_at(bytes, chunk.begin + LOSSY_SIZE));
        let claimed = claimed.map(|sides| (sides & 0x3fff, sides >> 16 & 0x3fff));
        return match (size, claimed) {
            (Some((width, height)), Some((across, down))) if (width, height) != (across, down) => {
                Err(Error::corrupt(format!(
                    "its lossy data have {across} × {down} pixels, their frame {width} × {height}"
                )))
            }
            // what is not there is missed by the crate
            _ => Ok(()),
        };
    }
    Ok(())
}

/// A chunk of the container, whose content may lie beyond the file's end.
struct Chunk<'a> {
    name: &'a [u8],
    begin: usize,
    end: usize,
    next: usize,
}

impl<'a> Chunk<'a> {
    fn at(bytes: &'a [u8], at: usize) -> Option<Chunk<'a>> {
        let name = bytes.get(at..at.checked_add(4)?)?;
        let length = u32_at(bytes, at + 4)?;
        let begin = at + CHUNK_HEADER;
        let end = begin + length as usize;
        Some(Chunk { name, begin, end, next: begin + length.saturating_add(length & 1) as usize })
    }
}

fn u24_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(3)?)?;
    Some(u32::from_le_bytes([field[0], field[1], field[2], 0]))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u24_at(bytes, at)? | u32::from(*bytes.get(at.checked_add(3)?)?) << 24)
}

fn fault(error: DecodingError, bytes: &[u8]) -> Error {
    match &error {
        DecodingError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => {
            cut_or(bytes, "its chunks are longer than the file")
        }
        other => cut_or(bytes, other.to_string()),
    }
}

fn missing(bytes: &[u8]) -> Error {
    cut_or(bytes, "its first frame is not whole")
}

/// Returns a truncation if the file is shorter than its container's length, since any fault is then due to the cut;
/// else a corruption with `detail`.
fn cut_or(bytes: &[u8], detail: impl Into<String>) -> Error {
    let claimed = u32_at(bytes, 4).map_or(u64::MAX, |length| 8 + u64::from(length));
    if (bytes.len() as u64) < claimed {
        Error::truncated(format!("it has {} bytes of {claimed}", bytes.len()))
    } else {
        Error::corrupt(detail)
    }
}

#[cfg(test)]
mod tests {
    use super::super::canvas::Scratch;
    use super::super::resample::Resampler;
    use super::super::{Format, Options};
    use super::*;

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u32).to_le_bytes();
        [name.as_slice(), &length, content, &[0][..content.len() % 2]].concat()
    }

    /// The extended form with a canvas of 8 × 8 pixels.
    fn extended(flags: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
        let header = chunk(b"VP8X", &[flags, 0, 0, 0, 7, 0, 0, 7, 0, 0]);
        let body = [b"WEBP", header.as_slice(), &chunks.concat()].concat();
        chunk(b"RIFF", &body)
    }

    /// A key frame whose first partition has 32 bytes; all of its data are zeros.
    fn lossy(width: u16, height: u16) -> Vec<u8> {
        let start = [0x10, 0x04, 0, 0x9d, 0x01, 0x2a];
        let sides = [width.to_le_bytes(), height.to_le_bytes()].concat();
        chunk(b"VP8 ", &[&start, sides.as_slice(), &[0; 64]].concat())
    }

    fn animation(frame: &[Vec<u8>]) -> Vec<u8> {
        let place = [0, 0, 0, 0, 0, 0, 7, 0, 0, 7, 0, 0, 0, 0, 0, 2];
        let frame = chunk(b"ANMF", &[&place, frame.concat().as_slice()].concat());
        extended(0x12, &[chunk(b"ANIM", &[0; 6]), frame])
    }

    fn refusal(bytes: &[u8]) -> Option<Error> {
        let options = Options::new(8);
        let mut resampler = Resampler::new();
        let mut scratch = Scratch::default();
        let mut canvas = Canvas::new(&options, Format::WebP, &mut resampler, &mut scratch);
        decode(bytes, &mut Vec::new(), &mut canvas).err()
    }

    #[test]
    fn lossy_data_of_another_size_than_their_frame_are_refused_before_they_are_decoded() {
        let alpha = || chunk(b"ALPH", &[0; 65]);
        for (width, height) in [(4, 8), (8, 9), (0, 0), (16383, 16383)] {
            let other = || lossy(width, height);
            for (what, bytes) in [
                ("still", extended(0, &[other()])),
                ("still with alpha", extended(0x10, &[alpha(), other()])),
                ("animated", animation(&[other()])),
                ("animated with alpha", animation(&[alpha(), other()])),
            ] {
                let said = refusal(&bytes).map(|error| error.to_string()).unwrap_or_default();
                let claim = format!("its lossy data have {width} × {height} pixels, their frame 8 × 8");
                assert!(said.contains(&claim), "{what}: {said:?}");
            }
        }
        // of the right size they go on to the decoder
        for bytes in [extended(0, &[lossy(8, 8)]), animation(&[alpha(), lossy(8, 8)])] {
            let said = refusal(&bytes).map(|error| error.to_string()).unwrap_or_default();
            assert!(!said.contains("lossy data have"), "{said:?}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_searched_without_harm() {
        let whole = animation(&[chunk(b"ALPH", &[0; 65]), lossy(4, 8)]);
        for end in 0..=whole.len() {
            assert!(refusal(&whole[..end]).is_some(), "{end}");
        }
    }
}
