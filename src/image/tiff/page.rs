//! How the pixels of a page are stored, checked against the limits before any is read.

use super::directory::Directory;
use super::expand::Compression;
use super::pixels::{Pixels, Samples};
use super::tag;
use crate::image::error::Error;
use crate::image::exif::Orientation;
use crate::image::options::Limits;

/// Tiles may reach beyond the image. All of their pixels together are at most this many times those that an image may
/// have.
const MOST_PADDING: u64 = 4;

/// The first page of a file.
pub(super) struct Page {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Columns and rows of a strip or a tile; a tile may reach beyond the image.
    pub(super) part: (u32, u32),
    /// Where strips or tiles begin and how long they are, those of one plane after those of another.
    places: Vec<(u64, u64)>,
    pub(super) compression: Compression,
    pub(super) samples: Samples,
    pub(super) pixels: Pixels,
    /// The distance, in samples, over which differences are stored; `None` if samples are stored.
    pub(super) predicted: Option<usize>,
    /// Bits of each byte are in the other order.
    pub(super) is_reversed: bool,
    pub(super) is_big_endian: bool,
    /// JPEG is to be converted from YCbCr.
    pub(super) is_ycc: bool,
    /// JPEG's tables without the marks of begin and end.
    pub(super) jpeg_tables: Vec<u8>,
    pub(super) orientation: Orientation,
}

impl Page {
    /// Reads the page of a directory whose size is admitted.
    ///
    /// # Errors
    /// `unsupported` with the name of the mode, `limit` if tiles or strips claim too much, `corrupt`.
    pub(super) fn read(directory: &mut Directory<'_>, limits: &Limits) -> Result<Page, Error> {
        if directory.has(tag::DNG_VERSION) {
            return Err(Error::unsupported("the file is a raw photograph (DNG)"));
        }
        let (width, height) = directory.size()?;
        let options = directory.number(tag::GROUP3_OPTIONS)?.unwrap_or(0);
        let compression = Compression::new(directory.number(tag::COMPRESSION)?.unwrap_or(1), options)?;
        let (samples, pixels) = Pixels::read(directory, compression)?;
        let is_fax = matches!(compression, Compression::Fax(_));
        if is_fax && (samples.bits, samples.count) != (1, 1)
            || compression == Compression::Jpeg && samples.bits != 8
        {
            return Err(Error::corrupt(format!(
                "{} bits a sample do not go with its compression",
                samples.bits
            )));
        }
        let is_reversed = match directory.number(tag::FILL_ORDER)?.unwrap_or(1) {
            2 if compression != Compression::Jpeg && !may_be_reversed(&samples, &pixels, directory) => {
                return Err(Error::unsupported(format!(
                    "a TIFF of {} × {} bits in the other fill order is not read",
                    samples.count, samples.bits
                )));
            }
            // libtiff turns no bits of JPEG
            order => order == 2 && compression != Compression::Jpeg,
        };
        let predicted = match directory.number(tag::PREDICTOR)?.unwrap_or(1) {
            _ if !compression.may_be_predicted() => None,
            1 => None,
            2 if samples.bits >= 8 => Some(if samples.planar { 1 } else { samples.count }),
            other => {
                return Err(Error::unsupported(format!(
                    "a TIFF with predictor {other} at {} bits a sample",
                    samples.bits
                )));
            }
        };
        let part = part(directory, (width, height), limits)?;
        let is_ycc = directory.number(tag::PHOTOMETRIC)? == Some(6);
        Ok(Page {
            width,
            height,
            part,
            places: places(directory, compression, limits)?,
            compression,
            samples,
            pixels,
            predicted,
            is_reversed,
            is_big_endian: directory.is_big_endian(),
            is_ycc,
            jpeg_tables: jpeg_tables(directory)?,
            orientation: orientation(directory)?,
        })
    }

    /// Returns the number of strips or tiles side by side.
    pub(super) fn across(&self) -> u32 {
        self.width.div_ceil(self.part.0)
    }

    /// Returns the number of strips or tiles one below the other.
    pub(super) fn down(&self) -> u32 {
        self.height.div_ceil(self.part.1)
    }

    /// Returns the rows of the image in a strip or a tile that is number `down` from the top.
    pub(super) fn rows(&self, down: u32) -> u32 {
        self.part.1.min(self.height - down * self.part.1)
    }

