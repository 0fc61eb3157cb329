//! Whole reads whose bytes are compared with the checksum that the store gives.

use bytes::Bytes;
use object_store::path::Path;
use sha2::{Digest, Sha256};

use super::checksum::Announced;
use super::fetch_error::Mismatch;
use super::{FetchError, Fetched, Location, Planned, StoreError};

/// More bytes than these are hashed on a thread that may block: MD5 and SHA-1 take a millisecond for twice as many.
const INLINE: usize = 256 << 10;

impl Location {
    /// Reads an object, and once more if its bytes do not match their checksum: the same wrong bytes again are the
    /// object's, others are a fault that may pass.
    pub(super) async fn fetch_checked(
        &self,
        path: &Path,
        key: &str,
        planned: Planned<'_>,
        limit: u64,
    ) -> Result<Fetched, FetchError> {
        let first = match self.fetch_once(path, key, planned, limit).await {
            Err(FetchError::Corrupt(first)) => first,
            other => return other,
        };
        self.traffic.retried();
        tracing::warn!(key, "storage: {first}; reading it again");
        match self.fetch_once(path, key, planned, limit).await {
            Err(FetchError::Corrupt(second)) if second != first => {
                let why = format!("{second}, and they differ from read to read");
                Err(StoreError::unavailable(format!("reading `{key}`"), why).into())
            }
            other => other,
        }
    }

    /// Compares an object's bytes with the checksum of the response that they came with.
    pub(super) async fn check(&self, announced: Option<Announced>, bytes: &Bytes) -> Result<(), FetchError> {
        let Some(checksum) = announced.and_then(|announced| self.checksums.choose(announced)) else {
            return Ok(());
        };
        let (source, algorithm) = (checksum.source, checksum.algorithm);
        let matches = if bytes.len() <= INLINE {
            checksum.matches(bytes)
        } else {
            let bytes = bytes.clone();
            let computed = tokio::task::spawn_blocking(move || checksum.matches(&bytes)).await;
            computed.map_err(|error| StoreError::local("computing a checksum", error))?
        };
        if self.checksums.record(source, matches) && !matches {
            let sha256 = Sha256::digest(bytes).into();
            return Err(FetchError::Corrupt(Mismatch { algorithm: algorithm.as_str(), sha256 }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::store::Settings;
    use crate::store::checksum::{Algorithm, Checksum, Source};

    fn location(checksums: bool) -> Location {
        let settings = Settings { checksums, ..Settings::default() };
        Location::over(Arc::new(InMemory::new()), "s3://bucket/in", settings).unwrap()
    }

    /// The checksum of `of`, as a response announces it.
    fn announced(source: Source, algorithm: Algorithm, of: &[u8]) -> Option<Announced> {
        Some(Announced(vec![Checksum { source, algorithm, value: algorithm.of(of) }]))
    }

    #[tokio::test]
    async fn wrong_bytes_are_noticed_by_each_algorithm_and_at_each_size() {
        let location = location(true);
        for algorithm in [
            Algorithm::Crc64Nvme,
            Algorithm::Crc32c,
            Algorithm::Crc32,
            Algorithm::Sha256,
            Algorithm::Sha1,
            Algorithm::Md5,
        ] {
            for size in [1, INLINE, INLINE + 1, 3 * INLINE] {
                let (right, wrong) = (Bytes::from(vec![7; size]), Bytes::from(vec![0; size]));
                let announced = announced(Source::Store, algorithm, &right);
                location.check(announced.clone(), &right).await.unwrap();
                let refused = location.check(announced, &wrong).await.unwrap_err();
                assert!(matches!(refused, FetchError::Corrupt(_)), "{refused:?}");
                assert!(refused.to_string().contains(algorithm.as_str()), "{refused}");
            }
        }
    }

    #[tokio::test]
    async fn a_tag_counts_once_sixteen_objects_have_matched() {
        let location = location(true);
        let (right, wrong) = (Bytes::from("right"), Bytes::from("wrong"));
        let tag = || announced(Source::Etag, Algorithm::Md5, &right);
        for _ in 0..16 {
            location.check(tag(), &right).await.unwrap();
        }
        assert!(matches!(location.check(tag(), &wrong).await, Err(FetchError::Corrupt(_))));
    }

    #[tokio::test]
    async fn a_tag_that_differs_before_is_not_used_any_more_and_other_checksums_are() {
        let location = location(true);
        let (right, wrong) = (Bytes::from("right"), Bytes::from("wrong"));
        let tag = || announced(Source::Etag, Algorithm::Md5, &right);
        location.check(tag(), &wrong).await.unwrap();
        for _ in 0..32 {
            location.check(tag(), &right).await.unwrap();
        }
        location.check(tag(), &wrong).await.unwrap();
        let crc = announced(Source::Store, Algorithm::Crc32c, &right);
        assert!(matches!(location.check(crc, &wrong).await, Err(FetchError::Corrupt(_))));
    }

    #[tokio::test]
    async fn nothing_is_compared_where_checksums_are_off_or_none_came() {
        let wrong = Bytes::from("wrong");
        location(false).check(announced(Source::Store, Algorithm::Crc32, b"right"), &wrong).await.unwrap();
        location(true).check(Some(Announced::default()), &wrong).await.unwrap();
        location(true).check(None, &wrong).await.unwrap();
    }
}
