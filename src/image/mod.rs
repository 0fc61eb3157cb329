//! Bytes of an image file in, one row of the network's input out.
//!
//! The contract is exactness, unless [`Decode::Fast`] is requested: for every JPEG the square is, byte for byte, what
//! Pillow 13 with torchvision's `Resize` and `CenterCrop` (timm's evaluation transform) makes of the file. The same
//! holds for PNG, GIF, BMP, WebP and TIFF, except for the departures that their modules name. Files are not trusted: a
//! file's size, its claimed pixels and its scans are checked against [`Limits`] before anything is allocated for them,
//! and every fault of a file is a typed [`Error`].
//!
//! Format by magic → decoder (rows of RGB) → orientation → resampling (rows in, square out) → packing. Decoders stream
//! where their format does (JPEG, PNG without interlacing, BMP without run lengths); the others hold one frame.
//!
//! What it refuses to do: read files, blend alpha, convert colour profiles, look at names, show any frame but the first,
//! and catch panics. A panic in a third-party decoder is the caller's to catch; the [`Decoder`] may be used again after it,
//! because every call begins by forgetting the image before.

mod apng;
mod bmp;
mod canvas;
mod columns;
mod error;
mod exif;
mod filter;
mod format;
mod geometry;
mod gif;
mod jpeg;
mod options;
mod pack;
mod png;
mod resample;
mod simd;
mod tiff;
mod unread;
mod webp;

pub use error::Error;
pub use format::{Format, Source, sniff};
pub use jpeg::encode_jpeg;
pub use options::{Decode, DecoderWarnings, Exif, Interpolation, Limits, Mode, Options, OptionsError, Rules};
pub use pack::Packer;
pub use unread::is_read_by_now;

use crate::tensor::{Layout, RowMut};
use canvas::{Canvas, Scratch};
use jpeg::Jpeg;
use resample::Resampler;

/// Scratch above this many bytes is released after the image that needed it.
const KEPT_SCRATCH: usize = 32 << 20;

/// Decodes images, one at a time, for one worker thread. Its buffers are kept from image to image.
pub struct Decoder {
    options: Options,
    jpeg: Jpeg,
    resampler: Resampler,
    packer: Packer,
    scratch: Scratch,
    /// A whole frame, for decoders that do not stream.
    frame: Vec<u8>,
    /// What `crop` hands out.
    rgb: Vec<u8>,
}

impl Decoder {
    /// Checks the options and makes the tables.
    ///
    /// # Errors
    /// An option is out of its range. [`OptionsError::Memory`]: there is no memory for the JPEG decoder.
    pub fn new(options: Options) -> Result<Decoder, OptionsError> {
        options.check()?;
        Ok(Decoder {
            options,
            jpeg: Jpeg::new().ok_or(OptionsError::Memory)?,
            resampler: Resampler::new(),
            packer: Packer::new(options.mean, options.std),
            scratch: Scratch::default(),
            frame: Vec::new(),
            rgb: Vec::new(),
        })
    }

    /// The options it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The square of an image: `image_size` × `image_size` × 3 bytes, RGB interleaved, before any normalisation.
    ///
    /// # Errors
    /// The image is of a format that is not read, larger than a limit, cut short, or damaged.
    pub fn crop(&mut self, bytes: &[u8]) -> Result<(Source, &[u8]), Error> {
        let source = self.resample(bytes)?;
        let square = self.resampler.finish().ok_or_else(|| rowless(source))?;
        self.rgb.resize(square.len() / 4 * 3, 0);
        for (to, pixel) in self.rgb.chunks_exact_mut(3).zip(square.chunks_exact(4)) {
            to.copy_from_slice(&pixel[..3]);
        }
        Ok((source, &self.rgb))
    }

    /// [`Decoder::crop`] as [`Packer::pack`] takes it: four bytes a pixel, the last of which means nothing.
    ///
    /// # Errors
    /// Those of [`Decoder::crop`].
    pub fn square(&mut self, bytes: &[u8]) -> Result<(Source, &[u8]), Error> {
        let source = self.resample(bytes)?;
        Ok((source, self.resampler.finish().ok_or_else(|| rowless(source))?))
    }

    /// [`Decoder::crop`], normalised and packed into `row`, which is untouched where the image fails.
    ///
    /// # Errors
    /// Those of [`Decoder::crop`].
    ///
    /// # Panics
    /// If `row` has not `3 × image_size²` elements.
    pub fn decode_into(&mut self, bytes: &[u8], layout: Layout, row: RowMut<'_>) -> Result<Source, Error> {
        let source = self.resample(bytes)?;
        let square = self.resampler.finish().ok_or_else(|| rowless(source))?;
        self.packer.pack(square, layout, row);
        Ok(source)
    }

    /// Leaves the square in the resampler.
    fn resample(&mut self, bytes: &[u8]) -> Result<Source, Error> {
        let limit = self.options.limits.max_encoded_bytes;
        let length = bytes.len() as u64;
        if length > limit {
            return Err(Error::limit("bytes", length, limit));
        }
        let format = sniff(bytes).ok_or_else(|| Error::unsupported(unread::message(bytes)))?;
        if format == Format::Tiff && self.options.rules == Rules::Earlier {
            return Err(Error::unsupported(unread::EARLIER_TIFF));
        }
        let mut canvas = Canvas::new(&self.options, format, &mut self.resampler, &mut self.scratch);
        let decoded = match format {
            Format::Jpeg => self.jpeg.decode(bytes, &mut canvas),
            Format::Png => png::decode(bytes, &mut self.frame, &mut canvas),
            Format::WebP => webp::decode(bytes, &mut self.frame, &mut canvas),
            Format::Gif => gif::decode(bytes, &mut self.frame, &mut canvas),
            Format::Bmp => bmp::decode(bytes, &mut self.frame, &mut canvas),
            Format::Tiff => tiff::decode(bytes, &mut self.frame, &mut self.jpeg, &mut canvas),
        };
        let source = canvas.source();
        let done = decoded.and_then(|()| canvas.finish()).map_err(|error| error.with_source(source));
        if self.frame.capacity() > KEPT_SCRATCH {
            self.frame = Vec::new();
        }
        self.scratch.shrink(KEPT_SCRATCH);
        done?;
        source.ok_or_else(|| Error::corrupt("it has no header"))
    }
}

fn rowless(source: Source) -> Error {
    Error::corrupt("it has not all its rows").with_source(Some(source))
}
