//! Windows bitmaps, read here because the set that Pillow reads is small and must match it exactly: 1, 4 and 8
//! bits with a palette, run lengths for the latter two, 16, 24 and 32 bits, masks of whole bytes at 32. Alpha is dropped.
//! The padding of the last row may be missing, wholly or in part.
//!
//! Two departures from Pillow: a run-length file may end before its last rows (they have index 0), and an index after
//! the palette's end is black.

use super::canvas::Canvas;
use super::error::Error;
use super::exif::Orientation;
use super::options::Rules;

const RAW: u32 = 0;
const RLE8: u32 = 1;
const RLE4: u32 = 2;
const BITFIELDS: u32 = 3;

/// Where the information header begins.
const INFO: usize = 14;

/// `frame` is scratch for one byte a pixel, for run lengths alone.
pub(super) fn decode(bytes: &[u8], frame: &mut Vec<u8>, canvas: &mut Canvas<'_>) -> Result<(), Error> {
    let header = Header::read(bytes)?;
    canvas.admit(header.width, header.height)?;
    let pixels = header.pixels()?;
    let offset = header.offset(bytes)?;
    let table = header.table(bytes, offset)?;
    let data = bytes.get(offset..).ok_or_else(|| Error::truncated("before its pixels"))?;
    canvas.start(Orientation::Upright)?;

    let (width, height) = (header.width as usize, header.height as usize);
    let (data, stride, row) = if matches!(header.compression, RLE8 | RLE4) {
        expand_runs(data, header.compression == RLE4, width, height, frame)?;
        (frame.as_slice(), width, width)
    } else {
        let bits = width * usize::from(header.bits);
        let stride = bits.div_ceil(32) * 4;
        let row = match canvas.options().rules {
            Rules::Earlier => stride,
            // as in Pillow, the padding of the last row may be missing
            Rules::Current => bits.div_ceil(8),
        };
        let needed = stride * (height - 1) + row;
        if data.len() < needed {
            return Err(Error::truncated(format!("it has {} bytes of pixels of {needed}", data.len())));
        }
        (data, stride, row)
    };
    let mut rgb = vec![0; width * 3];
    for y in 0..height {
        let stored = if header.top_down { y } else { height - 1 - y };
        pixels.to_rgb(&data[stored * stride..][..row], &table, &mut rgb);
        canvas.row_of_rgb(&rgb);
    }
    Ok(())
}

