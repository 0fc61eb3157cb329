//! What the samples of a TIFF mean, as in Pillow's table of its modes and the conversion of each to RGB.

use super::directory::Directory;
use super::expand::Compression;
use super::tag;
use crate::image::error::Error;

/// Bits and samples as a directory has them.
pub(super) struct Samples {
    pub(super) bits: u8,
    /// In the file.
    pub(super) count: usize,
    /// In separate planes, each with strips or tiles.
    pub(super) planar: bool,
}

/// How the samples of a row become RGB. Those of 16 bits have lost their low byte before.
pub(super) enum Pixels {
    /// The first sample of 1, 2, 4 or 8 bits is an index of the table; others follow it only at 8.
    Table { bits: usize, stride: usize, table: Box<[[u8; 3]; 256]> },
    /// Red, green and blue, then others.
    Rgb { stride: usize },
    /// The same, multiplied by the fourth.
    Premultiplied { stride: usize },
    /// Cyan, magenta, yellow and black, then others.
    Cmyk { stride: usize },
    /// Luma and chroma, by the tables of Pillow or of libtiff.
    Ycc(Box<Ycc>),
}

impl Pixels {
    pub(super) fn read(
        directory: &mut Directory<'_>,
        compression: Compression,
    ) -> Result<(Samples, Pixels), Error> {
        let photometric = directory.number(tag::PHOTOMETRIC)?.unwrap_or(0);
        let planar = directory.number(tag::PLANAR)? == Some(2);
        let mut count = directory.number(tag::SAMPLES)?.unwrap_or(1);
        let mut extra = directory.numbers(tag::EXTRA_SAMPLES)?.unwrap_or_default();
        let mut bits = directory.numbers(tag::BITS)?.unwrap_or_else(|| vec![1]);
        let formats = directory.numbers(tag::SAMPLE_FORMAT)?.unwrap_or_else(|| vec![1]);
        let all = count as usize;
        // planes of no known meaning are not looked at
        if planar && extra.iter().all(|&kind| kind == 0) {
            count = count.saturating_sub(extra.len() as u64);
            extra.clear();
        }
        bits.dedup();
        let unread = |why: &str| {
            let photometric = match photometric {
                0 => "gray that counts from white",
                1 => "gray",
                2 => "RGB",
                3 => "a palette",
                4 => "a mask",
                5 => "CMYK",
                6 => "YCbCr",
                8..=10 => "L*a*b*",
                32803 => "a colour filter array",
                32844 | 32845 => "LogLuv",
                34892 => "linear raw samples",
                _ => "an unknown photometric interpretation",
            };
            let bits: Vec<String> = bits.iter().map(u64::to_string).collect();
            let kind = match formats.first() {
                Some(2) => " with signs",
                Some(3) => " in floating point",
                Some(1) | None => "",
                Some(_) => " of an unknown format",
            };
            let extra = if extra.is_empty() { String::new() } else { format!(", extra samples {extra:?}") };
            let planes = if planar { ", in planes" } else { "" };
            Error::unsupported(format!(
                "a TIFF of {photometric}, {count} × {} bits{kind}{extra}{planes}, is not read{why}",
                bits.join(" and ")
            ))
        };
        let [bits_of_each] = bits[..] else { return Err(unread("")) };
        let is_signed = formats.iter().all(|&format| format == 2);
        if !is_signed && formats.iter().any(|&format| format != 1) {
            return Err(unread(""));
        }
        if is_signed && (photometric, bits_of_each, count) != (1, 8, 1) {
            return Err(unread(""));
        }
        // of planes only those that are looked at are put side by side
        let planes = |looked_at: usize| if planar { looked_at } else { all };
        let stride = planes(1);
        let depth = bits_of_each as usize;
        let pixels = match (photometric, bits_of_each, count, extra.as_slice()) {
            (0, 1 | 2 | 4 | 8, 1, []) => gray(depth, stride, true),
            (1, 1 | 2 | 4 | 8, 1, []) => gray(depth, stride, false),
            // 16 bits have lost their low byte: they are read as 8
            (1, 16, 1, []) => gray(8, stride, false),
            (1, 8, 2, [0 | 2]) => gray(depth, stride, false),
            (2, 8, 3, [])
            | (2, 8, 4, [] | [0 | 2 | 999])
            | (2, 8, 5, [0 | 2, 0])
            | (2, 8, 6, [0 | 2, 0, 0])
            | (2, 16, 3, [])
            | (2, 16, 4, [] | [0 | 2])
                if !planar || count == 3 || !extra.is_empty() =>
            {
                Pixels::Rgb { stride: planes(3) }
            }
            (2, 8, 4, [1]) | (2, 8, 5, [1, 0]) | (2, 8, 6, [1, 0, 0]) | (2, 16, 4, [1]) => {
                Pixels::Premultiplied { stride: planes(4) }
            }
            (3, 1 | 2 | 4 | 8, 1, []) | (3, 8, 2, [0 | 2]) => palette(directory, depth, stride)?,
            (5, 8, 4, []) | (5, 8, 5, [0]) | (5, 8, 6, [0, 0]) | (5, 16, 4, []) => {
                Pixels::Cmyk { stride: planes(4) }
            }
            (6, 8, 3, []) if !planar => ycc(directory, compression)?,
            _ => return Err(unread("")),
        };
        // Pillow reads each plane as plain samples then
        let is_plain = bits_of_each == 8 || (bits_of_each, photometric) == (1, 1);
        let is_reversed = directory.number(tag::FILL_ORDER)? == Some(2);
        if planar && compression == Compression::None && (!is_plain || photometric == 0 || is_reversed) {
            return Err(unread(": Pillow gives other pixels, unless the planes are compressed"));
        }
        Ok((Samples { bits: bits_of_each as u8, count: all, planar: planar && all > 1 }, pixels))
    }

