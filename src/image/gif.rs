//! GIF, by the `gif` crate: the first frame on its canvas, as Pillow shows it, and nothing after it is read.
//!
//! The canvas grows where the frame reaches beyond it. What the frame does not cover has the transparent index, where
//! there is one, else index 0; transparency itself is dropped. An index after the palette's end is black, or gray if
//! the palette is the ramp of grays. A frame without any palette is corrupt, where Pillow shows it gray.

use std::io::ErrorKind;

use gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};

use super::canvas::Canvas;
use super::error::Error;
use super::exif::Orientation;

/// `frame` is scratch for one byte a pixel.
pub(super) fn decode(bytes: &[u8], frame: &mut Vec<u8>, canvas: &mut Canvas<'_>) -> Result<(), Error> {
    if let Some(screen @ (1.., 1..)) = screen_size(bytes) {
        canvas.admit(u32::from(screen.0), u32::from(screen.1))?;
    }
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    // the frame is read into `frame`, after its size was admitted
    options.set_memory_limit(MemoryLimit::Unlimited);
    let mut decoder = options.read_info(bytes).map_err(fault)?;
    let screen = (decoder.width(), decoder.height());
    let Some(shown) = decoder.next_frame_info().map_err(fault)? else {
        return Err(Error::corrupt("it has no frame"));
    };
    let (left, top) = (usize::from(shown.left), usize::from(shown.top));
    let (across, down) = (usize::from(shown.width), usize::from(shown.height));
    let beyond = shown.transparent.unwrap_or(0);
    let width = (left + across).max(usize::from(screen.0));
    let height = (top + down).max(usize::from(screen.1));
    canvas.admit(width as u32, height as u32)?;

    let table = table(decoder.palette().map_err(fault)?);
    frame.clear();
    frame.resize(across * down, 0);
    decoder.read_into_buffer(frame).map_err(fault)?;
    canvas.start(Orientation::Upright)?;

    let mut rgb = vec![0; width * 3];
    for y in 0..height {
        for pixel in rgb.chunks_exact_mut(3) {
            pixel.copy_from_slice(&table[usize::from(beyond)]);
        }
        if (top..top + down).contains(&y) {
            let from = &frame[(y - top) * across..][..across];
            for (pixel, &index) in rgb[left * 3..].chunks_exact_mut(3).zip(from) {
                pixel.copy_from_slice(&table[usize::from(index)]);
            }
        }
        canvas.row_of_rgb(&rgb);
    }
    Ok(())
}

fn screen_size(bytes: &[u8]) -> Option<(u16, u16)> {
    let size = bytes.get(6..10)?;
    Some((u16::from_le_bytes([size[0], size[1]]), u16::from_le_bytes([size[2], size[3]])))
}

fn table(palette: &[u8]) -> [[u8; 3]; 256] {
    let ramp = palette.iter().enumerate().all(|(at, &value)| usize::from(value) == at / 3);
    let mut table: [[u8; 3]; 256] = std::array::from_fn(|index| [if ramp { index as u8 } else { 0 }; 3]);
    for (entry, colour) in table.iter_mut().zip(palette.chunks_exact(3)) {
        entry.copy_from_slice(colour);
    }
    table
}

fn fault(error: DecodingError) -> Error {
    match error {
        DecodingError::UnexpectedEof => Error::truncated("in its first frame"),
        DecodingError::Io(io) if io.kind() == ErrorKind::UnexpectedEof => {
            Error::truncated("in its first frame")
        }
        other => Error::corrupt(other.to_string()),
    }
}
