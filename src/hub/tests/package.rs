//! The cache as the `huggingface_hub` package reads and writes it.

use std::process::Command;

use super::*;

/// The interpreter that has the package, if one is named.
const PYTHON: &str = "TRESNET_BATCH_HUGGINGFACE_HUB";

/// Runs `tests/reference/hub_cache.py` beside the hub.
fn ask(desk: &Desk, arguments: &[&str]) -> Option<String> {
    let Some(python) = std::env::var_os(PYTHON) else {
        println!("skipped: {PYTHON} names no interpreter with huggingface_hub");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/hub_cache.py");
    let output = Command::new(python)
        .arg(script)
        .args(arguments)
        .env("HF_ENDPOINT", desk.hub.endpoint())
        .env("HF_HOME", desk.home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_package_finds_what_was_fetched_here_without_the_hub() {
    let desk = Desk::new();
    let fetched = desk.weights().await.unwrap();
    desk.hub.forget();
    let Some(found) = ask(&desk, &["offline", REPO, "main", "model.safetensors"]) else { return };
    assert_eq!(Path::new(&found), fetched.path);
    let absent = ask(&desk, &["known", REPO, "main", "preprocessor_config.json"]).unwrap();
    assert_eq!(absent, "known not to exist");
    // the package agrees with the hub that the blob is the right one
    let found = ask(&desk, &["online", REPO, "main", "model.safetensors"]).unwrap();
    assert_eq!((Path::new(&found), desk.hub.reads()), (fetched.path.as_path(), 0));
    let scanned = ask(&desk, &["scan"]).unwrap();
    assert_eq!(scanned, format!("{REPO} 2 files 0 warnings"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_package_fetched_is_found_here() {
    let desk = Desk::new();
    for file in ["config.json", "model.safetensors"] {
        if ask(&desk, &["online", REPO, "main", file]).is_none() {
            return;
        }
    }
    let desk = desk.set("HF_HUB_OFFLINE", "1");
    desk.hub.forget();
    let found = desk.weights().await.unwrap();
    assert_eq!(std::fs::read(found.path).unwrap(), weights());
    assert!(desk.hub.seen().is_empty());
}
