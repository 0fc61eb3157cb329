//! The client and the cache against a hub on loopback.

mod fetching;
mod hostile;
mod package;
mod refused;
#[path = "../../../tests/support/scripted_hub/mod.rs"]
mod scripted_hub;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::address::HubAddress;
use super::environment::HubSettings;
use super::error::HubError;
use super::snapshot::{CachedFile, Snapshot};
use scripted_hub::{Act, Host, ScriptedHub};

const REPO: &str = "timm/small";
/// Long enough that it comes in several chunks.
const BYTES: usize = 300_000;

/// A hub with one model, and a cache.
struct Desk {
    hub: ScriptedHub,
    home: TempDir,
    variables: Vec<(&'static str, String)>,
    patience: Duration,
}

/// The bytes of its weights.
fn weights() -> Vec<u8> {
    (0..BYTES).map(|at| (at % 251) as u8).collect()
}

impl Desk {
    fn new() -> Desk {
        let hub = ScriptedHub::start();
        hub.commit(
            REPO,
            "main",
            &[("config.json", b"{}"), ("model.safetensors", &weights()), ("README.md", b"x")],
        );
        let home = tempfile::tempdir().unwrap();
        Desk { hub, home, variables: Vec::new(), patience: Duration::from_secs(20) }
    }

    fn set(mut self, name: &'static str, value: &str) -> Desk {
        self.variables.push((name, value.to_owned()));
        self
    }

    fn settings(&self) -> HubSettings {
        let own = [("HF_ENDPOINT", self.hub.endpoint()), ("HF_HOME", self.home.path().display().to_string())];
        let find = |name: &str| {
            let all = self.variables.iter().rev().chain(&own);
            all.clone().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        };
        HubSettings::of(&find).unwrap()
    }

    async fn open(&self, typed: &str) -> Result<Snapshot, HubError> {
        self.pinned(typed, None).await
    }

    async fn pinned(&self, typed: &str, commit: Option<&str>) -> Result<Snapshot, HubError> {
        let address = HubAddress::parse(Path::new(typed)).unwrap().unwrap();
        Snapshot::open_with(self.settings(), &address, commit, self.patience).await
    }

    /// The weights of the one model, as a command fetches them.
    async fn weights(&self) -> Result<CachedFile, HubError> {
        let snapshot = self.open("hf://timm/small").await?;
        snapshot.configurations(&snapshot.weights()?).await?;
        snapshot.file(&snapshot.weights()?, 1 << 30).await
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("hub/models--timm--small")
    }

    /// The names of the blobs, sorted.
    fn blobs(&self) -> Vec<String> {
        let items = std::fs::read_dir(self.folder().join("blobs")).into_iter().flatten();
        let mut names: Vec<String> =
            items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A rule for reading the weights' bytes.
    fn when_read(&self, act: Act, times: usize) {
        self.hub.rule(Host::Store, "GET", "/blobs/", act, times);
    }
}

/// Waits until the condition holds.
async fn until(condition: impl Fn() -> bool) {
    for _ in 0..4000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came");
}
