//! The codings of ITU-T T.4 and T.6 for pages of two colours, line by line. The code words are those of the `fax` crate,
//! whose own decoder knows neither two-dimensional lines of Group 3 nor lines without a mark at their end.

use std::io::{self, ErrorKind, Read};

use fax::BitReader;
use fax::maps::{Mode, black, mode, white};

/// How lines are coded and separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// Run lengths alone; each line begins with a byte.
    Runs,
    /// A mark before each line, which shows whether the line is two-dimensional, if lines may be.
    Group3 { two_dimensional: bool },
    /// Two-dimensional lines without marks.
    Group4,
}

/// Reads the lines of a strip or a tile as packed bits; 0 is what the coding calls white.
pub(super) struct Lines<B> {
    bits: Bits<B>,
    coding: Coding,
    width: u32,
    /// Where the colour changes in the line before, which begins in white; ascending, all within the line.
    reference: Vec<u32>,
    current: Vec<u32>,
    line: Vec<u8>,
    /// Bytes of `line` that were given out.
    given: usize,
}

impl<B: AsRef<[u8]>> Lines<B> {
    pub(super) fn new(data: B, coding: Coding, width: u32) -> Lines<B> {
        let line = vec![0; width.div_ceil(8) as usize];
        let given = line.len();
        Lines {
            bits: Bits { data, at: 0 },
            coding,
            width,
            reference: Vec::new(),
            current: Vec::new(),
            line,
            given,
        }
    }

    fn next(&mut self) -> io::Result<()> {
        self.current.clear();
        match self.coding {
            Coding::Runs => {
                self.one_dimensional()?;
                self.bits.at = self.bits.at.next_multiple_of(8);
            }
            Coding::Group3 { two_dimensional } => {
                self.mark()?;
                if !two_dimensional || self.bits.take(1) == 1 {
                    self.one_dimensional()?;
                } else {
                    self.two_dimensional()?;
                }
            }
            Coding::Group4 => self.two_dimensional()?,
        }
        std::mem::swap(&mut self.reference, &mut self.current);
        self.line.fill(0);
        for run in self.reference.chunks(2).filter(|run| !run.is_empty()) {
            let end = run.get(1).copied().unwrap_or(self.width);
            blacken(&mut self.line, run[0] as usize, end as usize);
        }
        self.given = 0;
        Ok(())
    }

    /// Skips the mark before a line: eleven zeros or more, and a one.
    fn mark(&mut self) -> io::Result<()> {
        let mut zeros = 0;
        while self.bits.take(1) == 0 {
            zeros += 1;
            if self.bits.is_over() {
                return Err(self.bits.fault("a line has no mark"));
            }
        }
        if zeros >= 11 { Ok(()) } else { Err(self.bits.fault("a line has no mark")) }
    }

    fn one_dimensional(&mut self) -> io::Result<()> {
        let mut at = 0;
        while at < self.width {
            at = self.run(at, self.is_white())?;
            self.change(at);
            if at < self.width {
                at = self.run(at, self.is_white())?;
                self.change(at);
            }
        }
        Ok(())
    }

    fn two_dimensional(&mut self) -> io::Result<()> {
        // before the first column, then where the last code ended
        let mut at: Option<u32> = None;
        let mut next = 0;
        while at.unwrap_or(0) < self.width {
            while self.reference.get(next).is_some_and(|&change| at.is_some_and(|at| change <= at)) {
                next += 1;
            }
            // the next change away from the current colour: those at even places are to black
            let first = next + usize::from(next % 2 == usize::from(self.is_white()));
            let change = |index: usize| self.reference.get(index).copied().unwrap_or(self.width);
            let (b1, b2) = (change(first), change(first + 1));
            match mode::decode(&mut self.bits) {
                Some(Mode::Pass) => at = Some(b2),
                Some(Mode::Vertical(by)) => {
                    let to = i64::from(b1) + i64::from(by);
                    let least = i64::from(at.unwrap_or(0));
                    if !(least..=i64::from(self.width)).contains(&to) {
                        return Err(self.bits.fault("a change is not within its line"));
                    }
                    at = Some(to as u32);
                    self.change(to as u32);
                }
                Some(Mode::Horizontal) => {
                    let is_white = self.is_white();
                    let middle = self.run(at.unwrap_or(0), is_white)?;
                    let end = self.run(middle, !is_white)?;
                    self.change(middle);
                    self.change(end);
                    at = Some(end);
                }
                Some(Mode::EOF) => return Err(io::Error::from(ErrorKind::UnexpectedEof)),
                Some(Mode::Extension) | None => return Err(self.bits.fault("a code is not known")),
            }
        }
        Ok(())
    }

