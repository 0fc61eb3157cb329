//! JPEGs that are strips or tiles of another format's image.

use crate::image::error::Error;
use crate::image::options::{DecoderWarnings, Limits};

use super::{Image, Jpeg, at_row};

/// What the components of a JPEG are. The numbers are those of the shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) enum Colours {
    /// What the file's own marks say of them; rows have four bytes a pixel.
    OfFile = 0,
    /// Samples, whatever the file says of them; rows have as many bytes a pixel.
    AsStored = 1,
    /// YCbCr, which becomes RGB of three bytes a pixel.
    FromYcc = 2,
}

/// What a strip or a tile has to be.
#[derive(Debug, Clone, Copy)]
pub(in crate::image) struct Part {
    pub(in crate::image) width: u32,
    /// Rows that are wanted.
    pub(in crate::image) rows: u32,
    /// Rows that it may have.
    pub(in crate::image) most_rows: u32,
    pub(in crate::image) samples: u32,
    pub(in crate::image) colours: Colours,
}

impl Jpeg {
    /// Decodes the first rows of a JPEG that is `expected` so.
    pub(in crate::image) fn part(
        &mut self,
        bytes: &[u8],
        expected: &Part,
        limits: &Limits,
    ) -> Result<Vec<u8>, Error> {
        let (mut image, header) = Image::open(self.context, bytes, limits.max_scans)?;
        if header.precision != 8 || header.lossless != 0 {
            return Err(Error::unsupported("a TIFF with JPEG that is lossless or has not 8 bits a sample"));
        }
        let fits = header.width == expected.width
            && (expected.rows..=expected.most_rows).contains(&header.height)
            && header.components == expected.samples as i32;
        if !fits {
            return Err(Error::corrupt(format!(
                "a strip or tile of {} × {} pixels and {} samples is a JPEG of {} × {} and {}",
                expected.width,
                expected.rows,
                expected.samples,
                header.width,
                header.height,
                header.components
            )));
        }
        image.stride = expected.samples as usize;
        let height = image.start(1, expected.colours)?;
        let line = expected.width as usize * image.stride;
        let mut rows = vec![0; line * expected.rows as usize];
        for (y, row) in (0..).zip(rows.chunks_exact_mut(line)) {
            image.row(row).map_err(|error| at_row(error, y, height))?;
        }
        match image.warning() {
            Some(warning) if limits.decoder_warnings == DecoderWarnings::Error => {
                Err(Error::corrupt(warning))
            }
            _ => Ok(rows),
        }
    }
}
