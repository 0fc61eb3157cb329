//! A folder somewhere, opened: its store, its prefix, and how to list it in key order.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectMeta, ObjectStore, RetryConfig};

use super::local::{self, Unreadable};
use super::retry::retry;
use super::{StoreError, Uri};

/// What a location is opened for; decides timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Many small reads.
    Input,
    /// Few large conditional writes.
    Output,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Key below the location.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Strong entity tag, if the store gave one.
    pub etag: Option<String>,
}

/// An opened folder on an object store or on local disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Location {
    pub(super) uri: Uri,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
}

const SORT_NOTICE: &str = "the store lists keys out of order: the whole listing is collected and sorted";

impl Location {
    /// Opens an address; asks nothing of the store yet. Endpoint and credentials come from the environment.
    pub fn open(text: &str, role: Role) -> Result<Location, StoreError> {
        let uri = Uri::parse(text)?;
        let setup = |error: object_store::Error| StoreError::Setup {
            uri: uri.to_string(),
            why: super::redact(&error.to_string()),
        };
        let (store, prefix): (Arc<dyn ObjectStore>, String) = match &uri {
            Uri::Local(path) => (
                Arc::new(LocalFileSystem::new().with_fsync(role == Role::Output)),
                path.to_string_lossy().trim_start_matches('/').to_owned(),
            ),
            Uri::Remote { scheme, bucket, prefix } => {
                let store: Arc<dyn ObjectStore> = match *scheme {
                    "s3" => {
                        refuse_profiles(&uri)?;
                        Arc::new(
                            AmazonS3Builder::from_env()
                                .with_bucket_name(bucket)
                                .with_client_options(client_options(role).with_allow_http(allows_http("AWS")))
                                .with_retry(inner_retries())
                                .build()
                                .map_err(setup)?,
                        )
                    }
                    "gs" => Arc::new(
                        GoogleCloudStorageBuilder::from_env()
                            .with_bucket_name(bucket)
                            .with_client_options(client_options(role).with_allow_http(allows_http("GOOGLE")))
                            .with_retry(inner_retries())
                            .build()
                            .map_err(setup)?,
                    ),
                    _ => Arc::new(
                        MicrosoftAzureBuilder::from_env()
                            .with_container_name(bucket)
                            .with_client_options(client_options(role).with_allow_http(allows_http("AZURE")))
                            .with_retry(inner_retries())
                            .build()
                            .map_err(setup)?,
                    ),
                };
                (store, prefix.clone())
            }
        };
        let prefix = Path::parse(&prefix)
            .map_err(|error| StoreError::BadUri { uri: uri.to_string(), why: error.to_string() })?;
        Ok(Location { uri, store, prefix })
    }

    /// The address, fit to be printed.
    pub fn uri(&self) -> String {
        self.uri.to_string()
    }

    /// The folder, where it lies on local disk.
    pub fn local_path(&self) -> Option<&PathBuf> {
        match &self.uri {
            Uri::Local(path) => Some(path),
            Uri::Remote { .. } => None,
        }
    }

