//! The write primitive: create an object that must not exist yet, and know for certain whether it does.

use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::retry::jittered;
use super::{Location, StoreError};

/// How long one creation is tried; above the output client's own timeout.
const BUDGET: Duration = Duration::from_secs(300);

/// What became of a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The store confirmed this very write.
    Now,
    /// It is there: written before, or by us with the reply lost.
    Before,
}

impl Location {
    /// Creates `name`, or finds it there.
    ///
    /// A lost reply, a conflict and a timeout all look alike from here, and each may or may not have written;
    /// so after any of them the object itself is asked for, and only where it is absent the write is tried
    /// again. Errors that cannot have written (denied, disk full) are returned at once.
    pub async fn create_once(&self, name: &str, bytes: Bytes) -> Result<Created, StoreError> {
        let path = self.path(name)?;
        let what = format!("writing `{}/{name}`", self.uri);
        let started = Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let error = match self.store.put_opts(&path, PutPayload::from(bytes.clone()), options).await {
                Ok(_) => return Ok(Created::Now),
                Err(error) => error,
            };
            let conflict = matches!(
                error,
                object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }
            );
            let sorted = StoreError::from_store(error, what.clone(), true);
            if !conflict && !sorted.is_transient() {
                return Err(sorted);
            }
            if self.size(name).await?.is_some() {
                return Ok(Created::Before);
            }
            if started.elapsed() > BUDGET {
                return Err(StoreError::Unavailable { what, detail: sorted.to_string() });
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// Writes an object that decides no rows (a report), over an older one if need be.
    pub async fn overwrite(&self, name: &str, bytes: Bytes) -> Result<(), StoreError> {
        let path = self.path(name)?;
        let what = format!("writing `{}/{name}`", self.uri);
        super::retry::retry(|| async {
            self.store
                .put(&path, PutPayload::from(bytes.clone()))
                .await
                .map(|_| ())
                .map_err(|error| StoreError::from_store(error, what.clone(), true))
        })
        .await
    }

    /// True where the store refuses to create an object twice: without that, nothing here is safe.
    pub async fn refuses_to_create_again(&self, name: &str, bytes: Bytes) -> Result<bool, StoreError> {
        let path = self.path(name)?;
        let what = format!("checking conditional writes on `{}/{name}`", self.uri);
        super::retry::retry(|| async {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            match self.store.put_opts(&path, PutPayload::from(bytes.clone()), options).await {
                Ok(_) => Ok(false),
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                    Ok(true)
                }
                Err(error) => Err(StoreError::from_store(error, what.clone(), true)),
            }
        })
        .await
    }
}
