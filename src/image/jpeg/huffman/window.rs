//! The bytes of a scan without the zeros that are stuffed in after each 0xff, some thousands at a time.

use crate::failpoints;

/// Bytes that are kept ready.
const SIZE: usize = 16 << 10;

/// What an MCU can take at most, 10 blocks of 64 codes of 16 bits with values of 15 bits, and what is read ahead of it.
const MOST: usize = 10 * 64 * 31 / 8 + 16;

pub(super) struct Window {
    bytes: Box<[u8; SIZE + MOST]>,
    /// Of `bytes`, how many are the scan's. After them are zeros if the scan has ended, else bytes that are not read.
    end: usize,
    /// Of `bytes`, how many were given to [`Window::restart`]: they are no more among the input.
    kept: usize,
    /// Of the input, how many bytes are used up.
    next: usize,
    /// A marker is next, or something like one, or nothing.
    ended: bool,
}

impl Window {
    pub fn new() -> Window {
        Window { bytes: Box::new([0; SIZE + MOST]), end: 0, kept: 0, next: 0, ended: false }
    }

    /// Forgets all; the bytes to come are `before` and then an input from its start on.
    pub fn restart(&mut self, before: &[u8]) {
        self.bytes[..before.len()].copy_from_slice(before);
        (self.end, self.kept, self.next, self.ended) = (before.len(), before.len(), 0, false);
    }

    /// Whether an MCU from `from` on could run out of bytes.
    #[inline(always)]
    pub fn is_short(&self, from: usize) -> bool {
        !self.ended && self.end - from < MOST
    }

    /// For a window that [`is_short`](Window::is_short): drops the bytes before `from` and reads more; returns by how
    /// much all places have become smaller. Whatever an MCU then reads is the scan's, or zeros where it has ended.
    pub fn advance(&mut self, input: &[u8], from: usize) -> usize {
        self.bytes.copy_within(from..self.end, 0);
        self.end -= from;
        self.kept = self.kept.saturating_sub(from);
        failpoints::pass("jpeg.advance");
        while self.end < SIZE && !self.ended {
            let rest = &input[self.next..];
            let rest = &rest[..rest.len().min(SIZE - self.end)];
            let plain = memchr::memchr(0xff, rest).unwrap_or(rest.len());
            self.bytes[self.end..self.end + plain].copy_from_slice(&rest[..plain]);
            self.end += plain;
            self.next += plain;
            if plain == rest.len() {
                self.ended = self.next == input.len();
            } else if input.get(self.next + 1) == Some(&0) {
                self.bytes[self.end] = 0xff;
                self.end += 1;
                self.next += 2;
            } else {
                self.ended = true;
            }
        }
        if self.ended {
            self.bytes[self.end..self.end + MOST].fill(0);
        }
        from
    }

    /// Whether all bits up to this one were there.
    pub fn holds(&self, bit: usize) -> bool {
        !self.ended || bit <= self.end * 8
    }

    /// The next 64 bits from a byte on.
    #[inline(always)]
    pub fn load(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.bytes[at..at + 8]);
        u64::from_be_bytes(bytes)
    }

    /// Returns the position in the input when everything up to `bit` has been taken: bytes used up, and their bits that
    /// were not taken, with their number, at most 64.
    pub fn position(&self, bit: usize) -> (usize, u64, u32) {
        let byte = bit.div_ceil(8).max(self.kept).min(self.end);
        let ahead = &self.bytes[byte..self.end];
        let stuffed = ahead.iter().filter(|byte| **byte == 0xff).count();
        let left = self.bytes[bit / 8..byte].iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        (self.next - ahead.len() - stuffed, left, (byte * 8 - bit) as u32)
    }
}
