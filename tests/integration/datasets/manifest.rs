//! Manifests that cannot become a plan: each error names what was found and what was expected.

use std::path::Path;

use super::{manifest_job, named_classes};
use crate::support::job::{IMAGES, Job};
use crate::support::scratch;

pub(super) fn written(name: &str, text: &str) -> (tempfile::TempDir, Job) {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let job = over(&path);
    (folder, job)
}

pub(super) fn over(manifest: &Path) -> Job {
    named_classes(Job::own())
        .set("input.format=manifest")
        .set("input.targets=manifest")
        .set(format!("input.manifest={}", manifest.display()))
}

#[test]
fn what_is_wrong_with_a_manifest_is_78_with_its_line() {
    let absolute = format!("path,label\n{}/yam/01.jpg,yam\n/etc/passwd,0\n", IMAGES.folder.display());
    for (name, text, words) in [
        (
            "a.csv",
            "photo,label\nx,1\n",
            &[
                "no column of keys",
                "`path` or `file_name` or `image`",
                "`uri`",
                "`photo`",
                "input.path_column",
            ][..],
        ),
        (
            "a.csv",
            "path,kind\nx,1\n",
            &["no column of targets", "`target` or `label`", "`class_id`", "`kind`", "input.target_column"],
        ),
        ("a.csv", "path,target\nyam/01.jpg,3.5\n", &["line 2", "`3.5` is no whole number"]),
        ("a.csv", "path,label\nyam/01.jpg,6\nyam/02.JPEG,7\n", &["line 3", "7 is no class", "0 to 6"]),
        ("a.csv", "path,label\nyam/01.jpg,carrot\n", &["line 2", "`carrot` is none of the model's 7"]),
        ("a.csv", "path,label\nyam/01.jpg,1,2\n", &["line 2", "3 fields", "header has 2"]),
        ("a.csv", "path,label\n\"yam/01.jpg,1\n", &["line 2", "quote is not closed"]),
        (
            "a.tsv",
            "path\ttarget\nyam/01.jpg\t0\n\nKale/00.jpg\t3\n./yam/01.jpg\t0\n",
            &["line 5", "`yam/01.jpg`", "line 2", "input.duplicates"],
        ),
        ("a.txt", "../secret.jpg 1\n", &["line 1", "`..`"]),
        ("a.txt", "s3://other/a.jpg 1\n", &["line 1", "`s3://other/a.jpg`", "input.uri"]),
        ("a.csv", &absolute, &["line 3", "`/etc/passwd`", "input.uri"]),
        ("a.jsonl", "{\"path\": \"yam/01.jpg\"}\nnonsense\n", &["line 2", "no JSON object"]),
        ("a.jsonl", "{\"file\": \"yam/01.jpg\"}\n", &["line 1", "no key", "file"]),
        ("a.parquet", "no Parquet at all", &["damaged"]),
        ("a.csv", "", &["is empty", "header"]),
    ] {
        let (_folder, job) = written(name, text);
        let summary = job.run().fails(78, words);
        assert!(summary["error"].as_str().unwrap().contains(name), "{summary}");
    }
}

#[test]
fn a_manifest_that_is_missing_or_lists_nothing_is_66() {
    over(Path::new("/nowhere/a.csv")).run().fails(66, &["/nowhere/a.csv"]);
    let (_folder, job) = written("a.csv", "path,label\n");
    job.run().fails(66, &["no image", "a.csv"]);
}

#[test]
fn a_manifest_that_was_changed_is_another_job_and_names_itself() {
    let (folder, job) = written("a.csv", "path,label\nyam/01.jpg,0\nyam/03.jpeg,0\n");
    job.run().exits(0);
    std::fs::write(folder.path().join("a.csv"), "path,label\nyam/01.jpg,0\n").unwrap();
    job.run().fails(78, &["`input.manifest`", "sha256"]);
}

#[test]
fn an_image_that_a_manifest_lists_and_that_is_not_there_is_a_row() {
    let (_folder, job) = written("a.txt", "yam/01.jpg 0\nyam/none.jpg 0\nKale/00.jpg 3\n");
    job.set("limits.max_error_fraction=0.5").run().exits(0);
}

#[test]
fn a_column_that_cannot_be_carried_is_told_with_those_that_can() {
    for (name, column, words) in [
        ("rows.csv", "lens", &["`lens`", "`camera`"]),
        ("rows.txt", "camera", &["`camera`", "no columns"]),
        ("rows.csv", "label", &["`label`", "rename"]),
    ] {
        manifest_job(name).set(format!("input.carry_columns=[\"{column}\"]")).run().fails(78, words);
    }
}

#[test]
fn a_limit_takes_the_first_rows_of_a_manifest() {
    let job = manifest_job("rows.tsv").set("input.limit=11");
    assert_eq!(job.run().exits(0)["rows"]["planned"], 11);
}
