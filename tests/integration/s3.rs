//! The main job with input and output on S3: the real SeaweedFS, and moto's server for tests that only need an API.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::json;

use crate::run::crash::behind_the_second_segment;
use crate::support::job::{Ended, IMAGES, Job, own_model, reaches, rows};
use crate::support::s3::{MOTO, SEAWEEDFS, Store, curl, files};
use crate::support::{Noise, ask_python, shared};

/// The test images on SeaweedFS, and the address of their folder.
static ON_SEAWEEDFS: LazyLock<&str> = LazyLock::new(|| {
    SEAWEEDFS.put_folder(&IMAGES.folder, "images");
    "s3://test/images"
});

fn same_rows(one: &Path, other: &Path) {
    ask_python("rows.py", &["same", one.to_str().unwrap(), other.to_str().unwrap(), "etag"]);
}

#[test]
fn rows_from_s3_to_s3_are_those_of_the_local_disk() {
    let local = Job::own();
    local.run().exits(0);
    let job = SEAWEEDFS.serve(Job::on(&ON_SEAWEEDFS).set("output.uri=s3://test/whole/"));
    let summary = job.run().exits(0);
    assert_eq!(summary["rows"], json!({"planned": 90, "ok": 85, "error": 5}));
    assert_eq!(summary["left_out"]["extensions"], json!({".txt": 2, "(no extension)": 1}));
    assert_eq!(summary["output"], "s3://test/whole");
    let copy = SEAWEEDFS.download("whole");
    same_rows(copy.path(), &local.output());
    let plan = ask_python("rows.py", &["plan", copy.path().to_str().unwrap()]);
    assert_eq!(plan["planned"], 90);
    assert!(copy.path().join("_report/report.json").exists());
    // once more: complete, by the objects on the store alone
    assert_eq!(job.run().exits(0)["already_complete"], true);
}

#[test]
fn photographs_on_s3_give_the_rows_of_the_photographs_on_disk() {
    let (Some(photos), Some(golden)) = (shared("data/imagenet_sample"), shared("golden")) else { return };
    let model = golden.join("small_v1.safetensors");
    let wanted = ["input.targets=folder", "output.logits=true", "output.rows_per_part=30"];
    let job = |input: &str| wanted.iter().fold(Job::new(input, &model), |job, setting| job.set(*setting));
    let local = job(photos.to_str().unwrap());
    local.run().exits(0);
    SEAWEEDFS.put_folder(&photos, "photographs");
    let remote = SEAWEEDFS.serve(job("s3://test/photographs").set("output.uri=s3://test/photograph-rows"));
    assert_eq!(remote.run().exits(0)["rows"], json!({"planned": 100, "ok": 100, "error": 0}));
    let copy = SEAWEEDFS.download("photograph-rows");
    same_rows(copy.path(), &local.output());
    println!("100 photographs: the same rows from SeaweedFS as from disk in every column but etag");
}

#[test]
fn s3_to_disk_and_disk_to_s3_give_the_same_rows_too() {
    let down = SEAWEEDFS.serve(Job::on(&ON_SEAWEEDFS));
    down.run().exits(0);
    let up = SEAWEEDFS.serve(Job::own().set("output.uri=s3://test/up"));
    up.run().exits(0);
    let copy = SEAWEEDFS.download("up");
    same_rows(copy.path(), &down.output());
}

#[test]
fn an_etag_on_s3_is_the_stores_own() {
    let job = SEAWEEDFS.serve(Job::on(&ON_SEAWEEDFS).set("input.limit=8"));
    job.run().exits(0);
    for row in job.rows() {
        let etag = row["etag"].as_str().unwrap().trim_matches('"');
        assert_eq!(etag.len(), 32, "{row}");
        assert!(etag.bytes().all(|byte| byte.is_ascii_hexdigit()), "{row}");
    }
}

#[test]
fn a_run_on_s3_that_is_killed_goes_on_where_it_was() {
    let whole = SEAWEEDFS.serve(Job::slow(&ON_SEAWEEDFS));
    whole.run().exits(0);
    let job = SEAWEEDFS.serve(Job::slow(&ON_SEAWEEDFS).set("output.uri=s3://test/killed"));
    let mut noise = Noise(6);
    let mut hits = 0;
    while hits < 3 {
        let standing = SEAWEEDFS.parts("killed");
        let mut child = job.start();
        if reaches(&mut child, standing + 1, || SEAWEEDFS.parts("killed")) {
            std::thread::sleep(Duration::from_millis(noise.below(150)));
            child.kill().unwrap();
        }
        child.wait().unwrap();
        if SEAWEEDFS.keys("killed").contains(&"killed/_SUCCESS".to_owned()) {
            break;
        }
        hits += 1;
    }
    println!("killed {hits} times, {} of 23 parts stood", SEAWEEDFS.parts("killed"));
    assert!(hits >= 2, "killed only {hits} times in mid-run");
    job.run().exits(0);
    let copy = SEAWEEDFS.download("killed");
    assert_eq!(ask_python("rows.py", &["plan", copy.path().to_str().unwrap()])["parts"], 23);
    // both come from the same store, so that even the tags are equal
    ask_python("rows.py", &["same", copy.path().to_str().unwrap(), whole.output().to_str().unwrap()]);
}

#[test]
fn a_plan_on_s3_that_was_cut_short_goes_on_behind_its_last_key() {
    let job = SEAWEEDFS.serve(Job::slow(&ON_SEAWEEDFS).set("output.rows_per_part=1"));
    let job = job.set("output.uri=s3://test/cut");
    job.run().exits(0);
    let whole = SEAWEEDFS.download("cut");
    let cut = behind_the_second_segment();
    let keys = SEAWEEDFS.keys("cut").into_iter();
    SEAWEEDFS.delete(keys.filter(|key| cut.iter().any(|name| key.starts_with(&format!("cut/{name}")))));
    job.run().exits(0);
    let copy = SEAWEEDFS.download("cut");
    assert_eq!(ask_python("rows.py", &["plan", copy.path().to_str().unwrap()])["parts"], 90);
    ask_python("rows.py", &["same", copy.path().to_str().unwrap(), whole.path().to_str().unwrap()]);
}

