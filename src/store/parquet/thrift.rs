//! Values of Thrift's compact protocol, read without recursion beyond a few levels and without an allocation: Parquet
//! writes footers and page headers in it.

/// Levels of a value that is skipped.
const DEEPEST: usize = 64;

pub const TRUE: u8 = 1;
pub const FALSE: u8 = 2;
pub const BYTE: u8 = 3;
pub const I16: u8 = 4;
pub const I32: u8 = 5;
pub const I64: u8 = 6;
pub const DOUBLE: u8 = 7;
pub const BINARY: u8 = 8;
pub const LIST: u8 = 9;
pub const SET: u8 = 10;
pub const MAP: u8 = 11;
pub const STRUCT: u8 = 12;
pub const UUID: u8 = 13;

/// The text of a value that is cut or is none.
pub const MALFORMED: &str = "is malformed";
/// The text of a list, set or map of booleans.
const BOOLEANS: &str = "has a list of booleans";
/// The text of a value with too many levels.
const TOO_DEEP: &str = "is nested too deeply";

/// Whether a type is one of the numbers that have the same bytes.
pub fn is_number(kind: u8) -> bool {
    matches!(kind, I16 | I32 | I64)
}

/// The bytes that are still to be read. Every error is a text that follows the name of what is read.
pub struct Compact<'a>(pub &'a [u8]);

impl<'a> Compact<'a> {
    /// Skips a value of this type.
    ///
    /// # Errors
    /// The value is cut short, has an unknown type or a list of booleans, or is nested too deeply.
    pub fn skip(&mut self, kind: u8, depth: usize) -> Result<(), &'static str> {
        if depth > DEEPEST {
            return Err(TOO_DEEP);
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

    /// Skips an item of a list. Booleans are refused: they have a byte each, and the library reads none for them, so it
    /// would count to the announced length and parse other bytes than those that were checked. No list of Parquet's
    /// footers and headers has any.
    fn skip_item(&mut self, kind: u8, depth: usize) -> Result<(), &'static str> {
        if matches!(kind, TRUE | FALSE) { Err(BOOLEANS) } else { self.skip(kind, depth) }
    }

    /// Number and type of a struct's next field; `None` at its end.
    ///
    /// # Errors
    /// The header is cut short, or the field's number does not fit in 16 bits.
    pub fn field(&mut self, last: &mut i64) -> Result<Option<(i64, u8)>, &'static str> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        let number = match byte >> 4 {
            0 => {
                let number = self.number()?;
                (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
            }
            step => *last + i64::from(step),
        };
        // the library would take the lowest 16 bits for the number
        *last = i16::try_from(number).map_err(|_| MALFORMED)?.into();
        Ok(Some((*last, byte & 15)))
    }

    /// How many items follow, and of which type. Each has a byte or more.
    ///
    /// # Errors
    /// The header is cut short, or fewer bytes than items follow.
    pub fn list(&mut self) -> Result<(usize, u8), &'static str> {
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
    ///
    /// # Errors
    /// The number is cut short, or has more than ten bytes.
    pub fn number(&mut self) -> Result<u64, &'static str> {
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
