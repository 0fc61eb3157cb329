//! One narrow door to everything that holds bytes: S3, GCS, Azure and local disk.
//!
//! The rest of the program reads whole objects, lists in key order and creates objects that must not exist
//! yet. It refuses to rename, to append, and to overwrite anything that decides rows.

mod access;
mod buffers;
mod checked;
mod checksum;
mod create;
mod dated;
mod entry;
mod error;
mod fetch_error;
mod listing;
mod local;
mod location;
mod page;
mod paged_store;
mod pages;
mod parquet;
mod race;
mod read;
mod readers;
mod reply;
mod retry;
mod scratch;
mod settings;
mod traffic;
mod uri;
mod window;

pub use access::Access;
pub use create::Created;
pub use dated::Dated;
pub use entry::Entry;
pub use error::StoreError;
pub use fetch_error::{FetchError, Mismatch};
pub use local::Unreadable;
pub use location::{Location, Role};
pub use page::PageError;
pub use parquet::{ParquetObject, ParquetReadError};
pub use race::Race;
pub use read::{Fetched, Planned};
pub use scratch::Scratch;
pub use settings::Settings;
pub use traffic::{RequestPermit, Requests};
pub use uri::Uri;
pub use window::Window;
