//! A sorted walk of a folder on local disk. Threads read folders and ask for the facts of files ahead of it.
//!
//! `object_store`'s own listing of a disk is unsorted and hides names that end in `#` and digits.

use std::collections::VecDeque;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use futures::stream::{BoxStream, StreamExt};

use crate::tasks::sent;

use super::StoreError;
use super::ahead::{Ahead, Helpers};
use super::entry::{Entry, Obstacle};
use super::key::{has_bytes, name_in_key};
use super::links::BrokenLink;
use super::local::etag;

/// What is no file, and no link that should lead to one: it is counted and named, never dropped in silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The path, as far as it can be shown.
    pub path: String,
    /// Why.
    pub why: &'static str,
}

/// Depth of the channel between the walking thread and the planner: about one directory read ahead.
const WALK_AHEAD: usize = 1024;
/// Files whose facts a thread asks for in one go, and how many such pieces are ahead of the walk.
const FILES: usize = 256;
/// Items of a folder from which on it is worth it.
const FEWEST: usize = 16;
const PIECES_AHEAD: usize = 8;
/// Folders whose names are read ahead, and names of one that are held before its turn. A larger one waits for it.
const FOLDERS_AHEAD: usize = 8;
const NAMES_AHEAD: usize = 20_000;

/// Every regular file below `root` in byte order of its key, directories compared as `name/`. Files that cannot be read
/// for their names, and links that lead to no file, are entries with an obstacle.
pub(super) fn walk<'a>(
    root: PathBuf,
    after: Option<String>,
    unreadable: Box<dyn Fn(Unreadable) + Send + Sync + 'a>,
) -> BoxStream<'a, Result<Entry, StoreError>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(WALK_AHEAD);
    let walking = tokio::task::spawn_blocking(move || {
        let mut walk = Walk { after, sender, parents: Vec::new(), helpers: Helpers::default() };
        match fs::metadata(&root) {
            Err(error) => walk.fail(error, &root),
            Ok(found) if !found.is_dir() => walk.send(Err(StoreError::Missing {
                what: format!("`{}` is not a folder", root.display()),
                cause: None,
            })),
            Ok(found) => {
                walk.parents.push((found.dev(), found.ino()));
                walk.folder(names_of(&root, usize::MAX), "")
            }
        }
    });
    sent(receiver, walking)
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

/// One name of a folder; that of a folder ends with a slash.
struct Item {
    name: String,
    path: PathBuf,
}

impl Item {
    fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }
}

/// The names of a folder, sorted.
type Names = Vec<Item>;

/// An error, and what was read.
type Failed = (io::Error, PathBuf);

/// The names of a folder, or `None` if there are more than `most`.
fn names_of(folder: &Path, most: usize) -> Result<Option<Names>, Failed> {
    let mut names = Names::new();
    for item in fs::read_dir(folder).map_err(|error| (error, folder.to_owned()))? {
        let item = item.map_err(|error| (error, folder.to_owned()))?;
        if names.len() >= most {
            return Ok(None);
        }
        let path = item.path();
        let mut name = name_in_key(&item.file_name());
        // a link's target decides; a link to nothing sorts as a file
        let is_folder = match item.file_type() {
            Ok(kind) if kind.is_symlink() => fs::metadata(&path).is_ok_and(|target| target.is_dir()),
            Ok(kind) => kind.is_dir(),
            Err(error) => return Err((error, path)),
        };
        if is_folder {
            name.push('/');
        }
        names.push(Item { name, path });
    }
    names.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    Ok(Some(names))
}

struct Walk {
    after: Option<String>,
    sender: tokio::sync::mpsc::Sender<Result<Found, StoreError>>,
    parents: Vec<(u64, u64)>,
    helpers: Helpers,
}

impl Walk {
    /// Returns false after an error, and once the receiver is gone.
    fn send(&mut self, item: Result<Found, StoreError>) -> bool {
        let failed = item.is_err();
        self.sender.blocking_send(item).is_ok() && !failed
    }

    fn fail(&mut self, error: io::Error, path: &Path) -> bool {
        let error = StoreError::from_io(error, format!("reading `{}`", path.display()), false);
        self.send(Err(error))
    }

