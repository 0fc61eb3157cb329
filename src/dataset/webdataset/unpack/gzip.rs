//! Members of a gzip file (RFC 1952), one after another.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::step::Step;

/// The only method that there is.
const DEFLATE: u8 = 8;

// what a header has after its fixed fields
const HEADER_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// The field that is being read, and how many of its bytes were.
#[derive(Debug, Clone, Copy)]
enum Field {
    Fixed { at: u8 },
    ExtraLength { at: u8, length: u16 },
    Extra { left: u16 },
    Name,
    Comment,
    HeaderCrc { left: u8 },
    Data,
    Trailer { at: u8, value: u64 },
}

/// The decoder of one member after another.
pub(super) struct Gzip {
    field: Field,
    flags: u8,
    inflate: Decompress,
    crc: Crc,
}

impl Gzip {
    pub fn new() -> Gzip {
        Gzip { field: Field::Fixed { at: 0 }, flags: 0, inflate: Decompress::new(false), crc: Crc::new() }
    }

    /// Decodes bytes of `input` into `out`, at most to the end of a member, and moves `input` past them.
    ///
    /// # Errors
    /// A header has an unknown method or flag, the data cannot be inflated, or length or checksum differ from the
    /// trailer.
    pub fn step(&mut self, input: &mut &[u8], out: &mut [u8]) -> Result<Step, String> {
        loop {
            if matches!(self.field, Field::Data) {
                let written = self.data(input, out)?;
                if written > 0 || matches!(self.field, Field::Data) {
                    return Ok(Step { written, is_done: false });
                }
            }
            let Some((byte, rest)) = input.split_first() else {
                return Ok(Step { written: 0, is_done: false });
            };
            *input = rest;
            if self.byte(*byte)? {
                return Ok(Step { written: 0, is_done: true });
            }
        }
    }

    /// Inflates; the data has ended where its field is another one then.
    fn data(&mut self, input: &mut &[u8], out: &mut [u8]) -> Result<usize, String> {
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, out, FlushDecompress::None);
        let status = status.map_err(|error| error.to_string())?;
        let read = (self.inflate.total_in() - read) as usize;
        let written = (self.inflate.total_out() - written) as usize;
        *input = &input[read..];
        self.crc.update(&out[..written]);
        if status == Status::StreamEnd {
            self.field = Field::Trailer { at: 0, value: 0 };
        } else if read == 0 && written == 0 && !input.is_empty() {
            return Err("the data cannot be inflated".into());
        }
        Ok(written)
    }

    /// Takes a byte of a header or a trailer; true where the member has ended.
    fn byte(&mut self, byte: u8) -> Result<bool, String> {
        self.field = match self.field {
            Field::Fixed { at } => {
                match (at, byte) {
                    (2, method) if method != DEFLATE => {
                        return Err(format!("the method {method} is not known"));
                    }
                    (3, flags) if flags & RESERVED != 0 => return Err("a header has unknown flags".into()),
                    (3, flags) => self.flags = flags,
                    _ => {}
                }
                if at < 9 { Field::Fixed { at: at + 1 } } else { self.after(0) }
            }
            Field::ExtraLength { at: 0, .. } => Field::ExtraLength { at: 1, length: u16::from(byte) },
            Field::ExtraLength { length, .. } => match length | u16::from(byte) << 8 {
                0 => self.after(EXTRA),
                left => Field::Extra { left },
            },
            Field::Extra { left: 1 } => self.after(EXTRA),
            Field::Extra { left } => Field::Extra { left: left - 1 },
            Field::Name if byte == 0 => self.after(NAME),
            Field::Comment if byte == 0 => self.after(COMMENT),
            Field::HeaderCrc { left: 1 } => self.after(HEADER_CRC),
            Field::HeaderCrc { left } => Field::HeaderCrc { left: left - 1 },
            Field::Trailer { at, value } => {
                let value = value | u64::from(byte) << (8 * at);
                if at == 7 {
                    self.end(value)?;
                    return Ok(true);
                }
                Field::Trailer { at: at + 1, value }
            }
            same @ (Field::Name | Field::Comment | Field::Data) => same,
        };
        Ok(false)
    }

    /// The field after the one of this flag; 0 for the fixed fields.
    fn after(&self, flag: u8) -> Field {
        // in the order of the file, which is not that of the flags
        let fields = [
            (EXTRA, Field::ExtraLength { at: 0, length: 0 }),
            (NAME, Field::Name),
            (COMMENT, Field::Comment),
            (HEADER_CRC, Field::HeaderCrc { left: 2 }),
        ];
        let done = fields.iter().position(|(each, _)| *each == flag).map_or(0, |at| at + 1);
        let next = fields[done..].iter().find(|(each, _)| self.flags & each != 0);
        next.map_or(Field::Data, |(_, field)| *field)
    }

    /// Compares the trailer, and is ready for the next member.
    fn end(&mut self, trailer: u64) -> Result<(), String> {
        let (sum, length) = (trailer as u32, (trailer >> 32) as u32);
        let (crc, amount) = (self.crc.sum(), self.crc.amount());
        if (sum, length) != (crc, amount) {
            return Err(format!(
                "{amount} bytes with the checksum {crc:08x} came, but the member has {length} and {sum:08x}"
            ));
        }
        self.inflate.reset(false);
        self.crc.reset();
        self.field = Field::Fixed { at: 0 };
        Ok(())
    }
}
