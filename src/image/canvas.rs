//! Between a format's decoder and the resampler: limits on the way in, orientation on the way out.
//!
//! A decoder says how large its image is ([`Canvas::admit`]) before it allocates anything for pixels, then how it lies
//! ([`Canvas::start`]), then gives its rows in RGB, top row first.

use super::error::Error;
use super::exif::Orientation;
use super::format::{Format, Source};
use super::geometry::Geometry;
use super::options::{Exif, Options};
use super::resample::Resampler;

/// Where one image's rows go.
pub(super) struct Canvas<'a> {
    options: &'a Options,
    format: Format,
    resampler: &'a mut Resampler,
    /// What `admit` was told last.
    source: Option<Source>,
    orientation: Orientation,
    /// The whole stored image, where it has to be turned; else empty.
    stored: Vec<u8>,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(options: &'a Options, format: Format, resampler: &'a mut Resampler) -> Canvas<'a> {
        Canvas {
            options,
            format,
            resampler,
            source: None,
            orientation: Orientation::Upright,
            stored: Vec::new(),
        }
    }

    pub(super) fn options(&self) -> &'a Options {
        self.options
    }

    /// Whether it is worth reading the orientation.
    pub(super) fn wants_orientation(&self) -> bool {
        self.options.exif == Exif::Apply
    }

    /// What the header said, if it was read.
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
        Ok(())
    }

    /// Gets ready for the rows of an admitted image. `orientation` is heeded only where it is applied.
    pub(super) fn start(&mut self, orientation: Orientation) -> Result<(), Error> {
        let Some(Source { width, height, .. }) = self.source else {
            return Err(Error::corrupt("it has no header"));
        };
        let orientation = if self.wants_orientation() { orientation } else { Orientation::Upright };
        let (across, down) = if orientation.swaps() { (height, width) } else { (width, height) };
        let to = Geometry::new(self.options, across, down);
        self.resampler.begin(self.options.interpolation, across, down, &to);
        self.orientation = orientation;
        self.stored.clear();
        if orientation != Orientation::Upright {
            self.stored.reserve_exact(width as usize * height as usize * 3);
        }
        Ok(())
    }

    /// Takes the next stored row: as many RGB pixels as the admitted width.
    pub(super) fn row(&mut self, rgb: &[u8]) {
        if self.orientation == Orientation::Upright {
            self.resampler.push(rgb);
        } else {
            self.stored.extend_from_slice(rgb);
        }
    }

    /// To be called after the last row.
    pub(super) fn finish(self) -> Result<(), Error> {
        let Some(Source { width, height, .. }) = self.source else {
            return Err(Error::corrupt("it has no header"));
        };
        if self.orientation != Orientation::Upright {
            let (width, height) = (width as usize, height as usize);
            if self.stored.len() != width * height * 3 {
                return Err(Error::corrupt("it has not all its rows"));
            }
            let (across, down) = if self.orientation.swaps() { (height, width) } else { (width, height) };
            let mut row = Vec::with_capacity(across * 3);
            for y in 0..down {
                row.clear();
                for x in 0..across {
                    let (from_x, from_y) = self.orientation.stored(x, y, width, height);
                    let at = (from_y * width + from_x) * 3;
                    row.extend_from_slice(&self.stored[at..at + 3]);
                }
                self.resampler.push(&row);
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
        let mut canvas = Canvas::new(&options, Format::Png, &mut resampler);
        let error = canvas.admit(50_000, 50_000).expect_err("2.5 Gpx");
        assert_eq!(error, Error::limit("pixels", 2_500_000_000, 50_000_000));
        assert_eq!(canvas.admit(20_000, 2_500), Ok(()));
        assert_eq!(canvas.admit(0, 10).map_err(|error| error.kind()), Err("corrupt"));
    }
}
