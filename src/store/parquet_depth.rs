//! How deeply the schema in a Parquet footer is nested, found without recursion and before the library reads it: that
//! recurses once a level, and a thread without stack aborts the process.
//!
//! A footer is a struct in Thrift's compact protocol: version (1), schema (2), and more. The schema is a list of
//! elements in depth-first order; field 5 of an element counts its children.

/// Levels of a schema, and of a value that is skipped.
const DEEPEST: usize = 64;

/// Types of the compact protocol.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

const MALFORMED: &str = "its footer is malformed";

/// Checks a file's last bytes, if its whole footer is among them.
///
/// # Errors
/// A schema of more levels than [`DEEPEST`], of more children than elements, or that does not come first.
pub(super) fn check_depth(tail: &[u8]) -> Result<(), &'static str> {
    let Some((before, ends)) = tail.split_last_chunk::<8>() else { return Ok(()) };
    let [a, b, c, d, ..] = *ends;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    match before.len().checked_sub(length) {
        // the library asks for the rest first
        None => Ok(()),
        Some(start) => Footer(&before[start..]).check_schema(),
    }
}

/// The bytes that are still to be read.
struct Footer<'a>(&'a [u8]);

impl<'a> Footer<'a> {
    fn check_schema(mut self) -> Result<(), &'static str> {
        let mut last = 0;
        loop {
            match self.field(&mut last)? {
                Some((1, I32)) => drop(self.number()?),
                Some((2, LIST)) => break,
                _ => return Err(MALFORMED),
            }
        }
        let (elements, kind) = self.list()?;
        if kind != STRUCT {
            return Err(MALFORMED);
        }
        // children that are still to come, of each element that is begun
        let mut open: Vec<usize> = Vec::new();
        for _ in 0..elements {
            while let Some(left) = open.last_mut() {
                if *left > 0 {
                    *left -= 1;
                    break;
                }
                open.pop();
            }
            let children = self.element()?;
            if children > elements {
                return Err("its schema has fewer elements than children");
            }
            if children > 0 {
                open.push(children);
            }
            if open.len() > DEEPEST {
                return Err("its schema is nested too deeply");
            }
        }
        Ok(())
    }

    /// Reads an element of the schema; returns how many children it has.
    fn element(&mut self) -> Result<usize, &'static str> {
        let (mut last, mut children) = (0, 0);
        while let Some((id, kind)) = self.field(&mut last)? {
            match (id, kind) {
                (5, I32) => {
                    // zigzag; below zero is none, which the library refuses
                    let number = self.number()?;
                    children = if number & 1 == 0 { (number >> 1) as usize } else { 0 };
                }
                (1..=3 | 6..=9, I32) | (4, BINARY) | (10, STRUCT) => self.skip(kind, 0)?,
                // what the library would read as another type than it is
                (0..=10, _) => return Err(MALFORMED),
                _ => self.skip(kind, 0)?,
            }
        }
        Ok(children)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<(), &'static str> {
        if depth > DEEPEST {
            return Err("its footer is nested too deeply");
        }
        match kind {
            TRUE | FALSE => {}
            BYTE => drop(self.take(1)?),
            I16 | I32 | I64 => drop(self.number()?),
            DOUBLE => drop(self.take(8)?),
            UUID => drop(self.take(16)?),
            BINARY => {
                let length = self.number()?;
                self.take(usize::try_from(length).map_err(|_| MALFORMED)?)?;
            }
            LIST | SET => {
                let (count, kind) = self.list()?;
                for _ in 0..count {
                    self.skip_item(kind, depth + 1)?;
                }
            }
            MAP => {
                let count = self.count()?;
                let kinds = if count > 0 { self.byte()? } else { 0 };
                for _ in 0..count {
                    self.skip_item(kinds >> 4, depth + 1)?;
                    self.skip_item(kinds & 15, depth + 1)?;
                }
            }
            STRUCT => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            _ => return Err(MALFORMED),
        }
        Ok(())
    }

    /// In a list, a boolean has a byte of its own.
    fn skip_item(&mut self, kind: u8, depth: usize) -> Result<(), &'static str> {
        self.skip(if matches!(kind, TRUE | FALSE) { BYTE } else { kind }, depth)
    }

    /// Number and type of a struct's next field; `None` at its end.
    fn field(&mut self, last: &mut i64) -> Result<Option<(i64, u8)>, &'static str> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        *last = match byte >> 4 {
            0 => {
                let number = self.number()?;
                (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
            }
            step => *last + i64::from(step),
        };
        Ok(Some((*last, byte & 15)))
    }

    /// How many items follow, and of which type. Each has a byte or more.
    fn list(&mut self) -> Result<(usize, u8), &'static str> {
        let byte = self.byte()?;
        let count = match byte >> 4 {
            15 => self.count()?,
            count => usize::from(count),
        };
        if count > self.0.len() { Err(MALFORMED) } else { Ok((count, byte & 15)) }
    }

    fn count(&mut self) -> Result<usize, &'static str> {
        let count = usize::try_from(self.number()?).map_err(|_| MALFORMED)?;
        if count > self.0.len() { Err(MALFORMED) } else { Ok(count) }
    }

    /// A number of seven bits a byte, the lowest first.
    fn number(&mut self) -> Result<u64, &'static str> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(MALFORMED)
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Location, ParquetObject};

    /// A footer whose schema is a chain of groups of `children` children each, and a leaf.
    fn chain(levels: usize, children: u8) -> Vec<u8> {
        let mut footer = vec![0x15, 0x02, 0x19, 0xfc];
        let mut count = levels + 1;
        while count > 0x7f {
            footer.push((count & 0x7f) as u8 | 0x80);
            count >>= 7;
        }
        footer.push(count as u8);
        for _ in 0..levels {
            // repetition (3), name (4), children (5)
            footer.extend([0x35, 0x00, 0x18, 0x01, b'a', 0x15, children << 1, 0]);
        }
        footer.extend([0x15, 0x00, 0x25, 0x00, 0x18, 0x01, b'a', 0]);
        // rows, and no row group
        footer.extend([0x16, 0x00, 0x19, 0x0c, 0]);
        let length = footer.len() as u32;
        footer.extend(length.to_le_bytes());
        footer.extend(b"PAR1");
        footer
    }

    #[test]
    fn a_schema_may_be_nested_but_not_without_end() {
        assert_eq!(check_depth(&chain(3, 1)), Ok(()));
        assert_eq!(check_depth(&chain(DEEPEST, 1)), Ok(()));
        for levels in [DEEPEST + 1, 1_000_000] {
            assert_eq!(check_depth(&chain(levels, 1)), Err("its schema is nested too deeply"), "{levels}");
        }
        assert_eq!(check_depth(&chain(3, 9)), Err("its schema has fewer elements than children"));
    }

    #[tokio::test]
    async fn the_library_reads_what_is_let_through_and_never_sees_the_rest() {
        let input = Location::in_memory("depth").unwrap();
        for (levels, expected) in [(3, None), (DEEPEST, None), (200_000, Some("nested too deeply"))] {
            let file = [b"PAR1".to_vec(), chain(levels, 1)].concat();
            input.overwrite("a.parquet", file.into()).await.unwrap();
            let opened = ParquetObject::open(&input, "a.parquet").await;
            match expected {
                None => assert_eq!(opened.unwrap().unwrap().groups(), 0),
                Some(words) => assert!(opened.unwrap_err().to_string().contains(words)),
            }
        }
    }

    #[test]
    fn a_cut_footer_is_malformed_and_one_that_is_not_all_here_is_not_judged() {
        let mut whole = chain(3, 1);
        whole[8] = 0x1f;
        assert_eq!(check_depth(&whole), Err(MALFORMED));
        assert_eq!(check_depth(&chain(3, 1)[4..]), Ok(()));
    }
}
