//! A folder somewhere, opened: its store, its prefix, and how to list it in key order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore};

use crate::telemetry::Redacted;

use super::amazon::{self, S3Request, S3Way};
use super::azure::AzureAccess;
use super::checksum::Checksums;
use super::client::{CONNECT_TIMEOUT, IDLE_TIMEOUT, inner_retries};
use super::entry::{Entry, strong};
use super::environment::{Environment, Vendor};
use super::key::is_plain;
use super::page::Listed;
use super::paged_store::{PagedStore, remote};
use super::readers::Readers;
use super::traffic::{Metered, Traffic};
use super::{ListingOrder, ObjectUri, RequestPermit, Requests, Settings, StoreError, Uri, local, web};

/// What a location is opened for; decides timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Many small reads.
    Input,
    /// Few large conditional writes.
    Output,
}

/// An opened folder on an object store or on local disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Location {
    pub(super) uri: Uri,
    pub(super) store: Arc<dyn ObjectStore>,
    /// The same store, if it lists page by page.
    pub(super) paged: Option<PagedStore>,
    /// How S3 is reached.
    pub(super) way: Option<Arc<S3Way>>,
    pub(super) prefix: Path,
    pub(super) settings: Settings,
    pub(super) traffic: Arc<Traffic>,
    pub(super) readers: Arc<Readers>,
    /// "Slow down" is the answer for one object, not for all.
    pub(super) is_for_failing_object: bool,
    pub(super) checksums: Arc<Checksums>,
    pub(super) order: Arc<ListingOrder>,
}

impl Location {
    /// Opens an address with the default settings.
    ///
    /// # Errors
    /// Those of [`Location::open_with`].
    pub fn open(text: &str, role: Role) -> Result<Location, StoreError> {
        Self::open_with(text, role, Settings::default())
    }

    /// Opens an address; asks nothing of the store yet. Endpoint and credentials come from the environment.
    ///
    /// # Errors
    /// `text` is no usable address, or the settings or credentials of its store in the environment do not work.
    pub fn open_with(text: &str, role: Role, settings: Settings) -> Result<Location, StoreError> {
        Self::open_uri(Uri::parse(text)?, role, settings, Traffic::new(settings.requests))
    }

    /// Opens another folder of this input, on whatever store. Its requests count as those of this one.
    ///
    /// # Errors
    /// The settings or credentials of the folder's store in the environment do not work, or its path is not plain.
    pub fn beside(&self, folder: &ObjectUri) -> Result<Location, StoreError> {
        Self::open_uri(folder.uri().clone(), Role::Input, self.settings, Traffic::beside(&self.traffic))
    }

    fn open_uri(
        uri: Uri,
        role: Role,
        settings: Settings,
        traffic: Arc<Traffic>,
    ) -> Result<Location, StoreError> {
        let metered = || Metered(traffic.clone());
        let options = |allows_http| client_options(role, &settings).with_allow_http(allows_http);
        let is_anonymous = role == Role::Input && settings.anonymous_input;
        let settings = Settings { anonymous_input: is_anonymous, ..settings };
        let (mut mode, mut way) = (None, None);
        let ((store, paged), prefix) = match &uri {
            Uri::Local(path) => {
                let disk: Arc<dyn ObjectStore> =
                    Arc::new(LocalFileSystem::new().with_fsync(role == Role::Output));
                ((disk, None), path.to_string_lossy().trim_start_matches('/').to_owned())
            }
            Uri::Remote { scheme: scheme @ ("http" | "https"), bucket, prefix, .. } => {
                ((web::open(scheme, bucket, &settings, &traffic)?, None), web::decoded(prefix))
            }
            Uri::Remote { scheme, account, bucket, prefix } => {
                let store = match *scheme {
                    "s3" => {
                        let request = S3Request {
                            uri: &uri,
                            bucket,
                            is_anonymous,
                            requester_pays: settings.requester_pays,
                            checksums: role == Role::Input && settings.checksums,
                        };
                        let opened = amazon::open(&request, &options, &traffic)?;
                        (mode, way) = (opened.mode, Some(Arc::new(opened.way)));
                        (opened.store, opened.paged)
                    }
                    "gs" => {
                        let environment = Environment::of(Vendor::Google, &uri)?;
                        let builder = environment
                            .gcs()
                            .with_bucket_name(bucket)
                            .with_http_connector(metered())
                            .with_client_options(options(environment.allows_http()))
                            .with_retry(inner_retries());
                        let builder = if is_anonymous { builder.with_skip_signature(true) } else { builder };
                        remote(environment.build(|| builder.build())?)
                    }
                    _ => {
                        let environment = Environment::of(Vendor::Azure, &uri)?;
                        let is_emulated = environment.is_on("azure_storage_use_emulator");
                        let access = AzureAccess::from_env(account.as_deref())
                            .and_then(|access| access.with_account(is_emulated))
                            .map_err(|error| StoreError::Setup {
                                uri: uri.to_string(),
                                cause: Redacted::new(error),
                            })?;
                        let allows_http = access.allows_http || environment.allows_http();
                        let builder = access
                            .configure(environment.azure())
                            .with_container_name(bucket)
                            .with_http_connector(metered())
                            .with_client_options(options(allows_http))
                            .with_retry(inner_retries());
                        let builder = if is_anonymous { builder.with_skip_signature(true) } else { builder };
                        remote(environment.build(|| builder.build())?)
                    }
                };
                (store, prefix.clone())
            }
        };
        let prefix = Path::parse(&prefix)
            .map_err(|error| StoreError::BadUri { uri: uri.to_string(), cause: Redacted::new(error) })?;
        let checksums = Arc::new(Checksums::new(role == Role::Input && settings.checksums, mode));
        Ok(Location { paged, way, prefix, traffic, checksums, ..Location::unpaged(store, uri, settings) })
    }

