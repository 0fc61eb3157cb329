//! Where the network's square is in the resized image: torchvision's `Resize` and `CenterCrop` on PIL images, timm's
//! `ResizeKeepRatio` and `CenterCropOrPad`, and the centre crop of Hugging Face's image processors.

use super::error::Error;
use super::options::{Mode, Options, Rules};

/// The longest side that Pillow can resize to.
const MAX_RESIZED_SIDE: u64 = i32::MAX as u64;

/// The resized image and the square in it. Counted in `u64`: nothing of the resized image but the square is ever
/// computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Columns that the whole image would have.
    pub(super) width: u64,
    /// Rows that the whole image would have.
    pub(super) height: u64,
    /// Which of these columns the square shows.
    pub(super) across: Shown,
    /// Which of these rows the square shows.
    pub(super) down: Shown,
    /// Side of the square.
    pub(super) size: u32,
    /// The colour of the square where it does not show the image.
    pub(super) fill: [u8; 3],
}

/// What a side of the square shows of the resized image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    /// The first column or row of the resized image.
    pub(super) first: u64,
    /// How many.
    pub(super) count: u32,
    /// Columns or rows of the border before them.
    pub(super) border: u32,
}

impl Geometry {
    /// For a source of `width` × `height` pixels, neither of them 0.
    pub(super) fn new(options: &Options, width: u32, height: u32) -> Geometry {
        let side = options.resized_side();
        let (resized_width, resized_height) = match options.mode {
            Mode::Squash => (side, side),
            Mode::Crop if width <= height => (side, longer(side, height, width)),
            Mode::Crop => (longer(side, width, height), side),
            Mode::Border => {
                let ratio = f64::from(width.max(height)) / side as f64;
                (kept(width, ratio), kept(height, ratio))
            }
        };
        Geometry {
            width: resized_width,
            height: resized_height,
            across: Shown::centred(options, resized_width),
            down: Shown::centred(options, resized_height),
            size: options.image_size,
            fill: options.fill(),
        }
    }

    /// Refuses a resized image that Pillow could not make. Version 0.1.0 had no such limit.
    pub(super) fn check(&self, rules: Rules) -> Result<(), Error> {
        let longest = self.width.max(self.height);
        if longest > MAX_RESIZED_SIDE && rules == Rules::Current {
            return Err(Error::resized_side(longest, MAX_RESIZED_SIDE));
        }
        if self.width == 0 || self.height == 0 {
            return Err(Error::unsupported(format!(
                "it is so narrow that nothing of it is left at {} × {} pixels",
                self.width, self.height
            )));
        }
        Ok(())
    }
}

impl Shown {
    fn centred(options: &Options, whole: u64) -> Shown {
        let size = options.image_size;
        match u32::try_from(whole) {
            Ok(all) if all < size => Shown { first: 0, count: all, border: (size - all) / 2 },
            _ => {
                let rest = whole - u64::from(size);
                let first = match options.resize_side {
                    Some(_) => rest / 2,
                    // Python's `round(rest / 2)`
                    None => (rest as f64 / 2.0).round_ties_even() as u64,
                };
                Shown { first, count: size, border: 0 }
            }
        }
    }
}

/// Python's `int(side * long / short)`: one division of exact integers, rounded once.
fn longer(side: u64, long: u32, short: u32) -> u64 {
    (side as f64 * f64::from(long) / f64::from(short)) as u64
}

