//! Huffman decoding of a baseline scan, the larger half of a decode's time (docs/performance.md).
//!
//! It replaces libjpeg's own decoder where the data are regular: libjpeg asks for an MCU, gets its coefficients, and
//! continues with them. Irregular data are handed back at the MCU where they begin, with the exact place in the file:
//! restart markers, codes that do not exist, runs that leave their block, the end of the data. libjpeg then decodes
//! them as it would have without this decoder, so that not a byte differs.
//!
//! Faster than libjpeg's: code and value come out of one look-up ([`table`]), 56 bits are fetched at a time without a
//! branch because the stuffed zeros are taken out beforehand ([`window`]), the tables of the last file are kept, and
//! coefficients that are not needed are not made.

mod table;
#[cfg(test)]
mod tests;
mod window;

pub(in crate::image) use table::{Definition, Kind};
use table::{END, Step, Table};
use window::Window;

use crate::failpoints;

/// A block's coefficients, row by row.
pub(super) type Block = [i16; 64];

/// Components of a scan, and tables of a kind, at most (T.81, B.2).
pub(super) const COMPONENTS: usize = 4;

/// Blocks of an MCU, at most (T.81, B.2.3).
pub(super) const BLOCKS: usize = 10;

/// Row-by-row place of each coefficient in zigzag order (T.81, figure A.6).
const PLACES: [u8; 64] = places();

const fn places() -> [u8; 64] {
    let mut places = [0; 64];
    let (mut row, mut column, mut at) = (0usize, 0usize, 0);
    while at < 64 {
        places[at] = (row * 8 + column) as u8;
        let up = (row + column).is_multiple_of(2);
        match (up, row, column) {
            (true, _, 7) | (false, 7, _) => {
                if up {
                    row += 1
                } else {
                    column += 1
                }
            }
            (true, 0, _) => column += 1,
            (false, _, 0) => row += 1,
            (true, _, _) => (row, column) = (row - 1, column + 1),
            (false, _, _) => (row, column) = (row + 1, column - 1),
        }
        at += 1;
    }
    places
}

/// Bits that a look-up sees.
const DC_LOOK: u32 = 8;
const AC_LOOK: u32 = 10;

/// Which component a block of an MCU belongs to, and its tables.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Member {
    pub component: u8,
    pub dc: u8,
    pub ac: u8,
}

/// The position of a scan between two MCUs.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// Bytes of the input that are used up.
    pub read: usize,
    /// Of them, the last `left` bits were not.
    pub bits: u64,
    pub left: u32,
    /// The last DC coefficient of each component.
    pub dc: [i32; COMPONENTS],
}

/// Which coefficients of an MCU are decoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Nothing,
    Dc,
    All,
}

/// libjpeg has to decode this MCU. The scan is back where the MCU begins; the MCU's blocks hold anything.
#[derive(Debug)]
pub(super) struct Unusual;

/// Bits that are buffered, and where they come from.
#[derive(Clone, Copy, Default)]
struct Bits {
    /// From the top. Below the `count` valid bits are some that will be read again.
    buffer: u64,
    /// How many, in the lowest six bits; the others are anything.
    count: u32,
    /// The byte of the window that is read next.
    at: usize,
}

impl Bits {
    /// Makes them 56 or more.
    #[inline(always)]
    fn refill(&mut self, window: &Window) {
        let count = self.count & 63;
        self.buffer |= window.load(self.at) >> count;
        self.at += ((63 - count) >> 3) as usize;
        self.count = count | 56;
    }

    /// By their number in the lowest six bits.
    #[inline(always)]
    fn take(&mut self, count: u32) {
        self.buffer <<= count & 63;
        self.count = self.count.wrapping_sub(count);
    }

    /// Returns the step of `table` that the bits begin with, without taking it. Refills the bits if the look-up alone
    /// does not decide.
    #[inline(always)]
    fn next(&mut self, table: &Table<DC_LOOK>, window: &Window) -> Option<Step> {
        let step = table.look(self.buffer);
        if step.is_half() {
            self.refill(window);
            return table.long(step, self.buffer);
        }
        Some(step)
    }

    /// Bits of the window that are taken.
    fn position(&self) -> usize {
        self.at * 8 - (self.count & 63) as usize
    }
}

/// The decoder of a scan. Kept from image to image for its buffers and tables.
pub(super) struct Scan {
    window: Window,
    bits: Bits,
    last: [i32; COMPONENTS],
    /// `bits` and `last` before the MCU that is decoded.
    before: (Bits, [i32; COMPONENTS]),
    /// The position while the window reads on: a panic there leaves the window unusable.
    saved: Option<Position>,
    members: [Member; BLOCKS],
    blocks: usize,
    dc: [Table<DC_LOOK>; COMPONENTS],
    ac: [Table<AC_LOOK>; COMPONENTS],
    #[cfg(target_arch = "x86_64")]
    bmi2: bool,
}

impl Scan {
    pub fn new() -> Scan {
        Scan {
            window: Window::new(),
            bits: Bits::default(),
            last: [0; COMPONENTS],
            before: (Bits::default(), [0; COMPONENTS]),
            saved: None,
            members: [Member::default(); BLOCKS],
            blocks: 0,
            dc: std::array::from_fn(|_| Table::new(Kind::Dc)),
            ac: std::array::from_fn(|_| Table::new(Kind::Ac)),
            #[cfg(target_arch = "x86_64")]
            bmi2: is_x86_feature_detected!("bmi2"),
        }
    }

    /// The blocks of an MCU, at most [`BLOCKS`].
    pub fn consists_of(&mut self, members: &[Member]) {
        failpoints::pass("jpeg.begin");
        self.members[..members.len()].copy_from_slice(members);
        self.blocks = members.len();
    }

