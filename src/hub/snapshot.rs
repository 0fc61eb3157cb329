//! A model at one commit: resolved once, then file by file, from the hub or from the cache.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::address::HubAddress;
use super::cache::RepoCache;
use super::client::Client;
use super::download::{self, Cached, Wanted};
use super::environment::HubSettings;
use super::error::HubError;
use super::info;
use super::names::{is_commit, is_relative, listed, nearest, shown};

/// Files of weights by the names under which they are published, the one that is taken first.
const PUBLISHED: [&str; 3] = ["model.safetensors", "pytorch_model.bin", "model.safetensors.index.json"];
/// Ends of the names of other files that may be weights.
const ENDINGS: [&str; 5] = [".onnx", ".safetensors", ".pth", ".pt", ".bin"];
/// Files of configuration: timm's and `transformers`', then that of the pixels.
const CONFIGURATIONS: [&str; 2] = ["config.json", "preprocessor_config.json"];
/// Bytes of such a file.
const LARGEST_CONFIGURATION: u64 = 16 << 20;
/// How long a hub is waited for whose answer the cache can give.
const BRIEF: Duration = Duration::from_secs(10);

/// A model of a hub at one commit.
#[derive(Debug)]
pub struct Snapshot {
    address: HubAddress,
    commit: String,
    /// The repository's files; those in the cache, if the hub was not asked.
    files: Vec<String>,
    /// True if `files` are all files of the commit.
    is_whole: bool,
    settings: Arc<HubSettings>,
    client: Client,
    cache: RepoCache,
}

