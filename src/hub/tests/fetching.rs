//! Files that come: their places, redirects, ranges, the cache without the hub.

use super::scripted_hub::{git_blob, sha256};
use super::*;

#[tokio::test]
async fn files_are_in_the_layout_of_huggingface_hub_and_are_fetched_once() {
    let desk = Desk::new();
    let snapshot = desk.open("hf://timm/small").await.unwrap();
    let commit = snapshot.commit().to_owned();
    let fetched = desk.weights().await.unwrap();
    let folder = desk.folder();
    assert_eq!(fetched.path, folder.join("snapshots").join(&commit).join("model.safetensors"));
    assert_eq!(std::fs::read(&fetched.path).unwrap(), weights());
    let link = std::fs::read_link(&fetched.path).unwrap();
    assert_eq!(link, Path::new(&format!("../../blobs/{}", sha256(&weights()))));
    assert_eq!(std::fs::read_to_string(folder.join("refs/main")).unwrap(), commit);
    assert!(folder.join(".no_exist").join(&commit).join("preprocessor_config.json").exists());
    let mut blobs = [git_blob(b"{}"), sha256(&weights())];
    blobs.sort();
    assert_eq!(desk.blobs(), blobs);
    desk.hub.forget();
    assert_eq!(desk.weights().await.unwrap(), fetched);
    // the commit of the branch is asked for, and no file
    let asked: Vec<String> = desk.hub.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(asked, ["/api/models/timm/small/revision/main"]);
}

#[tokio::test]
async fn a_commit_that_is_in_the_cache_needs_no_request() {
    let desk = Desk::new();
    desk.weights().await.unwrap();
    let commit = desk.open("hf://timm/small").await.unwrap().commit().to_owned();
    desk.hub.forget();
    for address in [format!("hf://timm/small@{commit}"), "hf://timm/small".to_owned()] {
        let snapshot = desk.pinned(&address, Some(&commit)).await.unwrap();
        let weights = snapshot.weights().unwrap();
        assert_eq!(snapshot.configurations(&weights).await.unwrap().len(), 1);
        snapshot.file(&weights, 1 << 30).await.unwrap();
    }
    assert!(desk.hub.seen().is_empty(), "{:?}", desk.hub.seen());
}

