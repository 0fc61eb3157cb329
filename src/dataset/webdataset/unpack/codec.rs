//! The ways in which a shard may be compressed.

use super::gzip::Gzip;
use super::step::Step;
use super::zst::{self, Zstd};

/// Decodes one member of a gzip file after another, or one frame of zstd.
pub(super) enum Codec {
    Gzip(Box<Gzip>),
    Zstd(Zstd),
}

impl Codec {
    /// By the first bytes of a shard; `None` where they are not compressed in a way that is read.
    ///
    /// # Errors
    /// Those of [`Zstd::new`].
    pub fn of(first: &[u8]) -> Result<Option<Codec>, String> {
        Ok(match first {
            [0x1f, 0x8b, ..] => Some(Codec::Gzip(Box::new(Gzip::new()))),
            _ if zst::begins(first) => Some(Codec::Zstd(Zstd::new()?)),
            _ => None,
        })
    }

    pub fn name(&self) -> &'static str {
        match self {
            Codec::Gzip(_) => "gzip",
            Codec::Zstd(_) => "zstd",
        }
    }

    /// Returns the number of bytes that distinguish a member or frame from other bytes.
    pub fn magic_length(&self) -> usize {
        match self {
            Codec::Gzip(_) => 2,
            Codec::Zstd(_) => 4,
        }
    }

    pub fn begins(&self, magic: &[u8]) -> bool {
        match self {
            Codec::Gzip(_) => magic == [0x1f, 0x8b],
            Codec::Zstd(_) => zst::begins(magic),
        }
    }

    /// Decodes bytes of `input` into `out`, and moves `input` past them.
    ///
    /// # Errors
    /// Those of [`Gzip::step`] or [`Zstd::step`].
    pub fn step(&mut self, input: &mut &[u8], out: &mut [u8]) -> Result<Step, String> {
        match self {
            Codec::Gzip(gzip) => gzip.step(input, out),
            Codec::Zstd(zstd) => zstd.step(input, out),
        }
    }
}
