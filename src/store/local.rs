//! Local disk: a read that notices a changed file, and the folders of a folder.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::regular_file::{self, NotRegular};

use super::buffers::Buffers;
use super::links::BrokenLink;
use super::{FetchError, StoreError};

/// Names of the folders directly below `root`, sorted, without those that are not UTF-8: what is in them is listed.
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
        // a link that leads back to itself, and a name longer than the file system has any
        _ if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENAMETOOLONG)) => FetchError::NotFound,
        io::ErrorKind::PermissionDenied => FetchError::Denied,
        _ => FetchError::Store(StoreError::from_io(error, format!("reading `{}`", path.display()), false)),
    }
}

/// Opens a file that was planned, with or without its tag. What is no regular file was never planned with a tag, except
/// a link that leads to no file, whose tag is its own.
pub(super) fn open(path: &Path, planned: Option<&str>) -> Result<fs::File, FetchError> {
    regular_file::open(path).map_err(|error| match (planned, BrokenLink::at(path, &error)) {
        (Some(planned), Some(link)) if etag(&link.facts) == planned => FetchError::Unaddressable(link.why),
        (_, Some(_)) => FetchError::NotFound,
        (_, None) if !NotRegular::is_cause_of(&error) => classify(error, path),
        (Some(_), None) => FetchError::Changed,
        (None, None) => FetchError::NotFound,
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

    #[test]
    fn a_link_to_itself_and_a_name_that_no_file_can_have_are_not_there() {
        let root = tempfile::tempdir().unwrap();
        let looping = root.path().join("a.jpg");
        std::os::unix::fs::symlink("a.jpg", &looping).unwrap();
        let long = root.path().join("n".repeat(300));
        for path in [looping.clone(), looping.join("b.jpg"), long, root.path().join("d/".repeat(3000))] {
            assert!(matches!(open(&path, None), Err(FetchError::NotFound)), "{}", path.display());
        }
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

    #[test]
    fn a_link_to_nothing_is_unaddressable_only_where_it_was_planned_so() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.jpg");
        for target in ["nowhere", "a.jpg"] {
            std::os::unix::fs::symlink(target, &path).unwrap();
            let tag = etag(&fs::symlink_metadata(&path).unwrap());
            assert!(matches!(open(&path, Some(&tag)), Err(FetchError::Unaddressable(_))));
            assert!(matches!(open(&path, Some("other")), Err(FetchError::NotFound)));
            assert!(matches!(open(&path, None), Err(FetchError::NotFound)));
            fs::remove_file(&path).unwrap();
        }
    }
}
