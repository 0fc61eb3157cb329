//! A small Hugging Face hub on loopback with scripted faults.
//!
//! Two servers: the hub, and the store to which it redirects for files in LFS, as another origin. The answers have the
//! headers of the real one: `X-Repo-Commit`, `ETag`, `X-Linked-Etag`, `X-Linked-Size`, `X-Error-Code`; requests for
//! other files are redirected within the hub. It uses nothing of the project, so that any test binary can include it with
//! `#[path = "…/scripted_hub/mod.rs"] mod scripted_hub;`.

// a test helper may unwrap, and each binary that includes it uses another part of it
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

mod answer;
mod serve;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The server that got a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    Hub,
    /// The store to which the hub redirects.
    Store,
}

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub host: Host,
    pub method: String,
    /// With its query.
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

/// A fault in place of the right answer.
#[derive(Debug, Clone)]
pub enum Act {
    /// A status with headers and no body.
    Answer(u16, Vec<(&'static str, String)>),
    /// This body under status 200.
    Body(Vec<u8>),
    /// The right head, and the first bytes of the body, by their number.
    Cut(usize),
    /// The right length, other bytes.
    Corrupt,
    /// The whole file, whatever range is requested.
    WithoutRanges,
    /// The first bytes of the whole file, by their number, whatever range is requested.
    CutWithoutRanges(usize),
    /// Another value for a header of the right answer; an empty one removes it.
    Header(&'static str, String),
    /// Bytes that follow the right ones, by their number, without a length.
    TooMuch(usize),
    /// No answer until the test releases it.
    Hold,
}

/// A rule: the act for the next `times` requests with this method whose path contains `on`.
#[derive(Debug, Clone)]
pub struct Rule {
    pub host: Host,
    pub method: &'static str,
    pub on: String,
    pub act: Act,
    pub times: usize,
}

/// One file of a commit.
#[derive(Debug, Clone)]
pub struct File {
    pub bytes: Vec<u8>,
    pub is_lfs: bool,
}

#[derive(Debug, Default)]
struct Repo {
    /// Commits of branches and tags.
    revisions: BTreeMap<String, String>,
    commits: BTreeMap<String, BTreeMap<String, File>>,
    /// The token that it needs.
    token: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    repos: BTreeMap<String, Repo>,
    rules: Vec<Rule>,
    seen: Vec<Seen>,
    is_released: bool,
}

/// The hub.
#[derive(Debug, Clone)]
pub struct ScriptedHub {
    hub: u16,
    store: u16,
    state: Arc<Mutex<State>>,
}

impl ScriptedHub {
    pub fn start() -> ScriptedHub {
        let [hub, store] = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let started = ScriptedHub {
            hub: port(&hub),
            store: port(&store),
            state: Arc::new(Mutex::new(State::default())),
        };
        for (host, listener) in [(Host::Hub, hub), (Host::Store, store)] {
            let server = started.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let server = server.clone();
                    // a client that has gone away is no failure
                    std::thread::spawn(move || drop(serve::serve(&server, host, stream)));
                }
            });
        }
        started
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// `HF_ENDPOINT`
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.hub)
    }

    /// The address of the store to which files in LFS are redirected.
    pub fn store(&self) -> String {
        format!("http://127.0.0.1:{}", self.store)
    }

    /// Adds a commit and moves a branch to it; files whose names end as weights do are in LFS.
    pub fn commit(&self, repo: &str, branch: &str, files: &[(&str, &[u8])]) -> String {
        let mut state = self.state();
        let repo = state.repos.entry(repo.to_owned()).or_default();
        let is_lfs = |name: &str| {
            [".safetensors", ".bin", ".onnx", ".onnx_data", ".pth", ".data"]
                .iter()
                .any(|end| name.ends_with(end))
        };
        let files: BTreeMap<String, File> = files
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), File { bytes: bytes.to_vec(), is_lfs: is_lfs(name) }))
            .collect();
        let commit = hex(&Sha1::digest(format!("{branch} {} {files:?}", repo.commits.len())));
        repo.commits.insert(commit.clone(), files);
        repo.revisions.insert(branch.to_owned(), commit.clone());
        commit
    }

    /// Lets a repository be read with this token only.
    pub fn gate(&self, repo: &str, token: &str) {
        self.state().repos.get_mut(repo).unwrap().token = Some(token.to_owned());
    }

    /// Adds a rule; the first that fits is taken.
    pub fn rule(&self, host: Host, method: &'static str, on: &str, act: Act, times: usize) {
        self.state().rules.push(Rule { host, method, on: on.to_owned(), act, times });
    }

    /// Drops all rules.
    pub fn clear(&self) {
        self.state().rules.clear();
    }

    /// Releases the requests that are held.
    pub fn release(&self) {
        self.state().is_released = true;
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.state().seen.clear();
    }

    /// How often the bytes of files were requested.
    pub fn reads(&self) -> usize {
        self.seen().iter().filter(|seen| seen.method == "GET" && seen.host == Host::Store).count()
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of a file in LFS.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The hash that git gives to other files.
pub fn git_blob(bytes: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(bytes);
    hex(&hash.finalize())
}
