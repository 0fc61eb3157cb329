//! Whole reads whose bytes are compared with the checksum that the store gives.

use bytes::Bytes;
use object_store::GetResult;
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

/// The checksums that the connector found in the headers of a response.
pub(super) fn announced(response: &mut GetResult) -> Option<Announced> {
    response.extensions.remove()
}