/// A file in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedFile {
    /// Its path in the repository.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl Snapshot {
    /// Resolves an address. With `pinned`, the commit is that one, whatever the revision is now. `patience` is how long
    /// a request is tried while nothing comes.
    ///
    /// # Errors
    /// Variables that cannot be used, a repository or a revision that does not exist, is private or gated, a hub that
    /// does not answer, and a cache without it while HF_HUB_OFFLINE is set.
    pub async fn open(
        address: &HubAddress,
        pinned: Option<&str>,
        patience: Duration,
    ) -> Result<Snapshot, HubError> {
        Self::open_with(HubSettings::from_environment()?, address, pinned, patience).await
    }

    pub(super) async fn open_with(
        settings: HubSettings,
        address: &HubAddress,
        pinned: Option<&str>,
        patience: Duration,
    ) -> Result<Snapshot, HubError> {
        let settings = Arc::new(settings);
        let cache = RepoCache::new(&settings.cache, &address.repo);
        let client = Client::new(settings.clone(), &address.repo, patience)?;
        let typed = &address.revision;
        let pinned = pinned.filter(|commit| is_commit(commit));
        let exact = pinned.or(Some(&**typed).filter(|revision| is_commit(revision)));
        let known = exact.map(str::to_owned).or_else(|| cache.commit_of(typed));
        let of_cache = |commit: String| {
            let (address, files) = (address.clone(), cache.files(&commit));
            let (settings, client, cache) = (settings.clone(), client.clone(), cache.clone());
            Snapshot { address, commit, files, is_whole: false, settings, client, cache }
        };
        if settings.is_offline {
            let what = address.repository();
            let commit = known.ok_or_else(|| HubError::Offline { what, cache: settings.cache.clone() })?;
            return Ok(of_cache(commit));
        }
        // what is known to be whole needs no request: many workers may begin at once
        if let Some(commit) = exact {
            let snapshot = of_cache(commit.to_owned());
            if snapshot.needs_no_hub() {
                return Ok(snapshot);
            }
        }
        let is_cached = known.as_ref().is_some_and(|commit| !cache.files(commit).is_empty());
        let asked = if is_cached { client.within(BRIEF) } else { client.clone() };
        match (info::resolve(&asked, address, exact.unwrap_or(typed)).await, known) {
            (Ok(info::Revision { commit, files }), _) => {
                // a note only: a cache that cannot be written may have the files
                if exact.is_none() {
                    drop(cache.note_commit(typed, &commit));
                }
                Ok(Snapshot {
                    address: address.clone(),
                    commit,
                    files,
                    is_whole: true,
                    settings,
                    client,
                    cache,
                })
            }
            (Err(error), Some(commit)) if is_cached && error.is_passing() => {
                tracing::warn!("{error}; the commit {commit} in the cache is used");
                Ok(of_cache(commit))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The commit, 40 hexadecimal digits.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The repository's files; those in the cache, if the hub was not asked.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// True if the cache has the weights, and what it does not have beside them is known not to exist.
    fn needs_no_hub(&self) -> bool {
        let weights = match &self.address.file {
            Some(file) => Some(file.clone()),
            None => Some(PUBLISHED[0].to_owned()).filter(|first| self.files.contains(first)),
        };
        let is_known = |file: &String| self.files.contains(file) || self.cache.is_absent(&self.commit, file);
        weights.is_some_and(|weights| {
            self.files.contains(&weights) && configurations(&weights).iter().all(is_known)
        })
    }

    /// Chooses the file of weights: the one that is typed, or the one that is published under a usual name, or the only
    /// one that may be meant.
    ///
    /// # Errors
    /// None, or several: they are named.
    pub fn weights(&self) -> Result<String, HubError> {
        let what = self.address.repository();
        if let Some(file) = &self.address.file {
            if self.files.contains(file) || !self.is_whole {
                return Ok(file.clone());
            }
            let near = nearest(file, self.files.iter().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!("; {} does", shown(near)));
            return Err(HubError::Missing { what: format!("{} of {what}", shown(file)), near });
        }
        if let Some(name) = PUBLISHED.iter().find(|name| self.files.iter().any(|file| file == *name)) {
            return Ok((*name).to_owned());
        }
        let ending = |end: &str| self.files.iter().filter(|file| file.ends_with(end)).cloned().collect();
        let graphs: Vec<String> = ending(ENDINGS[0]);
        let all: Vec<String> = ENDINGS.iter().flat_map(|end| ending(end)).collect();
        match (graphs.as_slice(), all.as_slice()) {
            ([only], _) | ([], [only]) => Ok(only.clone()),
            (_, []) if !self.is_whole && self.settings.is_offline => {
                let what = format!("the weights of {what}");
                Err(HubError::Offline { what, cache: self.cache.root.clone() })
            }
            (_, []) if !self.is_whole => {
                let why = "the hub does not answer, and they are not in the cache".to_owned();
                Err(HubError::Unavailable { what: format!("the weights of {what}"), why })
            }
            (_, []) => {
                let why = format!("has no file of weights ({})", ENDINGS.join(", "));
                Err(HubError::Choice { what, why })
            }
            (_, all) => {
                let why = format!(
                    "has several files that may be meant: {}; name one, as in `hf://{}@{}/{}`",
                    listed(all),
                    self.address.repo,
                    self.address.revision.replace('/', "%2F"),
                    all[0]
                );
                Err(HubError::Choice { what, why })
            }
        }
    }

    /// Returns a file in the cache, fetched if it was not there. It has the hash that the hub promises; offline, a file
    /// that is no link to its blob is taken as it is.
    ///
    /// # Errors
    /// A name that is no path, a file that does not exist, has more than `limit` bytes or another hash, a hub that does
    /// not answer, and a cache that cannot be written.
    pub async fn file(&self, name: &str, limit: u64) -> Result<CachedFile, HubError> {
        let what = format!("{} of hf://{}@{:.12}", shown(name), self.address.repo, self.commit);
        if !is_relative(name) {
            return Err(HubError::Answer { what, why: "it is no path in a repository".to_owned() });
        }
        let wanted = Wanted { what: &what, commit: &self.commit, file: name, limit };
        let path = match download::cached(&self.cache, wanted).await? {
            Cached::Here(path) => path,
            Cached::Unnamed(path) if self.settings.is_offline => path,
            Cached::Damaged(promise) if self.settings.is_offline => {
                let (kind, promised) = (promise.kind(), promise.hex().to_owned());
                return Err(HubError::Hash {
                    what,
                    kind,
                    promised,
                    then: "fetch it again without HF_HUB_OFFLINE",
                });
            }
            Cached::Absent if self.settings.is_offline => {
                return Err(HubError::Offline { what, cache: self.cache.root.clone() });
            }
            Cached::Absent | Cached::Unnamed(_) | Cached::Damaged(_) => {
                download::fetch(&self.client, &self.cache, wanted).await?
            }
        };
        let bytes = path.metadata().map_err(|error| super::cache::read(&path, error))?.len();
        Ok(CachedFile { name: name.to_owned(), path, bytes })
    }

    /// Returns the files of configuration that belong to weights, fetched if they were not there: those beside the
    /// weights, then those of the repository.
    ///
    /// # Errors
    /// As [`Snapshot::file`]; also if only the cache is used and it does not show whether there is one, since a model
    /// without its configuration gives other rows.
    pub async fn configurations(&self, weights: &str) -> Result<Vec<CachedFile>, HubError> {
        let (mut found, mut unknown) = (Vec::new(), Vec::new());
        for name in configurations(weights) {
            if self.files.contains(&name) {
                found.push(self.file(&name, LARGEST_CONFIGURATION).await?);
            } else if self.is_whole {
                // a note only: it saves a later process the question
                drop(self.cache.note_absent(&self.commit, &name));
            } else if !self.cache.is_absent(&self.commit, &name) {
                unknown.push(name);
            }
        }
        let needed = if weights.ends_with(ENDINGS[0]) { &CONFIGURATIONS[..] } else { &CONFIGURATIONS[..1] };
        for kind in needed {
            let is_of = |name: &str| name.rsplit('/').next() == Some(kind);
            if found.iter().any(|file| is_of(&file.name)) {
                continue;
            }
            for name in unknown.iter().filter(|name| is_of(name)) {
                match self.file(name, LARGEST_CONFIGURATION).await {
                    Ok(file) => found.push(file),
                    Err(HubError::Missing { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }
}

/// The names of the files of configuration that belong to weights.
fn configurations(weights: &str) -> Vec<String> {
    let folder = weights.rsplit_once('/').map(|(folder, _)| folder);
    let beside = folder.into_iter().flat_map(|folder| CONFIGURATIONS.map(|name| format!("{folder}/{name}")));
    beside.chain(CONFIGURATIONS.map(str::to_owned)).collect()
}
