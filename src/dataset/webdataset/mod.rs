//! WebDataset shards: tar archives whose members are grouped into samples by their names.
//!
//! [`scan`] reads an archive from bytes as they come, in windows of any size. It never touches a disk, never
//! makes a path of a name, and holds no more than one sample, whatever a header claims.

mod dataset;
mod header;
mod samples;
mod scan;
mod tar;

pub use dataset::{ShardDataset, ShardOptions, ShardSource};
pub use samples::{Found, Samples, ShardImage, ShardLimits, Texts};
pub use scan::{Scanned, scan};
pub use tar::{Event, Skipped, TarError, TarReader};

#[cfg(test)]
mod tests;
