//! Answers that no hub gives: each is refused, and nothing leaves the cache's folder.

use super::*;

async fn refused(act: Act, host: Host, method: &'static str, on: &str) -> String {
    let desk = Desk::new();
    desk.hub.rule(host, method, on, act, 1);
    let error = desk.weights().await.unwrap_err();
    assert!(matches!(error, HubError::Answer { .. }), "{error}");
    assert!(!desk.blobs().iter().any(|name| name.len() == 64), "{:?}", desk.blobs());
    error.to_string()
}

#[tokio::test]
async fn a_list_of_files_that_is_none_is_refused() {
    let commit = "ab".repeat(20);
    let of = |sha: &str, name: &str| {
        format!(r#"{{"sha":"{sha}","siblings":[{{"rfilename":"{name}"}}]}}"#).into_bytes()
    };
    for (body, words) in [
        (of(&commit, "../../x"), "no path in a repository"),
        (of(&commit, "/etc/passwd"), "no path in a repository"),
        (of(&commit, "a/../../x"), "no path in a repository"),
        (of("../../x", "config.json"), "which is none"),
        (of("main", "config.json"), "which is none"),
        (b"<html>".to_vec(), "not the JSON"),
        (b"{\"sha\":1}".to_vec(), "not the JSON"),
        ("[".repeat(100_000).into_bytes(), "not the JSON"),
        (vec![b' '; (32 << 20) + 1], "more than"),
    ] {
        let text = refused(Act::Body(body), Host::Hub, "GET", "/api/models/").await;
        assert!(text.contains(words), "no `{words}` in {text}");
    }
}

#[tokio::test]
async fn redirects_are_counted_and_go_to_https_or_to_this_machine() {
    let desk = Desk::new();
    let itself = format!("{}/api/models/timm/small/revision/main", desk.hub.endpoint());
    desk.hub.rule(Host::Hub, "GET", "/revision/", Act::Answer(302, vec![("Location", itself)]), 100);
    let error = desk.weights().await.unwrap_err().to_string();
    assert!(error.contains("more than 5 times"), "{error}");
    for location in
        ["http://169.254.169.254/latest", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://u:p@127.0.0.1/x"]
    {
        let act = Act::Answer(302, vec![("Location", location.to_owned())]);
        let text = refused(act, Host::Hub, "GET", "/revision/").await;
        assert!(text.contains("is not followed"), "{text}");
    }
    let text = refused(Act::Answer(302, vec![]), Host::Hub, "GET", "/revision/").await;
    assert!(text.contains("without an address"), "{text}");
}

#[tokio::test]
async fn a_file_without_a_hash_of_another_commit_or_too_large_is_refused() {
    let head = |name, value: &str| Act::Header(name, value.to_owned());
    for (act, words) in [
        (head("X-Linked-Etag", "\"d41d8cd98f00b204e9800998ecf8427e\""), "neither a SHA-256 nor a git hash"),
        (head("X-Linked-Etag", "\"../../../x\""), "neither a SHA-256 nor a git hash"),
        (head("X-Repo-Commit", &"cd".repeat(20)), "answers for the commit"),
        (head("X-Linked-Size", "99999999999999"), "more than the"),
    ] {
        let text = refused(act, Host::Hub, "HEAD", "model.safetensors").await;
        assert!(text.contains(words), "no `{words}` in {text}");
    }
}

#[tokio::test]
async fn more_bytes_than_promised_are_refused() {
    let text = refused(Act::TooMuch(1), Host::Store, "GET", "/blobs/").await;
    assert!(text.contains("more than the 300000 bytes"), "{text}");
}

#[tokio::test]
async fn a_range_that_was_not_asked_for_is_refused() {
    let desk = Desk::new();
    desk.when_read(Act::Cut(100_000), 1);
    desk.when_read(Act::Header("Content-Range", "bytes 5-299999/300000".to_owned()), 1);
    let error = desk.weights().await.unwrap_err().to_string();
    assert!(error.contains("another range"), "{error}");
}

#[tokio::test]
async fn a_signed_address_is_in_no_error() {
    let mut desk = Desk::new().set("HF_TOKEN", "hf_c4n4ry");
    desk.patience = Duration::from_millis(200);
    desk.when_read(Act::Answer(403, vec![]), 1000);
    let error = desk.weights().await.unwrap_err();
    let text = format!("{error} {error:?} {}", crate::telemetry::explain(&error));
    assert!(text.contains("403") && !text.contains("c4n4ry"), "{text}");
}
