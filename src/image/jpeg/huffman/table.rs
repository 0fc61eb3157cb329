//! A Huffman table made into one that answers with code and value together.

/// What is added to the coefficient's number where the block ends: from no number on does it stay below this.
pub(super) const END: usize = 64;

/// The definition, as a JPEG gives it (T.81, B.2.4.2): how many codes there are of each length, and what they mean.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::image) struct Definition {
    /// `counts[n]` codes are `n` bits long; `counts[0]` means nothing.
    pub counts: [u8; 17],
    /// In the order of the codes.
    pub symbols: [u8; 256],
}

/// What the next bits begin with: one code with its value, or two where both fit the look-up. Packed, from the lowest bit:
///
/// | bits | what |
/// |---|---|
/// | 8 | bits of all codes and values |
/// | 8 | how far the coefficient's number moves with the first, which is [`END`] where the block ends |
/// | 16 | its value, 0 where 16 zeros are passed over |
/// | 16 | the value of the last |
/// | 8 | bits of the first |
/// | 8 | how far the number moves in all |
///
/// Where code and value together are longer than the look-up, the bits are 0, the first value is the code's symbol, and the
/// first advance its length (0 where it alone is too long).
#[derive(Clone, Copy, Default)]
pub(super) struct Step(u64);

impl Step {
    fn new(bits: u32, value: i16, advance: usize) -> Step {
        let (bits, value, advance) = (u64::from(bits), u64::from(value.cast_unsigned()), advance as u64);
        Step(bits | advance << 8 | value << 16 | value << 32 | bits << 48 | advance << 56)
    }

    fn half(symbol: u8, length: u32) -> Step {
        Step(u64::from(length) << 8 | u64::from(symbol) << 16)
    }

    /// Joins this step with the step after it.
    fn and(self, last: Step) -> Step {
        let first = self.0 & 0x00ff_0000_ffff_ff00;
        let advance = (self.advance() + last.advance()) as u64;
        Step(first | ((self.0 & 0xff) + (last.0 & 0xff)) | last.0 & 0xffff_0000_0000 | advance << 56)
    }

    /// Returns this step without the one after it.
    fn first(self) -> Step {
        if self.is_half() {
            self
        } else {
            Step::new(self.first_bits() & 63, self.first_value(), self.first_advance())
        }
    }

    /// Whether [`Table::long`] has to look.
    #[inline(always)]
    pub fn is_half(self) -> bool {
        self.0 & 0xff == 0
    }

    /// In the lowest six bits; the others are anything.
    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0 as u32
    }

    /// In the lowest six bits; the others are anything.
    #[inline(always)]
    pub fn first_bits(self) -> u32 {
        (self.0 >> 48) as u32
    }

    #[inline(always)]
    pub fn first_advance(self) -> usize {
        (self.0 >> 8 & 0xff) as usize
    }

    #[inline(always)]
    pub fn first_value(self) -> i16 {
        ((self.0 >> 16) as u16).cast_signed()
    }

    #[inline(always)]
    pub fn value(self) -> i16 {
        ((self.0 >> 32) as u16).cast_signed()
    }

    #[inline(always)]
    pub fn advance(self) -> usize {
        (self.0 >> 56) as usize
    }
}

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

/// Returns the number that `size` bits encode (T.81, figure F.12).
#[inline(always)]
fn extend(bits: u32, size: u32) -> i16 {
    let low = bits < (1 << size) >> 1;
    (bits.cast_signed() - if low { (1 << size) - 1 } else { 0 }) as i16
}

/// `LOOK` are the bits that one look-up sees.
pub(super) struct Table<const LOOK: u32> {
    kind: Kind,
    definition: Definition,
    /// Of 2^LOOK.
    look: Box<[Step]>,
    /// Codes of at most `index` bits, filled up to 16 bits, are below the value at `index`.
    below: [u32; 17],
    /// Place among the symbols of the first code of a length, less that code.
    offset: [i32; 17],
}

impl<const LOOK: u32> Table<LOOK> {
    pub fn new(kind: Kind) -> Self {
        let definition = Definition { counts: [0; 17], symbols: [0; 256] };
        Table {
            kind,
            definition,
            look: vec![Step::default(); 1 << LOOK].into(),
            below: [0; 17],
            offset: [0; 17],
        }
    }

    /// Nothing is done where the table is already the defined one: most files have the tables of the file before.
    pub fn define(&mut self, definition: &Definition) {
        if self.definition == *definition {
            return;
        }
        self.definition.clone_from(definition);
        self.look.fill(Step::default());
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
            self.pair();
        }
    }

    /// Adds a second code after each first code that leaves room for one in the look-up.
    fn pair(&mut self) {
        for bits in 0..self.look.len() {
            let step = self.look[bits];
            let taken = step.bits() & 63;
            // paired already or not, its first is what it was
            let next = self.look[bits << taken & (self.look.len() - 1)].first();
            if !step.is_half()
                && step.advance() != END
                && !next.is_half()
                && taken + (next.bits() & 63) <= LOOK
            {
                self.look[bits] = step.and(next);
            }
        }
    }

    fn enter(&mut self, code: u32, length: u32, symbol: u8) {
        let (advance, size) = self.kind.meaning(symbol);
        let first = (code << (LOOK - length)) as usize;
        let Some(entries) = self.look.get_mut(first..first + (1 << (LOOK - length))) else {
            return; // no prefix code; libjpeg has refused such a table
        };
        if length + size > LOOK {
            entries.fill(Step::half(symbol, length));
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

    /// What [`Table::look`] has found, where it is a half; 31 bits are looked at. `None` where no code is so.
    #[inline(always)]
    pub fn long(&self, half: Step, buffer: u64) -> Option<Step> {
        let (symbol, length) = match half.first_advance() {
            0 => self.search(buffer)?,
            length => (half.first_value() as u8, length as u32),
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
