//! What the subject modules share: where the Python environment, the reference data and the binary are.

pub mod aws;
pub mod azurite;
pub mod frozen;
pub mod job;
pub mod process;
pub mod remote;
pub mod s3;
#[path = "../../support/scripted_hub/mod.rs"]
pub mod scripted_hub;
#[path = "../../support/scripted_s3/mod.rs"]
pub mod scripted_s3;
pub mod virtual_bucket;
pub mod watched;
pub mod web;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The interpreter of the pinned Python environment that `make test` makes.
pub fn python() -> PathBuf {
    let path = std::env::var_os("TRESNET_BATCH_PYTHON")
        .map_or_else(|| root().join(".venv/bin/python"), PathBuf::from);
    assert!(path.exists(), "no Python environment at {}: run `make python`", path.display());
    path
}

/// `../shared/<name>`, or `None` (with a printed reason) if the checkout has no such folder beside it.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = root().parent()?.join("shared").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: ../shared/{name} is not here");
    None
}

/// Runs a script of `tests/reference/` and returns its standard output; panics with its errors if it fails.
pub fn run_python(script: &str, arguments: &[&str]) -> String {
    let output = Command::new(python())
        .arg(root().join("tests/reference").join(script))
        .args(arguments)
        .output()
        .expect("python starts");
    assert!(
        output.status.success(),
        "{script} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("python prints UTF-8")
}

/// Runs a script of `tests/reference/` that prints one JSON value at its end.
pub fn ask_python(script: &str, arguments: &[&str]) -> serde_json::Value {
    let printed = run_python(script, arguments);
    let last = printed.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{script} printed `{last}`: {error}"))
}

/// Keeps a process, and the pipes to it, for as long as this one lives.
pub fn keep(child: Child) {
    static KEPT: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    KEPT.lock().unwrap().push(child);
}

/// Has a shell run `command` as soon as this process has ended, in whatever way, because a pipe of it closes then.
pub fn afterwards(command: &str) {
    let waiting = Command::new("sh")
        .args(["-c", &format!("cat >/dev/null; {command}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    keep(waiting.expect("sh starts"));
}

/// A folder for files that tests share; it is removed when this process ends.
pub fn scratch() -> &'static Path {
    static SCRATCH: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        afterwards(&format!("rm -rf '{}'", folder.display()));
        folder
    });
    &SCRATCH
}

/// SplitMix64: the same numbers on every machine.
pub struct Noise(pub u64);

impl Noise {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}
