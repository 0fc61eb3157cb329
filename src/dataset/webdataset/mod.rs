//! WebDataset shards: tar archives whose members are grouped into samples by their names.
//!
//! [`scan`] reads an archive from bytes as they come, in windows of any size. It never touches a disk, never
//! makes a path of a name, and holds no more than one sample and the texts that lie apart from their image, whatever a
//! header claims.

mod apart;
mod dataset;
mod error;
mod finish;
mod group;
mod header;
mod names;
mod options;
mod reading;
mod rules;
mod samples;
mod scan;
mod source;
mod tar;
mod texts;
mod unpack;
mod windows;

pub use dataset::ShardDataset;
pub use error::TarError;
pub use finish::Found;
pub use options::ShardOptions;
pub use rules::{ShardLimits, ShardRules};
pub use samples::{Samples, ShardImage};
pub use scan::{Scanned, scan};
pub use source::ShardSource;
pub use tar::{Event, Skipped, TarReader};
pub use texts::{Asked, Texts};

#[cfg(test)]
mod reading_tests;
#[cfg(test)]
mod tests;
