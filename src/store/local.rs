//! Local disk: a sorted walk and a read that notices a changed file.
//!
//! `object_store`'s own listing of a disk is unsorted and hides names that end in `#` and digits.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};

use crate::regular_file::{self, NotRegular};

use super::buffers::Buffers;
use super::entry::Entry;
use super::{FetchError, StoreError};

/// A file that cannot become a row: it is counted and named, never dropped in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The path, as far as it can be shown.
    pub path: String,
    /// Why.
    pub why: &'static str,
}

/// Depth of the channel between the walking thread and the planner: about one directory read ahead.
const WALK_AHEAD: usize = 1024;

/// Every regular file below `root` in byte order of its key, directories compared as `name/`.
pub(super) fn walk<'a>(
    root: PathBuf,
    after: Option<String>,
    unreadable: Box<dyn Fn(Unreadable) + Send + Sync + 'a>,
) -> BoxStream<'a, Result<Entry, StoreError>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(WALK_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut walk = Walk { after, sender, parents: Vec::new() };
        match fs::metadata(&root) {
            Err(error) => walk.fail(error, &root),
            Ok(found) if !found.is_dir() => walk.send(Err(StoreError::Missing {
                what: format!("`{}` is not a folder", root.display()),
                cause: None,
            })),
            Ok(found) => {
                walk.parents.push((found.dev(), found.ino()));
                walk.folder(&root, "")
            }
        }
    });
    let items = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|item| (item, receiver))
    });
    items
        .filter_map(move |item| {
            futures::future::ready(match item {
                Ok(Found::File(entry)) => Some(Ok(entry)),
                Ok(Found::Unreadable(file)) => {
                    unreadable(file);
                    None
                }
                Err(error) => Some(Err(error)),
            })
        })
        .boxed()
}

enum Found {
    File(Entry),
    Unreadable(Unreadable),
}

struct Walk {
    after: Option<String>,
    sender: tokio::sync::mpsc::Sender<Result<Found, StoreError>>,
    parents: Vec<(u64, u64)>,
}

impl Walk {
    /// False once nobody listens any more.
    fn send(&mut self, item: Result<Found, StoreError>) -> bool {
        let failed = item.is_err();
        self.sender.blocking_send(item).is_ok() && !failed
    }

    fn fail(&mut self, error: io::Error, path: &Path) -> bool {
        let error = StoreError::from_io(error, format!("reading `{}`", path.display()), false);
        self.send(Err(error))
    }

    fn folder(&mut self, folder: &Path, prefix: &str) -> bool {
        let read = match fs::read_dir(folder) {
            Ok(read) => read,
            Err(error) => return self.fail(error, folder),
        };
        let mut names: Vec<(String, PathBuf)> = Vec::new();
        for item in read {
            let item = match item {
                Ok(item) => item,
                Err(error) => return self.fail(error, folder),
            };
            let path = item.path();
            let Ok(mut name) = item.file_name().into_string() else {
                let path = path.to_string_lossy().into_owned();
                if !self.send(Ok(Found::Unreadable(Unreadable { path, why: "its name is not UTF-8" }))) {
                    return false;
                }
                continue;
            };
            // a link's target decides; a link to nothing sorts as a file and is told as unreadable below
            let is_folder = match item.file_type() {
                Ok(kind) if kind.is_symlink() => fs::metadata(&path).is_ok_and(|target| target.is_dir()),
                Ok(kind) => kind.is_dir(),
                Err(error) => return self.fail(error, &path),
            };
            if is_folder {
                name.push('/');
            }
            names.push((name, path));
        }
        names.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        names.into_iter().all(|(name, path)| self.item(&path, format!("{prefix}{name}")))
    }

    fn item(&mut self, path: &Path, key: String) -> bool {
        let wanted = self
            .after
            .as_deref()
            .is_none_or(|after| key.as_str() > after || key.ends_with('/') && after.starts_with(&key));
        if !wanted {
            return true;
        }
        let tell = |walk: &mut Self, why| {
            let path = path.to_string_lossy().into_owned();
            walk.send(Ok(Found::Unreadable(Unreadable { path, why })))
        };
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return tell(self, "a link to nothing"),
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return tell(self, "a link to itself"),
            Err(error) => return self.fail(error, path),
        };
        if found.is_dir() {
            let id = (found.dev(), found.ino());
            if self.parents.contains(&id) {
                return tell(self, "a link to a folder above it");
            }
            self.parents.push(id);
            let goes_on = self.folder(path, &key);
            self.parents.pop();
            return goes_on;
        }
        if !found.is_file() {
            return tell(self, "neither a file nor a folder");
        }
        let entry = Entry { key, size: found.len(), etag: Some(etag(&found)) };
        self.send(Ok(Found::File(entry)))
    }
}

