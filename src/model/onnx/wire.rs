//! A protobuf message as the fields that it is written in, so that what is not understood can be copied as it is.

/// One field of a message.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Field<'a> {
    pub number: u64,
    /// The content of a field with a length (a message, text, bytes), else empty.
    pub body: &'a [u8],
    /// The value of a field that is a variable-length integer, else 0.
    pub value: u64,
    /// All of its bytes.
    pub whole: &'a [u8],
}

/// Bytes that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model) struct Damaged;

/// Iterates over the fields of a message, in their order; ends after the first damage.
pub(in crate::model) fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

pub(in crate::model) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = field(self.rest);
        self.rest = field.map_or(&[], |field| &self.rest[field.whole.len()..]);
        Some(field.ok_or(Damaged))
    }
}

fn field(bytes: &[u8]) -> Option<Field<'_>> {
    let (key, mut at) = varint(bytes)?;
    let (mut body, mut value): (&[u8], u64) = (&[], 0);
    match key & 7 {
        0 => {
            let (found, length) = varint(&bytes[at..])?;
            value = found;
            at += length;
        }
        1 => at += 8,
        2 => {
            let (length, prefix) = varint(&bytes[at..])?;
            at += prefix;
            let end = at.checked_add(usize::try_from(length).ok()?)?;
            body = bytes.get(at..end)?;
            at = end;
        }
        5 => at += 4,
        // groups are of no version of ONNX
        _ => return None,
    }
    Some(Field { number: key >> 3, body, value, whole: bytes.get(..at)? })
}

/// A variable-length integer, and the bytes that it takes.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some((value, at + 1));
        }
    }
    None
}

/// Adds a field with a length to a message.
pub(in crate::model) fn push(message: &mut Vec<u8>, number: u64, body: &[u8]) {
    push_varint(message, number << 3 | 2);
    push_varint(message, body.len() as u64);
    message.extend_from_slice(body);
}

fn push_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_message_belongs_to_one_field() {
        let mut message = vec![0x08, 0xac, 0x02, 0x15, 1, 2, 3, 4, 0x19, 1, 2, 3, 4, 5, 6, 7, 8];
        push(&mut message, 300, b"text");
        let found: Vec<Field<'_>> = fields(&message).map(Result::unwrap).collect();
        let parts: Vec<_> = found.iter().map(|field| (field.number, field.value, field.body)).collect();
        let none: &[u8] = b"";
        assert_eq!(parts, [(1, 300, none), (2, 0, none), (3, 0, none), (300, 0, b"text")]);
        assert_eq!(found.iter().flat_map(|field| field.whole).copied().collect::<Vec<u8>>(), message);
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_damaged() {
        for bytes in
            [&b"\x0a\x05text"[..], b"\x08", b"\x08\xff", b"\x0b", b"\x15\x01", &[0xff; 11], &[0x0a, 0xff]]
        {
            assert!(fields(bytes).any(|field| field.is_err()), "{bytes:?}");
            assert!(fields(bytes).count() <= 2, "{bytes:?}");
        }
    }
}
