//! WebP, by the `image-webp` crate; of an animation the first frame on its canvas. Alpha is dropped, never blended.
//!
//! Pillow decodes with libwebp, so equality is measured, not built in: a test over lossy, lossless, transparent and
//! animated files finds no differing byte, and says so if that changes.

use std::io::{Cursor, ErrorKind};

use image_webp::{DecodingError, WebPDecoder};

use super::canvas::Canvas;
use super::error::Error;
use super::exif::Orientation;

/// An EXIF block larger than this is not looked into.
const MAX_EXIF: usize = 1 << 20;

/// `frame` is scratch for 3 or 4 bytes a pixel.
pub(super) fn decode(bytes: &[u8], frame: &mut Vec<u8>, canvas: &mut Canvas<'_>) -> Result<(), Error> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| fault(error, bytes))?;
    let (width, height) = decoder.dimensions();
    canvas.admit(width, height)?;
    let mut orientation = Orientation::Upright;
    if canvas.wants_orientation() {
        decoder.set_memory_limit(MAX_EXIF);
        if let Ok(Some(block)) = decoder.exif_metadata() {
            orientation = Orientation::of_tiff(&block);
        }
    }
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    frame.clear();
    frame.resize(width as usize * height as usize * channels, 0);
    decoder.read_image(frame).map_err(|error| fault(error, bytes))?;
    canvas.start(orientation)?;

    let mut rgb = vec![0; width as usize * 3];
    for row in frame.chunks_exact(width as usize * channels) {
        if channels == 3 {
            canvas.row(row);
        } else {
            for (pixel, from) in rgb.chunks_exact_mut(3).zip(row.chunks_exact(4)) {
                pixel.copy_from_slice(&from[..3]);
            }
            canvas.row(&rgb);
        }
    }
    Ok(())
}

/// The container says how long it is; whatever goes wrong in a shorter file goes wrong because it was cut.
fn fault(error: DecodingError, bytes: &[u8]) -> Error {
    let claimed = bytes.get(4..8).map_or(u64::MAX, |length| {
        8 + u64::from(u32::from_le_bytes([length[0], length[1], length[2], length[3]]))
    });
    let ended = matches!(&error, DecodingError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof);
    if (bytes.len() as u64) < claimed {
        Error::truncated(format!("it has {} bytes of {claimed}", bytes.len()))
    } else if ended {
        Error::corrupt("its chunks are longer than the file")
    } else {
        Error::corrupt(error.to_string())
    }
}
