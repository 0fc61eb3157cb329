//! Checksums that stores give, against bytes that were changed on the way.

mod announced;
mod digest;
mod mode;
mod state;
mod trust;

pub(super) use announced::Announced;
pub(super) use mode::ChecksumMode;
pub(super) use state::Checksums;
