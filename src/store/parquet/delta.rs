//! Lengths of texts that a page packs by their differences, checked before the library unpacks them: it allocates as many
//! as the page announces.
//!
//! A sequence of numbers (`DELTA_BINARY_PACKED` in Parquet's description of encodings) begins with four numbers: values of
//! a block, miniblocks of a block, values in all, and the first value. Each block has its smallest difference, a byte a
//! miniblock with the bits of its values, and the miniblocks. `DELTA_LENGTH_BYTE_ARRAY` begins with one such sequence,
//! `DELTA_BYTE_ARRAY` with two.

use parquet::basic::Encoding;
use parquet::column::page::Page;

const CUT: &str = "has lengths that are cut off";
const MALFORMED: &str = "has malformed lengths";

/// The highest repetition level and the highest definition level of a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Levels {
    pub repetition: i16,
    pub definition: i16,
}

/// Refuses a page that announces more lengths than values. The error follows the words "a page".
pub(super) fn check(page: &Page, levels: Levels) -> Result<(), String> {
    let sequences = |encoding: &Encoding| match encoding {
        Encoding::DELTA_LENGTH_BYTE_ARRAY => 1,
        Encoding::DELTA_BYTE_ARRAY => 2,
        _ => 0,
    };
    let (mut bytes, values, sequences) = match page {
        Page::DictionaryPage { .. } => return Ok(()),
        Page::DataPage { encoding, .. } | Page::DataPageV2 { encoding, .. } if sequences(encoding) == 0 => {
            return Ok(());
        }
        Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, .. } => {
            let mut bytes = buf.as_ref();
            let both = [(levels.repetition, rep_level_encoding), (levels.definition, def_level_encoding)];
            for (highest, encoding) in both.into_iter().filter(|(highest, _)| *highest > 0) {
                bytes = after_levels(bytes, highest, *encoding, *num_values)?;
            }
            (bytes, *num_values, sequences(encoding))
        }
        Page::DataPageV2 { buf, num_values, encoding, def_levels_byte_len, rep_levels_byte_len, .. } => {
            let before = *def_levels_byte_len as usize + *rep_levels_byte_len as usize;
            (buf.get(before..).ok_or(CUT)?, *num_values, sequences(encoding))
        }
    };
    for _ in 0..sequences {
        bytes = after_sequence(bytes, u64::from(values))?;
    }
    Ok(())
}

/// The bytes after the levels of a page of version 1.
fn after_levels(bytes: &[u8], highest: i16, encoding: Encoding, values: u32) -> Result<&[u8], &'static str> {
    #[expect(deprecated, reason = "files of old writers have it")]
    let is_packed = encoding == Encoding::BIT_PACKED;
    let length = if is_packed {
        let bits = u64::from(u16::BITS - highest.unsigned_abs().leading_zeros());
        (u64::from(values) * bits).div_ceil(8) as usize
    } else {
        let (length, _) = bytes.split_first_chunk::<4>().ok_or(CUT)?;
        4 + u32::from_le_bytes(*length) as usize
    };
    bytes.get(length..).ok_or(CUT)
}

/// The bytes after a sequence of at most `most` numbers.
fn after_sequence(bytes: &[u8], most: u64) -> Result<&[u8], String> {
    let mut left = bytes;
    let [block, miniblocks, count, _] =
        [number(&mut left)?, number(&mut left)?, number(&mut left)?, number(&mut left)?];
    if count > most {
        return Err(format!("announces {count} lengths, and it has {most} values"));
    }
    if miniblocks == 0 || block == 0 || !block.is_multiple_of(miniblocks) {
        return Err(MALFORMED.into());
    }
    let in_miniblock = block / miniblocks;
    let mut remaining = count.saturating_sub(1);
    while remaining > 0 {
        number(&mut left)?;
        let widths =
            usize::try_from(miniblocks).ok().and_then(|miniblocks| left.split_at_checked(miniblocks));
        let (widths, after) = widths.ok_or(CUT)?;
        let mut length = 0_u64;
        for width in widths {
            if remaining > 0 {
                length = length.saturating_add(u64::from(*width).saturating_mul(in_miniblock) / 8);
            }
            remaining = remaining.saturating_sub(in_miniblock);
        }
        left = usize::try_from(length).ok().and_then(|length| after.get(length..)).ok_or(CUT)?;
    }
    Ok(left)
}

