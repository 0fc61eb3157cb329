//! What goes over the wire: requests counted by kind, and how many may be in flight.
//!
//! The number in flight follows the store: each answer that says "slow down" halves what was in flight (at most once a
//! second, since a burst of refusals is one piece of news), each good one adds its share of one, up to the ceiling.
//! That is the additive increase and multiplicative decrease of TCP (Chiu and Jain, 1989).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::{ClientOptions, HeaderMap};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use crate::failpoints;

use super::checksum::Announced;
use super::identity::{IdentityService, MachineIdentity};
use super::key::RawKey;
use super::page::{self, Page};
use super::redirect::Asked;
use super::region::Signed;
use super::transcoded::{Transcoded, asked_range};

/// Refusals closer together than this count as one.
const ONE_CUT: Duration = Duration::from_secs(1);
/// That fewer than these were in flight is no reason to allow half of so few.
const FEW: usize = 64;

/// Counts of what was asked of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// HTTP requests by method, tries of the client included; empty for a local disk.
    pub by_method: BTreeMap<String, u64>,
    /// Answers "slow down" (429, 503).
    pub throttled: u64,
    /// Operations that were tried again after the client had given up.
    pub retried: u64,
    /// The fewest requests that were allowed in flight.
    pub fewest_in_flight: usize,
}

impl Requests {
    /// Returns what was asked since `before`, an earlier count of the same location. `fewest_in_flight` stays that of the
    /// whole time.
    #[must_use]
    pub fn less(&self, before: &Requests) -> Requests {
        let left = |method: &str, count: u64| {
            count.saturating_sub(before.by_method.get(method).copied().unwrap_or_default())
        };
        let by_method = self.by_method.iter().map(|(method, count)| (method.clone(), left(method, *count)));
        Requests {
            by_method: by_method.filter(|(_, count)| *count > 0).collect(),
            throttled: self.throttled.saturating_sub(before.throttled),
            retried: self.retried.saturating_sub(before.retried),
            fewest_in_flight: self.fewest_in_flight,
        }
    }
}

/// Shared by everybody who uses one location.
#[derive(Debug)]
pub(super) struct Traffic {
    state: Mutex<State>,
    room: Notify,
    /// What is counted here is counted there too.
    whole: Option<Arc<Traffic>>,
}

#[derive(Debug)]
struct State {
    requests: Requests,
    ceiling: usize,
    allowed: f64,
    running: usize,
    /// The most that ran at the same time since the number was cut. Fewer may be asked for than are allowed.
    busiest: usize,
    cut: Option<Instant>,
}

impl Traffic {
    pub fn new(ceiling: usize) -> Arc<Self> {
        let requests = Requests { fewest_in_flight: ceiling, ..Requests::default() };
        let state = State { requests, ceiling, allowed: ceiling as f64, running: 0, busiest: 0, cut: None };
        Arc::new(Traffic { state: Mutex::new(state), room: Notify::new(), whole: None })
    }

    /// The traffic of another store of the same input. Its requests count as the input's, and only its own answers slow
    /// it down.
    pub fn beside(whole: &Arc<Traffic>) -> Arc<Self> {
        let ceiling = whole.state().ceiling;
        let requests = Requests { fewest_in_flight: ceiling, ..Requests::default() };
        let state = State { requests, ceiling, allowed: ceiling as f64, running: 0, busiest: 0, cut: None };
        let whole = Some(whole.clone());
        Arc::new(Traffic { state: Mutex::new(state), room: Notify::new(), whole })
    }

