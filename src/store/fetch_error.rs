//! Why the bytes of one image are missing.

use super::StoreError;

/// Why one image's bytes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The store says there is no such object.
    #[error("not found")]
    NotFound,
    /// The store says it may not be read.
    #[error("access denied")]
    Denied,
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
    /// Anything else: a fault of the store, not of the image.
    #[error(transparent)]
    Store(#[from] StoreError),
}
