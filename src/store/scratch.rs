//! A folder that a measurement writes to and takes away again. It decides no rows.

use std::path::{Path, PathBuf};

use object_store::ObjectStoreExt;

use super::{Location, StoreError, Uri};

/// What is to be removed, and which folders did not exist before.
#[derive(Debug)]
pub struct Scratch {
    location: Location,
    /// Folders of a local disk that did not exist before, the deepest first.
    made: Vec<PathBuf>,
}

impl Location {
    /// Records which folders exist before `folder` is written to.
    pub fn scratch(&self, folder: &str) -> Scratch {
        let mut made = Vec::new();
        if let Uri::Local(root) = &self.uri {
            let whole = root.join(folder);
            made.extend(whole.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned));
        }
        Scratch { location: self.clone(), made }
    }

    /// A location in the memory of this process.
    ///
    /// # Errors
    /// [`StoreError::BadUri`]: `name` is no path.
    pub fn in_memory(name: &str) -> Result<Location, StoreError> {
        let store = std::sync::Arc::new(object_store::memory::InMemory::new());
        Location::over(store, &format!("s3://memory/{name}"), super::Settings::default())
    }
}

impl Scratch {
    /// Removes objects that were written, and on a local disk the folders that were made for them, if they are still
    /// empty.
    ///
    /// # Errors
    /// A name is no path, or an object or an empty folder cannot be removed.
    pub async fn remove(self, names: &[String]) -> Result<(), StoreError> {
        let location = &self.location;
        for name in names {
            let path = location.path(name)?;
            match location.store.delete(&path).await {
                Err(object_store::Error::NotFound { .. }) | Ok(()) => {}
                Err(error) => {
                    let what = format!("removing `{}/{name}`", location.uri);
                    return Err(StoreError::from_store(error, what, true));
                }
            }
        }
        let made = self.made;
        let removed = tokio::task::spawn_blocking(move || {
            for folder in made {
                match std::fs::remove_dir(&folder) {
                    Err(error)
                        if !matches!(
                            error.kind(),
                            std::io::ErrorKind::NotFound | std::io::ErrorKind::DirectoryNotEmpty
                        ) =>
                    {
                        return Err(error);
                    }
                    _ => {}
                }
            }
            Ok(())
        });
        let what = || format!("removing the folders of a measurement on `{}`", location.uri);
        match removed.await {
            Ok(removed) => removed.map_err(|error| StoreError::from_io(error, what(), true)),
            Err(error) => Err(StoreError::local(what(), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Role;

    #[tokio::test]
    async fn what_was_written_goes_and_what_stood_before_stays() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("out");
        for stands in [false, true] {
            if stands {
                std::fs::create_dir_all(home.join("_tresnet")).unwrap();
            }
            let output = Location::open(home.to_str().unwrap(), Role::Output).unwrap();
            let scratch = output.scratch("_tresnet/bench-1");
            output.create_once("_tresnet/bench-1/a", bytes::Bytes::from("a")).await.unwrap();
            assert!(home.join("_tresnet/bench-1/a").exists());
            scratch.remove(&["_tresnet/bench-1/a".into(), "_tresnet/bench-1/b".into()]).await.unwrap();
            assert_eq!((home.exists(), home.join("_tresnet").exists()), (stands, stands));
            assert!(!home.join("_tresnet/bench-1").exists());
        }
    }
}
