//! The answer to each request: that of a correct S3, changed by the script.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName};
use hyper::{Method, Request, Response, StatusCode};

use super::body::{HangUp, Script, scripted};
use super::documents::{self, DECLARATION, NAMESPACE, element, header_time, texts};
use super::faults::{Refusal, Reply, Tag};
use super::objects::{Object, generation};
use super::request::{Ask, Kind};
use super::rules::{Effect, Plan};
use super::{BUCKET, InFlight, Shared, State, listing};

/// Answers that must not have a `Content-Length`.
const WITHOUT_LENGTH: [StatusCode; 2] = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];

/// The version of an object on GCS.
const GENERATION: HeaderName = HeaderName::from_static("x-goog-generation");

/// An answer before it breaks.
pub(super) struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
    /// It goes in chunks.
    has_no_length: bool,
}

impl Answer {
    fn new(status: StatusCode) -> Answer {
        Answer { status, headers: Vec::new(), body: Bytes::new(), has_no_length: false }
    }

    fn xml(status: StatusCode, document: String) -> Answer {
        let headers = vec![(header::CONTENT_TYPE, "application/xml".to_owned())];
        Answer { status, headers, body: document.into(), has_no_length: false }
    }

    fn document(text: &str) -> Answer {
        Answer::xml(StatusCode::OK, text.to_owned())
    }

    fn error(status: u16, code: &str, ask: &Ask) -> Answer {
        Answer::refusal(&Refusal::new(status, code), ask)
    }

    fn refusal(refusal: &Refusal, ask: &Ask) -> Answer {
        let resource = format!("/{}/{}", ask.bucket, ask.seen.key);
        let answer = Answer::xml(refusal.status, documents::error(refusal, &resource, &ask.signed));
        let answer = match refusal.region {
            Some(region) => answer.with(HeaderName::from_static("x-amz-bucket-region"), region.to_owned()),
            None => answer,
        };
        let answer = match refusal.location {
            Some(location) => answer.with(header::LOCATION, location.to_owned()),
            None => answer,
        };
        match refusal.retry_after {
            Some(seconds) => answer.with(header::RETRY_AFTER, seconds.to_string()),
            None => answer,
        }
    }

    fn with(mut self, name: HeaderName, value: String) -> Answer {
        self.headers.push((name, value));
        self
    }
}

/// Answers a request; an error ends its connection.
pub(super) async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    reset: Arc<AtomicBool>,
) -> Result<Response<Script>, HangUp> {
    let (parts, body) = request.into_parts();
    let mut ask = Ask::new(&parts);
    let (number, mut plan, latency) = shared.arrived(&mut ask.seen);
    let in_flight = InFlight(Arc::clone(&shared));
    let latency = latency + plan.latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    if let Some(gate) = plan.gate.take() {
        gate.passed().await;
    }
    if let Some((Effect::Never, reply @ (Reply::Close | Reply::Reset))) = &plan.instead {
        reset.store(matches!(reply, Reply::Reset), Ordering::Relaxed);
        return Err(HangUp);
    }
    let Some(bytes) = ask.body(body).await else { return Err(HangUp) };
    let way = plan.body.take();
    let answer = match plan.instead.take() {
        None => {
            let answer = carry_out(&shared, &ask, bytes, &plan);
            if !plan.held.is_zero() {
                tokio::time::sleep(plan.held).await;
            }
            answer
        }
        Some((effect, reply)) => {
            let said = match &reply {
                Reply::Refusal(refusal) => Some(Answer::refusal(refusal, &ask)),
                Reply::ErrorInOk(error) => {
                    Some(Answer { status: StatusCode::OK, ..Answer::refusal(error, &ask) })
                }
                Reply::Document(text) => Some(Answer::document(text)),
                Reply::Close | Reply::Reset | Reply::Stall(_) => None,
            };
            match effect {
                Effect::Never => {}
                Effect::AtOnce => drop(carry_out(&shared, &ask, bytes, &plan)),
                Effect::After(time) => {
                    let shared = Arc::clone(&shared);
                    tokio::spawn(async move {
                        tokio::time::sleep(time).await;
                        drop(carry_out(&shared, &ask, bytes, &plan));
                    });
                }
            }
            if let Reply::Stall(time) = reply {
                tokio::time::sleep(time).await;
            }
            reset.store(matches!(reply, Reply::Reset), Ordering::Relaxed);
            said.ok_or(HangUp)?
        }
    };
    shared.answered(number, answer.status.as_u16());
    let head = parts.method == Method::HEAD;
    let (length, has_no_length) = (answer.body.len(), answer.has_no_length);
    let (bytes, way) = if head { (Bytes::new(), None) } else { (answer.body, way) };
    let bandwidth = shared.state().bandwidth;
    let scripted = scripted(bytes, way, reset, (in_flight, bandwidth));
    let mut response = Response::builder().status(answer.status).header("x-amz-request-id", number);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let length = if head { Some(length) } else { scripted.length };
    if let Some(length) = length.filter(|_| !WITHOUT_LENGTH.contains(&answer.status) && !has_no_length) {
        response = response.header(header::CONTENT_LENGTH, length);
    }
    Ok(response.body(scripted.body).expect("an answer's headers can be sent"))
}