    /// The store's path of a key below this location. `Path::from` would quietly name another object.
    pub(super) fn path(&self, key: &str) -> Result<Path, StoreError> {
        let whole =
            if self.prefix.as_ref().is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) };
        Path::parse(&whole)
            .map_err(|error| StoreError::BadKey { key: key.to_owned(), why: error.to_string() })
    }

    /// Every object below, in byte order of the key, beginning after `after`.
    ///
    /// On local disk this is a sorted walk of our own; files that cannot become a key are told to
    /// `unreadable`. A store's listing is streamed, and its order is checked.
    pub fn entries<'a>(
        &'a self,
        after: Option<&str>,
        unreadable: Box<dyn Fn(Unreadable) + Send + Sync + 'a>,
    ) -> BoxStream<'a, Result<Entry, StoreError>> {
        let after = after.map(str::to_owned);
        match &self.uri {
            Uri::Local(root) => local::walk(root.clone(), after, unreadable),
            Uri::Remote { .. } => self.listing(after),
        }
    }

    fn listing(&self, after: Option<String>) -> BoxStream<'_, Result<Entry, StoreError>> {
        let what = format!("listing `{}`", self.uri);
        let pages = async move {
            let stream = match &after {
                Some(key) => self.store.list_with_offset(Some(&self.prefix), &self.path(key)?),
                None => self.store.list(Some(&self.prefix)),
            };
            let entries = stream.try_filter(|meta| futures::future::ready(meta.location != self.prefix));
            let entries = entries.map(move |meta| {
                let meta = meta.map_err(|error| StoreError::from_store(error, what.clone(), false))?;
                self.entry(meta)
            });
            // directory buckets do not know where to begin a listing
            let behind = move |entry: &Entry| after.as_ref().is_none_or(|after| entry.key > *after);
            let entries = entries.try_filter(move |entry| futures::future::ready(behind(entry)));
            checked_order(without_markers(entries.boxed())).await
        };
        futures::stream::once(pages).try_flatten().boxed()
    }

    pub(super) fn entry(&self, meta: ObjectMeta) -> Result<Entry, StoreError> {
        let key = meta.location.as_ref();
        let key = match self.prefix.as_ref() {
            "" => key,
            prefix => key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')).unwrap_or(key),
        };
        Ok(Entry { key: key.to_owned(), size: meta.size, etag: strong(meta.e_tag) })
    }

    /// Names of the immediate subfolders, sorted.
    pub async fn folders(&self) -> Result<Vec<String>, StoreError> {
        if let Uri::Local(root) = &self.uri {
            return local::folders(root.clone()).await;
        }
        let what = format!("listing the folders of `{}`", self.uri);
        let listing = retry(|| async {
            self.store
                .list_with_delimiter(Some(&self.prefix))
                .await
                .map_err(|error| StoreError::from_store(error, what.clone(), false))
        })
        .await?;
        let mut names: Vec<String> =
            listing.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Names and sizes of the objects directly in `folder` (empty: in the location itself).
    pub async fn files(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        self.objects(folder).await?.into_iter().map(|meta| self.entry(meta)).collect()
    }

    pub(super) async fn objects(&self, folder: &str) -> Result<Vec<ObjectMeta>, StoreError> {
        let prefix = if folder.is_empty() { self.prefix.clone() } else { self.path(folder)? };
        let what = format!("listing `{}/{folder}`", self.uri);
        retry(|| async {
            match self.store.list_with_delimiter(Some(&prefix)).await {
                Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
                Err(error) => Err(StoreError::from_store(error, what.clone(), false)),
                Ok(listing) => Ok(listing.objects),
            }
        })
        .await
    }

    /// A location one folder deeper.
    pub fn below(&self, folder: &str) -> Result<Location, StoreError> {
        let uri = match &self.uri {
            Uri::Local(path) => Uri::Local(path.join(folder)),
            Uri::Remote { scheme, bucket, prefix } => Uri::Remote {
                scheme,
                bucket: bucket.clone(),
                prefix: if prefix.is_empty() { folder.to_owned() } else { format!("{prefix}/{folder}") },
            },
        };
        Ok(Location { uri, store: self.store.clone(), prefix: self.path(folder)? })
    }
}

/// Weak and empty tags do not identify bytes.
pub(super) fn strong(etag: Option<String>) -> Option<String> {
    etag.filter(|tag| !tag.is_empty() && tag != "\"\"" && !tag.starts_with("W/"))
}

/// Leaves out the empty objects that consoles put where a person makes a folder. Their key ends in a slash,
/// which is gone when it gets here: such an object is followed by keys below it, or stands where its key
/// belongs only with the slash.
fn without_markers<'a>(
    entries: BoxStream<'a, Result<Entry, StoreError>>,
) -> BoxStream<'a, Result<Entry, StoreError>> {
    let state = (Box::pin(entries.peekable()), String::new());
    let kept = futures::stream::unfold(state, |(mut entries, mut last)| async move {
        loop {
            let entry = match entries.next().await? {
                Ok(entry) => entry,
                Err(error) => return Some((Err(error), (entries, last))),
            };
            if entry.size == 0 {
                let marker = format!("{}/", entry.key);
                let next = entries.as_mut().peek().await;
                let followed = matches!(next, Some(Ok(next)) if next.key.starts_with(&marker));
                if followed || entry.key <= last && last < marker {
                    continue;
                }
            }
            last.clone_from(&entry.key);
            return Some((Ok(entry), (entries, last)));
        }
    });
    kept.boxed()
}

/// Hands a listing on as it comes while its keys strictly increase. A store that is out of order within the
/// first two pages' worth of keys is collected and sorted; later disorder is an error.
async fn checked_order<'a>(
    entries: BoxStream<'a, Result<Entry, StoreError>>,
) -> Result<BoxStream<'a, Result<Entry, StoreError>>, StoreError> {
    let mut entries = entries.fuse();
    const TWO_PAGES: usize = 2000;
    let mut head: VecDeque<Entry> = VecDeque::new();
    while head.len() < TWO_PAGES {
        match entries.try_next().await? {
            Some(entry) => head.push_back(entry),
            None => break,
        }
    }
    if head.iter().zip(head.iter().skip(1)).any(|(a, b)| a.key >= b.key) {
        tracing::warn!("{SORT_NOTICE}");
        let mut all: Vec<Entry> = head.into();
        all.extend(entries.try_collect::<Vec<_>>().await?);
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        all.dedup_by(|a, b| a.key == b.key);
        return Ok(futures::stream::iter(all.into_iter().map(Ok)).boxed());
    }
    let mut last = head.back().map(|entry| entry.key.clone()).unwrap_or_default();
    let rest = entries.and_then(move |entry| {
        let in_order = entry.key > last;
        last.clone_from(&entry.key);
        futures::future::ready(if in_order {
            Ok(entry)
        } else {
            Err(StoreError::Setup {
                uri: entry.key,
                why: "the store lists this key out of order, which a plan that can be resumed does not survive; give the \
                      images under another prefix or on another store"
                    .into(),
            })
        })
    });
    Ok(futures::stream::iter(head.into_iter().map(Ok)).chain(rest).boxed())
}

