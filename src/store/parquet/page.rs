//! Headers of Parquet pages, checked before the library believes them: it allocates what they announce.
//!
//! A header is a struct in Thrift's compact protocol: type (1), uncompressed size (2), compressed size (3), and the
//! headers of a data page (5), a dictionary (7) and a data page of version 2 (8), which count its values.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::{Buf, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::format::PAGE_HEADER;
use super::thrift::{Compact, STRUCT, is_number};

/// Bytes of the largest page, compressed or not.
const LARGEST_PAGE: u64 = 1 << 30;
/// Bytes of the largest header; old writers put the smallest and the largest value into it.
const LARGEST_HEADER: usize = 64 << 20;
/// Bytes of a header that are asked for at first.
const USUAL_HEADER: usize = 4 << 10;
/// `DELTA_BYTE_ARRAY`: a value begins with a part of the one before it, so that a small page makes large values.
const DELTA_BYTE_ARRAY: u64 = 7;

/// What a header announces.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Announced {
    uncompressed: u64,
    compressed: u64,
    values: u64,
    encoding: u64,
}

/// A number that may not be below zero: zigzag, lowest bit first.
fn natural(bytes: &mut Compact<'_>) -> Result<u64, &'static str> {
    let number = bytes.number()?;
    if number & 1 == 0 { Ok(number >> 1) } else { Err("has a size below zero") }
}

/// Reads a header at the beginning of some bytes.
fn announced(bytes: &[u8]) -> Result<Announced, &'static str> {
    Compact(bytes).fields(PAGE_HEADER)?;
    let (mut bytes, mut last) = (Compact(bytes), 0);
    let mut found = Announced::default();
    while let Some((id, kind)) = bytes.field(&mut last)? {
        match (id, kind) {
            (2, kind) if is_number(kind) => found.uncompressed = natural(&mut bytes)?,
            (3, kind) if is_number(kind) => found.compressed = natural(&mut bytes)?,
            (5 | 7 | 8, STRUCT) => {
                // the second field is the encoding, in a data page of version 2 the fourth
                let (encoding, mut last) = (if id == 8 { 4 } else { 2 }, 0);
                while let Some((inner, kind)) = bytes.field(&mut last)? {
                    match (inner, kind) {
                        (1, kind) if is_number(kind) => found.values = natural(&mut bytes)?,
                        (inner, kind) if inner == encoding && is_number(kind) => {
                            found.encoding = natural(&mut bytes)?;
                        }
                        _ => bytes.skip(kind, 0)?,
                    }
                }
            }
            _ => bytes.skip(kind, 0)?,
        }
    }
    Ok(found)
}

/// Where the bytes of a group's columns come from.
pub(super) trait GroupBytes: Send + Sync + 'static {
    /// Bytes of the whole file.
    fn size(&self) -> u64;

    /// The bytes from `start` on, `least` or more of them unless the column ends before.
    ///
    /// # Errors
    /// A position outside the columns, or bytes that cannot be read.
    fn from(&self, start: u64, least: usize) -> Result<Bytes, ParquetError>;

    /// Exactly these bytes.
    ///
    /// # Errors
    /// As [`GroupBytes::from`].
    fn exactly(&self, start: u64, length: usize) -> Result<Bytes, ParquetError>;
}

/// A group's columns with every header checked before it is read.
pub(super) struct CheckedPages<S>(Arc<Source<S>>);

struct Source<S> {
    bytes: S,
    rules: PageRules,
    values: AtomicU64,
}

/// What pages may announce, beside their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageRules {
    /// Whether they may be of `DELTA_BYTE_ARRAY`.
    pub takes_delta: bool,
    /// Values of all columns of a group together; a row of a list may have any number of them.
    pub most_values: u64,
}

impl<S: GroupBytes> CheckedPages<S> {
    pub fn new(bytes: S, rules: PageRules) -> Self {
        CheckedPages(Arc::new(Source { bytes, rules, values: AtomicU64::new(0) }))
    }
}

impl<S: GroupBytes> Source<S> {
    /// The bytes that begin with a header, whole and checked.
    fn header(&self, start: u64) -> Result<Bytes, ParquetError> {
        let damaged =
            |why: &str| ParquetError::General(format!("the header of the page at byte {start} {why}"));
        let mut least = USUAL_HEADER;
        let (bytes, found) = loop {
            let bytes = self.bytes.from(start, least)?;
            match announced(&bytes) {
                Ok(found) => break (bytes, found),
                Err(why) if bytes.len() < least || least >= LARGEST_HEADER => return Err(damaged(why)),
                // it may be cut here only
                Err(_) => least = bytes.len().max(least).saturating_mul(4).min(LARGEST_HEADER),
            }
        };
        for (size, what) in [(found.compressed, "compressed"), (found.uncompressed, "uncompressed")] {
            if size > LARGEST_PAGE {
                return Err(damaged(&format!(
                    "announces {size} {what} bytes, and a page has at most {LARGEST_PAGE}; write the file with smaller pages"
                )));
            }
        }
        if found.encoding == DELTA_BYTE_ARRAY && !self.rules.takes_delta {
            return Err(damaged("has an encoding that the footer does not list"));
        }
        let values = self.values.fetch_add(found.values, Relaxed).saturating_add(found.values);
        let most = self.rules.most_values;
        if values > most {
            return Err(damaged(&format!(
                "is that of value {values} of its row group, and a group has at most {most}; write the file with smaller \
                 row groups"
            )));
        }
        Ok(bytes)
    }
}

