//! The cache of `huggingface_hub`: one folder a repository, in the layout that it documents.
//!
//! ```text
//! models--org--name/refs/main                  the commit of a branch or a tag
//!                   snapshots/COMMIT/FILE      a link to its blob
//!                   blobs/HASH                 the bytes; HASH.incomplete while they come
//!                   .no_exist/COMMIT/FILE      empty: the commit has no such file
//! .locks/models--org--name/HASH.lock
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::HubError;
use super::names::{is_commit, is_relative};
use super::promise::Promise;

/// Bytes of a reference.
const LARGEST_REF: u64 = 64;
/// Files of a snapshot, and folders in one another, that are looked at.
const MOST_FILES: usize = 10_000;
const DEEPEST: usize = 8;

/// The folder of one repository.
#[derive(Debug, Clone)]
pub(super) struct RepoCache {
    /// The whole cache's folder.
    pub root: PathBuf,
    folder: PathBuf,
    locks: PathBuf,
}

impl RepoCache {
    /// `repo` is `org/name`, checked.
    pub fn new(root: &Path, repo: &str) -> RepoCache {
        let name = format!("models--{}", repo.replace('/', "--"));
        RepoCache { root: root.to_owned(), folder: root.join(&name), locks: root.join(".locks").join(name) }
    }

    /// The commit of a revision, as far as the cache knows.
    pub fn commit_of(&self, revision: &str) -> Option<String> {
        let path = self.folder.join("refs").join(revision);
        let text = crate::regular_file::read_given(&path, LARGEST_REF).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Notes the commit of a branch or a tag.
    ///
    /// # Errors
    /// [`HubError::Cache`]: the file in `refs` or its folder cannot be written.
    pub fn note_commit(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if revision == commit || self.commit_of(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.folder.join("refs").join(revision);
        self.write(&path, commit.as_bytes())
    }

    /// True if it is known that a commit has no such file.
    pub fn is_absent(&self, commit: &str, file: &str) -> bool {
        self.folder.join(".no_exist").join(commit).join(file).exists()
    }

    /// Notes that a commit has no such file.
    ///
    /// # Errors
    /// [`HubError::Cache`]: the file in `.no_exist` or its folder cannot be written.
    pub fn note_absent(&self, commit: &str, file: &str) -> Result<(), HubError> {
        match self.is_absent(commit, file) {
            true => Ok(()),
            false => self.write(&self.folder.join(".no_exist").join(commit).join(file), b""),
        }
    }

    /// Where a file of a commit is, whether it is there or not.
    pub fn path(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit).join(file)
    }

    pub fn blob(&self, promise: &Promise) -> PathBuf {
        self.folder.join("blobs").join(promise.hex())
    }

    pub fn incomplete(&self, promise: &Promise) -> PathBuf {
        self.folder.join("blobs").join(format!("{}.incomplete", promise.hex()))
    }

    pub fn lock(&self, promise: &Promise) -> PathBuf {
        self.locks.join(format!("{}.lock", promise.hex()))
    }

    /// What a cached file should be: its link names its blob, and the blob's name is its hash. `None` for a file that
    /// is no link, as caches without links have it.
    pub fn promise_of(&self, path: &Path) -> Option<Promise> {
        let blob = fs::read_link(path).ok()?;
        Promise::parse(blob.file_name()?.to_str()?)
    }

    /// Removes a file with its blob.
    ///
    /// # Errors
    /// [`HubError::Cache`]: the file or its blob cannot be removed. One that does not exist is no error.
    pub fn remove(&self, path: &Path, promise: Option<&Promise>) -> Result<(), HubError> {
        for path in [Some(path.to_owned()), promise.map(|promise| self.blob(promise))].into_iter().flatten() {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(written(&path, error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives a blob its name in a snapshot.
    ///
    /// # Errors
    /// [`HubError::Cache`]: the folder or the link cannot be made; without links, the blob cannot be copied.
    pub fn link(&self, commit: &str, file: &str, promise: &Promise) -> Result<PathBuf, HubError> {
        let path = self.path(commit, file);
        self.parent(&path)?;
        let up = "../".repeat(2 + file.matches('/').count());
        let target = format!("{up}blobs/{}", promise.hex());
        if fs::read_link(&path).is_ok_and(|old| old == Path::new(&target)) {
            return Ok(path);
        }
        // a link to another blob, or one that another process makes at this moment
        let draft = draft_beside(&path);
        let made = match std::os::unix::fs::symlink(&target, &draft) {
            // a file system without links
            Err(error)
                if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) =>
            {
                fs::copy(self.blob(promise), &draft).map(|_| ())
            }
            made => made,
        };
        match made.and_then(|()| fs::rename(&draft, &path)) {
            Ok(()) => Ok(path),
            Err(error) => {
                drop(fs::remove_file(&draft));
                Err(written(&path, error))
            }
        }
    }

    /// The files of a commit that are in the cache.
    pub fn files(&self, commit: &str) -> Vec<String> {
        let root = self.folder.join("snapshots").join(commit);
        let (mut found, mut folders) = (Vec::new(), vec![(root.clone(), 0)]);
        while let Some((folder, depth)) = folders.pop() {
            for item in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = item.path();
                // follows a link: one whose blob is gone is no file
                let Ok(metadata) = path.metadata() else { continue };
                let name = path.strip_prefix(&root).ok().and_then(Path::to_str);
                match name {
                    // a link to a folder could lead round in a circle
                    Some(_) if metadata.is_dir() && depth < DEEPEST && !path.is_symlink() => {
                        folders.push((path, depth + 1));
                    }
                    Some(name) if metadata.is_file() && is_relative(name) && found.len() < MOST_FILES => {
                        found.push(name.to_owned());
                    }
                    _ => {}
                }
            }
        }
        found.sort();
        found
    }

    /// Makes the folder of a file.
    ///
    /// # Errors
    /// [`HubError::Cache`]: the folder cannot be made.
    pub fn parent(&self, path: &Path) -> Result<(), HubError> {
        let folder = path.parent().unwrap_or(path);
        fs::create_dir_all(folder).map_err(|error| written(folder, error))
    }

    /// Writes a small file, whole or not at all.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), HubError> {
        self.parent(path)?;
        let draft = draft_beside(path);
        let done = fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, path));
        done.map_err(|error| {
            drop(fs::remove_file(&draft));
            written(path, error)
        })
    }
}

/// A name that no other process uses. Processes of several containers may have the same number.
fn draft_beside(path: &Path) -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    path.with_file_name(format!(".{}-{:x}.tmp", std::process::id(), now.as_nanos()))
}

pub(super) fn written(path: &Path, source: io::Error) -> HubError {
    HubError::Cache { path: path.to_owned(), doing: "written", source }
}

pub(super) fn read(path: &Path, source: io::Error) -> HubError {
    HubError::Cache { path: path.to_owned(), doing: "read", source }
}
