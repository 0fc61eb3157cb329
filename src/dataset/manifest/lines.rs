//! Records of a text manifest, taken from windows of its bytes.

/// Longest record in bytes. A quote that is never closed must not hold the rest of the file.
pub(super) const LONGEST: usize = 1 << 20;

/// Splits bytes into records as they come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// Where the current record begins, and how far it was scanned.
    start: usize,
    seen: usize,
    /// A quote is open: a line's end belongs to the record.
    open: bool,
    quoted: bool,
    /// Lines that have ended.
    line: u64,
    /// Lines inside the current record.
    inner: u64,
}

/// One record: where it begins, and its bytes without the line's end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub line: u64,
    pub bytes: Vec<u8>,
}

impl Lines {
    /// `quoted`: a line's end between quotes ends no record.
    pub fn new(quoted: bool) -> Self {
        Lines { quoted, ..Lines::default() }
    }

    /// More bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        let first = self.line == 0 && self.buffer.is_empty() && self.inner == 0;
        let bytes = if first { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes) } else { bytes };
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole record; `ended`: no more bytes come.
    ///
    /// # Errors
    /// A record has more than [`LONGEST`] bytes, or the last record has a quote that is not closed.
    pub fn next(&mut self, ended: bool) -> Result<Option<Record>, String> {
        while self.seen < self.buffer.len() {
            let byte = self.buffer[self.seen];
            self.seen += 1;
            match byte {
                b'"' if self.quoted => self.open = !self.open,
                b'\n' if self.open => self.inner += 1,
                b'\n' => return Ok(Some(self.record(self.seen - 1))),
                _ => {}
            }
            if self.seen - self.start > LONGEST {
                return Err(self.too_long());
            }
        }
        if !ended || self.start == self.buffer.len() {
            return Ok(None);
        }
        if self.open {
            return Err(format!("line {}: a quote is not closed", self.line + 1));
        }
        Ok(Some(self.record(self.buffer.len())))
    }

    fn record(&mut self, end: usize) -> Record {
        let bytes = &self.buffer[self.start..end];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes).to_vec();
        let record = Record { line: self.line + 1, bytes };
        self.line += 1 + self.inner;
        self.inner = 0;
        self.start = self.seen;
        record
    }

    fn too_long(&self) -> String {
        let hint = if self.open { "; is a quote not closed?" } else { "" };
        format!("line {}: a record of more than {LONGEST} bytes{hint}", self.line + 1)
    }
}

/// The fields of a CSV record after RFC 4180.
pub(super) fn csv_fields(record: &str, delimiter: char) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = record;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = closing(quoted).ok_or("a quote is not closed")?;
                (quoted[..end].replace("\"\"", "\""), &quoted[end + 1..])
            }
            None => {
                let end = rest.find(delimiter).unwrap_or(rest.len());
                if rest[..end].contains('"') {
                    return Err("a quote is inside a field that is not quoted".into());
                }
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("something follows a closing quote".into()),
        }
    }
}

/// Returns the position of the quote that closes a field: the first that is not doubled.
fn closing(quoted: &str) -> Option<usize> {
    let bytes = quoted.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return Some(at),
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &[u8], chunk: usize, quoted: bool) -> Result<Vec<(u64, String)>, String> {
        let mut lines = Lines::new(quoted);
        let mut found = Vec::new();
        let chunks: Vec<&[u8]> = text.chunks(chunk).collect();
        for at in 0..=chunks.len() {
            if let Some(chunk) = chunks.get(at) {
                lines.push(chunk);
            }
            while let Some(record) = lines.next(at == chunks.len())? {
                found.push((record.line, String::from_utf8(record.bytes).unwrap()));
            }
        }
        Ok(found)
    }

    #[test]
    fn records_are_the_same_however_the_bytes_come() {
        let text = b"\xef\xbb\xbfpath,note\r\na.jpg,\"two\nlines, \"\"quoted\"\"\"\n\nlast.jpg,";
        for chunk in [3, 4, 7, 100] {
            let found = records(text, chunk, true).unwrap();
            let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [1, 2, 4, 5], "{chunk}");
            assert_eq!(found[0].1, "path,note");
            assert_eq!(csv_fields(&found[1].1, ',').unwrap(), ["a.jpg", "two\nlines, \"quoted\""]);
            assert_eq!(csv_fields(&found[3].1, ',').unwrap(), ["last.jpg", ""]);
        }
        assert_eq!(records(b"a \"b\nc", 2, false).unwrap().len(), 2);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_told_with_its_line() {
        assert!(records(b"a\n\"b\nc", 2, true).unwrap_err().contains("line 2"));
        let endless = [&b"a\n\""[..], &vec![b'x'; LONGEST + 10]].concat();
        assert!(records(&endless, 4096, true).unwrap_err().contains("line 2: a record of more than"));
    }

    #[test]
    fn fields_are_divided_by_the_delimiter_alone() {
        assert_eq!(csv_fields("a,b;\"c;d\"", ';').unwrap(), ["a,b", "c;d"]);
        assert_eq!(csv_fields("a;b\tc", '\t').unwrap(), ["a;b", "c"]);
    }

    #[test]
    fn csv_that_is_none_is_refused() {
        for record in ["\"a\"b,c", "a\"b", "\"a"] {
            assert!(csv_fields(record, ',').is_err(), "{record}");
        }
    }
}
