//! A stream whose bytes are hashed as they pass.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

/// Bytes of a sum.
pub const SUM_BYTES: usize = 32;

/// Reads or writes `inner`, and hashes the bytes.
#[derive(Debug)]
pub struct Summed<T> {
    inner: T,
    hash: Sha256,
}

impl<T> Summed<T> {
    pub fn new(inner: T) -> Summed<T> {
        Summed { inner, hash: Sha256::new() }
    }

    /// The stream, and the sum of all bytes so far.
    pub fn finish(self) -> (T, [u8; SUM_BYTES]) {
        (self.inner, self.hash.finalize().into())
    }
}

impl<T: Read> Read for Summed<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
