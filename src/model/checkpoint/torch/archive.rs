//! The zip container of a `.pth`, as a map from names to bytes of the file.
//!
//! PyTorch stores its entries uncompressed and aligned, so nothing is unpacked here: an entry is a slice, and an
//! archive cannot grow beyond its file. What makes a zip ambiguous is refused: two entries of one name or over the
//! same bytes, a local header that disagrees with the directory, sizes that need the 64-bit form. Checksums are
//! not compared with the data: PyTorch has an option to write others, and safetensors has none either.

use std::collections::BTreeMap;

use super::error::TorchError;
use crate::model::shorten::shorten;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
const END_BYTES: usize = 22;
/// Longest comment after the end record, by the format.
const MAX_COMMENT: usize = u16::MAX as usize;

/// Whether a file is a zip archive, by its first bytes.
pub(in crate::model::checkpoint) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL)
}

/// Bytes of an entry, or what was done to them: scripts beside the pickle may be compressed, and are not asked for.
type Content<'a> = Result<&'a [u8], &'static str>;

/// The entries of an archive.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    entries: BTreeMap<&'a str, Content<'a>>,
}

impl<'a> Archive<'a> {
    /// Reads the directory, and checks each entry against it.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, TorchError> {
        let end = find_end(bytes)?;
        let count = u16_at(bytes, end + 10)?;
        let (length, start) = (u32_at(bytes, end + 12)?, u32_at(bytes, end + 16)?);
        let disks = (u16_at(bytes, end + 4)?, u16_at(bytes, end + 6)?, u16_at(bytes, end + 8)?);
        if disks != (0, 0, count) {
            return Err(damaged("it is one of several volumes"));
        }
        let (start, stop) = (start as usize, start as usize + length as usize);
        if stop > end {
            return Err(damaged(format!("its directory lies at {start}..{stop} of {end} bytes")));
        }
        let mut entries = BTreeMap::new();
        let mut spans = Vec::new();
        let mut at = start;
        for _ in 0..count {
            let entry = entry(bytes, at, start)?;
            spans.push((entry.header, entry.end));
            if entries.insert(entry.name, entry.content).is_some() {
                return Err(damaged(format!("it has two entries called `{}`", shorten(entry.name))));
            }
            at = entry.next;
        }
        if at != stop {
            return Err(damaged(format!("its directory ends at {at} instead of {stop}")));
        }
        spans.sort_unstable();
        match spans.windows(2).find(|pair| pair[1].0 < pair[0].1) {
            Some(pair) => Err(damaged(format!("two entries share the byte {}", pair[1].0))),
            None => Ok(Self { entries }),
        }
    }

    /// The bytes of an entry, if there is one of this name.
    pub(super) fn get(&self, name: &str) -> Result<Option<&'a [u8]>, TorchError> {
        let content = self.entries.get(name).copied().transpose();
        content.map_err(|how| TorchError::Packed { entry: shorten(name), how })
    }

    /// The folder in which everything lies, with its slash: the one that holds `data.pkl`.
    pub(super) fn root(&self) -> Result<&'a str, TorchError> {
        let mut roots = self
            .entries
            .keys()
            .filter_map(|name| name.strip_suffix("data.pkl"))
            .filter(|root| root.is_empty() || root.ends_with('/'));
        match (roots.next(), roots.count()) {
            (Some(root), 0) => Ok(root),
            (first, more) => Err(TorchError::NoPickle { found: more + usize::from(first.is_some()) }),
        }
    }
}

/// One file, from its record in the directory and its local header.
struct Entry<'a> {
    name: &'a str,
    content: Content<'a>,
    /// Position of the local header.
    header: usize,
    /// Position after the data.
    end: usize,
    /// Position after the directory's record.
    next: usize,
}

/// Reads the entry whose record in the directory is at `at`.
fn entry(bytes: &[u8], at: usize, directory: usize) -> Result<Entry<'_>, TorchError> {
    if part(bytes, at, 4)? != CENTRAL {
        return Err(damaged(format!("its directory has no entry at byte {at}")));
    }
    let raw_name = part(bytes, at + CENTRAL_BYTES, u16_at(bytes, at + 28)?.into())?;
    let name = std::str::from_utf8(raw_name).map_err(|_| damaged("an entry's name is not UTF-8"))?;
    let (flags, method) = (u16_at(bytes, at + 8)?, u16_at(bytes, at + 10)?);
    let (packed, length) = (u32_at(bytes, at + 20)?, u32_at(bytes, at + 24)?);
    let header = u32_at(bytes, at + 42)?;
    if (flags & 1, method) == (0, 0) && packed != length || [packed, header].contains(&u32::MAX) {
        return Err(damaged(format!("`{}` has no plausible size", shorten(name))));
    }
    let extras = usize::from(u16_at(bytes, at + 30)?) + usize::from(u16_at(bytes, at + 32)?);
    let next = at + CENTRAL_BYTES + raw_name.len() + extras;

    let header = header as usize;
    if part(bytes, header, 4)? != LOCAL
        || part(bytes, header + LOCAL_BYTES, u16_at(bytes, header + 26)?.into())? != raw_name
    {
        return Err(damaged(format!("`{}` is not at its offset in the directory", shorten(name))));
    }
    let start = header + LOCAL_BYTES + raw_name.len() + usize::from(u16_at(bytes, header + 28)?);
    let end = start + packed as usize;
    if end > directory {
        return Err(damaged(format!("`{}` runs into the directory", shorten(name))));
    }
    let data = part(bytes, start, packed as usize)?;
    let content = match (flags & 1, method) {
        (0, 0) => Ok(data),
        (0, _) => Err("compressed"),
        _ => Err("encrypted"),
    };
    Ok(Entry { name, content, header, end, next })
}

/// Position of the record that ends every zip.
fn find_end(bytes: &[u8]) -> Result<usize, TorchError> {
    let last = bytes.len().checked_sub(END_BYTES).ok_or_else(|| damaged("it has no directory"))?;
    let ends_here = |at: &usize| {
        bytes[*at..].starts_with(END)
            && u16_at(bytes, at + 20)
                .is_ok_and(|comment| at + END_BYTES + usize::from(comment) == bytes.len())
    };
    let first = last.saturating_sub(MAX_COMMENT);
    (first..=last).rev().find(ends_here).ok_or_else(|| damaged("it has no directory"))
}

fn part(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], TorchError> {
    at.checked_add(length)
        .and_then(|end| bytes.get(at..end))
        .ok_or_else(|| damaged(format!("{length} bytes at {at} lie beyond its end")))
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, TorchError> {
    Ok(part(bytes, at, 2)?.iter().rev().fold(0, |value, byte| value << 8 | u16::from(*byte)))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, TorchError> {
    Ok(part(bytes, at, 4)?.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)))
}

fn damaged(reason: impl Into<String>) -> TorchError {
    TorchError::Archive { reason: reason.into() }
}
