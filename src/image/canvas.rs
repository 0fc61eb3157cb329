//! Between a format's decoder and the resampler: limits on the way in, orientation on the way out.
//!
//! A decoder passes the size of its image ([`Canvas::admit`]) before it allocates anything for pixels, then its
//! orientation ([`Canvas::start`]), then its rows, top row first, as RGB or as pixels of four bytes. A decoder that can
//! leave out pixels that the square does not depend on asks for the [`Canvas::region`] that it does depend on.

use super::error::Error;
use super::exif::Orientation;
use super::filter::Region;
use super::format::{Format, Source};
use super::geometry::Geometry;
use super::options::{Decode, Exif, Options};
use super::resample::Resampler;

/// What a canvas keeps between images.
#[derive(Default)]
pub(super) struct Scratch {
    /// The region of an image that has to be turned, four bytes a pixel.
    stored: Vec<u8>,
    /// One row of four bytes a pixel.
    row: Vec<u8>,
}

impl Scratch {
    /// Releases buffers that are larger than `most` bytes.
    pub(super) fn shrink(&mut self, most: usize) {
        for buffer in [&mut self.stored, &mut self.row] {
            if buffer.capacity() > most {
                *buffer = Vec::new();
            }
        }
    }
}

/// Where one image's rows go.
pub(super) struct Canvas<'a> {
    options: &'a Options,
    format: Format,
    resampler: &'a mut Resampler,
    scratch: &'a mut Scratch,
    /// The argument of the last `admit`.
    source: Option<Source>,
    /// Width and height as the decoder gives them: the source's, or less.
    stored: (u32, u32),
    orientation: Orientation,
    region: Region,
    /// The stored row that comes next.
    next: u32,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(
        options: &'a Options,
        format: Format,
        resampler: &'a mut Resampler,
        scratch: &'a mut Scratch,
    ) -> Canvas<'a> {
        scratch.stored.clear();
        Canvas {
            options,
            format,
            resampler,
            scratch,
            source: None,
            stored: (0, 0),
            orientation: Orientation::Upright,
            region: Region::default(),
            next: 0,
        }
    }

    pub(super) fn options(&self) -> &'a Options {
        self.options
    }

    /// Whether the orientation is applied, and worth reading. That of a TIFF always is.
    pub(super) fn wants_orientation(&self) -> bool {
        self.options.exif == Exif::Apply || self.format == Format::Tiff
    }

    /// Returns the facts of the header, if it was read.
    pub(super) fn source(&self) -> Option<Source> {
        self.source
    }

    /// Holds the size from the header against the limits.
    pub(super) fn admit(&mut self, width: u32, height: u32) -> Result<(), Error> {
        self.source = Some(Source { width, height, format: self.format });
        if width == 0 || height == 0 {
            return Err(Error::corrupt(format!("its header claims {width} × {height} pixels")));
        }
        let limit = self.options.limits.max_pixels;
        let pixels = u64::from(width) * u64::from(height);
        if pixels > limit {
            return Err(Error::limit("pixels", pixels, limit));
        }
        // the same for an image that is turned
        Geometry::new(self.options, width, height).check(self.options.rules)
    }

    /// The largest of 1, 2, 4 and 8 by which the decoder may divide the sides of an admitted image: 1 where decoding is
    /// exact. `orientation` as for [`Canvas::start`].
    pub(super) fn divisor(&self, orientation: Orientation) -> u32 {
        let Some(Source { width, height, .. }) = self.source else { return 1 };
        if self.options.decode == Decode::Exact {
            return 1;
        }
        let swaps = self.wants_orientation() && orientation.swaps();
        let (across, down) = if swaps { (height, width) } else { (width, height) };
        let to = Geometry::new(self.options, across, down);
        let stays_larger = |by: &u32| u64::from(across / by) >= to.width && u64::from(down / by) >= to.height;
        [8, 4, 2].into_iter().find(stays_larger).unwrap_or(1)
    }

    /// Gets ready for the rows of an admitted image. `orientation` is heeded only where it is applied.
    pub(super) fn start(&mut self, orientation: Orientation) -> Result<(), Error> {
        self.start_divided(orientation, 1)
    }

    /// [`Canvas::start`] for an image whose sides the decoder divides, and rounds up.
    pub(super) fn start_divided(&mut self, orientation: Orientation, divisor: u32) -> Result<(), Error> {
        let Some(Source { width, height, .. }) = self.source else {
            return Err(Error::corrupt("it has no header"));
        };
        let orientation = if self.wants_orientation() { orientation } else { Orientation::Upright };
        let (across, down) = if orientation.swaps() { (height, width) } else { (width, height) };
        let to = Geometry::new(self.options, across, down);
        self.resampler.begin(self.options.interpolation, (across, down), divisor, &to);
        self.orientation = orientation;
        self.stored = (width.div_ceil(divisor), height.div_ceil(divisor));
        self.region = orientation.stored_region(self.resampler.needed(), self.stored.0, self.stored.1);
        if orientation != Orientation::Upright {
            let Region { columns, rows } = self.region;
            self.scratch.stored.reserve_exact(columns.len() * rows.len() * 4);
        }
        Ok(())
    }

    /// What the square depends on, once the image is started. A decoder need give no other pixels.
    pub(super) fn region(&self) -> Region {
        self.region
    }

    /// The stored row that is awaited.
    pub(super) fn next_row(&self) -> u32 {
        self.next
    }

    /// Takes `count` rows above the region as given.
    pub(super) fn skip(&mut self, count: u32) {
        debug_assert!(self.next + count <= self.region.rows.lo, "rows of the region are not left out");
        self.next += count;
    }

    /// Takes the next stored row: as many RGB pixels as the admitted width.
    pub(super) fn row_of_rgb(&mut self, rgb: &[u8]) {
        let Region { columns, rows } = self.region;
        if !rows.holds(self.next) {
            self.next += 1;
            return;
        }
        let needed = &rgb[columns.lo as usize * 3..columns.hi as usize * 3];
        let mut row = std::mem::take(&mut self.scratch.row);
        row.resize(columns.len() * 4, 0);
        for (to, pixel) in row.chunks_exact_mut(4).zip(needed.chunks_exact(3)) {
            to[..3].copy_from_slice(pixel);
        }
        self.row(columns.lo, &row);
        self.scratch.row = row;
    }

    /// Takes the next stored row: pixels of four bytes, red, green, blue and one that means nothing, from column `left`
    /// on to the end of the region or beyond it.
    pub(super) fn row(&mut self, left: u32, pixels: &[u8]) {
        let Region { columns, rows } = self.region;
        let row = self.next;
        self.next += 1;
        if !rows.holds(row) {
            return;
        }
        let needed = &pixels[(columns.lo - left) as usize * 4..(columns.hi - left) as usize * 4];
        if self.orientation == Orientation::Upright {
            self.resampler.push(needed);
        } else {
            self.scratch.stored.extend_from_slice(needed);
        }
    }

    /// To be called after the last row.
    pub(super) fn finish(self) -> Result<(), Error> {
        if self.source.is_none() {
            return Err(Error::corrupt("it has no header"));
        }
        if self.orientation != Orientation::Upright {
            let (width, height) = self.stored;
            let Region { columns, rows } = self.region;
            let stored = &self.scratch.stored;
            if stored.len() != columns.len() * rows.len() * 4 {
                return Err(Error::corrupt("it has not all its rows"));
            }
            let upright = self.resampler.needed();
            let row = &mut self.scratch.row;
            for y in upright.rows.lo..upright.rows.hi {
                row.clear();
                for x in upright.columns.lo..upright.columns.hi {
                    let (from_x, from_y) = self.orientation.stored(x, y, width, height);
                    let at = (from_y - rows.lo) as usize * columns.len() + (from_x - columns.lo) as usize;
                    row.extend_from_slice(&stored[at * 4..at * 4 + 4]);
                }
                self.resampler.push(row);
            }
        }
        match self.resampler.finish() {
            Some(_) => Ok(()),
            None => Err(Error::corrupt("it has not all its rows")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_held_against_the_limit_before_a_row_is_taken() {
        let options = Options::new(8);
        let mut resampler = Resampler::new();
        let mut scratch = Scratch::default();
        let mut canvas = Canvas::new(&options, Format::Png, &mut resampler, &mut scratch);
        let error = canvas.admit(50_000, 50_000).expect_err("2.5 Gpx");
        assert_eq!(error, Error::limit("pixels", 2_500_000_000, 50_000_000));
        assert_eq!(canvas.admit(20_000, 2_500), Ok(()));
        assert_eq!(canvas.admit(0, 10).map_err(|error| error.kind()), Err("corrupt"));
    }
}
