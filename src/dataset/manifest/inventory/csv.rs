//! The records of a CSV file of an inventory, decompressed as they are taken.

use std::io::Write;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;

use super::super::lines::{Lines, Record as Line, csv_fields};
use super::description::Columns;
use super::record::Record;

/// Compressed bytes that are decompressed at once: they become 16 MiB at most.
const PIECE: usize = 16 << 10;

/// Reads the windows of one file.
pub struct CsvRecords {
    gzip: MultiGzDecoder<Vec<u8>>,
    lines: Lines,
    /// What has come of the file and is still compressed.
    window: Bytes,
    has_ended: bool,
}

impl CsvRecords {
    pub fn new() -> Self {
        CsvRecords {
            gzip: MultiGzDecoder::new(Vec::new()),
            lines: Lines::new(true),
            window: Bytes::new(),
            has_ended: false,
        }
    }

    /// The next window of the file.
    pub fn push(&mut self, window: Bytes) {
        self.window = window;
    }

    /// No more windows come.
    ///
    /// # Errors
    /// If the file is cut off.
    pub fn end(&mut self) -> Result<(), String> {
        self.gzip.try_finish().map_err(not_gzip)?;
        self.lines.push(&std::mem::take(self.gzip.get_mut()));
        self.has_ended = true;
        Ok(())
    }

    /// The next record and its line; `None` if it takes another window.
    ///
    /// # Errors
    /// What is wrong with the file, with the line.
    pub fn next(&mut self, columns: &Columns) -> Result<Option<(u64, Record)>, String> {
        loop {
            while let Some(line) = self.lines.next(self.has_ended)? {
                if !line.bytes.iter().all(u8::is_ascii_whitespace) {
                    let number = line.line;
                    let record = record(&line, columns).map_err(|why| format!("line {number}: {why}"))?;
                    return Ok(Some((number, record)));
                }
            }
            if self.window.is_empty() {
                return Ok(None);
            }
            let piece = self.window.split_to(PIECE.min(self.window.len()));
            self.gzip.write_all(&piece).map_err(not_gzip)?;
            self.lines.push(&std::mem::take(self.gzip.get_mut()));
        }
    }
}

fn not_gzip(error: std::io::Error) -> String {
    format!("it is no whole gzip file: {error}")
}

fn record(line: &Line, columns: &Columns) -> Result<Record, String> {
    let text = std::str::from_utf8(&line.bytes).map_err(|_| "it is not UTF-8")?;
    Record::of_fields(csv_fields(text, ',')?, columns)
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const COLUMNS: Columns = Columns {
        all: 2,
        bucket: 0,
        key: 1,
        is_latest: None,
        is_delete_marker: None,
        size: None,
        etag: None,
    };

    fn compressed(text: &str) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    }

    /// The keys of a file that comes in windows of `window` bytes.
    fn keys(file: &[u8], window: usize) -> Result<Vec<String>, String> {
        let (mut records, mut keys) = (CsvRecords::new(), Vec::new());
        let mut windows = file.chunks(window);
        loop {
            while let Some((_, record)) = records.next(&COLUMNS)? {
                keys.push(record.key);
            }
            match windows.next() {
                Some(window) => records.push(Bytes::copy_from_slice(window)),
                None if records.has_ended => return Ok(keys),
                None => records.end()?,
            }
        }
    }

    #[test]
    fn records_are_the_same_however_the_bytes_come_and_in_several_members_too() {
        let text: String = (0..3000).map(|number| format!("\"b\",\"a%20{number}.jpg\"\n")).collect();
        let (first, second) = text.split_at(text.len() / 2);
        let expected: Vec<String> = (0..3000).map(|number| format!("a {number}.jpg")).collect();
        for file in [compressed(&text), [compressed(first), compressed(second)].concat()] {
            for window in [1000, 1 << 20] {
                assert_eq!(keys(&file, window).as_ref(), Ok(&expected), "{window}");
            }
        }
        assert_eq!(keys(&compressed("\"b\",\"a\""), 9), Ok(vec!["a".to_owned()]));
    }

    #[test]
    fn a_file_that_is_cut_or_no_gzip_is_refused() {
        let file = compressed("\"b\",\"a\"\n\"b\",\"c\"\n");
        assert!(keys(&file[..file.len() - 6], 9).unwrap_err().contains("no whole gzip"));
        assert!(keys(b"\"b\",\"a\"\n", 9).unwrap_err().contains("no whole gzip"));
        assert!(keys(&compressed("\"b\",\"a\"\n\"b\"\n"), 99).unwrap_err().contains("line 2: 1 fields"));
    }

    #[test]
    fn a_line_without_an_end_is_refused_before_it_is_held_whole() {
        let why = keys(&compressed(&"x".repeat(40 << 20)), 1 << 20).unwrap_err();
        assert!(why.contains("a record of more than"), "{why}");
    }
}
