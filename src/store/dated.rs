//! Listings with the time at which each object was written.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use super::{Entry, Location, StoreError};

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
    ///
    /// # Errors
    /// Those of [`Location::files`].
    pub async fn dated_files(&self, folder: &str) -> Result<Vec<Dated>, StoreError> {
        let objects = self.objects(folder).await?;
        let dated = objects.into_iter().map(|object| {
            let modified = time_of(&object.modified);
            let Entry { key, size, .. } = self.entry(object);
            Dated { key, size, modified }
        });
        Ok(dated.collect())
    }
}

/// A time as S3 and GCS write it (RFC 3339) or as Azure does (RFC 2822); the epoch where it is neither.
fn time_of(text: &str) -> SystemTime {
    let text = text.trim();
    let time = OffsetDateTime::parse(text, &Rfc3339).or_else(|_| OffsetDateTime::parse(text, &Rfc2822));
    time.map_or(SystemTime::UNIX_EPOCH, SystemTime::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_read_as_each_store_writes_them() {
        let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_480);
        for text in ["2015-10-21T07:28:00.000Z", "2015-10-21T07:28:00+00:00", "Wed, 21 Oct 2015 07:28:00 GMT"]
        {
            assert_eq!(time_of(text), expected, "{text}");
        }
        assert_eq!(time_of("yesterday"), SystemTime::UNIX_EPOCH);
    }
}