    fn is_white(&self) -> bool {
        self.current.len().is_multiple_of(2)
    }

    /// Records a change of colour; two at one place cancel each other.
    fn change(&mut self, at: u32) {
        if self.current.last() == Some(&at) {
            self.current.pop();
        } else if at < self.width {
            self.current.push(at);
        }
    }

    /// Returns where a run that begins at `at` ends.
    fn run(&mut self, at: u32, is_white: bool) -> io::Result<u32> {
        let mut end = at;
        loop {
            let code = if is_white { white::decode(&mut self.bits) } else { black::decode(&mut self.bits) };
            let Some(length) = code else { return Err(self.bits.fault("a code is not known")) };
            end += u32::from(length);
            if end > self.width {
                return Err(self.bits.fault("a run is longer than its line"));
            }
            if length < 64 {
                return Ok(end);
            }
        }
    }
}

impl<B: AsRef<[u8]>> Read for Lines<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.line.len() {
            self.next()?;
        }
        let count = buffer.len().min(self.line.len() - self.given);
        buffer[..count].copy_from_slice(&self.line[self.given..][..count]);
        self.given += count;
        Ok(count)
    }
}

fn blacken(line: &mut [u8], begin: usize, end: usize) {
    let (first, last) = (begin / 8, end / 8);
    let (head, tail) = (0xffu8 >> (begin % 8), !(0xffu8 >> (end % 8)));
    if first == last {
        if let Some(byte) = line.get_mut(first) {
            *byte |= head & tail;
        }
        return;
    }
    line[first] |= head;
    line[first + 1..last].fill(0xff);
    if tail != 0 {
        line[last] |= tail;
    }
}

/// Bits, the highest of each byte first. After the end come zeros, which no code consists of.
struct Bits<B> {
    data: B,
    at: usize,
}

impl<B: AsRef<[u8]>> Bits<B> {
    fn is_over(&self) -> bool {
        self.at > self.data.as_ref().len() * 8
    }

    fn take(&mut self, count: u8) -> u16 {
        let bits = self.peek(count).unwrap_or_default();
        self.at += usize::from(count);
        bits
    }

    /// Returns the error for an unknown code: near the end of the bytes, that they ended.
    fn fault(&self, what: &'static str) -> io::Error {
        if self.at + 13 > self.data.as_ref().len() * 8 {
            return io::Error::from(ErrorKind::UnexpectedEof);
        }
        io::Error::new(ErrorKind::InvalidData, what)
    }
}

impl<B: AsRef<[u8]>> BitReader for Bits<B> {
    type Error = io::Error;

    fn peek(&self, bits: u8) -> Option<u16> {
        let byte =
            |offset: usize| u32::from(self.data.as_ref().get(self.at / 8 + offset).copied().unwrap_or(0));
        let window = byte(0) << 16 | byte(1) << 8 | byte(2);
        let from_the_left = window << (8 + self.at % 8);
        Some(from_the_left.checked_shr(32 - u32::from(bits)).unwrap_or(0) as u16)
    }

    fn consume(&mut self, bits: u8) -> io::Result<()> {
        self.at += usize::from(bits);
        if self.is_over() { Err(io::Error::from(ErrorKind::UnexpectedEof)) } else { Ok(()) }
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        (self.at.wrapping_neg() % 8) as u8
    }
}
