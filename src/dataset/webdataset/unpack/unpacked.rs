//! A shard as the bytes of its archive, compressed or not.

use crate::dataset::webdataset::error::TarError;

use super::codec::Codec;
use super::packed::{EXPANSION, Packed};

/// A shard's bytes as those of the archive.
pub(in crate::dataset::webdataset) struct Unpacked {
    packed: Option<Packed>,
    /// Bytes of the archive that are left out.
    skip: u64,
}

impl Unpacked {
    /// Detects the codec from the first bytes, whatever the file's name is.
    ///
    /// # Errors
    /// [`TarError::Packed`]: no decoder of zstd can be made.
    pub fn of(first: &[u8]) -> Result<Unpacked, TarError> {
        let codec = Codec::of(first).map_err(|why| TarError::Packed { codec: "zstd", offset: 0, why })?;
        Ok(Unpacked { packed: codec.map(|codec| Packed::new(codec, EXPANSION)), skip: 0 })
    }

    /// As they are.
    pub fn plain() -> Unpacked {
        Unpacked { packed: None, skip: 0 }
    }

    /// Whether they are compressed.
    pub fn is_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// Leaves out the archive's first bytes; the compressed ones are read from their beginning, which is returned.
    pub fn skip(&mut self, bytes: u64) -> usize {
        self.skip = bytes;
        0
    }

    /// The next piece of the archive, taking from the window's front what it needs. `None`: the window is used up.
    /// `has_ended`: the pieces so far are a whole archive.
    ///
    /// # Errors
    /// Where the compressed bytes are damaged or expand to too much.
    pub fn next<'a, 'w: 'a>(
        &'a mut self,
        window: &mut &'w [u8],
        has_ended: bool,
    ) -> Result<Option<&'a [u8]>, TarError> {
        let Some(packed) = &mut self.packed else {
            return Ok(Some(std::mem::take(window)).filter(|window| !window.is_empty()));
        };
        let length = packed.fill(window, has_ended)?;
        let skipped = length.min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        self.skip -= skipped as u64;
        Ok((length > 0).then(|| &packed.piece[skipped..length]))
    }

    /// No more bytes come.
    ///
    /// # Errors
    /// Where that is too early.
    pub fn finish(&self) -> Result<(), TarError> {
        self.packed.as_ref().map_or(Ok(()), Packed::finish)
    }

    /// Bytes after the compressed ones that are none, so far.
    pub fn trailing(&self) -> u64 {
        self.packed.as_ref().map_or(0, |packed| packed.trailing)
    }
}