#[test]
fn more_keys_than_a_page_holds_become_rows_in_order() {
    let kinds: Vec<Vec<u8>> = ["Kale/03.jpeg", "yam/01.jpg", "okra/00.jpg"]
        .iter()
        .map(|key| std::fs::read(IMAGES.folder.join(key)).unwrap())
        .collect();
    // no leading zeros: the order is that of bytes, not of numbers
    let keys: Vec<String> = (0..1234).map(|number| format!("many/{number}.jpg")).collect();
    MOTO.put(keys.iter().enumerate().map(|(at, key)| (key.clone(), kinds[at % 3].clone())));
    let job = Job::new("s3://test/many", &own_model("v1_odd.safetensors"))
        .set("preprocess.image_size=36")
        .set("output.embedding=none")
        .set("output.rows_per_part=400")
        .set("output.uri=s3://test/of-many");
    let job = MOTO.serve(job);
    assert_eq!(job.run().exits(0)["rows"], json!({"planned": 1234, "ok": 1234, "error": 0}));
    let copy = MOTO.download("of-many");
    let found: Vec<String> =
        rows(copy.path()).iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect();
    let mut expected: Vec<String> = (0..1234).map(|number| format!("{number}.jpg")).collect();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(ask_python("rows.py", &["plan", copy.path().to_str().unwrap()])["parts"], 4);
}

#[test]
fn a_key_with_a_double_slash_is_a_row() {
    let image = IMAGES.folder.join("yam/01.jpg");
    for key in ["slashes/a.jpg", "slashes//b.jpg"] {
        let (url, data) = (format!("{}/test/{key}", MOTO.endpoint), format!("@{}", image.display()));
        curl(&["-X", "PUT", "-H", "content-type: image/jpeg", "--data-binary", &data, &url]);
    }
    let job = Job::on("s3://test/slashes").set("input.targets=none");
    let job = MOTO.serve(job.set("output.uri=s3://test/of-slashes"));
    assert_eq!(job.run().exits(0)["rows"], json!({ "planned": 2, "ok": 2, "error": 0 }));
}

#[test]
fn an_empty_or_missing_place_on_s3_is_told_and_nothing_is_written() {
    let _ = *ON_SEAWEEDFS;
    for (input, output, code, word) in [
        ("s3://test/nothing-here", "s3://test/of-nothing", 66, "s3://test/nothing-here"),
        ("s3://no-such-bucket/images", "s3://test/of-nothing", 66, "no-such-bucket"),
    ] {
        let job = Job::on(input).set("input.targets=none").set(format!("output.uri={output}"));
        SEAWEEDFS.serve(job).run().fails(code, &[word]);
        assert!(SEAWEEDFS.keys("of-nothing").is_empty());
    }
}

#[test]
fn credentials_that_are_refused_are_77() {
    let wrong = "canary-wrong-secret-000000";
    let job = SEAWEEDFS.serve(Job::on(&ON_SEAWEEDFS)).env("AWS_SECRET_ACCESS_KEY", wrong);
    let ended = job.run();
    ended.fails(77, &["denied"]);
    assert!(!job.output().exists());
    assert_no_word(&ended, &[], wrong);
}

#[track_caller]
fn assert_no_word(ended: &Ended, written: &[&Path], word: &str) {
    assert!(!ended.stdout.contains(word), "on standard output:\n{}", ended.stdout);
    assert!(!ended.stderr.contains(word), "on standard error:\n{}", ended.stderr);
    for folder in written {
        for path in files(folder) {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!found, "in {}", path.display());
        }
    }
}

/// A run that logs everything it can, with the store's secret and other words that must never be seen.
fn talkative(store: &Store, job: Job) -> Job {
    store.serve(job).env("TRESNET_BATCH_LOG", "trace")
}

#[test]
fn the_stores_secret_is_seen_nowhere_after_a_good_run() {
    let job = talkative(&SEAWEEDFS, Job::on(&ON_SEAWEEDFS).set("output.uri=s3://test/talk"));
    let ended = job.run();
    ended.exits(0);
    assert!(ended.stderr.lines().count() > 100, "it logs nothing, so that this test sees nothing");
    let copy = SEAWEEDFS.download("talk");
    let secret = SEAWEEDFS.environment.iter().find(|(name, _)| name == "AWS_SECRET_ACCESS_KEY").unwrap();
    assert_no_word(&ended, &[copy.path()], &secret.1);
}

#[test]
fn secrets_and_tokens_are_seen_nowhere_after_good_and_bad_runs() {
    MOTO.put_folder(&IMAGES.folder, "images");
    for (input, code) in [("s3://test/images", 0), ("s3://no-such-bucket/images", 66)] {
        let job = Job::on(input).set(format!("output.uri=s3://test/canary-{code}")).set("input.targets=none");
        let job = talkative(&MOTO, job)
            .env("AWS_SECRET_ACCESS_KEY", "canary-secret-4711")
            .env("AWS_SESSION_TOKEN", "canary-token-4712");
        let ended = job.run();
        ended.exits(code);
        let copy = MOTO.download(&format!("canary-{code}"));
        for canary in ["canary-secret-4711", "canary-token-4712"] {
            assert_no_word(&ended, &[copy.path(), job.file().parent().unwrap()], canary);
        }
    }
}
