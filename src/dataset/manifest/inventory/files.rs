//! The files of an inventory: where they are, and whether they are whole.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use md5::{Digest, Md5};

use crate::dataset::DatasetError;
use crate::store::{FetchError, Location, Role, Window};

use super::description::{Description, InventoryFile};

/// Bytes of one ranged read.
const WINDOW: u64 = 8 << 20;
/// Folders above the manifest's own in which its files are looked for on a local disk.
const MOST_FOLDERS: usize = 16;

/// An inventory and the store of its files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inventory(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Where its `manifest.json` is.
    uri: String,
    description: Description,
    place: Place,
    /// Files whose checksum was right.
    whole: Mutex<BTreeSet<usize>>,
}

/// Where the files are.
#[derive(Debug)]
enum Place {
    /// In the bucket that `manifest.json` is in.
    Bucket(Box<Location>),
    /// Copied to a local disk with it, whose folder this is.
    Disk(PathBuf),
}

/// One file, opened.
#[derive(Debug)]
pub struct OpenFile {
    location: Location,
    name: String,
    size: u64,
    etag: Option<String>,
}

impl Inventory {
    /// The inventory whose `manifest.json` is in a folder.
    pub fn new(uri: &str, folder: &Location, description: Description) -> Self {
        let place = match folder.local_path() {
            Some(path) => Place::Disk(path.clone()),
            None => Place::Bucket(Box::new(folder.bucket())),
        };
        let uri = uri.to_owned();
        Inventory(Arc::new(Shared { uri, description, place, whole: Mutex::default() }))
    }

    pub fn description(&self) -> &Description {
        &self.0.description
    }

    /// An error over the inventory.
    pub fn wrong(&self, why: impl Into<String>) -> DatasetError {
        DatasetError::Manifest { uri: self.0.uri.clone(), why: why.into() }
    }

    /// An error over one of its files.
    pub fn wrong_file(&self, number: usize, why: &str) -> DatasetError {
        let name = self.0.description.files.get(number).map_or("", |file| file.key.as_str());
        self.wrong(format!("its file `{name}`: {why}"))
    }

    /// Opens a file, the first time after its checksum was compared.
    ///
    /// # Errors
    /// If it is not there, or not the one that is described.
    pub async fn open(&self, number: usize, file: &InventoryFile) -> Result<OpenFile, DatasetError> {
        let Some(open) = self.find(&file.key).await? else {
            return Err(self.wrong_file(number, "it is not there"));
        };
        if let Some(size) = file.size.filter(|size| *size != open.size) {
            let why = format!("it has {} bytes, and {size} in `manifest.json`", open.size);
            return Err(self.wrong_file(number, &why));
        }
        let whole = || self.0.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if !whole().contains(&number) {
            if self.md5(number, &open).await? != file.md5 {
                return Err(
                    self.wrong_file(number, "its bytes do not match the `MD5checksum` of `manifest.json`")
                );
            }
            whole().insert(number);
        }
        Ok(open)
    }

    async fn find(&self, key: &str) -> Result<Option<OpenFile>, DatasetError> {
        let folder = match &self.0.place {
            Place::Bucket(bucket) => return stat(Location::clone(bucket), key).await,
            Place::Disk(folder) => folder,
        };
        // a copy has as much of the key as was copied with it
        for folder in folder.ancestors().take(MOST_FOLDERS) {
            let mut rest = Some(key);
            while let Some(name) = rest {
                if is_file(&folder.join(name))
                    && let Some(folder) = folder.to_str()
                {
                    return stat(Location::open(folder, Role::Input)?, name).await;
                }
                rest = name.split_once('/').map(|(_, rest)| rest);
            }
        }
        Ok(None)
    }

    async fn md5(&self, number: usize, file: &OpenFile) -> Result<[u8; 16], DatasetError> {
        let (mut hash, mut at) = (Md5::new(), 0);
        while at < file.size {
            let window = self.window(number, file, at).await?;
            hash.update(&window.bytes);
            at += window.bytes.len() as u64;
        }
        Ok(hash.finalize().into())
    }

    /// The bytes of a file from `at` on; none at its end.
    ///
    /// # Errors
    /// The file was changed, is gone or may not be read, or the store fails until the retries are spent.
    pub async fn window(&self, number: usize, file: &OpenFile, at: u64) -> Result<Window, DatasetError> {
        let end = (at + WINDOW).min(file.size);
        let window = file.location.window(&file.name, at..end, file.etag.as_deref()).await;
        match window {
            Ok(window) if window.size == file.size && window.bytes.len() as u64 == end - at => Ok(window),
            Ok(_) | Err(FetchError::Changed) => {
                Err(self.wrong_file(number, "it was changed while it was read; run again"))
            }
            Err(FetchError::Store(error)) => Err(error.into()),
            Err(error) => Err(self.wrong_file(number, &error.to_string())),
        }
    }
}

impl OpenFile {
    pub fn location(&self) -> &Location {
        &self.location
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }
}

/// True for a regular file; a part `..` of its name leads nowhere.
fn is_file(path: &Path) -> bool {
    let is_plain = path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
    is_plain && path.metadata().is_ok_and(|found| found.is_file())
}

async fn stat(location: Location, name: &str) -> Result<Option<OpenFile>, DatasetError> {
    let found = location.stat(name).await?;
    Ok(found.map(|found| OpenFile { location, name: name.to_owned(), size: found.size, etag: found.etag }))
}
