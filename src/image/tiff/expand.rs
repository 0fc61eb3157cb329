//! A strip or a tile, from its bytes in the file to the bytes of its rows.

use std::borrow::Cow;
use std::io::{self, Cursor, ErrorKind, Read};

use flate2::read::ZlibDecoder;
use weezl::decode::{Configuration, Decoder as LzwDecoder};
use weezl::{BitOrder, LzwStatus};

use super::fax::{Coding, Lines};
use crate::image::error::Error;

/// How strips and tiles are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Fax(Coding),
    Lzw,
    Jpeg,
    Deflate,
    PackBits,
    Zstd,
}

impl Compression {
    /// Returns the compression of a code of TIFF; `options` are those of Group 3.
    pub(super) fn new(code: u64, options: u64) -> Result<Compression, Error> {
        Ok(match code {
            1 => Compression::None,
            2 => Compression::Fax(Coding::Runs),
            3 => Compression::Fax(Coding::Group3 { two_dimensional: options & 1 != 0 }),
            4 => Compression::Fax(Coding::Group4),
            5 => Compression::Lzw,
            7 => Compression::Jpeg,
            8 | 32946 => Compression::Deflate,
            32773 => Compression::PackBits,
            50000 => Compression::Zstd,
            other => {
                let name = match other {
                    6 => "the JPEG compression of TIFF 6.0 (code 6)".to_owned(),
                    32809 => "ThunderScan compression".to_owned(),
                    33003 | 33005 | 34712 => "JPEG 2000 compression".to_owned(),
                    34676 | 34677 => "SGI LogLuv compression".to_owned(),
                    34887 => "LERC compression".to_owned(),
                    34925 => "LZMA compression".to_owned(),
                    50001 => "WebP compression".to_owned(),
                    50002 | 52546 => "JPEG XL compression".to_owned(),
                    other => format!("compression {other}"),
                };
                return Err(Error::unsupported(format!("a TIFF with {name}")));
            }
        })
    }

    /// Returns whether rows may be stored as differences from pixel to pixel.
    pub(super) fn may_be_predicted(self) -> bool {
        matches!(self, Compression::Lzw | Compression::Deflate | Compression::Zstd)
    }
}

/// What a strip or a tile may ask for.
pub(super) struct Expected {
    /// Columns.
    pub(super) width: u32,
    /// Bits of each byte are in the other order.
    pub(super) reversed: bool,
    /// The largest distance that zstd may reach back, as its binary logarithm.
    pub(super) window: u32,
}

/// Opens the bytes of the rows. Callers read the rows that they expect, so nothing is read to its end.
pub(super) fn open<'a>(
    compression: Compression,
    data: &'a [u8],
    expected: &Expected,
) -> io::Result<Box<dyn Read + 'a>> {
    let data = match expected.reversed {
        true => Cow::Owned(data.iter().map(|byte| byte.reverse_bits()).collect()),
        false => Cow::Borrowed(data),
    };
    Ok(match compression {
        Compression::None | Compression::Jpeg => Box::new(Cursor::new(data)),
        Compression::Fax(coding) => Box::new(Lines::new(data, coding, expected.width)),
        Compression::Lzw => Box::new(Lzw::new(data)?),
        Compression::Deflate => Box::new(ZlibDecoder::new(Cursor::new(data))),
        Compression::PackBits => Box::new(PackBits { data, at: 0, run: Run::Literal, left: 0 }),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(Cursor::new(data))?;
            decoder.window_log_max(expected.window)?;
            Box::new(decoder)
        }
    })
}

struct Lzw<'a> {
    data: Cow<'a, [u8]>,
    at: usize,
    decoder: LzwDecoder,
}

