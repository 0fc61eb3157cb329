//! Pieces of large objects, each checked against the tag that was planned, so that no two of them come from
//! different versions of an object.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use object_store::{GetOptions, GetRange, ObjectStore};

use crate::telemetry::Redacted;

use super::entry::strong;
use super::key::escaped;
use super::tagged::Refused;
use super::{Entry, FetchError, Location, StoreError, Uri, local};

/// A piece of an object.
#[derive(Debug, Clone)]
pub struct Window {
    /// The bytes; fewer than asked for where the object ends.
    pub bytes: Bytes,
    /// Bytes of the whole object.
    pub size: u64,
    /// Its entity tag.
    pub etag: Option<String>,
}

impl Location {
    /// Reads a range of an object that must still have the tag `planned`. A range that begins after the object's end
    /// returns no bytes.
    ///
    /// # Errors
    /// The object is gone, denied, archived or changed, or no request can ask for its key. [`FetchError::Store`]: the
    /// store does not give it until the retries are spent.
    pub async fn window(
        &self,
        key: &str,
        range: Range<u64>,
        planned: Option<&str>,
    ) -> Result<Window, FetchError> {
        let path = self.object(key)?;
        if let Uri::Local(root) = &self.uri {
            let (path, tag) = (root.join(key), planned.map(str::to_owned));
            let read = tokio::task::spawn_blocking(move || local_window(&path, range, tag.as_deref()));
            return read.await.map_err(|error| StoreError::local(format!("reading `{key}`"), error))?;
        }
        self.retry(|| async {
            match self.window_once(&path, key, range.clone(), planned).await {
                Ok(window) => Ok(Ok(window)),
                Err(FetchError::Store(error)) => Err(error),
                Err(object) => Ok(Err(object)),
            }
        })
        .await?
    }

    async fn window_once(
        &self,
        path: &object_store::path::Path,
        key: &str,
        range: Range<u64>,
        planned: Option<&str>,
    ) -> Result<Window, FetchError> {
        let what = || format!("reading `{key}`");
        let classify = |error: object_store::Error| match StoreError::from_store(error, what(), false) {
            StoreError::Missing { .. } => FetchError::NotFound,
            StoreError::Denied { .. } => FetchError::Denied,
            StoreError::Archived { .. } => FetchError::Archived,
            other => FetchError::Store(other),
        };
        let bounds = Some(GetRange::Bounded(range.clone()));
        let (response, etag) = match self.get_tagged(path, key, planned, bounds).await {
            Ok(response) => response,
            Err(Refused::Object(error)) => return Err(error),
            Err(Refused::Client(error)) => {
                // each store refuses a range after the end, or of an empty object, with a different error
                let head = GetOptions { head: true, ..self.only(path) };
                let found = self.store.get_opts(path, head).await.map_err(classify)?.meta;
                if found.size > range.start {
                    return Err(classify(error));
                }
                return Ok(Window { bytes: Bytes::new(), size: found.size, etag: strong(found.e_tag) });
            }
        };
        let size = response.meta.size;
        let expected = range.end.min(size).saturating_sub(range.start);
        let bytes = response.bytes().await.map_err(classify)?;
        if bytes.len() as u64 != expected {
            let came = format!("{} of {expected} bytes came", bytes.len());
            return Err(StoreError::unavailable(what(), came).into());
        }
        Ok(Window { bytes, size, etag })
    }

    /// Size and tag of one object, or `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Denied`]: it may not be read, is archived, or no request can ask for its key. Else those of the
    /// store.
    pub async fn stat(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        match self.window(key, 0..1, None).await {
            Ok(window) => {
                let Window { size, etag, .. } = window;
                Ok(Some(Entry { key: key.to_owned(), size, etag, obstacle: None }))
            }
            Err(FetchError::NotFound) => Ok(None),
            Err(FetchError::Store(error)) => Err(error),
            Err(error) => Err(StoreError::Denied {
                what: format!("reading `{}/{key}`", self.uri),
                cause: Redacted::new(error),
            }),
        }
    }

    /// Fails for a key that no request can ask for.
    ///
    /// # Errors
    /// [`StoreError::BadKey`], with the reason that [`Location::unaddressable`] names.
    pub fn check_key(&self, key: &str) -> Result<(), StoreError> {
        let Some(why) = self.unaddressable(key) else { return Ok(()) };
        Err(StoreError::BadKey { key: escaped(key), why: why.to_owned(), cause: Redacted::new(why) })
    }
}

fn local_window(path: &Path, range: Range<u64>, planned: Option<&str>) -> Result<Window, FetchError> {
    let classify = |error: io::Error| local::classify(error, path);
    let file = local::open(path, planned)?;
    let found = file.metadata().map_err(classify)?;
    let (size, etag) = (found.len(), local::etag(&found));
    if planned.is_some_and(|planned| planned != etag) {
        return Err(FetchError::Changed);
    }
    let length = range.end.min(size).saturating_sub(range.start);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    match file.read_exact_at(&mut bytes, range.start) {
        Ok(()) => Ok(Window { bytes: bytes.into(), size, etag: Some(etag) }),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(FetchError::Changed),
        Err(error) => Err(classify(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Role;
    use std::fs;

    #[tokio::test]
    async fn windows_are_pieces_of_one_version_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        fs::write(&path, b"0123456789").unwrap();
        let input = Location::open(folder.path().to_str().unwrap(), Role::Input).unwrap();
        let first = input.window("a.tar", 0..4, None).await.unwrap();
        assert_eq!((&first.bytes[..], first.size), (&b"0123"[..], 10));
        let tag = first.etag.as_deref();
        assert_eq!(&input.window("a.tar", 8..99, tag).await.unwrap().bytes[..], b"89");
        assert!(input.window("a.tar", 10..20, tag).await.unwrap().bytes.is_empty());
        fs::write(&path, b"another text").unwrap();
        assert!(matches!(input.window("a.tar", 4..8, tag).await, Err(FetchError::Changed)));
        assert!(matches!(input.window("b.tar", 0..8, None).await, Err(FetchError::NotFound)));
        fs::create_dir(folder.path().join("folder")).unwrap();
        assert!(matches!(input.window("folder", 0..8, None).await, Err(FetchError::NotFound)));
        assert!(matches!(input.window(".", 0..8, None).await, Err(FetchError::Unaddressable(_))));
    }
}
