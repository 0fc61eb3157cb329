//! Removing objects: damaged parts, and what a repair takes away. A run on a store removes nothing.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use object_store::ObjectStoreExt;

use super::{Location, StoreError, Uri};

impl Location {
    /// Removes an object; one that does not exist is no error. On a local disk, the removal is on the disk when this
    /// returns, so that removals keep their order when the machine fails.
    ///
    /// # Errors
    /// On a store, `name` is no path, or the removal is denied or fails until the retries are spent. On a local disk,
    /// the system refuses to remove the file or to flush its folder.
    pub async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let what = || format!("removing `{}/{name}`", self.uri);
        let Uri::Local(root) = &self.uri else {
            let path = self.path(name)?;
            return self
                .retry(|| async {
                    match self.store.delete(&path).await {
                        Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
                        Err(error) => Err(StoreError::from_store(error, what(), true)),
                    }
                })
                .await;
        };
        let path = root.join(name);
        match tokio::task::spawn_blocking(move || remove_file(&path)).await {
            Ok(removed) => removed.map_err(|error| StoreError::from_io(error, what(), true)),
            Err(error) => Err(StoreError::local(what(), error)),
        }
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        removed => removed?,
    }
    match path.parent().map(|folder| File::open(folder)?.sync_all()) {
        // some file systems refuse to flush a folder
        Some(Err(error)) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Role;

    #[tokio::test]
    async fn an_object_is_removed_once_and_one_that_is_gone_is_no_error() {
        let root = tempfile::tempdir().unwrap();
        let disk = Location::open(root.path().to_str().unwrap(), Role::Output).unwrap();
        for output in [disk, Location::in_memory("out").unwrap()] {
            output.create_once("a/b", bytes::Bytes::from("x")).await.unwrap();
            output.remove("a/b").await.unwrap();
            assert_eq!(output.size("a/b").await.unwrap(), None);
            output.remove("a/b").await.unwrap();
        }
    }
}
