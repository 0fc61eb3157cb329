//! Checksums that stores give, against bytes that were changed on the way.

mod announced;
mod digest;
mod mode;
mod state;
mod trust;

pub(super) use announced::Announced;
#[cfg(test)]
pub(super) use announced::{Checksum, Source};
#[cfg(test)]
pub(super) use digest::Algorithm;
pub(super) use mode::ChecksumMode;
pub(super) use state::Checksums;