/// Python's `round(side / ratio)`.
fn kept(side: u32, ratio: f64) -> u64 {
    (f64::from(side) / ratio).round_ties_even() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(first: u64, size: u32) -> Shown {
        Shown { first, count: size, border: 0 }
    }

    #[test]
    fn the_square_is_where_torchvision_cuts_it() {
        // source, image size, crop share, mode -> resized, left, top (from torchvision's rule, by hand)
        let cases = [
            ((500, 375), 224, 0.875, Mode::Crop, (341, 256), 58, 16),
            ((375, 500), 224, 0.875, Mode::Crop, (256, 341), 16, 58),
            // (259 - 224) / 2 = 17.5 goes to 18, (257 - 224) / 2 = 16.5 to 16
            ((259, 256), 224, 0.875, Mode::Crop, (259, 256), 18, 16),
            ((257, 256), 224, 0.875, Mode::Crop, (257, 256), 16, 16),
            ((256, 256), 224, 0.875, Mode::Crop, (256, 256), 16, 16),
            ((1, 1), 224, 0.95, Mode::Crop, (235, 235), 6, 6),
            ((20_000, 1), 224, 0.875, Mode::Crop, (5_120_000, 256), 2_559_888, 16),
            ((640, 480), 448, 1.0, Mode::Crop, (597, 448), 74, 0),
            ((640, 480), 448, 1.0, Mode::Squash, (448, 448), 0, 0),
            ((640, 480), 448, 0.875, Mode::Squash, (512, 512), 32, 32),
            // (235 - 224) / 2 = 5.5
            ((640, 480), 224, 0.95, Mode::Squash, (235, 235), 6, 6),
        ];
        for (source, image_size, crop_pct, mode, resized, left, top) in cases {
            let options = Options { crop_pct, mode, ..Options::new(image_size) };
            let found = Geometry::new(&options, source.0, source.1);
            assert_eq!((found.width, found.height), resized, "{source:?} at {image_size}");
            assert_eq!(
                (found.across, found.down),
                (all(left, image_size), all(top, image_size)),
                "{source:?} at {image_size}"
            );
        }
    }

    #[test]
    fn a_border_is_where_timm_pads() {
        // source, crop share -> resized, columns, rows (from timm's rules, by hand)
        let cases = [
            ((500, 375), 1.0, (224, 168), all(0, 224), Shown { first: 0, count: 168, border: 28 }),
            ((375, 500), 1.0, (168, 224), Shown { first: 0, count: 168, border: 28 }, all(0, 224)),
            // 55 rows of the border, 27 of them above
            ((400, 302), 1.0, (224, 169), all(0, 224), Shown { first: 0, count: 169, border: 27 }),
            // both sides are cut: 256 to 224, 250 to 224
            ((512, 500), 0.875, (256, 250), all(16, 224), all(13, 224)),
            ((500, 375), 0.875, (256, 192), all(16, 224), Shown { first: 0, count: 192, border: 16 }),
            ((5, 1), 1.0, (224, 45), all(0, 224), Shown { first: 0, count: 45, border: 89 }),
        ];
        for (source, crop_pct, resized, across, down) in cases {
            let options = Options { crop_pct, mode: Mode::Border, ..Options::new(224) };
            let found = Geometry::new(&options, source.0, source.1);
            assert_eq!((found.width, found.height), resized, "{source:?}");
            assert_eq!((found.across, found.down), (across, down), "{source:?}");
        }
    }

    #[test]
    fn a_stated_side_is_cut_at_the_offset_rounded_down() {
        for (mode, resized, left, top) in
            [(Mode::Crop, (343, 257), 59, 16), (Mode::Squash, (257, 257), 16, 16)]
        {
            let options = Options { mode, resize_side: Some(257), ..Options::new(224) };
            let found = Geometry::new(&options, 501, 375);
            assert_eq!((found.width, found.height), resized);
            // (343 - 224) / 2 = 59.5, which torchvision would round to 60
            assert_eq!((found.across.first, found.down.first), (left, top));
        }
    }

    #[test]
    fn a_side_that_pillow_cannot_make_is_refused() {
        let options = Options::new(224);
        let found = Geometry::new(&options, 1, 10_000_000).check(Rules::Current).expect_err("2.56e9 rows");
        assert_eq!(found.kind(), "limit");
        assert_eq!(Geometry::new(&options, 1, 8_000_000).check(Rules::Current), Ok(()));
        assert_eq!(Geometry::new(&options, 1, 10_000_000).check(Rules::Earlier), Ok(()));
        let border = Options { mode: Mode::Border, ..options };
        let found = Geometry::new(&border, 1, 10_000).check(Rules::Current).expect_err("no column is left");
        assert_eq!(found.kind(), "unsupported");
    }

    #[test]
    fn the_border_has_the_colour_of_the_mean() {
        let mean = [0.5, 0.485, -1.0];
        let options = Options { mean, mode: Mode::Border, ..Options::new(224) };
        // 127.5 goes to 128
        assert_eq!(Geometry::new(&options, 2, 1).fill, [128, 124, 0]);
    }
}
