//! Shards whose texts are not beside their image, as `shards.py` and the program `tar` write them: the rows are those
//! of the same shards with the texts beside their image.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{PACKED, local_shards, shard_job, shards_of};
use crate::support::job::{IMAGES, Job, ended, own_model, rows};
use crate::support::s3::files;
use crate::support::scripted_s3::{Fault, Kind, Rule, ScriptedS3, Seen, Tag};
use crate::support::{ask_python, run_python, scratch};

/// A folder for each order of the members.
static APART: LazyLock<PathBuf> = LazyLock::new(|| {
    let out = scratch().join("shards_apart");
    run_python("shards.py", &["apart", PACKED.join("shards").to_str().unwrap(), out.to_str().unwrap()]);
    out
});

const ORDERS: [&str; 7] =
    ["texts_last", "texts_first", "backwards", "interleaved", "later", "concatenated", "by_tar"];

fn carrying(job: Job) -> Job {
    job.set(r#"input.carry_columns=["camera", "year"]"#)
}

static SIDE_BY_SIDE: LazyLock<Job> = LazyLock::new(|| {
    let job = carrying(shard_job(&local_shards()));
    job.run().exits(0);
    job
});

/// Equal in every column but the tag of the shard.
#[track_caller]
pub fn same_as_side_by_side(job: &Job, but: &[&str]) {
    let (one, two) = (job.output(), SIDE_BY_SIDE.output());
    let arguments = [&["same", one.to_str().unwrap(), two.to_str().unwrap(), "etag"], but].concat();
    assert_eq!(ask_python("rows.py", &arguments)["rows"], 90);
}

pub fn carrying_shard_job(folder: &str) -> Job {
    carrying(shard_job(folder))
}

#[test]
fn every_order_of_members_gives_the_rows_of_members_side_by_side() {
    for order in ORDERS {
        let job = carrying_shard_job(APART.join(order).to_str().unwrap());
        let summary = job.run().exits(0);
        assert_eq!(summary["rows"], json!({"planned": 90, "ok": 85, "error": 5}), "{order}");
        // GNU tar was given no links
        let skipped = if order == "by_tar" { 9 } else { 18 };
        assert_eq!(
            (&summary["damaged_inputs"], &summary["skipped"]),
            (&json!(0), &json!(skipped)),
            "{order}"
        );
        same_as_side_by_side(&job, &[]);
        shards_of(&job.output());
        ended(&mut job.command("verify")).exits(0);
    }
}

/// The requests of one reading of a shard; a range of one byte only checks whether the store answers.
fn is_window(seen: &Seen) -> bool {
    seen.kind == Kind::Get && seen.key.ends_with(".tar") && seen.range.as_deref() != Some("bytes=0-0")
}

fn served(order: &str) -> (ScriptedS3, Job) {
    let server = ScriptedS3::start();
    for path in files(&APART.join(order)) {
        let name = path.file_name().unwrap().to_str().unwrap();
        server.put(&format!("in/{name}"), std::fs::read(&path).unwrap());
    }
    let job = carrying_shard_job("s3://test/in");
    let job = server.environment().iter().fold(job, |job, (name, value)| job.env(name, value));
    (server, job)
}

#[test]
fn a_shard_is_read_twice_at_most_and_the_second_time_from_the_first_image_that_waits() {
    let (server, job) = served("later");
    job.run().exits(0);
    same_as_side_by_side(&job, &[]);
    let windows: Vec<Seen> = server.requests().into_iter().filter(is_window).collect();
    for shard in 1..9 {
        let key = format!("in/train-{shard:03}.tar");
        let of: Vec<&Seen> = windows.iter().filter(|seen| seen.key == key).collect();
        assert_eq!(of.len(), 2, "{key}");
        assert!(of.iter().all(|seen| seen.conditional), "{key}");
        assert!(of[0].range.as_ref().unwrap().starts_with("bytes=0-"), "{key}");
        let from = of[1].range.as_ref().unwrap();
        assert!(!from.starts_with("bytes=0-"), "{key}: {from}");
    }
}

#[test]
fn a_shard_of_which_no_text_is_asked_is_read_once() {
    let server = ScriptedS3::start();
    for path in files(&APART.join("texts_last")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        server.put(&format!("in/{name}"), std::fs::read(&path).unwrap());
    }
    let job = shard_job("s3://test/in").set("input.targets=none");
    let job = server.environment().iter().fold(job, |job, (name, value)| job.env(name, value));
    job.run().exits(0);
    for shard in 1..9 {
        let key = format!("in/train-{shard:03}.tar");
        let windows = server.requests().into_iter().filter(|seen| is_window(seen) && seen.key == key);
        assert_eq!(windows.count(), 1, "{key}");
    }
}

#[test]
fn a_shard_that_is_rewritten_between_its_readings_is_one_row() {
    let (server, job) = served("later");
    let second =
        |seen: &Seen| is_window(seen) && !seen.range.as_deref().unwrap_or_default().starts_with("bytes=0-");
    server.rule(Rule::on(Kind::Get, Fault::Tag(Tag::Changing)).prefix("in/train-004.tar").when(second));
    let job = job.set("limits.max_damaged_inputs=1");
    assert_eq!(job.run().exits(0)["damaged_inputs"], 1);
    let rows = job.rows();
    let changed: Vec<&Value> = rows.iter().filter(|row| row["error_kind"] == "changed").collect();
    assert_eq!((rows.len(), changed.len()), (81, 1));
    assert_eq!(changed[0]["key"], "train-004.tar");
}

#[test]
fn another_number_of_texts_than_of_images_is_error_rows_that_say_so() {
    let out = tempfile::tempdir_in(scratch()).unwrap();
    let image = IMAGES.folder.join("yam/00.jpg");
    run_python("shards.py", &["unequal", out.path().to_str().unwrap(), image.to_str().unwrap()]);
    let job = Job::new(out.path().to_str().unwrap(), &own_model("v1_odd.safetensors"))
        .set("input.format=webdataset")
        .set("input.targets=webdataset")
        .set("preprocess.image_size=64")
        .set("limits.max_error_fraction=0.5");
    job.run().exits(0);
    let rows = rows(&job.output());
    let kinds: Vec<_> = rows.iter().map(|row| (&row["key"], &row["error_kind"], &row["target"])).collect();
    let expected = [
        (json!("unequal.tar!a.jpg"), json!("corrupt"), Value::Null),
        (json!("unequal.tar!b.jpg"), Value::Null, json!(2)),
        (json!("unequal.tar!a.jpg#2"), json!("corrupt"), Value::Null),
        (json!("unequal.tar!c.jpg"), Value::Null, Value::Null),
    ];
    assert_eq!(kinds, expected.each_ref().map(|(key, kind, target)| (key, kind, target)));
    let why = rows[0]["error_message"].as_str().unwrap();
    assert!(why.contains("1 of `a.cls`") && why.contains("2 samples"), "{why}");
}

#[test]
fn the_report_shows_the_images_of_a_shard_that_is_read_twice() {
    let job =
        carrying_shard_job(APART.join("texts_first").to_str().unwrap()).set("report.formats=[\"html\"]");
    job.run().exits(0);
    let page = std::fs::read_to_string(job.output().join("_report/report.html")).unwrap();
    let pictures = page.matches("src=\"data:image/jpeg;base64,").count();
    assert!(pictures >= 50, "{pictures}");
}
