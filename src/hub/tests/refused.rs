//! Refusals of a hub, and bytes that are not those that it promised.

use super::scripted_hub::sha256;
use super::*;
use crate::failure::{Exit, Failure};

#[tokio::test]
async fn a_wrong_hash_is_refused_and_nothing_of_it_stays() {
    let desk = Desk::new();
    desk.when_read(Act::Corrupt, 1);
    let error = desk.weights().await.unwrap_err();
    assert!(matches!(error, HubError::Hash { .. }), "{error}");
    assert!(error.to_string().contains(&sha256(&weights())), "{error}");
    assert!(!desk.blobs().iter().any(|name| name.starts_with(&sha256(&weights()))), "{:?}", desk.blobs());
    assert_eq!(Failure::from(error).exit, Exit::Config);
    desk.weights().await.unwrap();
}

#[tokio::test]
async fn a_file_of_git_with_another_hash_is_refused_too() {
    let desk = Desk::new();
    desk.hub.rule(Host::Hub, "GET", "/resolve-cache/", Act::Corrupt, 1);
    let error = desk.weights().await.unwrap_err().to_string();
    assert!(error.contains("config.json") && error.contains("git hash"), "{error}");
    assert!(desk.blobs().is_empty());
}

#[tokio::test]
async fn a_damaged_file_of_the_cache_is_removed_and_fetched_again() {
    let desk = Desk::new();
    let fetched = desk.weights().await.unwrap();
    let blob = std::fs::canonicalize(&fetched.path).unwrap();
    std::fs::write(&blob, "damaged").unwrap();
    assert_eq!(desk.weights().await.unwrap(), fetched);
    assert_eq!(std::fs::read(&fetched.path).unwrap(), weights());
    // without the hub it is refused
    std::fs::write(&blob, "damaged").unwrap();
    let desk = desk.set("HF_HUB_OFFLINE", "1");
    let error = desk.weights().await.unwrap_err();
    assert!(matches!(error, HubError::Hash { .. }), "{error}");
    assert!(!blob.exists() && fetched.path.symlink_metadata().is_err());
}

#[tokio::test]
async fn gated_and_private_models_say_what_to_do() {
    let desk = Desk::new();
    desk.hub.gate(REPO, "hf_right");
    let denied = |desk: Desk, address: &'static str| async move {
        let error = desk.open(address).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(Failure::from(error).exit, Exit::Denied, "{text}");
        (text, desk)
    };
    let (text, desk) = denied(desk, "hf://timm/small").await;
    let page = format!("{}/timm/small", desk.hub.endpoint());
    assert!(
        text.contains("accept its licence") && text.contains("HF_TOKEN") && text.contains(&page),
        "{text}"
    );
    let (text, desk) = denied(desk, "hf://timm/unknown").await;
    assert!(text.contains("no such model, or it is private"), "{text}");
    let (text, desk) = denied(desk.set("HF_TOKEN", "hf_wr0ng"), "hf://timm/small").await;
    assert!(text.contains("the account of the token has no access") && !text.contains("hf_wr0ng"), "{text}");
    desk.set("HF_TOKEN", "hf_right").weights().await.unwrap();
}

#[tokio::test]
async fn what_does_not_exist_is_answered_with_a_name_near_to_it() {
    let desk = Desk::new().set("HF_TOKEN", "hf_x");
    let missing = |error: HubError, near: &str| {
        let text = error.to_string();
        assert!(text.contains("does not exist") && text.contains(near), "no `{near}` in {text}");
        assert_eq!(Failure::from(error).exit, Exit::Config);
    };
    missing(desk.open("hf://timm/smal").await.unwrap_err(), "`hf://timm/small`");
    missing(desk.open("hf://timm/small@mian").await.unwrap_err(), "`main`");
    let snapshot = desk.open("hf://timm/small/model.safetensor").await.unwrap();
    missing(snapshot.weights().unwrap_err(), "`model.safetensors`");
    let snapshot = desk.open("hf://timm/small").await.unwrap();
    missing(snapshot.file("other.safetensors", 1 << 30).await.unwrap_err(), "other.safetensors");
}

#[tokio::test]
async fn a_hub_that_is_busy_is_asked_again_when_it_says() {
    let desk = Desk::new();
    let busy = |seconds: &str| Act::Answer(429, vec![("Retry-After", seconds.to_owned())]);
    desk.hub.rule(Host::Hub, "GET", "/api/models", busy("1"), 1);
    desk.hub.rule(Host::Hub, "HEAD", "/resolve/", Act::Answer(503, vec![]), 2);
    desk.when_read(busy("0"), 1);
    let began = std::time::Instant::now();
    desk.weights().await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    desk.hub.rule(Host::Hub, "GET", "/api/models", busy("3600"), 9);
    let error = desk.open("hf://timm/other").await.unwrap_err();
    assert!(error.to_string().contains("429") && error.to_string().contains("3600 s"), "{error}");
    assert_eq!(Failure::from(error).exit, Exit::Unavailable);
}

#[tokio::test]
async fn an_aborted_download_ends_with_69_and_is_resumed_by_the_next_command() {
    let mut desk = Desk::new();
    desk.patience = Duration::from_millis(300);
    desk.when_read(Act::Cut(120_000), 1);
    desk.when_read(Act::Answer(500, vec![]), 1000);
    let error = desk.weights().await.unwrap_err();
    assert_eq!(Failure::from(error).exit, Exit::Unavailable);
    assert!(desk.blobs().contains(&format!("{}.incomplete", sha256(&weights()))), "{:?}", desk.blobs());
    desk.hub.clear();
    desk.hub.forget();
    desk.weights().await.unwrap();
    let read =
        desk.hub.seen().into_iter().find(|seen| seen.host == Host::Store && seen.method == "GET").unwrap();
    assert_eq!(read.range.as_deref(), Some("bytes=120000-"));
}
