//! The first directory of a TIFF, read by the `tiff` crate within our limits.

use std::io::{Cursor, ErrorKind};

use tiff::decoder::ifd::Value;
use tiff::decoder::{Decoder, Limits};
use tiff::tags::{ByteOrder, Tag};
use tiff::{TiffError, TiffUnsupportedError};

use crate::image::error::Error;
use crate::image::options;

/// A tag with more values is not read: as many tiles of 16 × 16 pixels have an image of 67 million.
const MOST_VALUES: u64 = 1 << 18;

/// Bytes of a value in the crate's hands.
const A_VALUE: u64 = size_of::<Value>() as u64;

/// The fewest bytes of a value in the file, if there are many.
const A_STORED_VALUE: u64 = 2;

/// The type of texts. The crate allocates what a text claims, so none of the tags that it reads may be one.
const ASCII: u64 = 2;

/// The tags that are asked for in the first directory.
pub(super) struct Directory<'a> {
    decoder: Decoder<Cursor<&'a [u8]>>,
}

impl<'a> Directory<'a> {
    pub(super) fn read(bytes: &'a [u8], limits: &options::Limits) -> Result<Directory<'a>, Error> {
        check_sizes(bytes)?;
        let mut ours = Limits::default();
        ours.ifd_value_size = limits.max_encoded_bytes as usize;
        // of values; no pixel is decoded by the crate
        let most = MOST_VALUES.min(limits.max_encoded_bytes / A_STORED_VALUE) * A_VALUE;
        ours.decoding_buffer_size = most as usize;
        ours.intermediate_buffer_size = 0;
        let decoder = Decoder::new(Cursor::new(bytes)).map_err(fault)?.with_limits(ours);
        Ok(Directory { decoder })
    }

    pub(super) fn size(&mut self) -> Result<(u32, u32), Error> {
        self.decoder.dimensions().map_err(fault)
    }

    pub(super) fn is_big_endian(&self) -> bool {
        self.decoder.byte_order() == ByteOrder::BigEndian
    }

    pub(super) fn has(&mut self, tag: u16) -> bool {
        self.decoder.image_ifd().find_entry(Tag::from_u16_exhaustive(tag)).is_some()
    }

    /// Returns all whole numbers of a tag, or `None` if it is missing.
    pub(super) fn numbers(&mut self, tag: u16) -> Result<Option<Vec<u64>>, Error> {
        self.decoder.find_tag_unsigned_vec(Tag::from_u16_exhaustive(tag)).map_err(fault)
    }

    /// Returns the first whole number of a tag.
    pub(super) fn number(&mut self, tag: u16) -> Result<Option<u64>, Error> {
        Ok(self.numbers(tag)?.and_then(|numbers| numbers.first().copied()))
    }

    /// Returns all values of a tag as fractions.
    pub(super) fn fractions(&mut self, tag: u16) -> Result<Option<Vec<f64>>, Error> {
        let value = self.decoder.find_tag(Tag::from_u16_exhaustive(tag)).map_err(fault)?;
        let one = |value: Value| match value {
            Value::Rational(over, under) => f64::from(over) / f64::from(under),
            Value::Short(whole) => f64::from(whole),
            Value::Unsigned(whole) => f64::from(whole),
            Value::Float(single) => f64::from(single),
            _ => f64::NAN,
        };
        Ok(value.map(|value| match value {
            Value::List(values) => values.into_iter().map(one).collect(),
            single => vec![one(single)],
        }))
    }
}

/// Checks the size of each value that decides pixels against the file, because the crate reads some of them before it
/// can be given limits.
fn check_sizes(bytes: &[u8]) -> Result<(), Error> {
    let cut = || Error::truncated("in its directory");
    let is_big_endian = bytes.starts_with(b"MM");
    let number = |at: u64, length: u64| -> Option<u64> {
        let field = bytes.get(usize::try_from(at).ok()?..usize::try_from(at.checked_add(length)?).ok()?)?;
        let add = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        Some(if is_big_endian { field.iter().fold(0, add) } else { field.iter().rev().fold(0, add) })
    };
    let is_big = number(2, 2).ok_or_else(cut)? == 43;
    // where the first directory's place is, then the lengths of a place, of the number of entries, and of an entry
    let (at, place, counted, entry) = if is_big { (8, 8, 8, 20) } else { (4, 4, 2, 12) };
    let directory = number(at, place).ok_or_else(cut)?;
    let entries = number(directory, counted).ok_or_else(cut)?;
    let length = bytes.len() as u64;
    if entries.checked_mul(entry).is_none_or(|table| table > length) {
        return Err(cut());
    }
    for index in 0..entries {
        let at = directory + counted + index * entry;
        let field = |from, length| number(at + from, length).ok_or_else(cut);
        let (tag, kind, count) = (field(0, 2)?, field(2, 2)?, field(4, place)?);
        if !super::tag::READ.contains(&(tag as u16)) {
            continue;
        }
        let size = match kind {
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            _ => 1,
        };
        if count > MOST_VALUES {
            return Err(Error::limit("values of a tag", count, MOST_VALUES));
        }
        if kind == ASCII || count.checked_mul(size).is_none_or(|size| size > length) {
            return Err(Error::corrupt(format!(
                "tag {tag} of its directory has {count} values of type {kind}"
            )));
        }
    }
    Ok(())
}

fn fault(error: TiffError) -> Error {
    match error {
        TiffError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => {
            Error::truncated("in its directory")
        }
        TiffError::UnsupportedError(TiffUnsupportedError::UnknownInterpretation) => {
            Error::unsupported("a TIFF whose photometric interpretation is not known")
        }
        TiffError::UnsupportedError(what) => {
            Error::unsupported(format!("a TIFF of a kind that is not read: {what}"))
        }
        TiffError::LimitsExceeded | TiffError::IntSizeError => Error::corrupt("its directory is too large"),
        TiffError::FormatError(what) => Error::corrupt(what.to_string()),
        other => Error::corrupt(other.to_string()),
    }
}
