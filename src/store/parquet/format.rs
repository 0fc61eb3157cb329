//! The fields of a footer and of a page's header, with their types (source: parquet.thrift of the Parquet format).
//!
//! The library goes by a field's number and does not look at its type. If that is another one, it understands the bytes
//! after it otherwise than they were checked: it finds lists of thousands of millions of items there.

use super::thrift::{BINARY, BYTE, Compact, DOUBLE, FALSE, LIST, MALFORMED, STRUCT, TRUE, is_number};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Boolean,
    /// Of 16, 32 or 64 bits: all three have the same bytes, and some writers take another than the format has.
    Number,
    Byte,
    Double,
    Binary,
    List(&'static Shape),
    Struct(Fields),
}

/// The fields of a struct by their numbers. Others are skipped, by the library too.
pub type Fields = &'static [(i64, Shape)];

use Shape::{Binary, Boolean, Byte, Double, List, Number, Struct};

const NONE: Fields = &[];

const DECIMAL: Fields = &[(1, Number), (2, Number)];
const TIME: Fields = &[(1, Boolean), (2, Struct(&[(1, Struct(NONE)), (2, Struct(NONE)), (3, Struct(NONE))]))];
const INTEGER: Fields = &[(1, Byte), (2, Boolean)];

/// Field 10 of an element of the schema.
pub const LOGICAL_TYPE: Fields = &[
    (1, Struct(NONE)),
    (2, Struct(NONE)),
    (3, Struct(NONE)),
    (4, Struct(NONE)),
    (5, Struct(DECIMAL)),
    (6, Struct(NONE)),
    (7, Struct(TIME)),
    (8, Struct(TIME)),
    (10, Struct(INTEGER)),
    (11, Struct(NONE)),
    (12, Struct(NONE)),
    (13, Struct(NONE)),
    (14, Struct(NONE)),
    (15, Struct(NONE)),
    (16, Struct(&[(1, Byte)])),
    (17, Struct(&[(1, Binary)])),
    (18, Struct(&[(1, Binary), (2, Number)])),
];

const STATISTICS: Fields = &[
    (1, Binary),
    (2, Binary),
    (3, Number),
    (4, Number),
    (5, Binary),
    (6, Binary),
    (7, Boolean),
    (8, Boolean),
    (9, Number),
];

const SIZES: Fields = &[(1, Number), (2, List(&Number)), (3, List(&Number))];

const BOX: Fields =
    &[(1, Double), (2, Double), (3, Double), (4, Double), (5, Double), (6, Double), (7, Double), (8, Double)];

const KEY_VALUE: Shape = Struct(&[(1, Binary), (2, Binary)]);

const COLUMN: Fields = &[
    (1, Number),
    (2, List(&Number)),
    (3, List(&Binary)),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, List(&KEY_VALUE)),
    (9, Number),
    (10, Number),
    (11, Number),
    (12, Struct(STATISTICS)),
    (13, List(&Struct(&[(1, Number), (2, Number), (3, Number)]))),
    (14, Number),
    (15, Number),
    (16, Struct(SIZES)),
    (17, Struct(&[(1, Struct(BOX)), (2, List(&Number))])),
];

const CHUNK: Shape = Struct(&[
    (1, Binary),
    (2, Number),
    (3, Struct(COLUMN)),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, Struct(&[(1, Struct(NONE)), (2, Struct(&[(1, List(&Binary)), (2, Binary)]))])),
    (9, Binary),
]);

const SORTING: Shape = Struct(&[(1, Number), (2, Boolean), (3, Boolean)]);

const ROW_GROUP: Shape = Struct(&[
    (1, List(&CHUNK)),
    (2, Number),
    (3, Number),
    (4, List(&SORTING)),
    (5, Number),
    (6, Number),
    (7, Number),
]);

const CIPHER: Shape = Struct(&[(1, Binary), (2, Binary), (3, Boolean)]);

/// The footer; its schema, which is field 2, is read before.
pub const FOOTER: Fields = &[
    (1, Number),
    (3, Number),
    (4, List(&ROW_GROUP)),
    (5, List(&KEY_VALUE)),
    (6, Binary),
    (7, List(&Struct(&[(1, Struct(NONE)), (2, Struct(NONE))]))),
    (8, Struct(&[(1, CIPHER), (2, CIPHER)])),
    (9, Binary),
];

