//! Members and frames, what is between them, and what follows the last one.

use crate::dataset::webdataset::error::TarError;

use super::codec::Codec;
use super::step::Step;

/// Bytes of a piece.
const PIECE: usize = 256 << 10;

/// How much an archive may be larger than its compressed bytes: gzip cannot reach the factor, zstd can, and only with
/// bytes that are all the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expansion {
    pub free: u64,
    pub factor: u64,
}

pub(super) const EXPANSION: Expansion = Expansion { free: 1 << 30, factor: 2048 };

enum State {
    /// Before a member or frame: its first bytes are collected, zeros are padding.
    Between,
    Inside,
    /// Something else came after the last one.
    Trailing,
}

/// Compressed bytes, and the piece of the archive that they gave last.
pub(super) struct Packed {
    codec: Codec,
    expansion: Expansion,
    state: State,
    magic: Vec<u8>,
    pub piece: Vec<u8>,
    /// The last step filled the piece, so that more may come without more input.
    was_full: bool,
    read: u64,
    written: u64,
    /// Where the current member or frame began, which does not depend on the windows.
    begun_at: u64,
    /// Bytes after the last member or frame that are none.
    pub trailing: u64,
}

impl Packed {
    pub fn new(codec: Codec, expansion: Expansion) -> Packed {
        Packed {
            codec,
            expansion,
            state: State::Between,
            magic: Vec::new(),
            piece: vec![0; PIECE],
            was_full: false,
            read: 0,
            written: 0,
            begun_at: 0,
            trailing: 0,
        }
    }

    /// Fills the piece; 0 bytes where the window is used up.
    ///
    /// # Errors
    /// [`TarError::Packed`]: the data are damaged, or others follow before the archive ends. [`TarError::Limit`]:
    /// they expand too much.
    pub fn fill(&mut self, window: &mut &[u8], has_ended: bool) -> Result<usize, TarError> {
        loop {
            match self.state {
                State::Inside if window.is_empty() && !self.was_full => return Ok(0),
                State::Inside => {
                    let written = self.step(window)?;
                    if written > 0 {
                        return Ok(written);
                    }
                }
                _ if window.is_empty() => return Ok(0),
                State::Between => {
                    if self.begin(window, has_ended)? {
                        // the codec needs the magic bytes too, which were taken to detect it
                        let magic = std::mem::take(&mut self.magic);
                        self.read -= magic.len() as u64;
                        self.state = State::Inside;
                        self.step(&mut magic.as_slice())?;
                    }
                }
                State::Trailing => {
                    self.trailing += window.len() as u64;
                    *window = &[];
                }
            }
        }
    }

    /// Whether a member or frame begins.
    fn begin(&mut self, window: &mut &[u8], has_ended: bool) -> Result<bool, TarError> {
        if self.magic.is_empty() {
            let zeros = window.iter().take_while(|byte| **byte == 0).count();
            self.read += zeros as u64;
            *window = &window[zeros..];
        }
        let wanted = self.codec.magic_length() - self.magic.len();
        let (bytes, rest) = window.split_at(wanted.min(window.len()));
        self.magic.extend_from_slice(bytes);
        self.begun_at = self.read - (self.magic.len() - bytes.len()) as u64;
        self.read += bytes.len() as u64;
        *window = rest;
        if self.magic.len() < self.codec.magic_length() {
            return Ok(false);
        }
        if self.codec.begins(&self.magic) {
            return Ok(true);
        }
        if !has_ended {
            let why = "something follows that is not compressed, although the archive has not ended";
            return Err(self.error(why.into()));
        }
        self.state = State::Trailing;
        self.trailing += self.magic.len() as u64;
        self.magic.clear();
        Ok(false)
    }

    fn step(&mut self, input: &mut &[u8]) -> Result<usize, TarError> {
        let before = input.len();
        let step = self.codec.step(input, &mut self.piece);
        self.read += (before - input.len()) as u64;
        let Step { written, is_done } = step.map_err(|why| self.error(why))?;
        self.written += written as u64;
        self.was_full = written == self.piece.len();
        if is_done {
            (self.state, self.was_full) = (State::Between, false);
        }
        let most = self.read.saturating_mul(self.expansion.factor).saturating_add(self.expansion.free);
        if self.written > most {
            let (free, factor) = (self.expansion.free >> 20, self.expansion.factor);
            let why = format!("expands to more than {free} MiB and {factor} times its compressed bytes");
            return Err(TarError::Limit { why });
        }
        Ok(written)
    }

    /// No more bytes come: whether that is too early.
    ///
    /// # Errors
    /// [`TarError::Truncated`]: a member or frame has not ended.
    pub fn finish(&self) -> Result<(), TarError> {
        match self.state {
            State::Trailing => Ok(()),
            State::Between if self.magic.is_empty() => Ok(()),
            State::Between | State::Inside => Err(TarError::Truncated {
                offset: self.read,
                inside: format!("its {} data", self.codec.name()),
            }),
        }
    }

    fn error(&self, why: String) -> TarError {
        TarError::Packed { codec: self.codec.name(), offset: self.begun_at, why }
    }
}