    /// Returns the number of planes that decide pixels.
    pub(super) fn planes(&self) -> usize {
        match self {
            Pixels::Table { .. } => 1,
            Pixels::Rgb { .. } | Pixels::Ycc(_) => 3,
            Pixels::Premultiplied { .. } | Pixels::Cmyk { .. } => 4,
        }
    }

    /// Converts the first pixels of `row`, as many as `rgb` has.
    pub(super) fn to_rgb(&self, row: &[u8], rgb: &mut [u8]) {
        let pixels = rgb.chunks_exact_mut(3);
        match self {
            Pixels::Table { bits: 8, stride, table } => {
                for (pixel, from) in pixels.zip(row.chunks_exact(*stride)) {
                    pixel.copy_from_slice(&table[usize::from(from[0])]);
                }
            }
            Pixels::Table { bits, table, .. } => {
                let a_byte = 8 / bits;
                let mask = (1 << bits) - 1;
                for (x, pixel) in pixels.enumerate() {
                    let shift = 8 - bits * (x % a_byte + 1);
                    pixel.copy_from_slice(&table[usize::from(row[x / a_byte] >> shift) & mask]);
                }
            }
            Pixels::Rgb { stride } => {
                for (pixel, from) in pixels.zip(row.chunks_exact(*stride)) {
                    pixel.copy_from_slice(&from[..3]);
                }
            }
            Pixels::Premultiplied { stride } => {
                for (pixel, from) in pixels.zip(row.chunks_exact(*stride)) {
                    for (shade, &light) in pixel.iter_mut().zip(&from[..3]) {
                        let alpha = u32::from(from[3]);
                        *shade =
                            (u32::from(light) * 255).checked_div(alpha).map_or(0, |full| full.min(255) as u8);
                    }
                }
            }
            Pixels::Cmyk { stride } => {
                for (pixel, from) in pixels.zip(row.chunks_exact(*stride)) {
                    let light = 255 - i32::from(from[3]);
                    for (shade, &ink) in pixel.iter_mut().zip(&from[..3]) {
                        let product = i32::from(ink) * light + 128;
                        *shade = (light - (((product >> 8) + product) >> 8)).clamp(0, 255) as u8;
                    }
                }
            }
            Pixels::Ycc(ycc) => {
                for (pixel, from) in pixels.zip(row.chunks_exact(3)) {
                    pixel.copy_from_slice(&ycc.to_rgb([from[0], from[1], from[2]]));
                }
            }
        }
    }
}