/// The header of a page.
pub const PAGE_HEADER: Fields = &[
    (1, Number),
    (2, Number),
    (3, Number),
    (4, Number),
    (5, Struct(&[(1, Number), (2, Number), (3, Number), (4, Number), (5, Struct(STATISTICS))])),
    (6, Struct(NONE)),
    (7, Struct(&[(1, Number), (2, Number), (3, Boolean)])),
    (
        8,
        Struct(&[
            (1, Number),
            (2, Number),
            (3, Number),
            (4, Number),
            (5, Number),
            (6, Number),
            (7, Boolean),
            (8, Struct(STATISTICS)),
        ]),
    ),
];

impl Shape {
    fn is(self, kind: u8) -> bool {
        match self {
            Boolean => matches!(kind, TRUE | FALSE),
            Number => is_number(kind),
            Byte => kind == BYTE,
            Double => kind == DOUBLE,
            Binary => kind == BINARY,
            List(_) => kind == LIST,
            Struct(_) => kind == STRUCT,
        }
    }
}

impl Compact<'_> {
    /// Skips a struct of these fields.
    ///
    /// # Errors
    /// A field that has not the type of its number, and what [`Compact::skip`] refuses.
    pub fn fields(&mut self, fields: Fields) -> Result<(), &'static str> {
        self.fields_after(0, fields)
    }

    /// Skips what is left of a struct after its field `last`.
    ///
    /// # Errors
    /// Those of [`Compact::fields`].
    pub fn fields_after(&mut self, mut last: i64, fields: Fields) -> Result<(), &'static str> {
        while let Some((id, kind)) = self.field(&mut last)? {
            match fields.iter().find(|(known, _)| *known == id) {
                Some((_, shape)) => self.value(*shape, kind)?,
                None => self.skip(kind, 0)?,
            }
        }
        Ok(())
    }

    /// Skips a field of this shape, which is written as this type.
    ///
    /// # Errors
    /// A type that is not that of the shape, and what [`Compact::list`] and [`Compact::skip`] refuse.
    pub fn value(&mut self, shape: Shape, kind: u8) -> Result<(), &'static str> {
        if !shape.is(kind) {
            return Err(MALFORMED);
        }
        match shape {
            Struct(fields) => self.fields(fields),
            List(item) => {
                let (count, kind) = self.list()?;
                for _ in 0..count {
                    self.value(*item, kind)?;
                }
                Ok(())
            }
            _ => self.skip(kind, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::thrift::{I16, I32, I64};
    use super::*;

    const OWN: Fields = &[(1, Number), (2, Struct(&[(1, Boolean)])), (3, List(&Binary))];

    fn check(bytes: &[u8]) -> Result<usize, &'static str> {
        let mut bytes = Compact(bytes);
        bytes.fields(OWN).map(|()| bytes.0.len())
    }

    #[test]
    fn fields_of_their_types_are_skipped_and_unknown_ones_too() {
        for number in [I16, I32, I64] {
            // a number, a struct with a boolean, a list of one text, an unknown double
            let bytes = [0x10 | number, 0x02, 0x1c, 0x11, 0x00, 0x19, 0x18, 0x01, b'a', 0x17];
            assert_eq!(check(&[&bytes[..], &[0; 8], &[0, 9]].concat()), Ok(1));
        }
        // a list of nothing, whose type some writers leave out
        assert_eq!(check(&[0x39, 0x00, 0x00]), Ok(0));
    }

    #[test]
    fn a_field_of_another_type_than_its_number_has_is_malformed() {
        for bytes in [
            // a binary, a struct or a list as the number
            &[0x18, 0x01, b'a', 0x00][..],
            &[0x1c, 0x00, 0x00],
            &[0x19, 0x05, 0x00],
            // a number as the struct, and as the boolean inside of it
            &[0x25, 0x02, 0x00],
            &[0x2c, 0x15, 0x02, 0x00, 0x00],
            // a list of numbers as that of texts
            &[0x39, 0x15, 0x02, 0x00],
            // the number 1 written as 65537, which is 1 for the library
            &[0x08, 0x82, 0x80, 0x08, 0x00, 0x00],
        ] {
            assert_eq!(check(bytes), Err(MALFORMED), "{bytes:02x?}");
        }
    }
}
