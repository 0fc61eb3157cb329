//! One file of a hub into the cache: resumed by ranges, bounded by its promised size, hashed before it gets its name.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};

use crate::telemetry::transfer::Transfer;

use super::cache::{RepoCache, read, written};
use super::client::{Client, FileFacts, Waiting};
use super::error::HubError;
use super::info::settled;
use super::lock;
use super::promise::Promise;
use super::trouble::Trouble;

/// Bytes of a file for which the hub names no size.
const LARGEST_WITHOUT_SIZE: u64 = 64 << 20;

/// One file that is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The file, for messages.
    pub what: &'a str,
    pub commit: &'a str,
    /// Its path in the repository, checked.
    pub file: &'a str,
    /// The most bytes that it may have.
    pub limit: u64,
}

/// Returns a cached file if its bytes have the hash that its blob is named after. One with another hash is removed.
///
/// # Errors
/// The cache cannot be read, or not be written where a file has to be removed.
pub(super) async fn cached(cache: &RepoCache, wanted: Wanted<'_>) -> Result<Cached, HubError> {
    let path = cache.path(wanted.commit, wanted.file);
    if !path.is_file() {
        return Ok(Cached::Absent);
    }
    let Some(promise) = cache.promise_of(&path) else { return Ok(Cached::Unnamed(path)) };
    if holds(&promise, &path).await? {
        return Ok(Cached::Here(path));
    }
    let lock = cache.lock(&promise);
    let waits = || tracing::warn!("{}: another process is fetching it; waiting for that one", wanted.what);
    let _lock = lock::take(&lock, waits).await.map_err(|error| written(&lock, error))?;
    // another process may have fetched it again meanwhile
    if path.is_file() && holds(&promise, &path).await? {
        return Ok(Cached::Here(path));
    }
    tracing::warn!(
        "{} in the cache does not have the {} that its name promises: it is removed",
        wanted.what,
        promise.kind()
    );
    cache.remove(&path, Some(&promise))?;
    Ok(Cached::Damaged(promise))
}

/// What the cache has of a file.
pub(super) enum Cached {
    Here(PathBuf),
    Absent,
    /// It is no link to a blob, so that only the hub knows its hash: a cache on a file system without links.
    Unnamed(PathBuf),
    /// It had another hash, and was removed.
    Damaged(Promise),
}

/// Fetches a file, unless the cache has it with the hash that the hub promises.
pub(super) async fn fetch(
    client: &Client,
    cache: &RepoCache,
    wanted: Wanted<'_>,
) -> Result<PathBuf, HubError> {
    let Wanted { what, commit, file, limit } = wanted;
    let facts = client.facts(what, commit, file).await.map_err(|trouble| settled(what, trouble))?;
    if let Some(size) = facts.size.filter(|size| *size > limit) {
        let why = format!("it has {size} bytes, more than the {limit} that are read of such a file");
        return Err(HubError::Answer { what: what.to_owned(), why });
    }
    let unnamed = cache.path(commit, file);
    if unnamed.is_file() && !unnamed.is_symlink() && holds(&facts.promise, &unnamed).await? {
        return Ok(unnamed);
    }
    let blob = cache.blob(&facts.promise);
    cache.parent(&blob)?;
    let lock = cache.lock(&facts.promise);
    let waits = || tracing::warn!("{what}: another process is fetching it; waiting for that one");
    let _lock = lock::take(&lock, waits).await.map_err(|error| written(&lock, error))?;
    if !blob.is_file() || !holds(&facts.promise, &blob).await? {
        cache.remove(&blob, None)?;
        let incomplete = cache.incomplete(&facts.promise);
        let url = client.file_url(commit, file);
        Download { client, what, url, facts: &facts, limit, path: &incomplete }.run().await?;
        fs::rename(&incomplete, &blob).map_err(|error| written(&blob, error))?;
    }
    cache.link(commit, file, &facts.promise)
}

async fn holds(promise: &Promise, path: &Path) -> Result<bool, HubError> {
    let (promise, own) = (promise.clone(), path.to_owned());
    let hashed = tokio::task::spawn_blocking(move || promise.holds_for(&own)).await;
    let hashed = hashed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    hashed.map_err(|error| read(path, error))
}

/// A file on its way.
struct Download<'a> {
    client: &'a Client,
    what: &'a str,
    url: url::Url,
    facts: &'a FileFacts,
    limit: u64,
    /// Where its bytes are while they come.
    path: &'a Path,
}

