//! A bucket in memory with any number of computed keys: key `i` has the bytes of image `i mod n`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Keys below `in/`; everything else is an ordinary store in memory.
pub struct VirtualBucket {
    keys: u64,
    images: Vec<Bytes>,
    rest: InMemory,
    /// Requests: images, listings, all others.
    pub gets: AtomicU64,
    pub listings: AtomicU64,
    pub others: AtomicU64,
    /// Requests by object and method, such as `plan HEAD`; a listing counts its pages.
    kinds: Mutex<BTreeMap<String, u64>>,
}

impl VirtualBucket {
    pub fn new(keys: u64, images: Vec<Bytes>) -> VirtualBucket {
        let zero = || AtomicU64::new(0);
        let (rest, kinds) = (InMemory::new(), Mutex::default());
        VirtualBucket { keys, images, rest, gets: zero(), listings: zero(), others: zero(), kinds }
    }

    pub fn requests(&self) -> [u64; 3] {
        [&self.gets, &self.listings, &self.others].map(|count| count.swap(0, Relaxed))
    }

    /// How many requests of a kind there were.
    pub fn kind(&self, kind: &str) -> u64 {
        self.kinds.lock().unwrap().get(kind).copied().unwrap_or_default()
    }

    fn count(&self, of: &str, method: &str, requests: u64) {
        *self.kinds.lock().unwrap().entry(format!("{of} {method}")).or_default() += requests;
    }

    /// What an object below the output is for.
    fn purpose(path: &Path) -> &'static str {
        let key = path.as_ref();
        match key.rsplit('/').next().unwrap_or_default() {
            _ if key.contains("_tresnet/plan/") => "plan",
            name if name.starts_with("part-") => "part",
            _ => "control",
        }
    }

    fn key(number: u64) -> Path {
        Path::from(format!("in/{:04}/{number:010}.jpg", number / 1000))
    }

    fn number(path: &Path) -> Option<u64> {
        path.as_ref().strip_prefix("in/")?.rsplit('/').next()?.strip_suffix(".jpg")?.parse().ok()
    }

    fn meta(&self, number: u64) -> ObjectMeta {
        ObjectMeta {
            location: Self::key(number),
            last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
            size: self.images[(number % self.images.len() as u64) as usize].len() as u64,
            e_tag: Some(format!("\"{number:x}\"")),
            version: None,
        }
    }

    /// A thousand keys a request, as a store's pages are.
    fn from(&self, first: u64) -> BoxStream<'static, Result<ObjectMeta>> {
        let pages = (self.keys - first.min(self.keys)).div_ceil(1000);
        self.listings.fetch_add(pages, Relaxed);
        self.count("input", "LIST", pages);
        let sizes: Vec<u64> = self.images.iter().map(|image| image.len() as u64).collect();
        let metas = (first..self.keys).map(move |number| {
            Ok(ObjectMeta {
                location: Self::key(number),
                last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
                size: sizes[(number % sizes.len() as u64) as usize],
                e_tag: Some(format!("\"{number:x}\"")),
                version: None,
            })
        });
        stream::iter(metas).boxed()
    }
}

impl fmt::Debug for VirtualBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for VirtualBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a bucket of {} keys", self.keys)
    }
}

#[async_trait::async_trait]
impl ObjectStore for VirtualBucket {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.others.fetch_add(1, Relaxed);
        self.count(Self::purpose(path), "PUT", 1);
        self.rest.put_opts(path, payload, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let Some(number) = Self::number(path).filter(|number| *number < self.keys) else {
            self.others.fetch_add(1, Relaxed);
            self.count(Self::purpose(path), if options.head { "HEAD" } else { "GET" }, 1);
            return self.rest.get_opts(path, options).await;
        };
        self.gets.fetch_add(1, Relaxed);
        self.count("image", "GET", 1);
        let meta = self.meta(number);
        options.check_preconditions(&meta)?;
        let image = self.images[(number % self.images.len() as u64) as usize].clone();
        let range = match options.range {
            Some(GetRange::Bounded(range)) => range,
            _ => 0..meta.size,
        };
        let bytes = image.slice(range.start as usize..range.end as usize);
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed()),
            meta,
            range,
            attributes: Attributes::default(),
            extensions: Default::default(),
        })
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match prefix.map(Path::as_ref) {
            Some("in") => self.from(0),
            _ => self.rest.list(prefix),
        }
    }

    fn list_with_offset(&self, _: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.from(Self::number(offset).map_or(0, |number| number + 1))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.listings.fetch_add(1, Relaxed);
        let listing = self.rest.list_with_delimiter(prefix).await?;
        let entries = (listing.objects.len() + listing.common_prefixes.len()) as u64;
        self.count("output", "LIST", entries.div_ceil(1000).max(1));
        Ok(listing)
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented { operation: "multipart".into(), implementer: self.to_string() })
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let refusal = Error::NotImplemented { operation: "delete".into(), implementer: self.to_string() };
        stream::iter([Err(refusal)]).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(Error::NotImplemented { operation: "copy".into(), implementer: self.to_string() })
    }
}