#[tokio::test]
async fn a_pinned_commit_stays_when_the_branch_moves_on() {
    let desk = Desk::new();
    let first = desk.open("hf://timm/small").await.unwrap().commit().to_owned();
    let second = desk.hub.commit(REPO, "main", &[("model.safetensors", b"other weights")]);
    assert_eq!(desk.open("hf://timm/small").await.unwrap().commit(), second);
    let pinned = desk.pinned("hf://timm/small", Some(&first)).await.unwrap();
    assert_eq!(pinned.commit(), first);
    let file = pinned.file("model.safetensors", 1 << 30).await.unwrap();
    assert_eq!(std::fs::read(file.path).unwrap(), weights());
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_never_to_the_store() {
    let desk = Desk::new().set("HF_TOKEN", "hf_c4n4ry");
    desk.hub.gate(REPO, "hf_c4n4ry");
    desk.weights().await.unwrap();
    let (of_hub, of_store): (Vec<_>, Vec<_>) =
        desk.hub.seen().into_iter().partition(|seen| seen.host == Host::Hub);
    assert!(of_hub.len() > 3 && !of_store.is_empty());
    assert!(
        of_hub.iter().all(|seen| seen.authorization.as_deref() == Some("Bearer hf_c4n4ry")),
        "{of_hub:?}"
    );
    assert!(of_store.iter().all(|seen| seen.authorization.is_none()), "{of_store:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_read_on_from_there() {
    let desk = Desk::new();
    desk.when_read(Act::Cut(100_000), 1);
    desk.when_read(Act::Cut(50_000), 1);
    let fetched = desk.weights().await.unwrap();
    assert_eq!(std::fs::read(fetched.path).unwrap(), weights());
    let ranges: Vec<Option<String>> =
        desk.hub.seen().into_iter().filter(|seen| seen.host == Host::Store).map(|seen| seen.range).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-".into()), Some("bytes=150000-".into())]);
}

#[tokio::test]
async fn what_an_earlier_process_left_is_read_on_unless_it_does_not_fit() {
    for (left, ranges) in [
        (weights()[..70_000].to_vec(), vec![Some("bytes=70000-".to_owned())]),
        (vec![0; 70_000], vec![Some("bytes=70000-".to_owned()), None]),
        (vec![0; BYTES + 5], vec![None]),
        (weights(), vec![]),
    ] {
        let desk = Desk::new();
        std::fs::create_dir_all(desk.folder().join("blobs")).unwrap();
        let incomplete = desk.folder().join("blobs").join(format!("{}.incomplete", sha256(&weights())));
        std::fs::write(&incomplete, left).unwrap();
        let fetched = desk.weights().await.unwrap();
        assert_eq!(std::fs::read(fetched.path).unwrap(), weights());
        assert!(!incomplete.exists());
        let of_store = desk.hub.seen().into_iter().filter(|seen| seen.host == Host::Store);
        assert_eq!(of_store.map(|seen| seen.range).collect::<Vec<_>>(), ranges);
    }
}

#[tokio::test]
async fn a_link_in_place_of_an_incomplete_file_is_not_followed() {
    let desk = Desk::new();
    let outside = desk.home.path().join("outside");
    std::fs::write(&outside, "mine").unwrap();
    std::fs::create_dir_all(desk.folder().join("blobs")).unwrap();
    let incomplete = desk.folder().join("blobs").join(format!("{}.incomplete", sha256(&weights())));
    std::os::unix::fs::symlink(&outside, incomplete).unwrap();
    let error = desk.weights().await.unwrap_err();
    assert!(matches!(error, HubError::Cache { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "mine");
}

#[tokio::test]
async fn a_cached_file_that_is_no_link_is_compared_with_the_hash_of_the_hub() {
    let desk = Desk::new();
    let fetched = desk.weights().await.unwrap();
    for (bytes, is_kept) in [(weights(), true), (b"cut".to_vec(), false)] {
        std::fs::remove_file(&fetched.path).unwrap();
        std::fs::write(&fetched.path, bytes).unwrap();
        assert_eq!(desk.weights().await.unwrap(), fetched);
        assert_eq!(std::fs::read(&fetched.path).unwrap(), weights());
        assert_eq!(fetched.path.is_symlink(), !is_kept);
    }
    assert_eq!(desk.hub.reads(), 1, "the blob is in the cache");
}

#[tokio::test]
async fn a_store_without_ranges_that_always_breaks_off_is_not_read_for_ever() {
    let mut desk = Desk::new();
    desk.patience = Duration::from_millis(300);
    for bytes in [100_000, 200_000].repeat(50) {
        desk.when_read(Act::CutWithoutRanges(bytes), 1);
    }
    let error = desk.weights().await.unwrap_err();
    assert!(matches!(error, HubError::Unavailable { .. }), "{error}");
    assert!(desk.hub.reads() < 20, "{}", desk.hub.reads());
}

#[tokio::test]
async fn a_store_without_ranges_is_read_from_the_beginning() {
    let desk = Desk::new();
    desk.when_read(Act::Cut(100_000), 1);
    desk.when_read(Act::WithoutRanges, 1);
    let fetched = desk.weights().await.unwrap();
    assert_eq!(std::fs::read(fetched.path).unwrap(), weights());
}

#[tokio::test]
async fn two_at_once_fetch_once() {
    let desk = Desk::new();
    desk.when_read(Act::Hold, 1);
    let release = async {
        until(|| desk.hub.reads() == 1).await;
        // the other one has asked what the file is, and waits for the lock
        let heads = || {
            desk.hub
                .seen()
                .iter()
                .filter(|seen| seen.method == "HEAD" && seen.path.contains("safetensors"))
                .count()
        };
        until(|| heads() == 2).await;
        desk.hub.release();
    };
    let (one, other, ()) = tokio::join!(desk.weights(), desk.weights(), release);
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(desk.hub.reads(), 1);
}

#[tokio::test]
async fn the_cache_alone_is_enough_offline() {
    let desk = Desk::new();
    let fetched = desk.weights().await.unwrap();
    let desk = desk.set("HF_HUB_OFFLINE", "1").set("HF_ENDPOINT", "https://no.such.host.invalid");
    desk.hub.forget();
    assert_eq!(desk.weights().await.unwrap(), fetched);
    assert!(desk.hub.seen().is_empty());
    let missing = desk.open("hf://timm/other").await.unwrap_err();
    assert!(missing.to_string().contains("HF_HUB_OFFLINE"), "{missing}");
    let snapshot = desk.open("hf://timm/small").await.unwrap();
    let missing = snapshot.file("other.safetensors", 1 << 30).await.unwrap_err();
    assert!(missing.to_string().contains("model pull"), "{missing}");
}

#[tokio::test]
async fn offline_an_unknown_configuration_is_an_error_and_not_a_guess() {
    let desk = Desk::new();
    let snapshot = desk.open("hf://timm/small").await.unwrap();
    snapshot.file("model.safetensors", 1 << 30).await.unwrap();
    let desk = desk.set("HF_HUB_OFFLINE", "1");
    let error = desk.weights().await.unwrap_err().to_string();
    assert!(error.contains("`config.json`") && error.contains("not in the cache"), "{error}");
}

#[tokio::test]
async fn a_hub_that_does_not_answer_is_replaced_by_the_cache() {
    let mut desk = Desk::new();
    let fetched = desk.weights().await.unwrap();
    desk.patience = Duration::from_millis(300);
    desk.hub.rule(Host::Hub, "GET", "/api/models", Act::Answer(503, vec![]), 1000);
    assert_eq!(desk.weights().await.unwrap(), fetched);
    let error = desk.open("hf://timm/other").await.unwrap_err();
    assert!(matches!(error, HubError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn weights_are_chosen_by_their_published_names_or_are_the_only_ones() {
    let desk = Desk::new();
    for (number, (files, chosen)) in [
        (&["model.safetensors", "pytorch_model.bin", "model.onnx"][..], Some("model.safetensors")),
        (&["pytorch_model.bin", "model.onnx"], Some("pytorch_model.bin")),
        (
            &["model.safetensors.index.json", "model-1.safetensors", "a.onnx"],
            Some("model.safetensors.index.json"),
        ),
        (&["onnx/model.onnx", "a.pth", "b.pth"], Some("onnx/model.onnx")),
        (&["tresnet_l.pth", "README.md"], Some("tresnet_l.pth")),
        (&["onnx/model.onnx", "onnx/model_fp16.onnx"], None),
        (&["a.pth", "b.pth"], None),
        (&["README.md"], None),
    ]
    .into_iter()
    .enumerate()
    {
        let repo = format!("timm/r{number}");
        let files: Vec<(&str, &[u8])> = files.iter().map(|name| (*name, &b"x"[..])).collect();
        desk.hub.commit(&repo, "main", &files);
        let snapshot = desk.open(&format!("hf://{repo}")).await.unwrap();
        match (snapshot.weights(), chosen) {
            (Ok(found), Some(chosen)) => assert_eq!(found, chosen),
            (Err(error), None) => {
                let text = error.to_string();
                assert!(files.len() == 1 || files.iter().all(|(name, _)| text.contains(name)), "{text}");
            }
            (found, chosen) => panic!("{files:?}: {found:?}, {chosen:?}"),
        }
    }
}

#[tokio::test]
async fn configurations_are_those_beside_the_weights_and_those_of_the_repository() {
    let desk = Desk::new();
    desk.hub.commit(
        "timm/graph",
        "main",
        &[("onnx/model.onnx", b"x"), ("config.json", b"{}"), ("onnx/preprocessor_config.json", b"{}")],
    );
    let snapshot = desk.open("hf://timm/graph").await.unwrap();
    let found = snapshot.configurations("onnx/model.onnx").await.unwrap();
    let names: Vec<&str> = found.iter().map(|file| &*file.name).collect();
    assert_eq!(names, ["onnx/preprocessor_config.json", "config.json"]);
}