struct Header {
    size: usize,
    width: u32,
    height: u32,
    top_down: bool,
    bits: u16,
    compression: u32,
    colours: usize,
    /// Bytes of a palette entry.
    entry: usize,
    masks: [u32; 3],
    pixel_offset: usize,
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Error> {
    let field = bytes.get(at..at + 2).ok_or_else(|| Error::truncated("in its header"))?;
    Ok(u16::from_le_bytes([field[0], field[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Error> {
    Ok(u32::from(u16_at(bytes, at)?) | u32::from(u16_at(bytes, at + 2)?) << 16)
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Header, Error> {
        let pixel_offset = u32_at(bytes, 10)? as usize;
        let size = u32_at(bytes, INFO)? as usize;
        match size {
            12 => {
                let bits = u16_at(bytes, INFO + 10)?;
                Ok(Header {
                    size,
                    width: u32::from(u16_at(bytes, INFO + 4)?),
                    height: u32::from(u16_at(bytes, INFO + 6)?),
                    top_down: false,
                    bits,
                    compression: RAW,
                    colours: 1usize.checked_shl(u32::from(bits)).unwrap_or(0),
                    entry: 3,
                    masks: [0; 3],
                    pixel_offset,
                })
            }
            40 | 52 | 56 | 64 | 108 | 124 => {
                let width = u32_at(bytes, INFO + 4)?.cast_signed();
                let height = u32_at(bytes, INFO + 8)?.cast_signed();
                let (Ok(width), Some(rows)) = (u32::try_from(width), height.checked_abs()) else {
                    return Err(Error::corrupt(format!("its header claims {width} × {height} pixels")));
                };
                let bits = u16_at(bytes, INFO + 14)?;
                let compression = u32_at(bytes, INFO + 16)?;
                let colours = match u32_at(bytes, INFO + 32)? {
                    0 => 1usize.checked_shl(u32::from(bits)).unwrap_or(0),
                    stated => stated as usize,
                };
                let mut masks = [0; 3];
                if compression == BITFIELDS {
                    for (mask, at) in masks.iter_mut().zip([40, 44, 48]) {
                        *mask = u32_at(bytes, INFO + at)?;
                    }
                }
                Ok(Header {
                    size,
                    width,
                    height: rows.unsigned_abs(),
                    top_down: height < 0,
                    bits,
                    compression,
                    colours,
                    entry: 4,
                    masks,
                    pixel_offset,
                })
            }
            other => Err(Error::unsupported(format!("a bitmap with a header of {other} bytes"))),
        }
    }

    /// Returns where the pixels begin. Files that point at their palette instead are common enough for Pillow to fix.
    fn offset(&self, bytes: &[u8]) -> Result<usize, Error> {
        let palette = if self.bits <= 8 { self.entry.saturating_mul(self.colours) } else { 0 };
        let masks = if self.compression == BITFIELDS && self.size == 40 { 12 } else { 0 };
        let after = INFO + self.size;
        let offset = if self.pixel_offset == after || self.pixel_offset == 0 {
            after.saturating_add(palette).saturating_add(masks * usize::from(self.pixel_offset == 0))
        } else {
            self.pixel_offset
        };
        if offset > bytes.len() {
            return Err(Error::truncated("before its pixels"));
        }
        Ok(offset)
    }

    /// The palette, as far as the file has one.
    fn table(&self, bytes: &[u8], end: usize) -> Result<[[u8; 3]; 256], Error> {
        let mut table = [[0; 3]; 256];
        if self.bits <= 8 {
            if !(1..=65536).contains(&self.colours) {
                return Err(Error::corrupt(format!("a palette of {} colours", self.colours)));
            }
            let begin = INFO + self.size;
            let palette = bytes.get(begin..end.max(begin)).unwrap_or_default();
            for (to, entry) in table.iter_mut().zip(palette.chunks_exact(self.entry)).take(self.colours) {
                *to = [entry[2], entry[1], entry[0]];
            }
        }
        Ok(table)
    }

    fn pixels(&self) -> Result<Pixels, Error> {
        let masks = self.masks;
        Ok(match (self.bits, self.compression) {
            (1 | 4 | 8, RAW) => Pixels::Indexed { bits: usize::from(self.bits) },
            (8, RLE8) | (4, RLE4) => Pixels::Indexed { bits: 8 },
            (16, RAW) => Pixels::Packed { green: 5 },
            (16, BITFIELDS) if masks == [0x7c00, 0x3e0, 0x1f] => Pixels::Packed { green: 5 },
            (16, BITFIELDS) if masks == [0xf800, 0x7e0, 0x1f] => Pixels::Packed { green: 6 },
            (24, RAW) => Pixels::Bytes { stride: 3, rgb: [2, 1, 0] },
            (24, BITFIELDS) if masks == [0xff_0000, 0xff00, 0xff] => {
                Pixels::Bytes { stride: 3, rgb: [2, 1, 0] }
            }
            (32, RAW) => Pixels::Bytes { stride: 4, rgb: [2, 1, 0] },
            (32, BITFIELDS) if masks == [0; 3] => Pixels::Bytes { stride: 4, rgb: [2, 1, 0] },
            (32, BITFIELDS) => {
                let byte = |mask: u32| match mask {
                    0xff => Some(0),
                    0xff00 => Some(1),
                    0xff_0000 => Some(2),
                    0xff00_0000 => Some(3),
                    _ => None,
                };
                let [Some(red), Some(green), Some(blue)] = masks.map(byte) else {
                    return Err(Error::unsupported(format!("a bitmap with masks {masks:x?}")));
                };
                Pixels::Bytes { stride: 4, rgb: [red, green, blue] }
            }
            (bits, compression) => {
                return Err(Error::unsupported(format!(
                    "a bitmap of {bits} bits, compression {compression}"
                )));
            }
        })
    }
}

/// How a stored row becomes RGB.
enum Pixels {
    Indexed { bits: usize },
    Packed { green: u32 },
    Bytes { stride: usize, rgb: [usize; 3] },
}

impl Pixels {
    fn to_rgb(&self, row: &[u8], table: &[[u8; 3]; 256], rgb: &mut [u8]) {
        match *self {
            Pixels::Indexed { bits } => {
                let a_byte = 8 / bits;
                let mask = (1 << bits) - 1;
                for (x, pixel) in rgb.chunks_exact_mut(3).enumerate() {
                    let shift = 8 - bits * (x % a_byte + 1);
                    pixel.copy_from_slice(&table[usize::from(row[x / a_byte] >> shift) & mask]);
                }
            }
            Pixels::Packed { green } => {
                let widen = |value: u32, bits: u32| {
                    let full = (1 << bits) - 1;
                    ((value & full) * 255 / full) as u8
                };
                for (pixel, from) in rgb.chunks_exact_mut(3).zip(row.chunks_exact(2)) {
                    let value = u32::from(u16::from_le_bytes([from[0], from[1]]));
                    let colour = [widen(value >> (5 + green), 5), widen(value >> 5, green), widen(value, 5)];
                    pixel.copy_from_slice(&colour);
                }
            }
            Pixels::Bytes { stride, rgb: [red, green, blue] } => {
                for (pixel, from) in rgb.chunks_exact_mut(3).zip(row.chunks_exact(stride)) {
                    pixel.copy_from_slice(&[from[red], from[green], from[blue]]);
                }
            }
        }
    }
}

/// Run lengths to one index a byte, rows in stored order. What runs over a row's end is dropped.
fn expand_runs(
    data: &[u8],
    four: bool,
    width: usize,
    height: usize,
    frame: &mut Vec<u8>,
) -> Result<(), Error> {
    frame.clear();
    frame.resize(width * height, 0);
    let cut = || Error::truncated("in its runs");
    let nibble = |byte: u8, i: usize| if i.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
    let (mut x, mut y, mut at) = (0, 0, 0);
    while y < height {
        let &[count, value] = data.get(at..at + 2).ok_or_else(cut)? else { return Err(cut()) };
        at += 2;
        let mut put = |x: usize, index: u8| {
            if x < width {
                frame[y * width + x] = index;
            }
        };
        match (count, value) {
            (0, 0) => (x, y) = (0, y + 1),
            (0, 1) => break,
            (0, 2) => {
                let step = data.get(at..at + 2).ok_or_else(cut)?;
                (x, y) = (x + usize::from(step[0]), y + usize::from(step[1]));
                at += 2;
            }
            (0, count) => {
                let count = usize::from(count);
                let length = if four { count.div_ceil(2) } else { count };
                let literal = data.get(at..at + length).ok_or_else(cut)?;
                for i in 0..count {
                    put(x + i, if four { nibble(literal[i / 2], i) } else { literal[i] });
                }
                x += count;
                at += length.next_multiple_of(2);
            }
            (count, value) => {
                let count = usize::from(count);
                for i in 0..count {
                    put(x + i, if four { nibble(value, i) } else { value });
                }
                x += count;
            }
        }
    }
    Ok(())
}