    /// A folder of a store that is open already, such as one in memory. `uri` is what it is called.
    ///
    /// # Errors
    /// [`StoreError::BadUri`]: `uri` is no usable address.
    pub fn over(store: Arc<dyn ObjectStore>, uri: &str, settings: Settings) -> Result<Location, StoreError> {
        let uri = Uri::parse(uri)?;
        let prefix = match &uri {
            Uri::Local(_) => Path::default(),
            Uri::Remote { prefix, .. } => Path::parse(prefix)
                .map_err(|error| StoreError::BadUri { uri: uri.to_string(), cause: Redacted::new(error) })?,
        };
        Ok(Location { prefix, ..Location::unpaged(store, uri, settings) })
    }

    /// The root of a store that does not list page by page.
    fn unpaged(store: Arc<dyn ObjectStore>, uri: Uri, settings: Settings) -> Location {
        Location {
            uri,
            store,
            paged: None,
            way: None,
            prefix: Path::default(),
            settings,
            traffic: Traffic::new(settings.requests),
            readers: Arc::default(),
            is_for_failing_object: false,
            checksums: Arc::new(Checksums::new(settings.checksums, None)),
            order: Arc::default(),
        }
    }

    /// Whether its listings are sorted.
    pub fn order(&self) -> &ListingOrder {
        &self.order
    }

    /// Waits until another request may be in flight.
    pub async fn permit(&self) -> RequestPermit {
        self.traffic.permit().await
    }

    /// What was asked of the store so far.
    pub fn requests(&self) -> Requests {
        self.traffic.requests()
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
        Path::parse(&whole).map_err(|error| StoreError::BadKey {
            key: key.to_owned(),
            why: error.to_string(),
            cause: Redacted::new(error),
        })
    }

    /// What a listing shows of an object, by its key below this location.
    pub(super) fn entry(&self, listed: Listed) -> Entry {
        let key = match self.prefix.as_ref() {
            "" => Some(&*listed.key),
            prefix => listed.key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')),
        };
        let key = key.unwrap_or(&listed.key).to_owned();
        Entry { key, size: listed.size, etag: strong(listed.etag), obstacle: None }
    }

    /// Names of the immediate subfolders, sorted; those that are no name (`.`, an empty one) are left out.
    ///
    /// # Errors
    /// The local folder cannot be read. The store denies the listing, or the listing fails until the retries are
    /// spent.
    pub async fn folders(&self) -> Result<Vec<String>, StoreError> {
        if let Uri::Local(root) = &self.uri {
            return local::folders(root.clone()).await;
        }
        let what = format!("listing the folders of `{}`", self.uri);
        let listing = self.retry(|| self.listed_folder(&self.prefix, &what)).await?;
        let name = |folder: &String| folder.strip_suffix('/')?.rsplit('/').next().map(str::to_owned);
        let mut names: Vec<String> =
            listing.folders.iter().filter_map(name).filter(|name| is_plain(name)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Names and sizes of the objects directly in `folder` (empty: in the location itself).
    ///
    /// # Errors
    /// `folder` is no path, or its listing is denied or fails until the retries are spent. A missing folder is no
    /// error.
    pub async fn files(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        Ok(self.objects(folder).await?.into_iter().map(|object| self.entry(object)).collect())
    }

    pub(super) async fn objects(&self, folder: &str) -> Result<Vec<Listed>, StoreError> {
        let prefix = if folder.is_empty() { self.prefix.clone() } else { self.path(folder)? };
        let what = format!("listing `{}/{folder}`", self.uri);
        match self.retry(|| self.listed_folder(&prefix, &what)).await {
            Err(StoreError::Missing { .. }) => Ok(Vec::new()),
            listing => Ok(listing?.objects),
        }
    }

    /// The whole bucket or container; a local folder is its own.
    pub fn bucket(&self) -> Location {
        let uri = match &self.uri {
            Uri::Local(_) => return self.clone(),
            Uri::Remote { scheme, account, bucket, .. } => {
                let (account, bucket) = (account.clone(), bucket.clone());
                Uri::Remote { scheme, account, bucket, prefix: String::new() }
            }
        };
        Location { uri, prefix: Path::default(), ..self.clone() }
    }

    /// A location one folder deeper.
    ///
    /// # Errors
    /// [`StoreError::BadKey`]: `folder` is no path.
    pub fn below(&self, folder: &str) -> Result<Location, StoreError> {
        let uri = match &self.uri {
            Uri::Local(path) => Uri::Local(path.join(folder)),
            Uri::Remote { scheme, account, bucket, prefix } => Uri::Remote {
                scheme,
                account: account.clone(),
                bucket: bucket.clone(),
                prefix: if prefix.is_empty() { folder.to_owned() } else { format!("{prefix}/{folder}") },
            },
        };
        Ok(Location { uri, prefix: self.path(folder)?, ..self.clone() })
    }
}

/// The request timeout covers the body too.
fn client_options(role: Role, settings: &Settings) -> ClientOptions {
    let timeout = match role {
        Role::Input => settings.read_timeout,
        // each write has a separate limit, by its size; this only bounds the client
        Role::Output => Duration::from_secs(15 * 60),
    };
    ClientOptions::new()
        .with_timeout(timeout)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_pool_idle_timeout(IDLE_TIMEOUT)
}
