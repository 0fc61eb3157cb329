//! The id of the run that this process is, or works for.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

static RUN_ID: OnceLock<String> = OnceLock::new();

/// Takes the id of another process's run, unless this one has an id already.
pub(super) fn adopt(id: &str) {
    RUN_ID.get_or_init(|| id.to_owned());
}

/// Returns the id that distinguishes runs in logs, metrics and footers; nothing depends on it. One process is one run.
pub fn run_id() -> &'static str {
    RUN_ID.get_or_init(|| {
        let now = std::time::SystemTime::now();
        format!("{:016x}", RandomState::new().hash_one((now, std::process::id())))
    })
}
