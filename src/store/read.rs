//! Whole reads. Every response is read to its end at once and its length is checked: a request's timeout runs
//! while its stream is held.

use std::ops::Range;

use bytes::Bytes;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use crate::tasks::{Task, has_many_threads};

use super::checksum::Announced;
use super::tagged::Refused;
use super::traffic::is_error_document;
use super::transcoded::Transcoded;
use super::{FetchError, Location, StoreError, Uri};

/// One object's bytes and its entity tag.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// All bytes of it.
    pub bytes: Bytes,
    /// Strong entity tag, if the store gave one.
    pub etag: Option<String>,
}

/// What the plan has recorded of an object; `None` where it has nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Planned<'a> {
    /// The tag that it must still have.
    pub etag: Option<&'a str>,
    /// The bytes that it must still have.
    pub size: Option<u64>,
}

impl Location {
    /// Reads one image, as it was `planned`; above `limit` bytes it is not read.
    ///
    /// # Errors
    /// The object is gone, denied, archived, changed, larger than `limit` or corrupt, or no request can ask for its
    /// key. [`FetchError::Store`]: the store does not give it until the retries are spent.
    pub async fn fetch(&self, key: &str, planned: Planned<'_>, limit: u64) -> Result<Fetched, FetchError> {
        let path = self.object(key)?;
        if let Uri::Local(root) = &self.uri {
            let tag = planned.etag.map(str::to_owned);
            let (bytes, etag) = self.readers.read(root.join(key), tag, limit).await?;
            return Ok(Fetched { bytes, etag: Some(etag) });
        }
        self.retry(|| async {
            match self.fetch_checked(&path, key, planned, limit).await {
                Ok(fetched) => Ok(Ok(fetched)),
                Err(FetchError::Store(error)) => Err(error),
                Err(image) => Ok(Err(image)),
            }
        })
        .await?
    }

    /// As [`Location::fetch`], in a task where the runtime has more than two threads: the task of a part reads all its
    /// images, and one thread alone cannot sign, parse and copy enough of them for a fast device. A local disk has threads
    /// that read.
    ///
    /// # Errors
    /// Those of [`Location::fetch`].
    pub async fn fetch_aside(
        &self,
        key: &str,
        planned: Planned<'_>,
        limit: u64,
    ) -> Result<Fetched, FetchError> {
        if self.local_path().is_some() || !has_many_threads() {
            return self.fetch(key, planned, limit).await;
        }
        let (location, key) = (self.clone(), key.to_owned());
        let (etag, size) = (planned.etag.map(str::to_owned), planned.size);
        Task::start(async move { location.fetch(&key, Planned { etag: etag.as_deref(), size }, limit).await })
            .await
    }

    pub(super) async fn fetch_once(
        &self,
        path: &object_store::path::Path,
        key: &str,
        planned: Planned<'_>,
        limit: u64,
    ) -> Result<Fetched, FetchError> {
        let unavailable =
            |why: String| FetchError::Store(StoreError::unavailable(format!("reading `{key}`"), why));
        let classify = |error: object_store::Error| match StoreError::from_store(
            error,
            format!("reading `{key}`"),
            false,
        ) {
            StoreError::Missing { .. } => FetchError::NotFound,
            StoreError::Denied { .. } => FetchError::Denied,
            StoreError::Archived { .. } => FetchError::Archived,
            other => FetchError::Store(other),
        };
        let (mut response, etag) = match self.get_tagged(path, key, planned.etag, None).await {
            Err(Refused::Client(error)) => return Err(classify(error)),
            Err(Refused::Object(error)) => return Err(error),
            Ok(response) => response,
        };
        let size = response.meta.size;
        let transcoded: Option<Transcoded> = response.extensions.remove();
        let stored = transcoded.map_or(Some(size), |transcoded| transcoded.stored);
        if let (Some(planned_size), Some(size)) = (planned.size, stored)
            && planned_size != size
        {
            // the same bytes cannot have two sizes; without a tag, the store's own word on the size decides
            let changed = planned.etag.is_none()
                && matches!(self.store.head(path).await, Ok(now) if now.size != planned_size);
            return Err(if changed {
                FetchError::Changed
            } else {
                unavailable(format!("{size} of {planned_size} bytes were announced"))
            });
        }
        if size > limit {
            return Err(FetchError::TooLarge { size });
        }
        let announced = Announced::taken(&mut response);
        // its limit is a number of bytes in memory
        let room = usize::try_from(size).unwrap_or(usize::MAX);
        let bytes = self.readers.buffers.collect(response.into_stream(), room).await.map_err(classify)?;
        if bytes.len() as u64 != size {
            return Err(unavailable(format!("{} of {size} bytes came", bytes.len())));
        }
        if etag.is_none() && is_error_document(&bytes) {
            return Err(unavailable("an error document came in its place".into()));
        }
        self.check(announced, &bytes).await?;
        Ok(Fetched { bytes, etag })
    }

