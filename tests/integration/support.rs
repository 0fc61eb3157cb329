//! What the subject modules share: where the Python environment, the reference data and the binary are.

use std::path::{Path, PathBuf};

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

/// `../shared/<name>`, or `None` (with a printed reason) where the checkout stands alone.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = root().parent()?.join("shared").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: ../shared/{name} is not here");
    None
}

/// Runs a script of `tests/reference/` and gives its standard output; panics with its errors if it fails.
pub fn run_python(script: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(python())
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
