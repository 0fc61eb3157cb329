//! One narrow door to everything that holds bytes: S3, GCS, Azure and local disk.
//!
//! The rest of the program reads whole objects, lists in key order and creates objects that must not exist
//! yet. It refuses to rename, to append, and to overwrite anything that decides rows. Only `remove` deletes: a torn
//! part of a local disk, and what a repair names.

mod access;
mod addressing;
mod ahead;
mod amazon;
mod azure;
mod azure_address;
mod azure_connection;
mod buffers;
mod causes;
mod checked;
mod checksum;
mod client;
mod create;
mod credentials;
mod dated;
mod entry;
mod environment;
mod error;
mod fetch_error;
mod identity;
mod key;
mod links;
mod listing;
mod local;
mod local_walk;
mod location;
mod object_uri;
mod order;
mod page;
#[cfg(test)]
mod page_tests;
mod paged_store;
mod pages;
mod parquet;
mod pieces;
mod race;
mod read;
mod reader_queue;
#[allow(clippy::duplicate_mod)]
mod readers;
#[cfg(test)]
mod readers_model;
#[cfg(test)]
mod readers_tests;
mod redirect;
mod region;
mod remove;
mod renewing;
mod reply;
mod retry;
mod scratch;
mod settings;
#[cfg(feature = "failpoints")]
mod simulated;
mod special;
mod tagged;
mod traffic;
mod transcoded;
mod unanswered;
mod uri;
mod walk;
mod web;
mod window;

use crate::sync;

pub use access::Access;
pub use create::Created;
pub use dated::Dated;
pub use entry::{Entry, Obstacle, opaque_tag};
pub use error::StoreError;
pub use fetch_error::{FetchError, Mismatch};
pub use key::{escaped, is_plain};
pub use local_walk::Unreadable;
pub use location::{Location, Role};
pub use object_uri::{ObjectUri, has_signature, without_secrets};
pub use order::ListingOrder;
pub use page::PageError;
pub use parquet::{
    GroupRead, Leaf, ParquetObject, ParquetReadError, PieceRequest, WindowedGroup, guard_parquet,
    guard_parquet_result,
};
pub use pieces::PiecePlan;
pub use race::Race;
pub use read::{Fetched, Planned};
pub use retry::Pauses;
pub use scratch::Scratch;
pub use settings::Settings;
pub use traffic::{RequestPermit, Requests};
pub use unanswered::{Reason, Unanswered};
pub use uri::{Uri, expand_home};
pub use window::Window;
