//! TIFF: the first page, as Pillow and the libtiff within it read it. Directories are read by the `tiff` crate.
//!
//! Pixels are not decoded by that crate, which refuses palettes, fill orders and Group 3, and whose JPEG decoder is not
//! libjpeg. Strips and tiles are decompressed by the crates that it uses itself, row by row, and JPEG by `image/jpeg` with
//! the tables of the directory joined to each strip.
//!
//! The orientation is applied whatever the options are, as in Pillow: for a TIFF it is not a part of EXIF. Alpha is
//! dropped; colours that were multiplied by it are divided. Samples of 16 bits lose their low byte (Pillow does that
//! for colour, and clips gray instead). A strip or a tile that ends too early is `truncated`, also in JPEG, where
//! libtiff continues with gray.

mod directory;
mod expand;
mod fax;
mod page;
mod pixels;
mod tag;
#[cfg(test)]
mod tests;

use std::io::{self, Cursor, ErrorKind, Read};

use super::canvas::Canvas;
use super::error::Error;
use super::jpeg::{Colours, Jpeg, Part};
use directory::Directory;
use expand::{Compression, Expected};
use page::Page;

/// How far back zstd may reach, as a binary logarithm: what its levels up to 22 ask for, and those up to 19 where planes
/// are read side by side.
const WINDOW: u32 = 27;
const WINDOW_OF_A_PLANE: u32 = 23;

/// Decodes the first page. `frame` is scratch for a row of tiles, three bytes a pixel.
pub(super) fn decode(
    bytes: &[u8],
    frame: &mut Vec<u8>,
    jpeg: &mut Jpeg,
    canvas: &mut Canvas<'_>,
) -> Result<(), Error> {
    let mut directory = Directory::read(bytes, &canvas.options().limits)?;
    let (width, height) = directory.size()?;
    canvas.admit(width, height)?;
    let page = Page::read(&mut directory, &canvas.options().limits)?;
    drop(directory);
    canvas.start(page.orientation)?;

    let mut file = File { bytes, page: &page, jpeg, limits: &canvas.options().limits };
    let across = page.across();
    if across == 1 && page.part.0 == width {
        let mut rgb = vec![0; width as usize * 3];
        for part in 0..page.down() {
            let mut rows = file.open(part)?;
            for _ in 0..page.rows(part) {
                page.pixels.to_rgb(rows.next()?, &mut rgb);
                canvas.row_of_rgb(&rgb);
            }
        }
        return Ok(());
    }
    let line = width as usize * 3;
    frame.clear();
    frame.resize(line * page.part.1.min(height) as usize, 0);
    for down in 0..page.down() {
        let count = page.rows(down);
        for column in 0..across {
            let left = (column * page.part.0) as usize;
            let right = width.min((column + 1).saturating_mul(page.part.0)) as usize;
            let mut rows = file.open(down * across + column)?;
            for to in frame.chunks_exact_mut(line).take(count as usize) {
                page.pixels.to_rgb(rows.next()?, &mut to[left * 3..right * 3]);
            }
        }
        for row in frame.chunks_exact(line).take(count as usize) {
            canvas.row_of_rgb(row);
        }
    }
    Ok(())
}

/// What strips and tiles are opened with.
struct File<'a> {
    bytes: &'a [u8],
    page: &'a Page,
    jpeg: &'a mut Jpeg,
    limits: &'a super::Limits,
}

