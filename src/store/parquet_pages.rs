//! How large the pages of a column chunk say they are, checked before the library makes room for one: it believes a page
//! header, and a few bytes can promise two gigabytes.
//!
//! A page is a header in Thrift's compact protocol and its bytes. Fields 1 to 3 of the header are the page's type and
//! its sizes in bytes, decoded and as it is in the file; one of the fields 5 to 8 describes the kind of page.

use super::parquet_thrift::{Compact, FALSE, I32, MALFORMED, STRUCT, TRUE};

/// Bytes of a page's decoded content.
const LARGEST: i64 = 1 << 30;

/// The sizes that a page header gives.
#[derive(Debug, Default)]
struct Sizes {
    decoded: Option<i64>,
    encoded: Option<i64>,
}

/// Checks the pages of a column chunk: the first `length` of `bytes`, which may hold more of the file. What is cut is
/// left to the library, which refuses it.
///
/// # Errors
/// A page of more than [`LARGEST`] bytes, and a header that the library could read otherwise than it is read here.
pub(super) fn check_pages(bytes: &[u8], length: u64) -> Result<(), String> {
    let end = bytes.len().saturating_sub(usize::try_from(length).unwrap_or(usize::MAX));
    let mut rest = Compact(bytes);
    while rest.0.len() > end {
        let sizes = rest.page_header()?;
        let (Some(decoded), Some(encoded)) = (sizes.decoded, sizes.encoded) else { return Ok(()) };
        if decoded > LARGEST {
            return Err(format!("a page of {decoded} bytes is more than the {LARGEST} that are read"));
        }
        let Some(after) = usize::try_from(encoded).ok().and_then(|encoded| rest.0.get(encoded..)) else {
            return Ok(());
        };
        rest.0 = after;
    }
    Ok(())
}

impl Compact<'_> {
    fn page_header(&mut self) -> Result<Sizes, &'static str> {
        let (mut last, mut sizes) = (0, Sizes::default());
        while let Some((id, kind)) = self.field(&mut last)? {
            match (id, kind) {
                (2, I32) if sizes.decoded.is_none() => sizes.decoded = Some(self.signed()?),
                (3, I32) if sizes.encoded.is_none() => sizes.encoded = Some(self.signed()?),
                (1 | 4, I32) => drop(self.number()?),
                (5..=8, STRUCT) => self.page_kind(id)?,
                // twice, or what the library would read as another type than it is
                (0..=8, _) => return Err(MALFORMED),
                _ => self.skip(kind, 0)?,
            }
        }
        Ok(sizes)
    }

    /// The header of a data page (5), index page (6), dictionary (7) or data page of the second version (8).
    fn page_kind(&mut self, header: i64) -> Result<(), &'static str> {
        let (numbers, flag) = match header {
            5 => (4, None),
            6 => (0, None),
            7 => (2, Some(3)),
            _ => (6, Some(7)),
        };
        let mut last = 0;
        while let Some((id, kind)) = self.field(&mut last)? {
            let as_expected = match id {
                _ if (1..=numbers).contains(&id) => kind == I32,
                _ if flag == Some(id) => matches!(kind, TRUE | FALSE),
                _ => true,
            };
            if !as_expected {
                return Err(MALFORMED);
            }
            self.skip(kind, 0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number as the protocol writes it.
    fn signed(number: i64) -> Vec<u8> {
        let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
        let mut bytes = Vec::new();
        while left > 0x7f {
            bytes.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        bytes.push(left as u8);
        bytes
    }

    /// A dictionary page of one value.
    fn page(decoded: i64, encoded: usize) -> Vec<u8> {
        let mut page = [vec![0x15, 4, 0x15], signed(decoded), vec![0x15], signed(encoded as i64)].concat();
        page.extend([0x4c, 0x15, 2, 0x15, 0, 0x11, 0, 0]);
        page.extend(vec![7; encoded]);
        page
    }

    #[test]
    fn a_page_says_at_most_a_gigabyte_wherever_it_is_in_its_chunk() {
        for (decoded, fits) in
            [(9, true), (LARGEST, true), (LARGEST + 1, false), (i64::from(i32::MAX), false)]
        {
            let chunk = [page(9, 300), page(decoded, 5)].concat();
            let checked = check_pages(&chunk, chunk.len() as u64);
            assert_eq!(checked.is_ok(), fits, "{decoded}: {checked:?}");
        }
    }

    #[test]
    fn bytes_after_the_chunk_are_not_its_pages() {
        let chunk = page(9, 300);
        let with_more = [chunk.clone(), vec![0xff; 50]].concat();
        assert_eq!(check_pages(&with_more, chunk.len() as u64), Ok(()));
        assert!(check_pages(&with_more, chunk.len() as u64 + 1).is_err());
    }

    #[test]
    fn a_header_that_has_two_meanings_is_refused() {
        let twice = [vec![0x15, 4, 0x15, 2, 0x05, 4], signed(LARGEST + 1), vec![0x15, 2, 0]].concat();
        assert_eq!(check_pages(&twice, twice.len() as u64), Err(MALFORMED.into()));
        let text_for_number = [0x15, 4, 0x18, 2, b'a', b'b', 0x15, 2, 0];
        assert_eq!(check_pages(&text_for_number, 9), Err(MALFORMED.into()));
    }

    #[test]
    fn a_cut_page_is_left_to_the_library() {
        let cut = &page(9, 300)[..100];
        assert_eq!(check_pages(cut, cut.len() as u64), Ok(()));
    }
}
