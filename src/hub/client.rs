//! The client of a hub: redirects, the token, and tries until the patience is spent.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, LOCATION, RANGE};
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use crate::store::Pauses;

use super::environment::{HubSettings, is_loopback};
use super::error::HubError;
use super::promise::Promise;
use super::trouble::{Asked, Trouble};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time in which nothing of an answer comes.
const SILENCE: Duration = Duration::from_secs(60);
/// Redirects of one request.
const MOST_REDIRECTS: usize = 5;
/// Bytes of a JSON answer: the names of a hundred thousand files fit in it.
const LARGEST_JSON: usize = 32 << 20;
/// The hash of a file in LFS, in an answer that redirects to it.
const LINKED_ETAG: &str = "x-linked-etag";

/// A client of one hub, for one repository.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    /// For a hub on this machine, whose requests carry the token in the clear: it asks no proxy.
    near: reqwest::Client,
    pub settings: Arc<HubSettings>,
    /// How long a request is tried while nothing comes.
    patience: Duration,
    /// The repository's page.
    page: String,
    repo: String,
}

/// Facts about a file that a hub sends before its bytes.
#[derive(Debug, Clone)]
pub(super) struct FileFacts {
    pub promise: Promise,
    pub size: Option<u64>,
}

impl Client {
    /// Makes a client for the repository `repo`, which tries a request for `patience` while nothing comes.
    ///
    /// # Errors
    /// [`HubError::Answer`]: the HTTP client cannot be made.
    pub fn new(settings: Arc<HubSettings>, repo: &str, patience: Duration) -> Result<Client, HubError> {
        let builder = || {
            reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(SILENCE)
        };
        let built = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| HubError::Answer {
                what: "the HTTP client".to_owned(),
                why: format!("it cannot be made ({})", error.without_url()),
            })
        };
        let http = built(builder())?;
        let near = if is_loopback(&settings.endpoint) { built(builder().no_proxy())? } else { http.clone() };
        let page = format!("{}/{repo}", settings.endpoint.as_str().trim_end_matches('/'));
        Ok(Client { http, near, settings, patience, page, repo: repo.to_owned() })
    }

    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// The same client, which gives up sooner.
    pub fn within(&self, patience: Duration) -> Client {
        Client { patience: patience.min(self.patience), ..self.clone() }
    }

    /// An address of the hub, made of parts that are escaped.
    pub fn url<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.settings.endpoint.clone();
        // an http or https address always has a path
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }

    /// The address of a file at a commit.
    pub fn file_url(&self, commit: &str, file: &str) -> Url {
        self.url(self.repo.split('/').chain(["resolve", commit]).chain(file.split('/')))
    }

    /// Asks for a JSON document.
    ///
    /// # Errors
    /// The hub refuses, has no such document, or does not answer until the patience is spent. Its answer is too
    /// large, or no JSON of a `T`.
    pub async fn json<T: DeserializeOwned>(&self, what: &str, url: &Url) -> Result<T, Trouble> {
        let bytes = self
            .patiently(what, || async {
                let mut answer = self.once(what, Method::GET, url, 0, |_| false).await?;
                let mut bytes = Vec::new();
                while let Some(chunk) = answer.chunk().await.map_err(Trouble::unanswered)? {
                    bytes.extend_from_slice(&chunk);
                    if bytes.len() > LARGEST_JSON {
                        return Err(wrong(
                            what,
                            format!("the hub's answer has more than {LARGEST_JSON} bytes"),
                        ));
                    }
                }
                Ok(bytes)
            })
            .await?;
        // the parser's words may quote the answer
        serde_json::from_slice(&bytes).map_err(|error| {
            wrong(what, format!("the hub's answer is not the JSON expected (line {})", error.line()))
        })
    }

    /// Asks what a file is: its hash and its size.
    ///
    /// # Errors
    /// The hub refuses, has no such file, or does not answer until the patience is spent. Its answer is of another
    /// commit, or has no hash.
    pub async fn facts(&self, what: &str, commit: &str, file: &str) -> Result<FileFacts, Trouble> {
        let url = self.file_url(commit, file);
        let enough = |headers: &HeaderMap| headers.contains_key(LINKED_ETAG);
        let answer = self.patiently(what, || self.once(what, Method::HEAD, &url, 0, enough)).await?;
        let headers = answer.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(other) = text("x-repo-commit").filter(|other| *other != commit) {
            let why =
                format!("the hub answers for the commit `{}`, not for `{commit}`", other.escape_debug());
            return Err(wrong(what, why));
        }
        let tag = text(LINKED_ETAG).or_else(|| text("etag")).unwrap_or_default();
        let Some(promise) = Promise::parse(tag) else {
            let why =
                "the hub gives neither a SHA-256 nor a git hash for it, so that its bytes cannot be checked";
            return Err(wrong(what, why));
        };
        let length = if answer.status().is_redirection() { None } else { text("content-length") };
        let size = text("x-linked-size").or(length).and_then(|size| size.parse().ok());
        Ok(FileFacts { promise, size })
    }

    /// Begins to read a file from the byte `from`. Tried once: the caller continues from the bytes that came.
    ///
    /// # Errors
    /// [`Trouble::Range`]: the file has no byte `from`. Else the hub or its store refuses, has no such file, or does
    /// not answer.
    pub async fn read(&self, what: &str, url: &Url, from: u64) -> Result<Response, Trouble> {
        self.once(what, Method::GET, url, from, |_| false).await
    }

    /// Repeats a request while its trouble passes and the patience lasts.
    async fn patiently<T, Fut>(&self, what: &str, request: impl Fn() -> Fut) -> Result<T, Trouble>
    where
        Fut: Future<Output = Result<T, Trouble>>,
    {
        let mut waiting = Waiting::new(self.patience);
        loop {
            match request().await {
                Err(Trouble::Passing { why, after }) => waiting.pause(what, why, after).await?,
                answered => return answered,
            }
        }
    }

    /// One request, with its redirects. Returns the first answer with enough in its headers, or the last one.
    async fn once(
        &self,
        what: &str,
        method: Method,
        url: &Url,
        from: u64,
        enough: fn(&HeaderMap) -> bool,
    ) -> Result<Response, Trouble> {
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            // a token is for the hub alone
            let is_hub = url.origin() == self.settings.endpoint.origin();
            let token = self.settings.token.as_ref().filter(|_| is_hub);
            let http = if is_loopback(&url) { &self.near } else { &self.http };
            let mut request = http.request(method.clone(), url.clone()).header(ACCEPT_ENCODING, "identity");
            if let Some(token) = token {
                request = request.header(AUTHORIZATION, token);
            }
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let answer = request.send().await.map_err(Trouble::unanswered)?;
            let is_redirect = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if answer.status().is_success() || is_redirect && enough(answer.headers()) {
                return Ok(answer);
            }
            if !is_redirect {
                let has_token = token.is_some();
                return Err(Trouble::of(Asked { what, page: &self.page, is_hub, has_token }, &answer));
            }
            url = self.next(what, &url, &answer)?;
        }
        Err(wrong(what, format!("the hub redirects more than {MOST_REDIRECTS} times")))
    }

    /// Where a redirect leads.
    fn next(&self, what: &str, url: &Url, answer: &Response) -> Result<Url, Trouble> {
        let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let next = location.and_then(|location| url.join(location).ok());
        match next {
            None => Err(wrong(what, "the hub redirects without an address")),
            Some(next) if self.settings.may_ask(&next) => Ok(next),
            Some(next) => {
                let why = format!(
                    "the hub redirects to `{}://{}`, which is not followed: only https is",
                    next.scheme(),
                    next.host_str().unwrap_or_default()
                );
                Err(wrong(what, why))
            }
        }
    }
}

fn wrong(what: &str, why: impl Into<String>) -> Trouble {
    Trouble::Lasting(HubError::Answer { what: what.to_owned(), why: why.into() })
}

/// The time in which nothing came, and the pauses in it.
pub(super) struct Waiting {
    since: Instant,
    patience: Duration,
    pauses: Pauses,
}

impl Waiting {
    pub fn new(patience: Duration) -> Waiting {
        Waiting { since: Instant::now(), patience, pauses: Pauses::default() }
    }

    /// Pauses before another try, as long as the hub asks for.
    ///
    /// # Errors
    /// The patience does not last for it.
    pub async fn pause(&mut self, what: &str, why: String, after: Option<Duration>) -> Result<(), Trouble> {
        let pause = after.unwrap_or_default().max(self.pauses.next_pause());
        if self.since.elapsed().saturating_add(pause) >= self.patience {
            let why = match after {
                Some(after) => format!("{why} and asks for {} s of patience", after.as_secs()),
                None => why,
            };
            return Err(Trouble::Lasting(HubError::Unavailable { what: what.to_owned(), why }));
        }
        tracing::info!("{what}: {why}; tried again in {:.1} s", pause.as_secs_f64());
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