impl<'a> Lzw<'a> {
    fn new(data: Cow<'a, [u8]>) -> io::Result<Lzw<'a>> {
        // a clear code with its bits the other way round
        if let [0, second, ..] = *data
            && second & 1 == 1
        {
            return Err(io::Error::new(ErrorKind::Unsupported, "LZW as before TIFF 6.0"));
        }
        let tables = Configuration::with_tiff_size_switch(BitOrder::Msb, 8).with_yield_on_full_buffer(true);
        Ok(Lzw { data, at: 0, decoder: tables.build() })
    }
}

impl Read for Lzw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // the decoder reports no progress once where it holds the last codes, or a string that is longer than the buffer
        let mut has_stalled = false;
        loop {
            let done = self.decoder.decode_bytes(&self.data[self.at..], buffer);
            self.at += done.consumed_in;
            match done.status {
                Ok(_) if done.consumed_out > 0 => return Ok(done.consumed_out),
                Ok(LzwStatus::Ok) => has_stalled = false,
                Ok(LzwStatus::NoProgress) if !has_stalled => has_stalled = true,
                Ok(LzwStatus::NoProgress | LzwStatus::Done) => return Ok(0),
                Err(error) => return Err(io::Error::new(ErrorKind::InvalidData, error)),
            }
        }
    }
}

/// Runs of one byte, and bytes as they are.
struct PackBits<'a> {
    data: Cow<'a, [u8]>,
    at: usize,
    run: Run,
    left: usize,
}

#[derive(Clone, Copy)]
enum Run {
    Literal,
    Repeated(u8),
}

impl PackBits<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.data.get(self.at).copied();
        self.at += 1;
        byte
    }
}

impl Read for PackBits<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            let Some(head) = self.byte() else { return Ok(0) };
            match head.cast_signed() {
                -128 => {}
                literal @ 0.. => {
                    (self.run, self.left) = (Run::Literal, 1 + usize::from(literal.unsigned_abs()))
                }
                repeated => {
                    let Some(value) = self.byte() else { return Ok(0) };
                    (self.run, self.left) = (Run::Repeated(value), 1 + usize::from(repeated.unsigned_abs()));
                }
            }
        }
        let mut count = buffer.len().min(self.left);
        match self.run {
            Run::Repeated(value) => buffer[..count].fill(value),
            Run::Literal => {
                let rest = self.data.get(self.at..).unwrap_or_default();
                count = count.min(rest.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                self.at += count;
            }
        }
        self.left -= count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_literals_are_unpacked_across_reads() {
        let packed = [0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0x80, 0xfd, 0xaa, 0x00, 0x22];
        let expected = Expected { width: 1, reversed: false, window: 10 };
        let mut reader = open(Compression::PackBits, &packed, &expected).unwrap();
        let mut found = [0; 11];
        for part in found.chunks_mut(2) {
            reader.read_exact(part).unwrap();
        }
        assert_eq!(found, [0xaa, 0xaa, 0xaa, 0x80, 0x00, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x22]);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the end");
    }

    #[test]
    fn strings_longer_than_a_read_are_expanded_to_the_last_byte() {
        let drawing: Vec<u8> =
            (0..4000_usize).map(|at| if at / 97 % 5 == 4 { (at % 3) as u8 } else { 0xff }).collect();
        let expected = Expected { width: 1, reversed: false, window: 10 };
        for pixels in [vec![7; 512], vec![0xff; 97_125], drawing] {
            let mut encoder = weezl::encode::Encoder::with_tiff_size_switch(BitOrder::Msb, 8);
            let packed = encoder.encode(&pixels).unwrap();
            for length in [1, 2, 3, 4, 7, 8, 28, 125, 4096] {
                let mut reader = open(Compression::Lzw, &packed, &expected).unwrap();
                let mut found = vec![0; pixels.len()];
                for row in found.chunks_mut(length) {
                    reader.read_exact(row).unwrap();
                }
                assert!(found == pixels, "rows of {length} bytes");
                assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the end");
            }
        }
    }

    #[test]
    fn a_literal_that_the_bytes_cut_ends_with_them() {
        let expected = Expected { width: 1, reversed: false, window: 10 };
        let mut all = Vec::new();
        let mut reader = open(Compression::PackBits, &[5, 1, 2], &expected).unwrap();
        assert_eq!((reader.read_to_end(&mut all).unwrap(), all.as_slice()), (2, &[1, 2][..]));
    }
}