/// Carries out a request, at once and as a whole.
fn carry_out(shared: &Shared, ask: &Ask, bytes: Bytes, plan: &Plan) -> Answer {
    let object = (ask.seen.kind == Kind::Put).then(|| Object::new(bytes.clone()));
    let mut state = shared.state();
    if let Some(known) = &state.access_key
        && *known != ask.signed.access_key
    {
        return Answer::error(403, "InvalidAccessKeyId", ask);
    }
    if state.expired_tokens.contains(&ask.signed.token) {
        return Answer::error(400, "ExpiredToken", ask);
    }
    // as AWS has it: "There were headers present in the request which were not signed"
    if !ask.signed.access_key.is_empty() && !ask.signed.left_out.is_empty() {
        return Answer::error(403, "AccessDenied", ask);
    }
    if ask.bucket != BUCKET {
        return Answer::error(404, "NoSuchBucket", ask);
    }
    match ask.seen.kind {
        Kind::List => list(&mut state, ask, plan),
        Kind::Get | Kind::Head => read(&mut state, ask, plan),
        Kind::Put => write(&mut state, ask, plan, object.unwrap_or_else(|| Object::new(bytes))),
        Kind::Delete if ask.seen.method == Method::POST => delete_many(&mut state, &bytes),
        Kind::Delete => {
            state.bucket.delete(&ask.seen.key);
            Answer::new(StatusCode::NO_CONTENT)
        }
        Kind::Other if ask.seen.method == Method::HEAD && ask.seen.key.is_empty() => {
            Answer::new(StatusCode::OK)
        }
        Kind::Other => Answer::error(501, "NotImplemented", ask),
    }
}

/// The ETag that is shown for an object.
fn shown(object: &Object, tag: Option<&Tag>, made_up: &mut u64) -> Option<String> {
    match tag {
        None => Some(object.etag.clone()),
        Some(Tag::Changing) => {
            *made_up += 1;
            Some(format!("\"changing-{made_up}\""))
        }
        Some(Tag::Fixed(tag)) => Some(tag.clone()),
        Some(Tag::Empty) => Some(String::new()),
        Some(Tag::Missing) => None,
        Some(Tag::Weak) => Some(format!("W/{}", object.etag)),
    }
}

/// Whether a list of ETags holds this one; a weak one is never the same.
fn names(tags: &str, tag: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|other| other.trim() == tag && !tag.starts_with("W/"))
}

fn list(state: &mut State, ask: &Ask, plan: &Plan) -> Answer {
    let State { bucket, page_size, tags_made_up, .. } = state;
    let mut shown = |object: &Object| shown(object, plan.tag.as_ref(), tags_made_up);
    match listing::page(bucket, ask, *page_size, &plan.paging, &mut shown) {
        Ok(document) => Answer::xml(StatusCode::OK, document),
        Err(code) => Answer::error(400, code, ask),
    }
}