    fn tell(&mut self, path: String, why: &'static str) -> bool {
        self.send(Ok(Found::Unreadable(Unreadable { path, why })))
    }

    /// True for what is after the beginning, or has something after it below it.
    fn is_wanted(&self, key: &str) -> bool {
        let after = self.after.as_deref();
        after.is_none_or(|after| key > after || key.ends_with('/') && after.starts_with(key))
    }

    fn folder(&mut self, names: Result<Option<Names>, Failed>, prefix: &str) -> bool {
        let mut items = match names {
            Ok(names) => names.unwrap_or_default(),
            Err((error, path)) => return self.fail(error, &path),
        };
        items.retain(|item| self.is_wanted(&format!("{prefix}{}", item.name)));
        let mut ahead = ItemsAhead::default();
        for at in 0..items.len() {
            let (found, names) = ahead.next(&mut self.helpers, &items, at);
            let item = &items[at];
            if !self.item(&item.path, format!("{prefix}{}", item.name), found, names) {
                return false;
            }
        }
        true
    }

    fn item(
        &mut self,
        path: &Path,
        key: String,
        found: io::Result<Metadata>,
        names: Option<NamesAhead>,
    ) -> bool {
        let shown = || path.to_string_lossy().into_owned();
        let found = match found {
            Ok(found) => found,
            Err(error) => match BrokenLink::at(path, &error) {
                Some(link) => {
                    let (etag, obstacle) = (Some(etag(&link.facts)), Some(Obstacle::Link(link.why)));
                    return self.send(Ok(Found::File(Entry { key, size: 0, etag, obstacle })));
                }
                None if error.kind() == io::ErrorKind::NotFound => {
                    return self.tell(shown(), "it was deleted while its folder was listed");
                }
                None => return self.fail(error, path),
            },
        };
        if found.is_dir() {
            let id = (found.dev(), found.ino());
            if self.parents.contains(&id) {
                return self.tell(shown(), "a link to a folder above it");
            }
            self.parents.push(id);
            let names = match names.and_then(Ahead::wait) {
                // too many to be held before its turn
                None | Some(Ok(None)) => names_of(path, usize::MAX),
                Some(names) => names,
            };
            let goes_on = self.folder(names, &key);
            self.parents.pop();
            return goes_on;
        }
        if !found.is_file() {
            return self.tell(shown(), "neither a file nor a folder");
        }
        let obstacle = has_bytes(&key).then_some(Obstacle::Name);
        let entry = Entry { key, size: found.len(), etag: Some(etag(&found)), obstacle };
        self.send(Ok(Found::File(entry)))
    }
}

type FactsAhead = Ahead<Vec<io::Result<Metadata>>>;
type NamesAhead = Ahead<Result<Option<Names>, Failed>>;

/// What threads read ahead of one folder's walk.
#[derive(Default)]
struct ItemsAhead {
    /// Facts of the items to come, by the position of the first.
    facts: VecDeque<(usize, FactsAhead)>,
    current: std::vec::IntoIter<io::Result<Metadata>>,
    /// Items whose facts are asked for.
    asked: usize,
    /// Folders that are asked for, by their position, and where to look for more.
    folders: VecDeque<(usize, NamesAhead)>,
    looked: usize,
}