    /// Reads one byte of an object and returns whether it can still be read. True for one in an archive tier, too: a
    /// store reports that only to those who may read it.
    ///
    /// # Errors
    /// If the store's answer decides neither.
    pub async fn answers(&self, key: &str) -> Result<bool, StoreError> {
        if let Uri::Local(_) = &self.uri {
            return match self.window(key, 0..1, None).await {
                Ok(_) => Ok(true),
                Err(FetchError::Store(error)) => Err(error),
                Err(_) => Ok(false),
            };
        }
        let Ok(path) = self.object(key) else { return Ok(false) };
        self.retry(|| async {
            let options = GetOptions { range: Some(GetRange::Bounded(0..1)), ..self.only(&path) };
            let byte = match self.store.get_opts(&path, options).await {
                Ok(response) => response.bytes().await,
                Err(error) => Err(error),
            };
            match byte.map_err(|error| StoreError::from_store(error, format!("reading `{key}`"), false)) {
                Ok(_) | Err(StoreError::Archived { .. }) => Ok(true),
                Err(StoreError::Missing { .. } | StoreError::Denied { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// A small object whole, or `None` where there is none.
    ///
    /// # Errors
    /// `name` is no path or no regular file, or the store denies the read or fails until the retries are spent.
    pub async fn read(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(name)?;
        let what = format!("reading `{}/{name}`", self.uri);
        self.refuse_special(name).await?;
        self.retry(|| {
            self.in_time(&what, 0, async {
                let classify = |error| StoreError::from_store(error, what.clone(), false);
                let response = match self.store.get(&path).await.map_err(classify) {
                    Err(StoreError::Missing { .. }) => return Ok(None),
                    response => response?,
                };
                let size = response.meta.size;
                let untagged = response.meta.e_tag.is_none();
                let bytes = response.bytes().await.map_err(classify)?;
                if untagged && is_error_document(&bytes) {
                    return Err(StoreError::unavailable(&what, "an error document came in its place"));
                }
                if bytes.len() as u64 != size {
                    let came = format!("{} of {size} bytes came", bytes.len());
                    return Err(StoreError::unavailable(&what, came));
                }
                Ok(Some(bytes))
            })
        })
        .await
    }

    /// A range of an object.
    ///
    /// # Errors
    /// Fewer bytes come than are asked for; that is tried again unless the object itself is shorter.
    pub async fn read_range(&self, name: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        let path = self.path(name)?;
        let what = format!("reading `{}/{name}`", self.uri);
        self.refuse_special(name).await?;
        self.retry(|| {
            self.in_time(&what, range.end - range.start, async {
                let wanted = range.end - range.start;
                let error = match self.store.get_range(&path, range.clone()).await {
                    Ok(bytes) if bytes.len() as u64 == wanted => return Ok(bytes),
                    Ok(bytes) => {
                        let came = format!("{} of {wanted} bytes came", bytes.len());
                        StoreError::unavailable(&what, came)
                    }
                    Err(error) => match StoreError::from_store(error, what.clone(), false) {
                        error @ (StoreError::Unavailable { .. } | StoreError::Io { .. }) => error,
                        error => return Err(error),
                    },
                };
                match self.store.head(&path).await {
                    Ok(found) if found.size < range.end => {
                        let (what, size, wanted) = (what.clone(), found.size, range.end);
                        Err(StoreError::Short { what, size, wanted })
                    }
                    _ => Err(error),
                }
            })
        })
        .await
    }

    /// The size of an object, or `None` where there is none.
    ///
    /// # Errors
    /// `name` is no path or no regular file, or the store denies the request or fails until the retries are spent.
    pub async fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let path = self.path(name)?;
        let what = format!("looking for `{}/{name}`", self.uri);
        self.refuse_special(name).await?;
        self.retry(|| {
            self.in_time(&what, 0, async {
                match self.store.head(&path).await {
                    Ok(meta) => Ok(Some(meta.size)),
                    Err(object_store::Error::NotFound { .. }) => Ok(None),
                    Err(error) => Err(StoreError::from_store(error, what.clone(), false)),
                }
            })
        })
        .await
    }
}