impl<'a> File<'a> {
    /// Opens the strip or tile at a place of the page, in all planes.
    fn open(&mut self, place: u32) -> Result<Rows<'a>, Error> {
        let page = self.page;
        let planes = if page.samples.planar { page.pixels.planes() } else { 1 };
        let mut readers = Vec::with_capacity(planes);
        for plane in 0..planes as u32 {
            let index = (plane * page.across() * page.down() + place) as usize;
            let reader = match page.compression {
                Compression::Jpeg => {
                    let part = self.jpeg(index, page.rows(place / page.across()));
                    part.map(|rows| -> Box<dyn Read> { Box::new(Cursor::new(rows)) })
                }
                compression => {
                    let expected = Expected {
                        width: page.part.0,
                        reversed: page.is_reversed,
                        window: if planes == 1 { WINDOW } else { WINDOW_OF_A_PLANE },
                    };
                    let data = self.data(index)?;
                    expand::open(compression, data, &expected).map_err(|error| fault(error, index))
                }
            };
            readers.push(reader?);
        }
        let plane = vec![0; page.row_bytes()];
        Ok(Rows { readers, page, index: place as usize, plane, joined: Vec::new() })
    }

    /// Returns the bytes of a strip or a tile; without compression, all bytes from its begin on.
    fn data(&self, index: usize) -> Result<&'a [u8], Error> {
        let (begin, length) = self.page.place(index)?;
        let begin = usize::try_from(begin).unwrap_or(usize::MAX);
        let rest = self.bytes.get(begin..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or_else(|| Error::truncated(format!("before strip or tile {index}")))?;
        match usize::try_from(length).ok().filter(|&length| length <= rest.len()) {
            _ if self.page.compression == Compression::None => Ok(rest),
            Some(0) => Err(Error::corrupt(format!("strip or tile {index} is empty"))),
            Some(length) => Ok(&rest[..length]),
            None => Err(Error::truncated(format!("in strip or tile {index}"))),
        }
    }

    /// Decodes a whole strip or tile of JPEG.
    fn jpeg(&mut self, index: usize, rows: u32) -> Result<Vec<u8>, Error> {
        let page = self.page;
        let data = self.data(index)?;
        let strip = data.strip_prefix(&[0xff, 0xd8]);
        let strip = strip.ok_or_else(|| Error::corrupt(format!("strip or tile {index} is no JPEG")))?;
        let joined = [&[0xff, 0xd8], page.jpeg_tables.as_slice(), strip].concat();
        let part = Part {
            width: page.part.0,
            rows,
            most_rows: page.part.1,
            samples: if page.samples.planar { 1 } else { page.samples.count as u32 },
            colours: if page.is_ycc { Colours::FromYcc } else { Colours::AsStored },
        };
        self.jpeg.part(&joined, &part, self.limits)
    }
}

/// The rows of a strip or a tile.
struct Rows<'a> {
    readers: Vec<Box<dyn Read + 'a>>,
    page: &'a Page,
    index: usize,
    /// A row of one plane.
    plane: Vec<u8>,
    /// The samples of all planes side by side.
    joined: Vec<u8>,
}

impl Rows<'_> {
    /// Reads the next row, as [`pixels::Pixels::to_rgb`] takes it.
    fn next(&mut self) -> Result<&[u8], Error> {
        let planes = self.readers.len();
        let is_deep = self.page.samples.bits == 16;
        for (number, reader) in self.readers.iter_mut().enumerate() {
            reader.read_exact(&mut self.plane).map_err(|error| fault(error, self.index))?;
            if let Some(stride) = self.page.predicted {
                undo_differences(&mut self.plane, stride, is_deep, self.page.is_big_endian);
            }
            if is_deep {
                narrow(&mut self.plane, self.page.is_big_endian);
            }
            if planes > 1 {
                let samples = if is_deep { self.plane.len() / 2 } else { self.plane.len() };
                self.joined.resize(samples * planes, 0);
                let places = self.joined[number..].iter_mut().step_by(planes);
                for (to, &sample) in places.zip(&self.plane[..samples]) {
                    *to = sample;
                }
            }
        }
        Ok(if planes > 1 { &self.joined } else { &self.plane })
    }
}

/// Adds to each sample the same sample of the pixel before, modulo its depth.
fn undo_differences(row: &mut [u8], stride: usize, is_deep: bool, is_big_endian: bool) {
    if !is_deep {
        for at in stride..row.len() {
            row[at] = row[at].wrapping_add(row[at - stride]);
        }
        return;
    }
    let (read, write) = match is_big_endian {
        true => (u16::from_be_bytes as fn([u8; 2]) -> u16, u16::to_be_bytes as fn(u16) -> [u8; 2]),
        false => (u16::from_le_bytes as fn([u8; 2]) -> u16, u16::to_le_bytes as fn(u16) -> [u8; 2]),
    };
    let (samples, _) = row.as_chunks_mut::<2>();
    for at in stride..samples.len() {
        samples[at] = write(read(samples[at]).wrapping_add(read(samples[at - stride])));
    }
}

/// Moves the high bytes of all samples to the row's begin.
fn narrow(row: &mut [u8], is_big_endian: bool) {
    let high = usize::from(!is_big_endian);
    for sample in 0..row.len() / 2 {
        row[sample] = row[sample * 2 + high];
    }
}

fn fault(error: io::Error, index: usize) -> Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => Error::truncated(format!("in strip or tile {index}")),
        ErrorKind::Unsupported => Error::unsupported(format!("a TIFF with {error}")),
        _ => Error::corrupt(format!("strip or tile {index}: {error}")),
    }
}