    /// Returns the bytes of a row of a strip or a tile in one plane.
    pub(super) fn row_bytes(&self) -> usize {
        let samples = if self.samples.planar { 1 } else { self.samples.count };
        (self.part.0 as usize * samples * usize::from(self.samples.bits)).div_ceil(8)
    }

    /// Returns where a strip or a tile begins, and its length in bytes.
    pub(super) fn place(&self, index: usize) -> Result<(u64, u64), Error> {
        self.places
            .get(index)
            .copied()
            .ok_or_else(|| Error::corrupt(format!("it has no strip or tile {index}")))
    }
}

/// Returns whether Pillow reads these samples in fill order 2.
fn may_be_reversed(samples: &Samples, pixels: &Pixels, directory: &Directory<'_>) -> bool {
    match (pixels, samples.count, samples.bits) {
        (Pixels::Table { .. }, 1, 16) => !directory.is_big_endian(),
        (Pixels::Table { .. }, 1, _) | (Pixels::Rgb { .. }, 3, 8) => true,
        _ => false,
    }
}

fn part(
    directory: &mut Directory<'_>,
    (width, height): (u32, u32),
    limits: &Limits,
) -> Result<(u32, u32), Error> {
    if !directory.has(tag::TILE_OFFSETS) {
        let rows = directory.number(tag::ROWS_PER_STRIP)?.unwrap_or(u64::from(height));
        return Ok((width, rows.clamp(1, u64::from(height)) as u32));
    }
    let sides = [tag::TILE_WIDTH, tag::TILE_LENGTH].map(|side| directory.number(side));
    let [across, down] = sides;
    let (across, down) = (across?.unwrap_or(0), down?.unwrap_or(0));
    let whole = |side: u32, tile: u64| u64::from(side).div_ceil(tile.max(1)).saturating_mul(tile);
    let all = whole(width, across).saturating_mul(whole(height, down));
    let most = limits.max_pixels.saturating_mul(MOST_PADDING);
    for (what, pixels, limit) in [
        ("pixels of a tile", across.saturating_mul(down), limits.max_pixels),
        ("pixels of all tiles", all, most),
    ] {
        if pixels > limit {
            return Err(Error::limit(what, pixels, limit));
        }
    }
    match (u32::try_from(across), u32::try_from(down)) {
        (Ok(across @ 1..), Ok(down @ 1..)) => Ok((across, down)),
        _ => Err(Error::corrupt(format!("its tiles have {across} × {down} pixels"))),
    }
}

/// Strips may share bytes, but all of them together claim no more than a file may have.
fn places(
    directory: &mut Directory<'_>,
    compression: Compression,
    limits: &Limits,
) -> Result<Vec<(u64, u64)>, Error> {
    let tags = match directory.has(tag::TILE_OFFSETS) {
        true => [tag::TILE_OFFSETS, tag::TILE_BYTES],
        false => [tag::STRIP_OFFSETS, tag::STRIP_BYTES],
    };
    let [begins, lengths] = tags.map(|tag| directory.numbers(tag));
    let (begins, lengths) = (begins?.unwrap_or_default(), lengths?.unwrap_or_default());
    let claimed = lengths.iter().fold(0u64, |sum, &length| sum.saturating_add(length));
    if compression != Compression::None && claimed > limits.max_encoded_bytes {
        return Err(Error::limit("bytes of all strips", claimed, limits.max_encoded_bytes));
    }
    Ok(begins.into_iter().zip(lengths).collect())
}

fn jpeg_tables(directory: &mut Directory<'_>) -> Result<Vec<u8>, Error> {
    let Some(tables) = directory.numbers(tag::JPEG_TABLES)? else { return Ok(Vec::new()) };
    let tables: Vec<u8> = tables.into_iter().map(|byte| byte as u8).collect();
    let within =
        tables.strip_prefix(&[0xff, 0xd8]).ok_or_else(|| Error::corrupt("its JPEG tables are none"))?;
    Ok(within.strip_suffix(&[0xff, 0xd9]).unwrap_or(within).to_vec())
}

fn orientation(directory: &mut Directory<'_>) -> Result<Orientation, Error> {
    let value = directory.number(tag::ORIENTATION)?.unwrap_or(1);
    Ok(Orientation::from_tag(u16::try_from(value).unwrap_or(1)))
}