impl Download<'_> {
    /// Reads to the end, and checks the hash. What an earlier process left may be wrong, so that a whole read follows it.
    async fn run(&self) -> Result<(), HubError> {
        // in a shared cache, a link could lead to a file of this user
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).custom_flags(libc::O_NOFOLLOW);
        let opened = options.open(self.path);
        let mut file = opened.map_err(|error| written(self.path, error))?;
        let transfer = Transfer::begin(self.what, self.facts.size);
        let was_there = self.length(&file)? > 0;
        self.read_to_end(&mut file, &transfer).await?;
        let promise = &self.facts.promise;
        if holds(promise, self.path).await? {
            return self.kept(&file);
        }
        if was_there {
            tracing::warn!(
                "{}: what is left of an earlier download does not have the right hash; the file is read anew",
                self.what
            );
            self.cut(&file, 0)?;
            self.read_to_end(&mut file, &transfer).await?;
            if holds(promise, self.path).await? {
                return self.kept(&file);
            }
        }
        fs::remove_file(self.path).map_err(|error| written(self.path, error))?;
        Err(HubError::Hash {
            what: self.what.to_owned(),
            kind: promise.kind(),
            promised: promise.hex().to_owned(),
            then: "look at HF_ENDPOINT and at proxies between, and fetch it again",
        })
    }

    fn kept(&self, file: &File) -> Result<(), HubError> {
        file.sync_all().map_err(|error| written(self.path, error))
    }

    /// Reads from the bytes that are there to the end, as often as the patience lasts without a new byte.
    async fn read_to_end(&self, file: &mut File, transfer: &Transfer) -> Result<(), HubError> {
        let mut waiting = Waiting::new(self.client.patience());
        // a server without ranges begins again each time: only bytes beyond these are new
        let mut furthest = 0;
        loop {
            let have = self.length(file)?;
            match self.facts.size {
                Some(size) if have == size => return Ok(()),
                Some(size) if have > size => self.cut(file, 0)?,
                _ => {}
            }
            let have = self.length(file)?;
            let read = match self.client.read(self.what, &self.url, have).await {
                Ok(answer) => self.take(answer, have, file, transfer).await,
                // less is there than an earlier process has: another file
                Err(Trouble::Range) => self.cut(file, 0).map_err(Trouble::Lasting),
                Err(trouble) => Err(trouble),
            };
            let length = self.length(file)?;
            let (why, after) = match read {
                Ok(()) if self.facts.size.is_none() && length > 0 => return Ok(()),
                Ok(()) if self.facts.size == Some(length) => return Ok(()),
                Ok(()) => (format!("the answer ended after {length} bytes"), None),
                Err(Trouble::Passing { why, after }) => (why, after),
                Err(trouble) => return Err(settled(self.what, trouble)),
            };
            self.pause(&mut waiting, why, after, length > furthest).await?;
            furthest = furthest.max(length);
        }
    }

    async fn pause(
        &self,
        waiting: &mut Waiting,
        why: String,
        after: Option<std::time::Duration>,
        has_advanced: bool,
    ) -> Result<(), HubError> {
        if has_advanced {
            *waiting = Waiting::new(self.client.patience());
        }
        waiting.pause(self.what, why, after).await.map_err(|trouble| settled(self.what, trouble))
    }

    /// Writes the body of an answer to where it belongs.
    async fn take(
        &self,
        mut answer: Response,
        have: u64,
        file: &mut File,
        transfer: &Transfer,
    ) -> Result<(), Trouble> {
        let lasting = |error| Trouble::Lasting(written(self.path, error));
        let begin = match answer.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = answer.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
                let first =
                    range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
                if first != Some(have) {
                    return Err(self.wrong("another range was sent than the one asked for"));
                }
                have
            }
            // a server without ranges
            _ => {
                self.cut(file, 0).map_err(Trouble::Lasting)?;
                0
            }
        };
        // not appended: two processes without a lock between them write the same bytes to the same places
        file.seek(SeekFrom::Start(begin)).map_err(lasting)?;
        transfer.resume_at(begin);
        let most = self.facts.size.unwrap_or(self.limit.min(LARGEST_WITHOUT_SIZE));
        let mut at = begin;
        while let Some(chunk) = answer.chunk().await.map_err(Trouble::unanswered)? {
            at += chunk.len() as u64;
            if at > most {
                drop(fs::remove_file(self.path));
                let named = if self.facts.size.is_some() { "promises" } else { "may send without a size" };
                return Err(self.wrong(&format!("more than the {most} bytes came that the hub {named}")));
            }
            file.write_all(&chunk).map_err(lasting)?;
            transfer.add(chunk.len() as u64);
        }
        Ok(())
    }

    fn wrong(&self, why: &str) -> Trouble {
        Trouble::Lasting(HubError::Answer { what: self.what.to_owned(), why: why.to_owned() })
    }

    fn length(&self, file: &File) -> Result<u64, HubError> {
        file.metadata().map(|metadata| metadata.len()).map_err(|error| read(self.path, error))
    }

    fn cut(&self, file: &File, length: u64) -> Result<(), HubError> {
        file.set_len(length).map_err(|error| written(self.path, error))
    }
}