fn read(state: &mut State, ask: &Ask, plan: &Plan) -> Answer {
    let Some(mut object) = state.bucket.get(&ask.seen.key) else {
        return Answer::error(404, "NoSuchKey", ask);
    };
    if state.is_gcs {
        object.etag = format!("\"-{:x}=\"", generation(&object));
    }
    let shown = shown(&object, plan.tag.as_ref(), &mut state.tags_made_up);
    let tag = shown.as_deref().unwrap_or(&object.etag);
    if !plan.ignore_conditions {
        if ask.if_match.as_ref().is_some_and(|tags| !names(tags, tag)) {
            return Answer::error(412, "PreconditionFailed", ask);
        }
        if ask.if_none_match.as_ref().is_some_and(|tags| names(tags, tag)) {
            return Answer::new(StatusCode::NOT_MODIFIED);
        }
    }
    if state.is_gcs
        && !ask.seen.accepts_gzip
        && let Some(decoded) = object.decoded.clone()
    {
        return transcoded(&object, tag, decoded);
    }
    let whole = object.bytes.len();
    let mut answer = Answer::new(StatusCode::OK)
        .with(header::LAST_MODIFIED, header_time(object.modified))
        .with(header::ACCEPT_RANGES, "bytes".to_owned())
        .with(header::CONTENT_TYPE, "application/octet-stream".to_owned());
    if let Some(tag) = shown {
        answer = answer.with(header::ETAG, tag);
    }
    if state.is_gcs {
        answer = answer.with(GENERATION, generation(&object).to_string());
    }
    for (name, value) in object.headers {
        if ask.seen.asks_for_checksums || !name.as_str().starts_with("x-amz-checksum-") {
            answer = answer.with(name, value);
        }
    }
    match ask.seen.range.as_deref().and_then(|range| bounds(range, whole)) {
        None => answer.body = object.bytes,
        Some(Some((first, last))) => {
            answer = answer.with(header::CONTENT_RANGE, format!("bytes {first}-{last}/{whole}"));
            answer.status = StatusCode::PARTIAL_CONTENT;
            answer.body = object.bytes.slice(first..=last);
        }
        Some(None) => {
            let refused = Answer::error(416, "InvalidRange", ask);
            return refused.with(header::CONTENT_RANGE, format!("bytes */{whole}"));
        }
    }
    answer
}

/// An object as GCS sends it to a client that does not accept its encoding.
fn transcoded(object: &Object, tag: &str, decoded: Bytes) -> Answer {
    let stored = |name| HeaderName::from_static(name);
    let mut answer = Answer::new(StatusCode::OK)
        .with(header::LAST_MODIFIED, header_time(object.modified))
        .with(header::CONTENT_TYPE, "image/jpeg".to_owned())
        .with(header::ETAG, format!("W/{tag}"))
        .with(header::WARNING, "214 UploadServer gunzipped".to_owned())
        .with(GENERATION, generation(object).to_string())
        .with(stored("x-goog-stored-content-encoding"), "gzip".to_owned())
        .with(stored("x-goog-stored-content-length"), object.bytes.len().to_string());
    (answer.body, answer.has_no_length) = (decoded, true);
    answer
}

/// First and last byte of a range; `None` for what is no range (it is ignored, as RFC 9110 has it),
/// `Some(None)` for one that lies outside.
fn bounds(range: &str, whole: usize) -> Option<Option<(usize, usize)>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let suffix: usize = last.parse().ok()?;
        return Some((suffix > 0 && whole > 0).then(|| (whole.saturating_sub(suffix), whole - 1)));
    }
    let first: usize = first.parse().ok()?;
    let last = if last.is_empty() { usize::MAX } else { last.parse().ok()? };
    if last < first {
        return None;
    }
    Some((first < whole).then(|| (first, last.min(whole - 1))))
}

fn write(state: &mut State, ask: &Ask, plan: &Plan, object: Object) -> Answer {
    let standing = state.bucket.get(&ask.seen.key);
    if !plan.ignore_conditions {
        let tag = standing.as_ref().map(|object| object.etag.as_str());
        let found = standing.as_ref().map_or(0, generation);
        if state.is_gcs && ask.if_generation.as_ref().is_some_and(|asked| *asked != found.to_string()) {
            return Answer::error(412, "PreconditionFailed", ask);
        }
        if ask.if_none_match.as_ref().is_some_and(|tags| tag.is_some_and(|tag| names(tags, tag))) {
            return Answer::error(412, "PreconditionFailed", ask);
        }
        match (&ask.if_match, tag) {
            (Some(_), None) => return Answer::error(404, "NoSuchKey", ask),
            (Some(tags), Some(tag)) if !names(tags, tag) => {
                return Answer::error(412, "PreconditionFailed", ask);
            }
            _ => {}
        }
    }
    let shown = shown(&object, plan.tag.as_ref(), &mut state.tags_made_up);
    let mut answer = Answer::new(StatusCode::OK);
    if state.is_gcs {
        answer = answer.with(GENERATION, generation(&object).to_string());
    }
    state.bucket.put(ask.seen.key.clone(), object);
    match shown {
        Some(tag) => answer.with(header::ETAG, tag),
        None => answer,
    }
}

fn delete_many(state: &mut State, document: &Bytes) -> Answer {
    let keys = texts(&String::from_utf8_lossy(document), "Key");
    let mut answer = format!("{DECLARATION}<DeleteResult xmlns=\"{NAMESPACE}\">");
    for key in keys {
        state.bucket.delete(&key);
        answer += &format!("<Deleted>{}</Deleted>", element("Key", &key));
    }
    Answer::xml(StatusCode::OK, answer + "</DeleteResult>")
}