    /// Table `number`, below [`COMPONENTS`], of the DC coefficients or of the others.
    pub fn define(&mut self, kind: Kind, number: usize, definition: &Definition) {
        failpoints::pass("jpeg.define");
        match kind {
            Kind::Dc => self.dc[number].define(definition),
            Kind::Ac => self.ac[number].define(definition),
        }
    }

    /// Continues from a position whose bytes are read; the input of the next calls begins after them.
    pub fn take_over(&mut self, position: &Position) {
        let bytes = position.bits.to_be_bytes();
        let before = &bytes[8 - (position.left as usize).div_ceil(8)..];
        self.window.restart(before);
        self.bits = Bits::default();
        let taken = before.len() as u32 * 8 - position.left;
        if taken > 0 {
            self.bits = Bits { buffer: u64::from(before[0]) << 56 << taken, count: 8 - taken, at: 1 };
        }
        self.last = position.dc;
        self.saved = None;
        failpoints::pass("jpeg.take_over");
    }

    /// The position before the next MCU.
    pub fn hand_back(&self) -> Position {
        failpoints::pass("jpeg.hand_back");
        if let Some(position) = self.saved {
            return position;
        }
        let (read, bits, left) = self.window.position(self.bits.position());
        Position { read, bits, left, dc: self.last }
    }

    /// Decodes an MCU into its blocks, which are zero before; `input` is the same for all calls since `take_over`. Blocks
    /// are left alone, and may be none, if `wanted` is [`Wanted::Nothing`].
    ///
    /// # Errors
    /// [`Unusual`]: a code is unknown, a run leaves its block, the bytes end too early, or `blocks` has too few.
    pub fn mcu(&mut self, input: &[u8], wanted: Wanted, blocks: &mut [Block]) -> Result<(), Unusual> {
        self.before = (self.bits, self.last);
        let from = self.bits.position() / 8;
        if self.window.is_short(from) {
            self.saved = Some(self.hand_back());
            self.bits.at -= self.window.advance(input, from);
            self.saved = None;
            self.before.0 = self.bits;
        }
        #[cfg(target_arch = "x86_64")]
        let decoded = if self.bmi2 {
            // SAFETY: the feature was found.
            unsafe { self.decode_bmi2(wanted, blocks) }
        } else {
            self.decode(wanted, blocks)
        };
        #[cfg(not(target_arch = "x86_64"))]
        let decoded = self.decode(wanted, blocks);
        if decoded.is_some() && self.window.holds(self.bits.position()) {
            return Ok(());
        }
        self.go_back();
        Err(Unusual)
    }

    /// Returns to where [`Scan::mcu`] began, after it panicked.
    pub fn go_back(&mut self) {
        (self.bits, self.last) = self.before;
    }

    /// Shifts by a variable number of bits are one instruction with it.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "bmi2")]
    fn decode_bmi2(&mut self, wanted: Wanted, blocks: &mut [Block]) -> Option<()> {
        self.decode(wanted, blocks)
    }

    #[inline(always)]
    fn decode(&mut self, wanted: Wanted, blocks: &mut [Block]) -> Option<()> {
        let Scan { window, bits, last, members, dc, ac, .. } = self;
        let mut hand = *bits;
        for (number, member) in members[..self.blocks].iter().enumerate() {
            let (dc, ac) =
                (&dc[usize::from(member.dc) % COMPONENTS], &ac[usize::from(member.ac) % COMPONENTS]);
            hand.refill(window);
            let step = hand.next(dc, window)?;
            hand.take(step.bits());
            let last = &mut last[usize::from(member.component) % COMPONENTS];
            *last = last.wrapping_add(i32::from(step.value()));
            if wanted == Wanted::All {
                let block = blocks.get_mut(number)?;
                block[0] = *last as i16;
                coefficients(window, &mut hand, ac, |at, value| {
                    block[usize::from(PLACES[at & 63] & 63)] = value;
                })?;
            } else {
                if wanted == Wanted::Dc {
                    blocks.get_mut(number)?[0] = *last as i16;
                }
                coefficients(window, &mut hand, ac, |_, _| ())?;
            }
        }
        failpoints::pass("jpeg.mcu");
        *bits = hand;
        Some(())
    }
}

/// Reads all coefficients of a block but the first, and puts them to their numbers. A run that leaves the block is as
/// unusual as a code that is none.
#[inline(always)]
fn coefficients(
    window: &Window,
    bits: &mut Bits,
    table: &Table<AC_LOOK>,
    mut put: impl FnMut(usize, i16),
) -> Option<()> {
    /// Look-ups for which the bits of one fetch suffice.
    const LOOKS: u32 = 56 / AC_LOOK;
    let mut hand = *bits;
    let mut at = 0;
    let (last, value) = 'block: loop {
        hand.refill(window);
        for _ in 0..LOOKS {
            let step = table.look(hand.buffer);
            if step.is_half() {
                hand.refill(window);
                let step = table.long(step, hand.buffer)?;
                hand.take(step.bits());
                at += step.advance();
                if at >= 63 {
                    break 'block (step.advance(), step.value());
                }
                put(at, step.value());
                continue 'block;
            }
            let (first, next) = (at + step.first_advance(), at + step.advance());
            if next >= 63 {
                if first >= 63 {
                    hand.take(step.first_bits());
                    at = first;
                    break 'block (step.first_advance(), step.first_value());
                }
                hand.take(step.bits());
                put(first, step.first_value());
                at = next;
                break 'block (next - first, step.value());
            }
            hand.take(step.bits());
            put(first, step.first_value());
            put(next, step.value());
            at = next;
        }
    };
    *bits = hand;
    if at == 63 {
        put(63, value);
    } else if last != END {
        return None;
    }
    Some(())
}
