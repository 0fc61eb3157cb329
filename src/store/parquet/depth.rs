//! How deeply the schema in a Parquet footer is nested, and how long its lists are, found without recursion and before the
//! library reads it: that recurses once a level, and a thread without stack aborts the process; and it counts to the length
//! that a list announces, even where its items have no bytes.
//!
//! A footer is a struct in Thrift's compact protocol: version (1), schema (2), and more. The schema is a list of
//! elements in depth-first order; field 5 of an element counts its children.

use super::format::{FOOTER, LOGICAL_TYPE, Shape};
use super::thrift::{Compact, LIST, MALFORMED, STRUCT, is_number};

/// Levels of a schema.
const DEEPEST: usize = 64;

/// Checks a file's last bytes, if its whole footer is among them.
///
/// # Errors
/// A schema of more levels than [`DEEPEST`], of more children than elements, or that does not come first; lists that are
/// longer than the footer, or of booleans; a field that has not the type of its number.
pub(super) fn check_depth(tail: &[u8]) -> Result<(), String> {
    let Some((before, ends)) = tail.split_last_chunk::<8>() else { return Ok(()) };
    let [a, b, c, d, magic @ ..] = *ends;
    if magic == *b"PARE" {
        return Err("it is encrypted, which is not read".to_owned());
    }
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    match before.len().checked_sub(length) {
        // the library asks for the rest first
        None => Ok(()),
        Some(start) => check_schema(Compact(&before[start..])).map_err(|why| format!("its footer {why}")),
    }
}

fn check_schema(mut footer: Compact<'_>) -> Result<(), &'static str> {
    let mut last = 0;
    loop {
        match footer.field(&mut last)? {
            Some((1, kind)) if is_number(kind) => drop(footer.number()?),
            Some((2, LIST)) => break,
            _ => return Err(MALFORMED),
        }
    }
    let (elements, kind) = footer.list()?;
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
        let children = element(&mut footer)?;
        if children > elements {
            return Err("has a schema of fewer elements than children");
        }
        if children > 0 {
            open.push(children);
        }
        if open.len() > DEEPEST {
            return Err("has a schema that is nested too deeply");
        }
    }
    footer.fields_after(last, FOOTER)
}

/// Reads an element of the schema; returns how many children it has.
fn element(footer: &mut Compact<'_>) -> Result<usize, &'static str> {
    let (mut last, mut children) = (0, 0);
    while let Some((id, kind)) = footer.field(&mut last)? {
        match (id, kind) {
            (5, kind) if is_number(kind) => {
                // zigzag; below zero is none, which the library refuses
                let number = footer.number()?;
                children = if number & 1 == 0 { (number >> 1) as usize } else { 0 };
            }
            (1..=3 | 6..=9, _) => footer.value(Shape::Number, kind)?,
            (4, _) => footer.value(Shape::Binary, kind)?,
            (10, _) => footer.value(Shape::Struct(LOGICAL_TYPE), kind)?,
            (..=5, _) => return Err(MALFORMED),
            _ => footer.skip(kind, 0)?,
        }
    }
    Ok(children)
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
            let why = check_depth(&chain(levels, 1)).unwrap_err();
            assert!(why.contains("nested too deeply"), "{levels}: {why}");
        }
        assert!(check_depth(&chain(3, 9)).unwrap_err().contains("fewer elements than children"));
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
    fn lists_that_are_longer_than_their_bytes_are_refused() {
        let with = |value: &[u8]| {
            let mut file = chain(3, 1);
            let (end, length) =
                (file.len() - 9, u32::from_le_bytes(*file.last_chunk::<8>().unwrap().first_chunk().unwrap()));
            // field 20 of the footer, before its end
            let field: Vec<u8> = [&[0x09, 0x28][..], value].concat();
            file.splice(end..end, field.iter().copied());
            let at = file.len() - 8;
            file[at..at + 4].copy_from_slice(&(length + field.len() as u32).to_le_bytes());
            check_depth(&file)
        };
        assert_eq!(with(&[0x25, 0x02, 0x04]), Ok(()), "two numbers");
        // two thousand million of them
        for kind in [1, 2, 7, 8] {
            let why = with(&[0xf0 | kind, 0xff, 0xff, 0xff, 0xff, 0x07]).unwrap_err();
            assert!(why.contains(MALFORMED), "{kind}: {why}");
        }
        assert!(with(&[0x22, 0x01, 0x01]).unwrap_err().contains("booleans"));
    }

    #[test]
    fn a_cut_footer_is_malformed_and_one_that_is_not_all_here_is_not_judged() {
        let mut whole = chain(3, 1);
        whole[8] = 0x1f;
        assert_eq!(check_depth(&whole), Err(format!("its footer {MALFORMED}")));
        assert_eq!(check_depth(&chain(3, 1)[4..]), Ok(()));
        let encrypted = check_depth(&[&[0; 40][..], b"PARE"].concat()).unwrap_err();
        assert!(encrypted.contains("encrypted"), "{encrypted}");
    }
}