/// A number of seven bits a byte, lowest first.
fn number(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(CUT)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(MALFORMED)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// A number as a sequence writes it.
    fn packed(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    /// A sequence with blocks of 128 values in 4 miniblocks, each value with `bits` bits.
    fn sequence(count: u64, bits: u8) -> Vec<u8> {
        let mut bytes = [packed(128), packed(4), packed(count), packed(0)].concat();
        let mut left = count.saturating_sub(1);
        while left > 0 {
            bytes.extend([0, bits, bits, bits, bits]);
            let miniblocks = left.min(128).div_ceil(32) as usize;
            bytes.extend(vec![0; miniblocks * 32 * usize::from(bits) / 8]);
            left = left.saturating_sub(128);
        }
        bytes
    }

    fn page(values: u32, encoding: Encoding, bytes: Vec<u8>) -> Page {
        Page::DataPage {
            buf: Bytes::from(bytes),
            num_values: values,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        }
    }

    const FLAT: Levels = Levels { repetition: 0, definition: 0 };

    #[test]
    fn as_many_lengths_as_values_are_taken() {
        for (count, bits) in [(0, 0), (1, 7), (2, 1), (33, 3), (129, 9), (1000, 12), (1000, 0)] {
            let once = page(1000, Encoding::DELTA_LENGTH_BYTE_ARRAY, sequence(count, bits));
            assert_eq!(check(&once, FLAT), Ok(()), "{count} of {bits} bits");
            let both = [sequence(count, bits), sequence(count, 2)].concat();
            assert_eq!(
                check(&page(1000, Encoding::DELTA_BYTE_ARRAY, both), FLAT),
                Ok(()),
                "{count} of {bits} bits"
            );
        }
    }

    #[test]
    fn more_lengths_than_values_are_refused_in_the_first_and_in_the_second_sequence() {
        let huge = [packed(128), packed(4), packed(1 << 40), packed(0)].concat();
        for (encoding, before) in [
            (Encoding::DELTA_LENGTH_BYTE_ARRAY, vec![]),
            (Encoding::DELTA_BYTE_ARRAY, vec![]),
            (Encoding::DELTA_BYTE_ARRAY, sequence(200, 5)),
        ] {
            let why = check(&page(200, encoding, [before, huge.clone()].concat()), FLAT).unwrap_err();
            assert!(why.contains("announces 1099511627776 lengths, and it has 200 values"), "{why}");
        }
    }

    #[test]
    fn levels_before_the_lengths_are_skipped_in_both_versions_of_a_page() {
        let huge = [packed(128), packed(4), packed(500), packed(0)].concat();
        let levels = Levels { repetition: 1, definition: 3 };
        let level = |length: u32| [length.to_le_bytes().to_vec(), vec![9; length as usize]].concat();
        let first = [level(5), level(70), huge.clone()].concat();
        let why = check(&page(10, Encoding::DELTA_LENGTH_BYTE_ARRAY, first), levels).unwrap_err();
        assert!(why.contains("500 lengths"), "{why}");
        let second = Page::DataPageV2 {
            buf: Bytes::from([vec![9; 75], huge].concat()),
            num_values: 10,
            encoding: Encoding::DELTA_LENGTH_BYTE_ARRAY,
            num_nulls: 0,
            num_rows: 10,
            def_levels_byte_len: 70,
            rep_levels_byte_len: 5,
            is_compressed: false,
            statistics: None,
        };
        let why = check(&second, levels).unwrap_err();
        assert!(why.contains("500 lengths"), "{why}");
    }

    #[test]
    fn lengths_that_are_cut_or_malformed_are_refused() {
        let whole = sequence(100, 4);
        for end in 0..whole.len() - 1 {
            let cut = page(100, Encoding::DELTA_LENGTH_BYTE_ARRAY, whole[..end].to_vec());
            assert!(check(&cut, FLAT).is_err(), "{end} bytes");
        }
        for header in [[0, 4, 2, 0], [128, 0, 2, 0], [128, 3, 2, 0]] {
            let bytes: Vec<u8> = header.into_iter().flat_map(packed).chain([0; 40]).collect();
            let why = check(&page(2, Encoding::DELTA_LENGTH_BYTE_ARRAY, bytes), FLAT).unwrap_err();
            assert_eq!(why, MALFORMED);
        }
        let endless = page(2, Encoding::DELTA_LENGTH_BYTE_ARRAY, vec![0xff; 40]);
        assert_eq!(check(&endless, FLAT).unwrap_err(), MALFORMED);
    }

    #[test]
    fn other_pages_are_not_looked_into() {
        assert_eq!(check(&page(1, Encoding::PLAIN, vec![0xff; 40]), FLAT), Ok(()));
    }
}
