//! PNG, by the `png` crate, with samples expanded here as Pillow's `convert("RGB")` leaves them.
//!
//! Alpha and `tRNS` are dropped, never blended: colours under transparency stay. Samples of 16 bits lose their low byte
//! (Pillow does that for colour, and clips gray instead). Text and colour profiles are skipped unread, so compressed bombs
//! in them cost nothing. Checksums count, and a file without its `IEND` is cut short, where Pillow looks at neither. Of
//! an animation only the default image is read; its other chunks are left out (`apng`).

use std::io::ErrorKind;

use png::{BitDepth, ColorType, DecodingError, Transformations};

use super::apng::{self, Chunks};
use super::canvas::Canvas;
use super::error::Error;
use super::exif::Orientation;
use super::options::Rules;

/// What a row may take beside the samples: chunks that are kept, the inflater's window.
const OVERHEAD: usize = 64 << 20;

/// The last chunk of every whole file.
const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// `frame` is scratch, for interlaced files alone.
pub(super) fn decode(bytes: &[u8], frame: &mut Vec<u8>, canvas: &mut Canvas<'_>) -> Result<(), Error> {
    read(bytes, frame, canvas).map_err(|fault| match fault {
        Fault::Ours(error) => error,
        // A length that points beyond the end of a file that has its end chunk is no cut.
        Fault::Theirs(DecodingError::IoError(io)) if io.kind() == ErrorKind::UnexpectedEof => {
            if bytes.ends_with(END) {
                Error::corrupt("a chunk is longer than the file")
            } else {
                Error::truncated("before its end chunk")
            }
        }
        Fault::Theirs(DecodingError::LimitsExceeded) => Error::corrupt("its metadata is too large"),
        Fault::Theirs(other) => Error::corrupt(other.to_string()),
    })
}

enum Fault {
    Ours(Error),
    Theirs(DecodingError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Ours(error)
    }
}

impl From<DecodingError> for Fault {
    fn from(error: DecodingError) -> Fault {
        Fault::Theirs(error)
    }
}

fn read(bytes: &[u8], frame: &mut Vec<u8>, canvas: &mut Canvas<'_>) -> Result<(), Fault> {
    let animation = match canvas.options().rules {
        Rules::Earlier => Ok(false),
        Rules::Current => apng::check(bytes),
    };
    let mut decoder = png::Decoder::new(Chunks::new(bytes, animation != Ok(false)));
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info()?;
    let (width, height) = header.size();
    canvas.admit(width, height)?;
    animation?;
    // the longest row, twice, of 8 bytes a pixel
    decoder.set_limits(png::Limits { bytes: OVERHEAD + width as usize * 16 });

    let mut reader = decoder.read_info()?;
    let info = reader.info();
    let samples = Samples::new(info)?;
    let orientation = info.exif_metadata.as_deref().map_or(Orientation::Upright, Orientation::of_tiff);
    let interlaced = info.interlaced;
    canvas.start(orientation)?;

    let mut rgb = vec![0; width as usize * 3];
    if interlaced {
        frame.clear();
        frame.resize(reader.output_buffer_size().ok_or(DecodingError::LimitsExceeded)?, 0);
        let line = reader.next_frame(frame)?.line_size;
        for row in frame.chunks_exact(line) {
            samples.to_rgb(row, &mut rgb);
            canvas.row_of_rgb(&rgb);
        }
    } else {
        while let Some(row) = reader.next_row()? {
            samples.to_rgb(row.data(), &mut rgb);
            canvas.row_of_rgb(&rgb);
        }
    }
    reader.finish()?;
    Ok(())
}

/// How a row's bytes become RGB.
enum Samples {
    /// One sample of 1, 2, 4 or 8 bits a pixel, which is an index of the table.
    Table { bits: usize, table: Box<[[u8; 3]; 256]> },
    /// Whole bytes: those of red, green and blue in a pixel of `stride`.
    Bytes { stride: usize, rgb: [usize; 3] },
}

impl Samples {
    fn new(info: &png::Info<'_>) -> Result<Samples, Error> {
        let bytes = |stride, rgb| Samples::Bytes { stride, rgb };
        Ok(match (info.color_type, info.bit_depth) {
            (ColorType::Indexed, depth) => {
                let palette = info.palette.as_deref().ok_or_else(|| Error::corrupt("it has no palette"))?;
                // an index after the palette's end is black, as in Pillow
                let mut table = Box::new([[0; 3]; 256]);
                for (entry, colour) in table.iter_mut().zip(palette.chunks_exact(3)) {
                    entry.copy_from_slice(colour);
                }
                Samples::Table { bits: depth as usize, table }
            }
            (ColorType::Grayscale, BitDepth::Sixteen) => bytes(2, [0, 0, 0]),
            (ColorType::Grayscale, depth) => {
                let bits = depth as usize;
                let full = (1 << bits) - 1;
                let shade = |value: usize| [(value.min(full) * 255 / full) as u8; 3];
                Samples::Table { bits, table: Box::new(std::array::from_fn(shade)) }
            }
            (ColorType::GrayscaleAlpha, BitDepth::Sixteen) => bytes(4, [0, 0, 0]),
            (ColorType::GrayscaleAlpha, _) => bytes(2, [0, 0, 0]),
            (ColorType::Rgb, BitDepth::Sixteen) => bytes(6, [0, 2, 4]),
            (ColorType::Rgb, _) => bytes(3, [0, 1, 2]),
            (ColorType::Rgba, BitDepth::Sixteen) => bytes(8, [0, 2, 4]),
            (ColorType::Rgba, _) => bytes(4, [0, 1, 2]),
        })
    }

    fn to_rgb(&self, row: &[u8], rgb: &mut [u8]) {
        match self {
            Samples::Table { bits: 8, table } => {
                for (pixel, &byte) in rgb.chunks_exact_mut(3).zip(row) {
                    pixel.copy_from_slice(&table[usize::from(byte)]);
                }
            }
            Samples::Table { bits, table } => {
                let a_byte = 8 / bits;
                let mask = (1 << bits) - 1;
                for (x, pixel) in rgb.chunks_exact_mut(3).enumerate() {
                    let shift = 8 - bits * (x % a_byte + 1);
                    pixel.copy_from_slice(&table[usize::from(row[x / a_byte] >> shift) & mask]);
                }
            }
            Samples::Bytes { stride, rgb: [red, green, blue] } => {
                for (pixel, from) in rgb.chunks_exact_mut(3).zip(row.chunks_exact(*stride)) {
                    pixel.copy_from_slice(&[from[*red], from[*green], from[*blue]]);
                }
            }
        }
    }
}
