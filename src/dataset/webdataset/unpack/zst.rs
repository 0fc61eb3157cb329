//! Frames of zstd, skippable ones among them.

use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::step::Step;

/// The largest window is 128 MiB, which is what a decoder takes of memory: more is only made with `--long`.
const WINDOW_LOG: u32 = 27;

/// The decoder of one frame after another.
pub(super) struct Zstd(Decoder<'static>);

/// Whether a frame begins with these bytes.
pub(super) fn begins(bytes: &[u8]) -> bool {
    matches!(bytes, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

impl Zstd {
    /// Makes a decoder whose window is limited to 128 MiB.
    ///
    /// # Errors
    /// The library has no memory for a decoder, or refuses the limit of its window.
    pub fn new() -> Result<Zstd, String> {
        let mut decoder = Decoder::new().map_err(|error| error.to_string())?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(|error| error.to_string())?;
        Ok(Zstd(decoder))
    }

    /// Decodes bytes of `input` into `out`, at most to the end of a frame, and moves `input` past them.
    ///
    /// # Errors
    /// The frame is damaged, or its window is larger than 128 MiB.
    pub fn step(&mut self, input: &mut &[u8], out: &mut [u8]) -> Result<Step, String> {
        let status = self.0.run_on_buffers(input, out).map_err(|error| {
            // the library's text is only this
            match error.to_string() {
                text if text.contains("too much memory") => {
                    format!(
                        "its window is larger than {} MiB; compress it without `--long`",
                        (1 << WINDOW_LOG) >> 20
                    )
                }
                text => text,
            }
        })?;
        *input = &input[status.bytes_read..];
        Ok(Step { written: status.bytes_written, is_done: status.remaining == 0 })
    }
}
