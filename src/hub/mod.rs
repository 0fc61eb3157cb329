//! Models of a Hugging Face hub: fetched over its HTTP protocol into the cache that `huggingface_hub` uses.
//!
//! ```text
//! hf://org/name@revision ─► commit ─► file names ─► HEAD: hash, size ─► ranges ─► blob ─► snapshot
//!                           frozen    checked       X-Linked-*          resumed   hashed  a link
//! ```
//!
//! A file is used only if its bytes have the hash that the hub promises: SHA-256 for LFS files, git's blob SHA-1 for
//! others. A cached file is hashed again before each use: the link to it names its hash. The room knows names and bytes;
//! it does not read a model.

mod address;
mod cache;
mod client;
mod download;
mod environment;
mod error;
mod info;
mod lock;
mod names;
mod promise;
mod snapshot;
#[cfg(test)]
mod tests;
mod trouble;

pub use address::HubAddress;
pub use error::HubError;
pub use snapshot::{CachedFile, Snapshot};
