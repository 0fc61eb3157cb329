//! Scenarios that hold on every store, through the whole program. Each test of `azurite` and `gcs` calls one of
//! these with its store and a folder that no other test uses.

use std::path::Path;
use std::process::Child;

use serde_json::{Value, json};

use crate::datasets::{PACKED, named_classes, parquet_job, same_rows, shard_job};
use crate::run::crash::behind_the_second_segment;
use crate::support::ask_python;
use crate::support::job::{IMAGES, Job, ended, wait};
use crate::support::remote::Remote;

fn over_images(store: &dyn Remote, folder: &str) -> Job {
    store.put_files(&IMAGES.folder, &format!("{folder}/images"));
    over_the_images_in(store, folder)
}

fn over_the_images_in(store: &dyn Remote, folder: &str) -> Job {
    named_classes(store.serve(Job::on(&store.uri(&format!("{folder}/images")))))
}

fn to(store: &dyn Remote, job: Job, folder: &str) -> Job {
    job.set(format!("output.uri={}", store.uri(folder)))
}

/// Runs a job that finishes successfully; its rows are those of the local folder in every column but those named.
fn has_the_rows_of_the_disk(store: &dyn Remote, job: &Job, output: &str, but: &[&str]) {
    let summary = job.run().exits(0);
    assert_eq!(summary["rows"], json!({"planned": 90, "ok": 85, "error": 5}), "{summary}");
    assert_eq!(summary["errors_by_kind"]["changed"], Value::Null, "{summary}");
    ended(&mut job.command("verify")).exits(0);
    same_rows(store.download(output).path(), but);
}

pub fn a_folder_gives_the_rows_of_the_disk(store: &dyn Remote) {
    let job = to(store, over_images(store, "folder"), "folder/out");
    has_the_rows_of_the_disk(store, &job, "folder/out", &["etag"]);
    assert_eq!(job.run().exits(0)["already_complete"], true);
    // another job finds the same images in the folder
    let again = to(store, over_the_images_in(store, "folder"), "folder/again");
    let again = again.set(format!("input.exclude_done=[\"{}\"]", store.uri("folder/out")));
    let summary = again.run().exits(0);
    assert_eq!(summary["left_out"]["already_done"], json!(90), "{summary}");
}

pub fn a_manifest_gives_the_rows_of_the_disk(store: &dyn Remote) {
    store.put_files(&PACKED, "manifest/packed");
    for name in ["rows.csv", "rows.parquet"] {
        let output = format!("manifest/out-{name}");
        let manifest = store.uri(&format!("manifest/packed/{name}"));
        let job = over_images(store, "manifest")
            .set("input.format=manifest")
            .set("input.targets=manifest")
            .set(format!("input.manifest={manifest}"));
        has_the_rows_of_the_disk(store, &to(store, job, &output), &output, &["etag"]);
    }
}

pub fn shards_and_parquet_files_give_the_rows_of_the_disk(store: &dyn Remote) {
    store.put_files(&PACKED, "packed");
    let shards = store.serve(shard_job(&store.uri("packed/shards/train-{000..008}.tar")));
    let shards = to(store, shards, "of-shards/out");
    has_the_rows_of_the_disk(store, &shards, "of-shards/out", &["row_id", "key", "etag"]);
    let parquet = to(store, store.serve(parquet_job(&store.uri("packed/parquet"))), "of-parquet/out");
    has_the_rows_of_the_disk(store, &parquet, "of-parquet/out", &["key", "etag"]);
}

/// The plan continues after its last key, by a listing that begins there.
pub fn a_plan_that_was_cut_short_goes_on_after_its_last_key(store: &dyn Remote) {
    let job = to(store, over_images(store, "cut"), "cut/out").set("output.rows_per_part=1");
    job.run().exits(0);
    let whole = store.download("cut/out");
    let cut = behind_the_second_segment();
    let is_cut = |key: &String| cut.iter().any(|name| key.starts_with(&format!("cut/out/{name}")));
    store.delete_all(store.keys("cut/out").into_iter().filter(is_cut).collect());
    job.run().exits(0);
    ended(&mut job.command("verify")).exits(0);
    same(store.download("cut/out").path(), whole.path());
}

/// One object is replaced by another of its size, one is removed.
pub fn an_object_that_changes_after_the_plan_is_a_row(store: &dyn Remote) {
    let job = to(store, over_images(store, "changed"), "changed/out");
    ended(job.command("plan").arg("--write")).exits(0);
    let mut bytes = std::fs::read(IMAGES.folder.join("yam/00.jpg")).unwrap();
    bytes.reverse();
    store.put_all(vec![("changed/images/yam/00.jpg".to_owned(), bytes)]);
    store.delete_all(vec!["changed/images/yam/01.jpg".to_owned()]);
    let summary = job.run().exits(0);
    let kinds = &summary["errors_by_kind"];
    assert_eq!((&kinds["changed"], &kinds["not_found"]), (&json!(1), &json!(1)), "{summary}");
    ended(&mut job.command("verify")).exits(0);
}

/// Several workers that each run the whole job.
pub fn workers_that_race_write_one_file_a_part(store: &dyn Remote, workers: usize) {
    store.put_files(&IMAGES.folder, "race/images");
    let job = to(store, store.serve(Job::slow(&store.uri("race/images"))), "race/out");
    let racers: Vec<Child> = (0..workers).map(|_| job.start()).collect();
    for racer in racers {
        wait(racer).exits(0);
    }
    assert_eq!(store.parts("race/out"), 23);
    ended(&mut job.command("verify")).exits(0);
    let copy = store.download("race/out");
    assert_eq!(ask_python("rows.py", &["plan", copy.path().to_str().unwrap()])["planned"], 90);
    let alone = Job::slow(IMAGES.folder.to_str().unwrap());
    alone.run().exits(0);
    let (copy, alone) = (copy.path().to_str().unwrap(), alone.output());
    ask_python("rows.py", &["same", copy, alone.to_str().unwrap(), "etag"]);
}

fn same(one: &Path, other: &Path) {
    ask_python("rows.py", &["same", one.to_str().unwrap(), other.to_str().unwrap()]);
}
