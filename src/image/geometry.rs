//! Where the network's square lies in the resized image: torchvision's `Resize` and `CenterCrop` on PIL images.

use super::options::{Mode, Options};

/// The resized image and the square in it. Counted in `u64`: a side has no limit of its own, and nothing of the resized
/// image but the square is ever computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Size that the whole image would have.
    pub(super) width: u64,
    /// Size that the whole image would have.
    pub(super) height: u64,
    /// First column of the square.
    pub(super) left: u64,
    /// First row of the square.
    pub(super) top: u64,
    /// Side of the square.
    pub(super) size: u32,
}

impl Geometry {
    /// For a source of `width` × `height` pixels, neither of them 0.
    pub(super) fn new(options: &Options, width: u32, height: u32) -> Geometry {
        let size = options.image_size;
        let (width, height) = match options.mode {
            Mode::Squash => (u64::from(size), u64::from(size)),
            Mode::Crop => {
                let side = options.shortest_side();
                if width <= height {
                    (side, longer(side, height, width))
                } else {
                    (longer(side, width, height), side)
                }
            }
        };
        Geometry { width, height, left: centred(width, size), top: centred(height, size), size }
    }
}

/// Python's `int(side * long / short)`: one division of exact integers, rounded once.
fn longer(side: u64, long: u32, short: u32) -> u64 {
    (side as f64 * f64::from(long) / f64::from(short)) as u64
}

/// Python's `round((whole - part) / 2)`, half to even.
fn centred(whole: u64, part: u32) -> u64 {
    ((whole - u64::from(part)) as f64 / 2.0).round_ties_even() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_square_lies_where_torchvision_cuts_it() {
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
            ((640, 480), 448, 0.875, Mode::Squash, (448, 448), 0, 0),
        ];
        for (source, image_size, crop_pct, mode, resized, left, top) in cases {
            let options = Options { crop_pct, mode, ..Options::new(image_size) };
            let (width, height) = resized;
            assert_eq!(
                Geometry::new(&options, source.0, source.1),
                Geometry { width, height, left, top, size: image_size },
                "{source:?} at {image_size}"
            );
        }
    }
}
