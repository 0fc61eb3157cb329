//! One tar header of 512 bytes, and the records of a pax header.

/// Bytes of a header, and what members are padded to.
pub(super) const BLOCK: usize = 512;

/// What a member is, by its type flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file, whose bytes follow.
    File,
    /// A link, device, FIFO or folder: no bytes follow, whatever its size field is.
    Bare,
    /// Another member with bytes: a volume label, a foreign type.
    Other,
    /// GNU: the bytes are the next member's name.
    LongName,
    /// GNU: the bytes are the next member's link target.
    LongLink,
    /// Pax: the bytes are records about the next member.
    Pax,
    /// Pax: the bytes are records about all further members.
    PaxGlobal,
    /// Holes were left out of its bytes.
    Sparse,
}

/// A header whose checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: Kind,
    pub name: Vec<u8>,
    pub size: u64,
}

impl Header {
    /// Reads a block, or returns what is wrong with it.
    ///
    /// # Errors
    /// The size or the checksum is no number, or the checksum is not that of the block.
    pub fn parse(block: &[u8; BLOCK]) -> Result<Header, String> {
        let stated = number(&block[148..156]).ok_or("its checksum is no number")?;
        // old tars summed signed bytes
        let bytes = || block[..148].iter().chain(&[b' '; 8]).chain(&block[156..]);
        let unsigned: i64 = bytes().map(|byte| i64::from(*byte)).sum();
        let signed: i64 = bytes().map(|byte| i64::from(*byte as i8)).sum();
        if ![unsigned, signed].contains(&(stated as i64)) {
            return Err(format!("its checksum is {unsigned}, but its header has {stated}"));
        }
        let size = number(&block[124..136]).ok_or("its size is no number")?;
        let mut name = text(&block[..100]).to_vec();
        // GNU tar has other fields where POSIX has the prefix
        let prefix = if &block[257..263] == b"ustar\0" { text(&block[345..500]) } else { &[] };
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        let kind = match block[156] {
            0 if name.last() == Some(&b'/') => Kind::Bare,
            0 | b'0' | b'7' => Kind::File,
            b'1'..=b'6' => Kind::Bare,
            b'L' => Kind::LongName,
            b'K' => Kind::LongLink,
            b'x' | b'X' => Kind::Pax,
            b'g' => Kind::PaxGlobal,
            b'S' => Kind::Sparse,
            _ => Kind::Other,
        };
        Ok(Header { kind, name, size })
    }
}

/// Up to the first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// An octal number between spaces and NULs, or GNU's binary form. Negative ones and those above 2^63 − 1
/// are none.
fn number(field: &[u8]) -> Option<u64> {
    const MOST: u64 = i64::MAX as u64;
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // 0xff begins a negative number
        let start = if *first == 0xff { return None } else { u64::from(first & 0x7f) };
        let value = rest
            .iter()
            .try_fold(start, |value, byte| value.checked_mul(256)?.checked_add(u64::from(*byte)))?;
        return (value <= MOST).then_some(value);
    }
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let digits = field[start..].iter().take_while(|byte| matches!(byte, b'0'..=b'7'));
    let mut count = 0;
    let value =
        digits.inspect(|_| count += 1).fold(0_u64, |value, digit| value * 8 + u64::from(digit - b'0'));
    field[start + count..].iter().all(blank).then_some(value)
}

/// What else than an archive begins like this.
pub(super) fn begins_as(block: &[u8]) -> Option<&'static str> {
    const COMPRESSED: &str = "it is compressed in a way that is not read here; gzip and zstd are";
    let known: [(&[u8], &str); 7] = [
        // where a shard is read by the rules of version 0.1.0
        (b"\x1f\x8b", "it is compressed"),
        (b"\x28\xb5\x2f\xfd", "it is compressed"),
        (b"BZh", COMPRESSED),
        (b"\xfd7zXZ", COMPRESSED),
        (b"\x04\x22\x4d\x18", COMPRESSED),
        (b"PK\x03\x04", "it is a zip file"),
        (b"version https://git-lfs", "it is a pointer of Git LFS"),
    ];
    known.iter().find(|(magic, _)| block.starts_with(magic)).map(|(_, what)| *what)
}

/// The name as text: what is not UTF-8 is written as `\xff`, so that the row still names its member.
pub(super) fn escape(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The pax records of a member that matter here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub path: Option<Vec<u8>>,
    pub size: Option<u64>,
    /// Its bytes are not the file's: holes were left out.
    pub sparse: bool,
}

impl Pax {
    /// Reads records of the form `length key=value\n`.
    ///
    /// # Errors
    /// A record has no right length, or its `size` is no number.
    pub fn parse(mut records: &[u8]) -> Result<Pax, String> {
        let mut pax = Pax::default();
        // some writers pad with NULs
        while !records.is_empty() && records[0] != 0 {
            let broken = || "a pax record has no right length".to_owned();
            let space = records.iter().take(20).position(|byte| *byte == b' ').ok_or_else(broken)?;
            let length = decimal(&records[..space]).ok_or_else(broken)?;
            let length = usize::try_from(length).map_err(|_| broken())?;
            let record = records.get(space + 1..length).ok_or_else(broken)?;
            let (Some(b'\n'), Some(equals)) = (record.last(), record.iter().position(|byte| *byte == b'='))
            else {
                return Err(broken());
            };
            // a value may hold any byte, so only the length shows where it ends
            let (key, value) = (&record[..equals], &record[equals + 1..record.len() - 1]);
            match key {
                b"path" => pax.path = Some(value.to_vec()).filter(|path| !path.is_empty()),
                b"size" if value.is_empty() => pax.size = None,
                b"size" => {
                    let size = decimal(value).ok_or("a pax record's `size` is no number")?;
                    pax.size = Some(size);
                }
                _ if key.starts_with(b"GNU.sparse.") => pax.sparse = true,
                _ => {}
            }
            records = &records[length..];
        }
        Ok(pax)
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|value| plain && *value <= i64::MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary_and_never_negative() {
        for (field, value) in [
            (&b"00000001750\0"[..], Some(1000)),
            (b"   1750 \0\0\0\0", Some(1000)),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", Some(0)),
            (b"77777777777 ", Some((1 << 33) - 1)),
            (b"0000000x750\0", None),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(1 << 33)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX as u64)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
    }

    #[test]
    fn pax_records_give_path_and_size_and_hold_any_byte() {
        let pax = Pax::parse(b"14 path=a\nb=c\n11 size=12\n21 SCHILY.xattr.x=\0\xff\n").unwrap();
        assert_eq!(pax, Pax { path: Some(b"a\nb=c".to_vec()), size: Some(12), sparse: false });
        assert!(Pax::parse(b"22 GNU.sparse.major=1\n").unwrap().sparse);
    }

    #[test]
    fn pax_records_that_lie_are_refused() {
        for records in [
            &b"8 path=a\n"[..],
            b"11 path=a\n",
            b"99999999999999999999 path=a\n",
            b"-1 path=a\n",
            b"0 path=a\n",
            b"1 path=a\n",
            b" path=a\n",
            b"6 path\n",
            b"12 size=-1\n\n",
            b"32 size=99999999999999999999999\n",
        ] {
            assert!(Pax::parse(records).is_err(), "{:?}", String::from_utf8_lossy(records));
        }
    }
}