impl<S: GroupBytes> Length for CheckedPages<S> {
    fn len(&self) -> u64 {
        self.0.bytes.size()
    }
}

impl<S: GroupBytes> ChunkReader for CheckedPages<S> {
    type T = HeaderRead<S>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(HeaderRead { source: self.0.clone(), start, bytes: None })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.0.bytes.exactly(start, length)
    }
}

/// Reads a page's header. It is looked for with the first byte that is read: the library also opens the place of a page
/// whose header it knows.
pub(super) struct HeaderRead<S> {
    source: Arc<Source<S>>,
    start: u64,
    bytes: Option<bytes::buf::Reader<Bytes>>,
}

impl<S: GroupBytes> Read for HeaderRead<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_none() {
            let bytes = self.source.header(self.start).map_err(io::Error::other)?;
            self.bytes = Some(bytes.reader());
        }
        self.bytes.as_mut().map_or(Ok(0), |bytes| bytes.read(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Whole(Bytes);

    impl GroupBytes for Whole {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn from(&self, start: u64, _: usize) -> Result<Bytes, ParquetError> {
            Ok(self.0.slice(start as usize..))
        }

        fn exactly(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
            Ok(self.0.slice(start as usize..start as usize + length))
        }
    }

    /// A number as the compact protocol writes one.
    fn number(number: i64) -> Vec<u8> {
        let mut left = ((number << 1) ^ (number >> 63)) as u64;
        let mut bytes = Vec::new();
        while left > 0x7f {
            bytes.push((left & 0x7f) as u8 | 0x80);
            left >>= 7;
        }
        bytes.push(left as u8);
        bytes
    }

    /// A data page's header with these sizes, number of values and encoding.
    fn header(uncompressed: i64, compressed: i64, values: i64, encoding: i64) -> Vec<u8> {
        let field = |value: i64| [vec![0x15], number(value)].concat();
        let page = [field(values), field(encoding), vec![0]].concat();
        // type, sizes, and field 5 after field 3
        [field(0), field(uncompressed), field(compressed), vec![0x2c], page, vec![0]].concat()
    }

    const MOST_VALUES: u64 = 1000;

    fn read(header: &[u8], takes_delta: bool) -> Result<Vec<u8>, String> {
        let rules = PageRules { takes_delta, most_values: MOST_VALUES };
        let pages = CheckedPages::new(Whole(Bytes::copy_from_slice(header)), rules);
        let mut bytes = Vec::new();
        let mut reader = pages.get_read(0).map_err(|error| error.to_string())?;
        reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    #[test]
    fn what_a_header_announces_is_read() {
        let found = announced(&header(70_000, 60_000, 16, 8)).unwrap();
        assert_eq!(found, Announced { uncompressed: 70_000, compressed: 60_000, values: 16, encoding: 8 });
    }

    #[test]
    fn a_header_that_announces_more_than_a_gibibyte_is_refused_before_the_page_is_read() {
        let most = LARGEST_PAGE as i64;
        assert!(read(&header(most, most, 1, 0), false).is_ok());
        for (uncompressed, compressed) in [(most + 1, 10), (10, most + 1), (i64::from(i32::MAX), 10)] {
            let why = read(&header(uncompressed, compressed, 1, 0), false).unwrap_err();
            assert!(why.contains("at most 1073741824"), "{why}");
        }
        assert!(read(&header(-1, 10, 1, 0), false).unwrap_err().contains("below zero"));
    }

    #[test]
    fn values_are_counted_over_all_pages_of_a_group() {
        let rules = PageRules { takes_delta: false, most_values: MOST_VALUES };
        let pages = CheckedPages::new(Whole(header(10, 10, MOST_VALUES as i64 - 1, 0).into()), rules);
        let read = || pages.get_read(0).unwrap().read(&mut [0; 4]);
        assert!(read().is_ok());
        assert!(read().unwrap_err().to_string().contains("at most 1000"));
    }

    #[test]
    fn values_that_grow_from_one_to_the_next_are_read_where_the_footer_says_so() {
        let header = header(10, 10, 1, DELTA_BYTE_ARRAY as i64);
        assert_eq!(read(&header, true), Ok(header.clone()));
        assert!(read(&header, false).unwrap_err().contains("does not list"));
    }

    #[test]
    fn a_number_where_the_library_reads_the_header_of_a_data_page_is_malformed() {
        let header = [0x55, 0x02, 0x00];
        assert!(read(&header, false).unwrap_err().contains("malformed"));
    }

    #[test]
    fn a_header_that_is_none_is_an_error() {
        assert!(read(&[0xff; 40], false).unwrap_err().contains("malformed"));
        assert!(read(&[], false).unwrap_err().contains("malformed"));
    }
}