fn inner_retries() -> RetryConfig {
    RetryConfig { max_retries: 3, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() }
}

/// The request timeout covers the body too: an upload of a 180 MB part on a slow line needs minutes, and the
/// losers of a contended create may wait more than 20 s.
fn client_options(role: Role) -> ClientOptions {
    let seconds = match role {
        Role::Input => 60,
        Role::Output => 240,
    };
    ClientOptions::new()
        .with_timeout(Duration::from_secs(seconds))
        .with_connect_timeout(Duration::from_secs(10))
        .with_pool_idle_timeout(Duration::from_secs(30))
}

fn allows_http(vendor: &str) -> bool {
    std::env::var(format!("{vendor}_ALLOW_HTTP"))
        .is_ok_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
}

/// `object_store` does not read AWS profiles; said at once instead of after a timeout on an instance's role.
fn refuse_profiles(uri: &Uri) -> Result<(), StoreError> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let profile = std::env::var("AWS_PROFILE").unwrap_or_default();
    if profile.is_empty() || set("AWS_ACCESS_KEY_ID") || set("AWS_WEB_IDENTITY_TOKEN_FILE") {
        return Ok(());
    }
    Err(StoreError::Denied {
        what: format!("opening `{uri}`"),
        detail: "AWS_PROFILE is set, but profiles are not read; run \
                 `eval \"$(aws configure export-credentials --format env)\"` first"
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that panics when it is asked again behind its end, as a store's does.
    fn listing(keys: &[(&str, u64)]) -> BoxStream<'static, Result<Entry, StoreError>> {
        let keys: Vec<(String, u64)> = keys.iter().map(|(key, size)| ((*key).to_owned(), *size)).collect();
        let entries = futures::stream::unfold(keys.into_iter(), |mut keys| async move {
            let (key, size) = keys.next()?;
            Some((Ok(Entry { key, size, etag: None }), keys))
        });
        entries.boxed()
    }

    async fn keys(stream: BoxStream<'_, Result<Entry, StoreError>>) -> Vec<String> {
        let entries: Vec<Entry> = stream.try_collect().await.unwrap();
        entries.into_iter().map(|entry| entry.key).collect()
    }

    #[tokio::test]
    async fn a_short_listing_in_order_comes_as_it_is_and_one_out_of_order_sorted() {
        for given in [[("a", 1), ("b", 1)], [("b", 1), ("a", 1)]] {
            assert_eq!(keys(checked_order(listing(&given)).await.unwrap()).await, ["a", "b"]);
        }
    }

    #[tokio::test]
    async fn disorder_far_into_a_listing_is_an_error_that_names_the_key() {
        let mut given: Vec<(String, u64)> = (0..3000).map(|number| (format!("k{number:06}"), 1)).collect();
        given[2900].0 = "a".into();
        let given: Vec<(&str, u64)> = given.iter().map(|(key, size)| (key.as_str(), *size)).collect();
        let stream = checked_order(listing(&given)).await.unwrap();
        let error = stream.try_collect::<Vec<_>>().await.unwrap_err();
        assert!(error.to_string().contains("`a`"), "{error}");
    }

    #[tokio::test]
    async fn folder_markers_are_left_out_and_empty_images_are_not() {
        let given = [
            ("cat-wild/1.jpg", 5),
            ("cat", 0),
            ("cat/1.jpg", 5),
            ("cat/2.jpg", 0),
            ("dog", 0),
            ("dog/1.jpg", 5),
        ];
        let kept = keys(without_markers(listing(&given))).await;
        assert_eq!(kept, ["cat-wild/1.jpg", "cat/1.jpg", "cat/2.jpg", "dog/1.jpg"]);
        let empty_folder = [("cat-wild/1.jpg", 5), ("cat", 0), ("dog/1.jpg", 5)];
        assert_eq!(keys(without_markers(listing(&empty_folder))).await, ["cat-wild/1.jpg", "dog/1.jpg"]);
    }
}
