//! A Huffman table made into one that answers with code and value together.

/// Bits that one look-up sees. A table of them takes 8 KiB, so that those of a scan stay in the first cache.
pub(super) const LOOK: u32 = 11;

/// What is added to the coefficient's number where the block ends: from no number on does it stay below this.
pub(super) const END: usize = 64;

/// The same where a look-up does not suffice.
const HALF: usize = 128;

/// The definition, as a JPEG gives it (T.81, B.2.4.2): how many codes there are of each length, and what they mean.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::image) struct Definition {
    /// `counts[n]` codes are `n` bits long; `counts[0]` means nothing.
    pub counts: [u8; 17],
    /// In the order of the codes.
    pub symbols: [u8; 256],
}

/// What the next bits begin with, packed: bits of the code and of its value (8), the value (16), and how far the
/// coefficient's number moves (8), which is [`END`] where the block ends. The value is 0 where 16 zeros are passed over.
///
/// Where code and value together are longer than the look-up, the bits are 0, in place of the value stands the code's
/// symbol, and the advance is [`HALF`] and the code's length (0 where it alone is too long).
#[derive(Clone, Copy, Default)]
pub(super) struct Step(u32);

impl Step {
    fn new(bits: u32, value: i16, advance: usize) -> Step {
        Step(bits | u32::from(value.cast_unsigned()) << 8 | (advance as u32) << 24)
    }

    /// Whether [`Table::long`] has to look.
    #[inline(always)]
    pub fn is_half(self) -> bool {
        self.0 & 0xff == 0
    }

    /// In the lowest six bits; the others are anything.
    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0
    }

    #[inline(always)]
    pub fn value(self) -> i16 {
        ((self.0 >> 8) as u16).cast_signed()
    }

    #[inline(always)]
    pub fn advance(self) -> usize {
        (self.0 >> 24) as usize
    }
}

/// As many whole steps as the look-up sees, without their values: their bits (8), and how far the coefficient's number
/// moves in all (16). The last may be the block's end.
#[derive(Clone, Copy, Default)]
pub(super) struct Leap(u32);

impl Leap {
    /// In the lowest six bits; the others are anything.
    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0
    }

    #[inline(always)]
    pub fn advance(self) -> usize {
        (self.0 >> 8) as usize
    }

    /// With the block's end, which adds nothing to the advance.
    #[inline(always)]
    pub fn without_end(self) -> Option<usize> {
        let advance = self.advance();
        (advance & LEAP_END != 0).then_some(advance & !LEAP_END)
    }
}

/// In place of [`END`] in a leap, whose other steps may add up to more.
const LEAP_END: usize = 1 << 12;

/// Which coefficients a table is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::image) enum Kind {
    /// A symbol is the size of a difference.
    Dc,
    /// A symbol is a run of zeros and a size.
    Ac,
}

impl Kind {
    /// Advance and size of a symbol. An AC symbol of size 0 ends the block, unless its run is 15 (T.81, F.2.2.2).
    #[inline(always)]
    fn meaning(self, symbol: u8) -> (usize, u32) {
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        match self {
            Kind::Dc => (0, size),
            Kind::Ac if size == 0 && run < 15 => (END, 0),
            Kind::Ac => (run + 1, size),
        }
    }
}

/// The number that `size` bits stand for (T.81, figure F.12).
#[inline(always)]
fn extend(bits: u32, size: u32) -> i16 {
    let low = bits < (1 << size) >> 1;
    (bits.cast_signed() - if low { (1 << size) - 1 } else { 0 }) as i16
}

/// No code of so few bits.
const NONE: Step = Step((HALF as u32) << 24);

pub(super) struct Table {
    kind: Kind,
    definition: Definition,
    look: Box<[Step; 1 << LOOK]>,
    leaps: Box<[Leap; 1 << LOOK]>,
    /// Codes of at most so many bits, filled up to 16 bits, lie below this.
    below: [u32; 17],
    /// Place among the symbols of the first code of a length, less that code.
    offset: [i32; 17],
}

