//! The write primitive: create an object that must not exist yet, and know for certain whether it does.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::retry::jittered;
use super::{Location, StoreError, Uri};

/// How long one creation is tried; above the output client's own timeout.
const BUDGET: Duration = Duration::from_secs(300);

/// How long a local write whose draft vanishes is tried again.
const SWEPT: Duration = Duration::from_secs(2);

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
            // on local disk: somebody swept our draft, which is no harm
            let swept = matches!(sorted, StoreError::Missing { .. }) && started.elapsed() < SWEPT;
            let conflict = conflict || swept;
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

    /// Removes the drafts (`name#1`) that a killed writer leaves in these folders of a local disk; readers that
    /// take every file of a folder would stumble over them. A writer at work loses nothing but one try.
    pub async fn sweep_drafts(&self, folders: &[&str]) -> Result<(), StoreError> {
        let Uri::Local(root) = &self.uri else { return Ok(()) };
        let folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
        let sweep = move || -> std::io::Result<()> {
            for folder in folders {
                let items = match std::fs::read_dir(&folder) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    items => items?,
                };
                for item in items {
                    let item = item?;
                    let is_draft = item.file_name().to_str().is_some_and(is_draft);
                    if is_draft && item.file_type()?.is_file() {
                        match std::fs::remove_file(item.path()) {
                            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                            _ => {}
                        }
                    }
                }
            }
            Ok(())
        };
        let what = || format!("sweeping drafts of `{}`", self.uri);
        match tokio::task::spawn_blocking(sweep).await {
            Ok(swept) => swept.map_err(|error| StoreError::from_io(&error, what(), true)),
            Err(error) => Err(StoreError::Io { what: what(), detail: error.to_string() }),
        }
    }
}

fn is_draft(name: &str) -> bool {
    let digits = name.rsplit_once('#').map(|(_, digits)| digits);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Role;

    fn output() -> (tempfile::TempDir, Location) {
        let root = tempfile::tempdir().unwrap();
        let location = Location::open(root.path().to_str().unwrap(), Role::Output).unwrap();
        (root, location)
    }

    #[tokio::test]
    async fn the_second_creation_finds_the_first() {
        let (_root, output) = output();
        assert_eq!(output.create_once("a/b", Bytes::from("first")).await.unwrap(), Created::Now);
        assert_eq!(output.create_once("a/b", Bytes::from("second")).await.unwrap(), Created::Before);
        assert_eq!(output.read("a/b").await.unwrap().unwrap(), "first");
        assert!(output.refuses_to_create_again("a/b", Bytes::from("first")).await.unwrap());
    }

    #[tokio::test]
    async fn drafts_are_swept_and_nothing_else() {
        let (root, output) = output();
        for name in ["part-0.parquet#1", "part-0.parquet", "notes#x", "part-0.parquet#"] {
            std::fs::write(root.path().join(name), "x").unwrap();
        }
        output.sweep_drafts(&["", "not/there"]).await.unwrap();
        let mut left: Vec<_> =
            std::fs::read_dir(root.path()).unwrap().map(|item| item.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["notes#x", "part-0.parquet", "part-0.parquet#"]);
    }
}
