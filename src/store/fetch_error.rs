//! Why the bytes of one image are missing.

use super::StoreError;

/// Bytes that do not match their checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes do not match the {algorithm} that the store gives")]
pub struct Mismatch {
    pub(super) algorithm: &'static str,
    /// Hash of the bytes that came, to detect whether the next read returns others.
    pub(super) sha256: [u8; 32],
}

/// Why one image's bytes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The store reports that there is no such object.
    #[error("not found")]
    NotFound,
    /// The store reports that it may not be read.
    #[error("access denied")]
    Denied,
    /// It is in an archive tier.
    #[error("in an archive tier")]
    Archived,
    /// It is not the object that was planned.
    #[error("changed since it was planned")]
    Changed,
    /// No request can ask for its key; why.
    #[error("its key cannot be asked for: {0}")]
    Unaddressable(&'static str),
    /// It is larger than the limit.
    #[error("{size} bytes")]
    TooLarge {
        /// Bytes of the object.
        size: u64,
    },
    /// Two reads gave the same bytes, and they do not match the checksum that the store gives.
    #[error("{0}")]
    Corrupt(Mismatch),
    /// Anything else: a fault of the store, not of the image.
    #[error(transparent)]
    Store(#[from] StoreError),
}