impl Table {
    pub fn new(kind: Kind) -> Table {
        let definition = Definition { counts: [0; 17], symbols: [0; 256] };
        Table { kind, definition, look: Box::new([NONE; 1 << LOOK]), leaps: Box::new([Leap::default(); 1 << LOOK]), below: [0; 17], offset: [0; 17] }
    }

    /// Nothing is done where the table is already the defined one: most files have the tables of the file before.
    pub fn define(&mut self, definition: &Definition) {
        if self.definition == *definition {
            return;
        }
        self.definition.clone_from(definition);
        self.look.fill(NONE);
        let (mut code, mut place) = (0u32, 0usize);
        for length in 1..=16u32 {
            self.offset[length as usize] = place as i32 - code.cast_signed();
            for _ in 0..definition.counts[length as usize] {
                let symbol = definition.symbols[place & 255];
                if length <= LOOK {
                    self.enter(code, length, symbol);
                }
                (code, place) = (code + 1, place + 1);
            }
            self.below[length as usize] = code << (16 - length);
            code <<= 1;
        }
        if self.kind == Kind::Ac {
            self.leap();
        }
    }

    fn leap(&mut self) {
        for (bits, leap) in self.leaps.iter_mut().enumerate() {
            let (mut taken, mut advance) = (0, 0);
            loop {
                let step = self.look[bits << taken & ((1 << LOOK) - 1)];
                let more = step.bits() & 0xff;
                if step.is_half() || taken + more > LOOK {
                    break;
                }
                taken += more;
                if step.advance() == END {
                    advance |= LEAP_END;
                    break;
                }
                advance += step.advance();
            }
            // a step that is not whole is no reason to go on
            let advance = if taken == 0 { LEAP_END << 1 } else { advance };
            *leap = Leap(taken | (advance as u32) << 8);
        }
    }

    fn enter(&mut self, code: u32, length: u32, symbol: u8) {
        let (advance, size) = self.kind.meaning(symbol);
        let first = (code << (LOOK - length)) as usize;
        let Some(entries) = self.look.get_mut(first..first + (1 << (LOOK - length))) else {
            return; // no prefix code; libjpeg has refused such a table
        };
        if length + size > LOOK {
            entries.fill(Step::new(0, i16::from(symbol), HALF + length as usize));
            return;
        }
        let each = 1 << (LOOK - length - size);
        for (bits, entries) in entries.chunks_exact_mut(each).enumerate() {
            let value = extend(bits as u32, size);
            entries.fill(Step::new(length + size, value, advance));
        }
    }

    /// By the first bits of `buffer`, which is filled from the top.
    #[inline(always)]
    pub fn look(&self, buffer: u64) -> Step {
        self.look[(buffer >> (64 - LOOK)) as usize]
    }

    /// The same for [`Leap`].
    #[inline(always)]
    pub fn leap_at(&self, buffer: u64) -> Leap {
        self.leaps[(buffer >> (64 - LOOK)) as usize]
    }

    /// What [`Table::look`] has found, where it is a half; 31 bits are looked at. `None` where no code is so.
    #[inline(always)]
    pub fn long(&self, half: Step, buffer: u64) -> Option<Step> {
        let (symbol, length) = match half.advance() - HALF {
            0 => self.search(buffer)?,
            length => (half.value() as u8, length as u32),
        };
        let (advance, size) = self.kind.meaning(symbol);
        let value = extend((buffer << length >> 1 >> (63 - size)) as u32, size);
        Some(Step::new(length + size, value, advance))
    }

    /// Symbol and length of a code that is longer than the look-up.
    #[cold]
    #[inline(never)]
    fn search(&self, buffer: u64) -> Option<(u8, u32)> {
        let bits = (buffer >> 48) as u32;
        let length = (LOOK + 1..=16).find(|length| bits < self.below[*length as usize])?;
        let place = (bits >> (16 - length)).cast_signed() + self.offset[length as usize];
        Some((self.definition.symbols[place as usize & 255], length))
    }
}