/// Names of the folders directly below `root`, sorted; names that are not UTF-8 are left to the walk to tell.
pub(super) async fn folders(root: PathBuf) -> Result<Vec<String>, StoreError> {
    let what = format!("reading `{}`", root.display());
    let list = move || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in fs::read_dir(&root)? {
            let item = item?;
            if fs::metadata(item.path()).is_ok_and(|found| found.is_dir())
                && let Ok(name) = item.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    };
    match tokio::task::spawn_blocking(list).await {
        Ok(Ok(names)) => Ok(names),
        Ok(Err(error)) => Err(StoreError::from_io(error, what, false)),
        Err(error) => Err(StoreError::local(what, error)),
    }
}

/// A tag of our own: modification time in nanoseconds and size.
pub(super) fn etag(found: &fs::Metadata) -> String {
    let nanoseconds = i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec());
    format!("{nanoseconds:x}-{:x}", found.len())
}

/// Classifies an error of reading a file.
pub(super) fn classify(error: io::Error, path: &Path) -> FetchError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            FetchError::NotFound
        }
        io::ErrorKind::PermissionDenied => FetchError::Denied,
        _ => FetchError::Store(StoreError::from_io(error, format!("reading `{}`", path.display()), false)),
    }
}

/// Opens a file that was planned, with or without its tag. What is no regular file was never planned with a tag.
pub(super) fn open(path: &Path, planned: Option<&str>) -> Result<fs::File, FetchError> {
    regular_file::open(path).map_err(|error| match planned {
        _ if !NotRegular::is_cause_of(&error) => classify(error, path),
        Some(_) => FetchError::Changed,
        None => FetchError::NotFound,
    })
}

/// Reads one opened file whole; the tag is taken from it, so that it belongs to these bytes.
pub(super) fn read(
    mut file: fs::File,
    path: &Path,
    planned: Option<&str>,
    limit: u64,
    buffers: &Arc<Buffers>,
) -> Result<(Bytes, String), FetchError> {
    let classify = |error: io::Error| classify(error, path);
    let found = file.metadata().map_err(classify)?;
    let tag = etag(&found);
    if planned.is_some_and(|planned| planned != tag) {
        return Err(FetchError::Changed);
    }
    if found.len() > limit {
        return Err(FetchError::TooLarge { size: found.len() });
    }
    let mut bytes = buffers.lend(found.len() as usize);
    file.by_ref().take(found.len() + 1).read_to_end(&mut bytes).map_err(classify)?;
    if bytes.len() as u64 != found.len() {
        return Err(FetchError::Changed);
    }
    Ok((buffers.share(bytes), tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;
    use std::sync::Mutex;

    async fn keys(root: &Path, after: Option<&str>) -> (Vec<String>, Vec<&'static str>) {
        let unreadable = Mutex::new(Vec::new());
        let tell = |file: Unreadable| unreadable.lock().unwrap().push(file.why);
        let entries: Vec<Entry> =
            walk(root.into(), after.map(str::to_owned), Box::new(tell)).try_collect().await.unwrap();
        let keys = entries.into_iter().map(|entry| entry.key).collect();
        (keys, unreadable.into_inner().unwrap())
    }

    #[tokio::test]
    async fn keys_come_in_byte_order_with_folders_compared_as_name_slash() {
        let root = tempfile::tempdir().unwrap();
        for key in ["a/1.jpg", "a-b/1.jpg", "a.jpg", "a0/x", "é.jpg", "B.jpg", "a/#2.jpg"] {
            let path = root.path().join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        let (all, _) = keys(root.path(), None).await;
        let mut sorted = all.clone();
        sorted.sort();
        assert_eq!(all, sorted);
        assert_eq!(all.len(), 7);
        let (rest, _) = keys(root.path(), Some("a/1.jpg")).await;
        assert_eq!(rest, sorted[sorted.iter().position(|key| key == "a/1.jpg").unwrap() + 1..]);
    }

    #[tokio::test]
    async fn links_in_circles_and_names_that_are_no_text_are_told() {
        use std::os::unix::ffi::OsStrExt;
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("a/loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("dangling.jpg")).unwrap();
        fs::write(root.path().join(std::ffi::OsStr::from_bytes(b"\xff.jpg")), b"x").unwrap();
        let (keys, told) = keys(root.path(), None).await;
        assert!(keys.is_empty());
        assert_eq!(told.len(), 3, "{told:?}");
    }

    #[test]
    fn a_file_rewritten_since_the_plan_is_changed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.jpg");
        fs::write(&path, b"first").unwrap();
        let buffers = Arc::default();
        let read =
            |planned: Option<&str>, limit| read(open(&path, planned)?, &path, planned, limit, &buffers);
        let (_, tag) = read(None, 100).unwrap();
        fs::write(&path, b"second!").unwrap();
        assert!(matches!(read(Some(&tag), 100), Err(FetchError::Changed)));
        assert!(matches!(read(None, 3), Err(FetchError::TooLarge { size: 7 })));
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(matches!(read(Some(&tag), 100), Err(FetchError::Changed)));
        assert!(matches!(read(None, 100), Err(FetchError::NotFound)));
    }
}
