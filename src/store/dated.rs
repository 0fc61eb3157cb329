//! Listings that say when each object was written.

use std::time::SystemTime;

use super::{Location, StoreError};

/// One object with the time of its writing, by the store's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// Key below the location.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was written.
    pub modified: SystemTime,
}

impl Location {
    /// As [`Location::files`], with times.
    pub async fn dated_files(&self, folder: &str) -> Result<Vec<Dated>, StoreError> {
        let objects = self.objects(folder).await?;
        let dated = objects.into_iter().map(|meta| {
            let modified = SystemTime::from(meta.last_modified);
            self.entry(meta).map(|entry| Dated { key: entry.key, size: entry.size, modified })
        });
        dated.collect()
    }
}