impl ItemsAhead {
    /// The facts of an item and, of a folder, its names. Items are asked for in their order.
    fn next(
        &mut self,
        helpers: &mut Helpers,
        items: &[Item],
        at: usize,
    ) -> (io::Result<Metadata>, Option<NamesAhead>) {
        while items.len() >= FEWEST && self.asked < items.len() && self.facts.len() < PIECES_AHEAD {
            let end = (self.asked + FILES).min(items.len());
            let paths: Vec<PathBuf> = items[self.asked..end].iter().map(|item| item.path.clone()).collect();
            let facts = helpers.ahead(move || paths.iter().map(fs::metadata).collect());
            self.facts.push_back((self.asked, facts));
            self.asked = end;
        }
        self.looked = self.looked.max(at);
        while self.looked < items.len() && self.folders.len() < FOLDERS_AHEAD {
            let item = &items[self.looked];
            if item.is_folder() {
                let path = item.path.clone();
                self.folders.push_back((self.looked, helpers.ahead(move || names_of(&path, NAMES_AHEAD))));
            }
            self.looked += 1;
        }
        let found = self.current.next().or_else(|| {
            let (_, facts) = self.facts.pop_front_if(|(first, _)| *first == at)?;
            self.current = facts.wait()?.into_iter();
            self.current.next()
        });
        let is_next = self.folders.front().is_some_and(|(folder, _)| *folder == at);
        let names = if is_next { self.folders.pop_front().map(|(_, names)| names) } else { None };
        // few items, or work that panicked
        (found.unwrap_or_else(|| fs::metadata(&items[at].path)), names)
    }
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
    async fn a_link_to_a_folder_above_it_is_reported() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("a/loop")).unwrap();
        let (keys, told) = keys(root.path(), None).await;
        assert!(keys.is_empty());
        assert_eq!(told, ["a link to a folder above it"]);
    }

    #[tokio::test]
    async fn links_to_nothing_and_names_that_are_no_text_are_entries_with_an_obstacle() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        let odd = root.path().join(OsStr::from_bytes(b"caf\xe9"));
        fs::create_dir(&odd).unwrap();
        for name in [&b"1.jpg"[..], b"\xfe.jpg", b"\xff.jpg"] {
            fs::write(odd.join(OsStr::from_bytes(name)), b"x").unwrap();
        }
        fs::write(root.path().join("b.jpg"), b"x").unwrap();
        symlink("nowhere", root.path().join("d.jpg")).unwrap();
        symlink("b.jpg/x", root.path().join("e.jpg")).unwrap();
        symlink("f.jpg", root.path().join("f.jpg")).unwrap();
        fs::write(root.path().join("z.jpg"), b"x").unwrap();
        let entries: Vec<Entry> =
            walk(root.path().into(), None, Box::new(|_| {})).try_collect().await.unwrap();
        let found: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), entry.obstacle)).collect();
        let (name, nothing) = (Some(Obstacle::Name), Some(Obstacle::Link("it is a link to nothing")));
        let expected = [
            ("b.jpg", None),
            ("caf\0e9/\0fe.jpg", name),
            ("caf\0e9/\0ff.jpg", name),
            ("caf\0e9/1.jpg", name),
            ("d.jpg", nothing),
            ("e.jpg", nothing),
            ("f.jpg", Some(Obstacle::Link("it is a link to itself"))),
            ("z.jpg", None),
        ];
        assert_eq!(found, expected);
        // from any of them on
        for at in 0..expected.len() {
            let (rest, _) = keys(root.path(), Some(expected[at].0)).await;
            let wanted: Vec<&str> = expected[at + 1..].iter().map(|(key, _)| *key).collect();
            assert_eq!(rest, wanted);
        }
    }

    #[tokio::test]
    async fn folders_of_any_size_are_walked_in_order_and_every_file_once() {
        let root = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        // more files than a piece, more folders than are read ahead, folders in folders, empty ones
        for folder in 0..30 {
            let files = [0, 1, 3, 700][folder % 4];
            let name = format!("{folder:02}{}", ["", "-x", "/deep/er"][folder % 3]);
            fs::create_dir_all(root.path().join(&name)).unwrap();
            for file in 0..files {
                let key = format!("{name}/{file:04}.jpg");
                fs::write(root.path().join(&key), b"x").unwrap();
                expected.push(key);
            }
        }
        expected.sort();
        let (all, _) = keys(root.path(), None).await;
        assert_eq!(all, expected);
        for at in [0, 700, expected.len() / 2, expected.len() - 1] {
            let (rest, _) = keys(root.path(), Some(&expected[at])).await;
            assert_eq!(rest, expected[at + 1..]);
        }
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_read_is_an_error_in_its_turn() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        for folder in ["a", "b", "c"] {
            fs::create_dir(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("1.jpg"), b"x").unwrap();
        }
        let closed = root.path().join("b");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        // root may read everything
        let is_root = fs::read_dir(&closed).is_ok();
        let mut entries = walk(root.path().into(), None, Box::new(|_| {}));
        assert_eq!(entries.try_next().await.unwrap().unwrap().key, "a/1.jpg");
        let next = entries.try_next().await;
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(is_root || matches!(next, Err(StoreError::Denied { .. })), "{next:?}");
    }
}
