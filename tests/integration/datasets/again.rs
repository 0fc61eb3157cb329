//! Outputs over manifests, shards and Parquet files: verified like any other, and left out of later jobs.

use serde_json::json;

use super::{PACKED, local_files, local_shards, manifest_job, parquet_job, shard_job};
use crate::support::job::{Job, ended, rows};
use crate::support::scratch;

fn verified(job: &Job) -> serde_json::Value {
    ended(&mut job.command("verify")).exits(0)
}

#[test]
fn outputs_over_manifests_shards_and_files_verify() {
    for job in [manifest_job("rows.csv"), shard_job(&local_shards()), parquet_job(&local_files())] {
        job.run().exits(0);
        let verified = verified(&job);
        assert_eq!((&verified["rows"], &verified["defects"]), (&json!(90), &json!([])), "{verified}");
        let status = ended(&mut job.command("status")).exits(0);
        assert_eq!(status["rows"], 90, "{status}");
    }
}

#[test]
fn a_row_that_is_not_in_its_shard_is_a_defect() {
    let job = shard_job(&local_shards());
    job.run().exits(0);
    let parts = crate::support::job::parts(&job.output());
    let (one, other) = (job.output().join(&parts[1]), job.output().join(&parts[2]));
    let (first, second) = (std::fs::read(&one).unwrap(), std::fs::read(&other).unwrap());
    std::fs::write(one, second).unwrap();
    std::fs::write(other, first).unwrap();
    let defects = ended(&mut job.command("verify")).exits(65)["defects"].to_string();
    assert!(defects.contains("row ids of an object have no gap"), "{defects}");
}

/// An output of the job that later ones leave out.
fn excluding(job: Job, done: &Job) -> Job {
    job.set(format!("input.exclude_done=[\"{}\"]", done.output().display()))
}

#[test]
fn shards_that_an_output_has_done_are_left_out_whole_and_rewritten_ones_are_not() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let copy = |name: &str, to: &str| {
        std::fs::copy(PACKED.join("shards").join(name), folder.path().join(to)).unwrap();
    };
    for number in 0..4 {
        let name = format!("train-{number:03}.tar");
        copy(&name, &name);
    }
    let over = || shard_job(folder.path().to_str().unwrap()).set("limits.max_error_fraction=1");
    let first = over();
    let done = first.run().exits(0)["rows"]["planned"].as_u64().unwrap();
    copy("train-005.tar", "train-005.tar");
    copy("train-006.tar", "train-001.tar");
    let second = excluding(over(), &first);
    let summary = second.run().exits(0);
    assert_eq!(summary["left_out"]["already_done"], 3, "{summary}");
    let shard = |row: &serde_json::Value| row["key"].as_str().unwrap().split('!').next().unwrap().to_owned();
    let mut shards: Vec<String> = rows(&second.output()).iter().map(shard).collect();
    shards.dedup();
    assert_eq!(shards, ["train-001.tar", "train-005.tar"]);
    assert!(done > 4);
    verified(&second);
}

#[test]
fn files_that_an_output_has_done_are_left_out_whole() {
    let first = parquet_job(&local_files());
    first.run().exits(0);
    let second = excluding(parquet_job(&local_files()), &first);
    let summary = second.run().exits(0);
    assert_eq!(summary["rows"]["planned"], 0, "{summary}");
    assert!(summary["left_out"]["already_done"].as_u64().unwrap() >= 1, "{summary}");
}

#[test]
fn a_row_group_that_a_limit_cut_is_not_done() {
    let first = parquet_job(&local_files()).set("input.limit=35");
    first.run().exits(0);
    let second = excluding(parquet_job(&local_files()), &first);
    second.run().exits(0);
    let keys = |job: &Job| -> Vec<String> {
        rows(&job.output()).iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
    };
    let (one, two) = (keys(&first), keys(&second));
    assert_eq!(one.len(), 35);
    let all: std::collections::BTreeSet<&String> = one.iter().chain(&two).collect();
    assert_eq!(all.len(), 90, "{} and {} rows", one.len(), two.len());
    assert!(two.len() < 90, "whole groups of the first output are done");
}

#[test]
fn rows_of_a_manifest_that_an_output_has_done_are_left_out_by_their_key() {
    let lines = std::fs::read_to_string(PACKED.join("rows.txt")).unwrap();
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let short = folder.path().join("short.txt");
    let some: Vec<&str> = lines.lines().rev().step_by(3).collect();
    std::fs::write(&short, some.join("\n")).unwrap();
    let over = |manifest: &std::path::Path| {
        manifest_job("rows.txt").set(format!("input.manifest={}", manifest.display()))
    };
    let first = over(&short);
    first.run().exits(0);
    let second = excluding(over(&PACKED.join("rows.txt")), &first);
    let summary = second.run().exits(0);
    assert_eq!(summary["rows"]["planned"], json!(90 - some.len()), "{summary}");
    // and a folder job leaves out what a manifest's has done
    let third = excluding(Job::own(), &first).set("input.targets=none");
    assert_eq!(third.run().exits(0)["rows"]["planned"], json!(90 - some.len()));
    verified(&second);
}