fn gray(bits: usize, stride: usize, inverted: bool) -> Pixels {
    let full = (1 << bits) - 1;
    let shade = |value: usize| {
        let shade = (value.min(full) * 255 / full) as u8;
        [if inverted { 255 - shade } else { shade }; 3]
    };
    Pixels::Table { bits, stride, table: Box::new(std::array::from_fn(shade)) }
}

fn palette(directory: &mut Directory<'_>, bits: usize, stride: usize) -> Result<Pixels, Error> {
    let colours = directory.numbers(tag::COLOUR_MAP)?.unwrap_or_default();
    let count = 1 << bits;
    if colours.len() != 3 * count {
        return Err(Error::corrupt(format!("a palette of {} numbers for {bits} bits", colours.len())));
    }
    // first all of red
    let shade = |index: usize, channel: usize| colours[channel * count + index].wrapping_shr(8) as u8;
    let colour =
        |index: usize| if index < count { [0, 1, 2].map(|channel| shade(index, channel)) } else { [0; 3] };
    Ok(Pixels::Table { bits, stride, table: Box::new(std::array::from_fn(colour)) })
}

/// libjpeg converts JPEG. Pillow converts uncompressed pixels itself, and libtiff those of other compressions.
fn ycc(directory: &mut Directory<'_>, compression: Compression) -> Result<Pixels, Error> {
    if compression == Compression::Jpeg {
        return Ok(Pixels::Rgb { stride: 3 });
    }
    let subsampling = directory.numbers(tag::YCC_SUBSAMPLING)?.unwrap_or_else(|| vec![2, 2]);
    if subsampling != [1, 1] {
        return Err(Error::unsupported(format!(
            "a TIFF of YCbCr with chroma of 1/{subsampling:?} of its size is read in JPEG compression only"
        )));
    }
    if compression == Compression::None {
        return Ok(Pixels::Ycc(Box::new(Ycc::of_pillow())));
    }
    let near = |found: Option<Vec<f64>>, usual: &[f64]| {
        found.is_none_or(|found| {
            found.len() == usual.len() && found.iter().zip(usual).all(|(a, b)| (a - b).abs() < 1e-6)
        })
    };
    let usual = near(directory.fractions(tag::YCC_COEFFICIENTS)?, &[0.299, 0.587, 0.114])
        && near(directory.fractions(tag::REFERENCE_BLACK_WHITE)?, &[0.0, 255.0, 128.0, 255.0, 128.0, 255.0]);
    if !usual {
        return Err(Error::unsupported(
            "a TIFF of YCbCr with other coefficients, black or white than the usual ones",
        ));
    }
    Ok(Pixels::Ycc(Box::new(Ycc::of_libtiff())))
}

/// What chroma adds to luma, in fractions of 1 / 2^`scale`.
pub(super) struct Ycc {
    scale: u32,
    red: [i32; 256],
    green: [[i32; 256]; 2],
    blue: [i32; 256],
}

impl Ycc {
    fn of_pillow() -> Ycc {
        let table = |by: f64| std::array::from_fn(|i| (by * 64.0 * (i as f64 - 128.0) + 0.5) as i32);
        Ycc { scale: 6, red: table(1.402), green: [table(-0.34414), table(-0.71414)], blue: table(1.772) }
    }

    fn of_libtiff() -> Ycc {
        let [red, green, blue] = [0.299f32, 0.587, 0.114];
        let fix = |by: f32| (f64::from(by) * 65536.0 + 0.5) as i32;
        let to_red = 2.0 - 2.0 * red;
        let to_blue = 2.0 - 2.0 * blue;
        let table = |by: i32, add: i32| std::array::from_fn(|i| by * (i as i32 - 128) + add);
        Ycc {
            scale: 16,
            red: table(fix(to_red), 32768),
            green: [table(-fix(blue * to_blue / green), 32768), table(-fix(red * to_red / green), 0)],
            blue: table(fix(to_blue), 32768),
        }
    }

    fn to_rgb(&self, [luma, cb, cr]: [u8; 3]) -> [u8; 3] {
        let (cb, cr) = (usize::from(cb), usize::from(cr));
        let added = [self.red[cr], self.green[0][cb] + self.green[1][cr], self.blue[cb]];
        added.map(|added| (i32::from(luma) + (added >> self.scale)).clamp(0, 255) as u8)
    }
}