    fn count(&self, change: impl Fn(&mut Requests)) {
        change(&mut self.state().requests);
        if let Some(whole) = &self.whole {
            change(&mut whole.state().requests);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn requests(&self) -> Requests {
        self.state().requests.clone()
    }

    pub fn retried(&self) {
        self.count(|requests| requests.retried += 1);
    }

    fn sent(&self, method: &str) {
        self.count(|requests| match requests.by_method.get_mut(method) {
            Some(count) => *count += 1,
            None => {
                requests.by_method.insert(method.to_owned(), 1);
            }
        });
    }

    /// Counts an answer; `slows` is false if "slow down" is about one object only.
    fn answered(&self, status: u16, slows: bool) {
        if matches!(status, 429 | 503) {
            self.count(|requests| requests.throttled += 1);
            if !slows {
                return;
            }
            let mut state = self.state();
            if state.cut.is_none_or(|cut| cut.elapsed() >= ONE_CUT) {
                state.cut = Some(Instant::now());
                let running = state.running;
                let busiest = std::mem::replace(&mut state.busiest, running).max(FEW);
                state.allowed = (state.allowed.min(busiest as f64) / 2.0).max(1.0);
                let allowed = state.allowed as usize;
                let is_fewest = allowed < state.requests.fewest_in_flight;
                drop(state);
                if is_fewest {
                    self.count(|requests| requests.fewest_in_flight = requests.fewest_in_flight.min(allowed));
                    tracing::warn!(in_flight = allowed, "the store asks to slow down");
                }
            }
        } else if status < 400 {
            let mut state = self.state();
            state.allowed = (state.allowed + 1.0 / state.allowed).min(state.ceiling as f64);
        }
    }

    /// Waits until another request may be in flight.
    pub async fn permit(self: &Arc<Self>) -> RequestPermit {
        loop {
            let room = self.room.notified();
            {
                let mut state = self.state();
                if state.running < state.allowed as usize {
                    state.running += 1;
                    state.busiest = state.busiest.max(state.running);
                    return RequestPermit(self.clone());
                }
            }
            room.await;
        }
    }
}

/// The right to have one request in flight; released when dropped.
#[derive(Debug)]
pub struct RequestPermit(Arc<Traffic>);

impl Drop for RequestPermit {
    fn drop(&mut self) {
        let more = {
            let mut state = self.0.state();
            state.running -= 1;
            (state.allowed as usize).saturating_sub(state.running)
        };
        // two, since the number allowed may have grown by one meanwhile
        for _ in 0..more.min(2) {
            self.0.room.notify_one();
        }
    }
}

/// Marks a request for an object that failed before, in the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct FailingObject;

/// Makes HTTP clients that report to a [`Traffic`].
#[derive(Debug)]
pub(super) struct Metered(pub Arc<Traffic>);

impl HttpConnector for Metered {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // the client sends and signs default headers where it knows of them; the HTTP client would add them to every
        // other request too, unsigned, and S3 refuses those
        let options = options.clone().with_default_headers(HeaderMap::new());
        let inner = ReqwestConnector::default().connect(&options)?;
        Ok(metered(inner, self.0.clone()))
    }
}

/// A client whose answers are counted and looked at.
pub(super) fn metered(inner: HttpClient, traffic: Arc<Traffic>) -> HttpClient {
    HttpClient::new(MeteredClient { inner, traffic, identity: MachineIdentity::default() })
}

#[derive(Debug)]
struct MeteredClient {
    inner: HttpClient,
    traffic: Arc<Traffic>,
    identity: MachineIdentity,
}

#[async_trait]
impl HttpService for MeteredClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if let Some(raw) = request.extensions().get::<RawKey>()
            && !raw.is_at(request.uri().path())
        {
            return Err(HttpError::new(HttpErrorKind::Request, OtherObject(raw.key.clone())));
        }
        if let Some(asked) = IdentityService::asked_by(&request) {
            return self.identity.judge(asked, self.inner.execute(request).await);
        }
        self.traffic.sent(request.method().as_str());
        let is_listing = request.method() == "GET" && request.uri().query().is_some_and(asks_for_a_listing);
        let is_head = request.method() == "HEAD";
        let (asked, signed) = (Asked::of(&request), Signed::of(&request));
        let slows = request.extensions().get::<FailingObject>().is_none();
        let is_whole = request.method() == "GET" && !request.headers().contains_key("range");
        let range = asked_range(request.headers());
        let answer = self.inner.execute(request).await.map(|answer| asked.unfollowed(answer));
        if let Ok(response) = &answer {
            self.traffic.answered(response.status().as_u16(), slows);
        }
        match signed.named(answer?).await {
            page if is_listing => whole_listing(page).await,
            refusal if is_head && !refusal.status().is_success() => Ok(with_code(refusal)),
            object if is_whole && object.status() == 200 => as_stored(with_checksums(object), None).await,
            object if !is_head && object.status() == 200 => as_stored(object, range).await,
            answer => Ok(answer),
        }
    }
}

/// Gives the refusal of a HEAD a body with its code, as other refusals have one. Azure sends the code in a header
/// too, which the client does not keep.
fn with_code(refusal: HttpResponse) -> HttpResponse {
    let code = refusal.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok());
    let is_plain = |code: &&str| code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let Some(code) = code.filter(is_plain) else { return refusal };
    let body = format!("<Error><Code>{code}</Code></Error>");
    HttpResponse::from_parts(refusal.into_parts().0, body.into())
}

/// Adds the checksums of a whole object to the extensions of its response, which the client copies into its result.
fn with_checksums(mut object: HttpResponse) -> HttpResponse {
    let announced = Announced::read(object.headers());
    object.extensions_mut().insert(announced);
    object
}

/// Completes an answer whose bytes are not the stored ones.
async fn as_stored(object: HttpResponse, range: Option<Range<u64>>) -> Result<HttpResponse, HttpError> {
    match Transcoded::of(object.headers()) {
        None => Ok(object),
        Some(transcoded) => transcoded.whole(object, range).await,
    }
}

fn asks_for_a_listing(query: &str) -> bool {
    query.split('&').any(|pair| matches!(pair, "list-type=2" | "comp=list"))
}

/// Lets only a page of a listing through: read by us, beside a page without keys for the client. Anything else under a
/// good status is an error, which the client tries again.
async fn whole_listing(response: HttpResponse) -> Result<HttpResponse, HttpError> {
    if !response.status().is_success() {
        return Ok(response);
    }
    let (mut head, body) = response.into_parts();
    let body = body.bytes().await?;
    let page = match page::parse(&body) {
        Err(_) if failpoints::on("mutant.any_page_is_believed") => Page::default(),
        page => page.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?,
    };
    let empty = match page.is_azure {
        true => "<EnumerationResults><Blobs/></EnumerationResults>",
        false => "<ListBucketResult></ListBucketResult>",
    };
    head.extensions.insert(Arc::new(page));
    Ok(HttpResponse::from_parts(head, empty.to_owned().into()))
}

/// A request that would read another object than the one that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the request for `{0}` would read another object")]
struct OtherObject(String);

/// True for the XML that S3, GCS and Azure send in place of what was asked for.
pub(super) fn is_error_document(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let root = match text.strip_prefix("<?xml") {
        Some(declared) => declared.split_once("?>").map_or("", |(_, rest)| rest).trim_start(),
        None => text,
    };
    root.starts_with("<Error>") || root.starts_with("<Error ")
}

#[cfg(test)]
mod tests;
