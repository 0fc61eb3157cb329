//! What is asked of the image stage, checked once before any image is seen.

use serde::{Deserialize, Serialize};

/// How an image becomes the network's square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Shortest side to `floor(image_size / crop_pct)`, then the centre: timm's evaluation transform.
    Crop,
    /// Both sides to `floor(image_size / crop_pct)`, whatever the aspect, then the centre.
    Squash,
    /// Longest side to `floor(image_size / crop_pct)`, then the centre, with borders of the mean's colour where the image
    /// is smaller than the square.
    Border,
}

/// Pillow's resampling filters; all but the first are antialiased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interpolation {
    /// The one pixel at an output's centre.
    Nearest,
    /// The mean of the pixels under an output, support 0.5.
    Box,
    /// Triangle, support 1.
    Bilinear,
    /// Hamming's window over a sinc, support 1.
    Hamming,
    /// Cubic with a = −0.5, support 2.
    Bicubic,
    /// Lanczos' window over a sinc, support 3.
    Lanczos,
}

impl Interpolation {
    /// Every filter.
    pub const ALL: [Interpolation; 6] = [
        Interpolation::Nearest,
        Interpolation::Box,
        Interpolation::Bilinear,
        Interpolation::Hamming,
        Interpolation::Bicubic,
        Interpolation::Lanczos,
    ];

    /// The filter by the name that Pillow, timm and the job file give it.
    pub fn named(name: &str) -> Option<Interpolation> {
        Interpolation::ALL.into_iter().find(|filter| filter.as_str() == name)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Interpolation::Nearest => "nearest",
            Interpolation::Box => "box",
            Interpolation::Bilinear => "bilinear",
            Interpolation::Hamming => "hamming",
            Interpolation::Bicubic => "bicubic",
            Interpolation::Lanczos => "lanczos",
        }
    }
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
    /// Share of the resized side that the crop keeps, above 0 and at most 1.
    pub crop_pct: f64,
    /// The resized side in pixels as Hugging Face's image processors state it, in place of `crop_pct`. The crop's offset
    /// is rounded down then; otherwise it is rounded half to even.
    pub resize_side: Option<u32>,
    /// Crop, squash or border.
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
    /// The crop would be larger than what it is cut from, or what it is cut from too large.
    #[error("a resized side of `{0}` pixels is not between image_size and {MAX_SIDE}")]
    ResizeSide(u32),
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
            resize_side: None,
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

    /// The side before the crop: the shortest, in [`Mode::Border`] the longest, in [`Mode::Squash`] both.
    pub(super) fn resized_side(&self) -> u64 {
        match self.resize_side {
            Some(side) => u64::from(side),
            None => (f64::from(self.image_size) / self.crop_pct).floor() as u64,
        }
    }

    /// The colour of a border: what becomes 0 where it is normalised, as timm rounds it.
    pub(super) fn fill(&self) -> [u8; 3] {
        self.mean.map(|mean| (255.0 * mean).round_ties_even().clamp(0.0, 255.0) as u8)
    }

    pub(super) fn check(&self) -> Result<(), OptionsError> {
        if !(1..=MAX_SIDE).contains(&self.image_size) {
            return Err(OptionsError::ImageSize(self.image_size));
        }
        let is_share = self.crop_pct > 0.0 && self.crop_pct <= 1.0;
        match self.resize_side {
            Some(side) if !(self.image_size..=MAX_SIDE).contains(&side) => {
                return Err(OptionsError::ResizeSide(side));
            }
            None if !is_share || self.resized_side() > u64::from(MAX_SIDE) => {
                return Err(OptionsError::CropPct(self.crop_pct));
            }
            _ => {}
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
            (Options { resize_side: Some(223), ..good }, "resized side"),
            (Options { resize_side: Some(20_000), ..good }, "resized side"),
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
