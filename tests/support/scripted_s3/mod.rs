//! A small S3 on loopback with scripted faults.
//!
//! Real HTTP/1.1 over an in-memory bucket named `test`. It supports conditional writes, ranges and pages in byte order
//! correctly. [`Rule`]s, which may change while it runs, determine which requests meet which [`Fault`]. It uses nothing
//! of the project, so that any test binary or bench can include it with
//! `#[path = "…/scripted_s3/mod.rs"] mod scripted_s3;`.
//!
//! Signatures are never verified; [`ScriptedS3::accept_only`] checks the access key.

// a test helper may unwrap, and each binary that includes it uses another part of it
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, unused_imports)]

mod answer;
mod body;
mod documents;
mod faults;
mod listing;
mod objects;
mod request;
mod rules;
mod server;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, HeaderName};

pub use faults::{Break, Fault, Gate, Paging, Refusal, Reply, Tag};
pub use request::{Kind, Seen};
pub use rules::{Rule, RuleId, Times};

use objects::{Bucket, Object, Virtual};
use rules::{Plan, Rules};
use server::Server;

/// The only bucket.
pub const BUCKET: &str = "test";

/// What a program needs in its environment to reach an S3 on this machine that takes any credentials.
pub fn environment_of(endpoint: &str) -> Vec<(String, String)> {
    let pairs = [
        ("AWS_ENDPOINT", endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// The server; it ends when this is dropped.
pub struct ScriptedS3 {
    shared: Arc<Shared>,
    server: Server,
}

/// The state that the connections and the test share.
struct Shared {
    state: Mutex<State>,
}

struct State {
    bucket: Bucket,
    rules: Rules,
    log: Log,
    page_size: usize,
    latency: Duration,
    /// Bytes a second of one connection, if they are limited.
    bandwidth: Option<u64>,
    access_key: Option<String>,
    expired_tokens: Vec<String>,
    in_flight: usize,
    tags_made_up: u64,
    /// Whether it is GCS's dialect.
    is_gcs: bool,
}

/// The requests seen. Numbers continue after a reset, so that a request in progress finds its own entry or none.
struct Log {
    first: u64,
    seen: Vec<Seen>,
    kept: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Records a request that has arrived, and decides its answer.
    fn arrived(&self, seen: &mut Seen) -> (u64, Plan, Duration) {
        let mut state = self.state();
        state.in_flight += 1;
        seen.in_flight = state.in_flight;
        let plan = state.rules.fire(seen);
        let number = state.log.first + state.log.seen.len() as u64;
        if state.log.kept {
            state.log.seen.push(seen.clone());
        }
        (number, plan, state.latency)
    }

    /// Records the status of the answer to a request.
    fn answered(&self, number: u64, status: u16) {
        let mut state = self.state();
        let entry = number.checked_sub(state.log.first).and_then(|index| usize::try_from(index).ok());
        if let Some(seen) = entry.and_then(|index| state.log.seen.get_mut(index)) {
            seen.status = status;
        }
    }
}

/// One request, in progress until the last byte of its answer is sent.
struct InFlight(Arc<Shared>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

impl ScriptedS3 {
    /// An empty bucket on a free port of the loopback device.
    pub fn start() -> ScriptedS3 {
        ScriptedS3::speaking(false)
    }

    /// The same as GCS's XML API: creation is conditional by `x-goog-if-generation-match`, and the ETag of an answer
    /// is another than that of a listing.
    pub fn gcs() -> ScriptedS3 {
        ScriptedS3::speaking(true)
    }

    fn speaking(is_gcs: bool) -> ScriptedS3 {
        let state = State {
            bucket: Bucket::default(),
            rules: Rules::default(),
            log: Log { first: 0, seen: Vec::new(), kept: true },
            page_size: 1000,
            latency: Duration::ZERO,
            bandwidth: None,
            access_key: None,
            expired_tokens: Vec::new(),
            in_flight: 0,
            tags_made_up: 0,
            is_gcs,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        ScriptedS3 { server: Server::start(Arc::clone(&shared)), shared }
    }

    /// `http://127.0.0.1:<port>`, the same after an outage.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// What a program needs in its environment to reach the bucket.
    pub fn environment(&self) -> Vec<(String, String)> {
        if self.shared.state().is_gcs {
            let pairs = [
                ("GOOGLE_BASE_URL", self.endpoint()),
                ("GOOGLE_ALLOW_HTTP", "true".to_owned()),
                ("GOOGLE_BEARER_TOKEN", "testing".to_owned()),
            ];
            return pairs.map(|(name, value)| (name.to_owned(), value)).to_vec();
        }
        environment_of(&self.endpoint())
    }

    /// Writes an object, past all rules, and returns its ETag.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) -> String {
        let object = Object::new(bytes.into());
        let etag = object.etag.clone();
        self.shared.state().bucket.put(key.to_owned(), object);
        etag
    }

    /// Writes an object whose reads have these headers, past all rules. An `etag` among them, in quotes, is its ETag;
    /// `x-amz-checksum-…` is shown to requests that ask for checksums.
    pub fn put_with(&self, key: &str, bytes: impl Into<Bytes>, headers: &[(&'static str, &str)]) {
        let mut object = Object::new(bytes.into());
        for (name, value) in headers {
            match *name {
                "etag" => object.etag = (*value).to_owned(),
                name => object.headers.push((HeaderName::from_static(name), (*value).to_owned())),
            }
        }
        self.shared.state().bucket.put(key.to_owned(), object);
    }

    /// Writes an object with `Content-Encoding: gzip`, past all rules: `stored` are its bytes, `decoded` is what they
    /// decompress to. GCS's dialect sends the latter to clients that do not accept gzip: whole, without a length and
    /// with a weak tag.
    pub fn put_gzipped(&self, key: &str, stored: impl Into<Bytes>, decoded: impl Into<Bytes>) {
        let mut object = Object::new(stored.into());
        object.headers.push((CONTENT_ENCODING, "gzip".to_owned()));
        object.decoded = Some(decoded.into());
        self.shared.state().bucket.put(key.to_owned(), object);
    }

    /// The bytes of an object, past all rules.
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.shared.state().bucket.get(key).map(|object| object.bytes)
    }

    /// Removes an object, past all rules; whether there was one.
    pub fn delete(&self, key: &str) -> bool {
        self.shared.state().bucket.delete(key)
    }

    /// All keys that begin with `prefix`, in byte order, past all rules.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        self.shared
            .state()
            .bucket
            .from(prefix)
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .collect()
    }

    /// Adds `count` objects without holding them: object `i` has the key `prefix` + `name(i)` and the bytes
    /// `bytes[i % bytes.len()]`. The names must grow in byte order with `i`; a sample of them is checked.
    pub fn virtual_keys(
        &self,
        prefix: &str,
        count: u64,
        name: impl Fn(u64) -> String + Send + Sync + 'static,
        bytes: Vec<Bytes>,
    ) {
        let objects = Virtual::new(prefix, count, Box::new(name), bytes);
        self.shared.state().bucket.add_virtual(objects);
    }

    /// Adds a rule after the existing ones.
    pub fn rule(&self, rule: Rule) -> RuleId {
        self.shared.state().rules.add(rule)
    }

    /// Removes a rule; how often it fired is kept.
    pub fn remove(&self, id: RuleId) {
        self.shared.state().rules.remove(id);
    }

    /// Removes all rules.
    pub fn clear_rules(&self) {
        self.shared.state().rules.clear();
    }

    /// How often a rule has fired.
    pub fn fired(&self, id: RuleId) -> u64 {
        self.shared.state().rules.fired(id)
    }

    /// Restarts the random numbers of [`Rule::chance`]; they begin with seed 0.
    pub fn seed(&self, seed: u64) {
        self.shared.state().rules.seed(seed);
    }

    /// The requests since the last reset of the log, in the order of their arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.state().log.seen.clone()
    }

    /// How many of them `so` accepts.
    pub fn count(&self, so: impl Fn(&Seen) -> bool) -> usize {
        self.shared.state().log.seen.iter().filter(|seen| so(seen)).count()
    }

    /// Forgets the requests seen.
    pub fn reset_log(&self) {
        let log = &mut self.shared.state().log;
        log.first += log.seen.len() as u64;
        log.seen.clear();
    }

    /// Sets whether requests are recorded (they are, from the start); a bench may not need it.
    pub fn keep_log(&self, kept: bool) {
        self.reset_log();
        self.shared.state().log.kept = kept;
    }

    /// Time that every request waits before it is handled.
    pub fn latency(&self, latency: Duration) {
        self.shared.state().latency = latency;
    }

    /// Bytes a second in which the body of an answer goes out, on each connection for itself; `None` (from the start) is
    /// as fast as it can.
    pub fn bandwidth(&self, bytes: Option<u64>) {
        assert!(bytes != Some(0), "nothing would ever go out");
        self.shared.state().bandwidth = bytes;
    }

    /// The most keys of a listing page; 1000 from the start.
    pub fn page_size(&self, keys: usize) {
        assert!(keys > 0, "a page holds a key at least");
        self.shared.state().page_size = keys;
    }

    /// Refuses with 403 every request that is not signed in the name of this access key; `None` (from the start)
    /// takes all, unsigned ones too. The signature itself is never verified.
    pub fn accept_only(&self, access_key: Option<&str>) {
        self.shared.state().access_key = access_key.map(str::to_owned);
    }

    /// Answers from now on with 400 `ExpiredToken` what carries this session token.
    pub fn expire(&self, token: &str) {
        self.shared.state().expired_tokens.push(token.to_owned());
    }

    /// Closes the listener and every connection: from now on connections are refused. Delayed requests are still
    /// applied.
    pub fn close(&self) {
        self.server.close();
    }

    /// Listens again on the same port.
    pub fn open(&self) {
        self.server.open();
    }

    /// Closes every connection, but takes new ones.
    pub fn drop_connections(&self) {
        self.server.drop_connections();
    }
}
