//! What is asked of the image stage, checked once before any image is seen.

use serde::{Deserialize, Serialize};

/// How an image becomes the network's square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Shortest side to `floor(image_size / crop_pct)`, then the centre: timm's evaluation transform.
    Crop,
    /// Both sides to `image_size`, whatever the aspect; `crop_pct` plays no part.
    Squash,
}

/// The resampling filter, antialiased as Pillow's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interpolation {
    /// Triangle, support 1.
    Bilinear,
    /// Cubic with a = −0.5, support 2.
    Bicubic,
}

/// What becomes of the EXIF orientation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exif {
    /// Pixels as stored, as timm and torchvision take them.
    Ignore,
    /// Turned upright before anything else, as Pillow's `exif_transpose` does.
    Apply,
}

/// Whether pixels may differ from Pillow's for the sake of speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decode {
    /// No: Pillow's bytes.
    Exact,
    /// JPEGs that are reduced in any case are decoded at 1/2, 1/4 or 1/8 of their size, the smallest of them from which
    /// the resampling still reduces.
    Fast,
}

/// How files are read whose rows have changed since version 0.1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rules {
    /// As version 0.1.0 reads them, for the jobs that it began: transparent pixels of an animated WebP are black, an
    /// animated PNG counts up to its last frame, a BMP has all of its padding, and a TIFF is not read.
    Earlier,
    /// As Pillow reads them.
    Current,
}

/// What libjpeg's warnings mean. (Running out of data is no warning here: it is always `truncated`.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecoderWarnings {
    /// Nothing, as in Pillow.
    Accept,
    /// Any makes the image corrupt.
    Error,
}

/// What an image may cost, checked from its header before pixels are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of the file.
    pub max_encoded_bytes: u64,
    /// Columns × rows of the source.
    pub max_pixels: u64,
    /// Scans of a JPEG.
    pub max_scans: u32,
    /// Whether warnings are errors.
    pub decoder_warnings: DecoderWarnings,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_encoded_bytes: 64 << 20,
            max_pixels: 50_000_000,
            max_scans: 100,
            decoder_warnings: DecoderWarnings::Accept,
        }
    }
}

/// Everything that decides the pixels of a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Side of the network's square, in pixels.
    pub image_size: u32,
    /// Share of the resized shortest side that the crop keeps, above 0 and at most 1.
    pub crop_pct: f64,
    /// Crop or squash.
    pub mode: Mode,
    /// The filter.
    pub interpolation: Interpolation,
    /// Whether EXIF orientation is applied.
    pub exif: Exif,
    /// Exact or fast.
    pub decode: Decode,
    /// Whether a job of version 0.1.0 keeps its pixels.
    pub rules: Rules,
    /// Subtracted from each channel, red first, in units of the full scale.
    pub mean: [f64; 3],
    /// Divides each channel after `mean`.
    pub std: [f64; 3],
    /// What an image may cost.
    pub limits: Limits,
}

/// Options that no image could be decoded with.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OptionsError {
    /// The square has no or too many pixels.
    #[error("image_size `{0}` is not between 1 and {MAX_SIDE}")]
    ImageSize(u32),
    /// The crop would be larger than what it is cut from, or what it is cut from too large.
    #[error("crop_pct `{0}` is not between image_size / {MAX_SIDE} and 1")]
    CropPct(f64),
    /// A channel's normalisation gives no finite number.
    #[error("mean `{mean}` and std `{std}` do not normalise a channel: both must be finite and std above 0")]
    Normalisation {
        /// As given.
        mean: f64,
        /// As given.
        std: f64,
    },
    /// libjpeg's context could not be allocated.
    #[error("no memory for a JPEG decoder")]
    Memory,
}

/// No side after the resize of the shortest is longer: buffers of the square's order of size stay small.
const MAX_SIDE: u32 = 16_384;

impl Options {
    /// timm's evaluation transform with its ImageNet defaults for TResNet: bilinear, crop 0.875, no normalisation.
    pub fn new(image_size: u32) -> Options {
        Options {
            image_size,
            crop_pct: 0.875,
            mode: Mode::Crop,
            interpolation: Interpolation::Bilinear,
            exif: Exif::Ignore,
            decode: Decode::Exact,
            rules: Rules::Current,
            mean: [0.0; 3],
            std: [1.0; 3],
            limits: Limits::default(),
        }
    }

    /// `floor(image_size / crop_pct)`, the shortest side before the crop.
    pub(super) fn shortest_side(&self) -> u64 {
        (f64::from(self.image_size) / self.crop_pct).floor() as u64
    }

    pub(super) fn check(&self) -> Result<(), OptionsError> {
        if !(1..=MAX_SIDE).contains(&self.image_size) {
            return Err(OptionsError::ImageSize(self.image_size));
        }
        let whole = self.crop_pct > 0.0 && self.crop_pct <= 1.0;
        if !whole || self.shortest_side() > u64::from(MAX_SIDE) {
            return Err(OptionsError::CropPct(self.crop_pct));
        }
        for (mean, std) in self.mean.into_iter().zip(self.std) {
            if !(mean.is_finite() && std.is_finite() && std > 0.0) {
                return Err(OptionsError::Normalisation { mean, std });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_describe_no_square_are_refused() {
        let good = Options::new(224);
        let cases = [
            (Options { image_size: 0, ..good }, "image_size"),
            (Options { image_size: 20_000, ..good }, "image_size"),
            (Options { crop_pct: 0.0, ..good }, "crop_pct"),
            (Options { crop_pct: 1.01, ..good }, "crop_pct"),
            (Options { crop_pct: f64::NAN, ..good }, "crop_pct"),
            (Options { crop_pct: 1e-9, ..good }, "crop_pct"),
            (Options { std: [1.0, 0.0, 1.0], ..good }, "std"),
            (Options { mean: [0.0, f64::INFINITY, 0.0], ..good }, "mean"),
        ];
        assert_eq!(good.check(), Ok(()));
        for (options, named) in cases {
            let error = options.check().expect_err(named).to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
