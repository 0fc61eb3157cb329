//! `--targets`: rows scored by another truth than that of their job.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{MADE, imagenet, manifest, with_file};
use crate::compare::compare;
use crate::support::job::{Ended, Job, ended, program};
use crate::support::scratch;

fn done(job: Job) -> Job {
    job.run().exits(0);
    job
}

fn report(output: &Path, arguments: &[&str]) -> Ended {
    ended(program().arg("report").arg(output).args(arguments))
}

fn against(output: &Path, truth: &Path, more: &[&str]) -> Ended {
    report(output, &[&["--targets", truth.to_str().unwrap()], more].concat())
}

/// The report of an output as JSON, of another truth where one is given.
fn figures(output: &Path, truth: Option<&Path>) -> Value {
    let file = tempfile::NamedTempFile::new_in(scratch()).unwrap();
    let path = file.path().to_str().unwrap();
    match truth {
        Some(truth) => against(output, truth, &["--json-file", path]).exits(0),
        None => report(output, &["--json-file", path]).exits(0),
    };
    let mut report: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    report.as_object_mut().unwrap().remove("throughput");
    report
}

fn written(name: &str, text: &str) -> PathBuf {
    let path = scratch().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn rows_held_against_another_truth_give_the_report_of_a_job_that_ran_with_it() {
    let job = |targets, file| done(with_file("val", targets, file).set("output.logits=true"));
    let (val, real) = (job("imagenet-val", "val.txt"), job("imagenet-real", "real.json"));
    for (of, truth, like) in [(&val, "real.json", &real), (&real, "val.txt", &val)] {
        let mut found = figures(&of.output(), Some(&MADE.join(truth)));
        let mut wanted = figures(&like.output(), None);
        let (said, of_job) = (found["provenance"].take(), wanted["provenance"].take());
        assert_eq!(found, wanted, "{truth}");
        let targets = said["targets"].as_str().unwrap();
        for words in [truth, "sha256", "in place of the job's own (imagenet-"] {
            assert!(targets.contains(words), "no `{words}` in {targets}");
        }
        assert_ne!(said["targets"], of_job["targets"]);
        assert!(found["top1"]["of"].as_u64().unwrap() > 20);
    }
}

#[test]
fn without_logits_what_the_rows_do_not_tell_is_not_known() {
    let job = |top_k: &str| {
        let job = with_file("val", "imagenet-val", "val.txt");
        done(job.set("output.logits=false").set(format!("output.top_k={top_k}")))
    };
    let real = done(with_file("val", "imagenet-real", "real.json"));
    let wanted = figures(&real.output(), None);
    let five = figures(&job("5").output(), Some(&MADE.join("real.json")));
    for figure in ["top1", "top5", "top1_all", "top5_all", "classes", "confusion", "counts"] {
        assert_eq!(five[figure], wanted[figure], "{figure}");
    }
    let rows = |report: &Value| report["target_prob"]["rows"].as_u64().unwrap();
    assert!(rows(&five) < rows(&wanted));
    let two = figures(&job("2").output(), Some(&MADE.join("real.json")));
    assert_eq!((&two["top1"], &two["top5"]), (&wanted["top1"], &Value::Null));
    assert!(two["counts"]["top5_unknown"].as_u64().unwrap() > 0);
}

#[test]
fn a_manifest_gives_targets_by_key_and_rows_that_it_leaves_out_have_none() {
    let job = done(imagenet("v2", "imagenet-v2"));
    let wanted = report(&job.output(), &[]).exits(0);
    let rows = job.rows();
    let listed = rows.iter().skip(3);
    let lines = listed.map(|row| format!("{}\t{}\n", row["key"].as_str().unwrap(), row["target"]));
    let truth = written("own.tsv", &format!("path\ttarget\n{}", lines.collect::<String>()));
    let found = against(&job.output(), &truth, &[]).exits(0);
    let count = |summary: &Value, name: &str| summary["metrics"][name].as_f64().unwrap();
    assert_eq!(count(&found, "unknown_target"), 3.0);
    assert_eq!(count(&found, "with_target"), count(&wanted, "with_target") - 3.0);
    let page = std::fs::read_to_string(job.output().join("_report/report.md")).unwrap();
    assert!(page.contains("| targets | manifest ") && page.contains("own.tsv"), "{page}");

    // every image is of the class that was predicted
    let lines: Vec<String> = rows
        .iter()
        .filter(|row| row["status"] == "ok")
        .map(|row| json!({ "path": row["key"], "target": row["index"][0] }).to_string())
        .collect();
    let truth = written("predicted.jsonl", &lines.join("\n"));
    let gates = ["--require", "top1 >= 100", "--require", "top5 >= 100"];
    against(&job.output(), &truth, &gates).exits(0);
    report(&job.output(), &gates).fails(65, &["top1 >= 100 does not hold"]);
}

#[test]
fn rows_of_shards_and_parquet_files_have_keys_of_their_own() {
    let of = |dataset: &str, format: &str| {
        let job = imagenet(dataset, "none").set(format!("input.format={format}"));
        done(job.set("output.logits=true"))
    };
    let real = done(with_file("val", "imagenet-real", "real.json"));
    let wanted = figures(&real.output(), None)["top5"].take();
    let shards = of("val-shards", "webdataset");
    assert_eq!(figures(&shards.output(), Some(&MADE.join("real.json")))["top5"], wanted);
    for job in [shards, of("val-parquet/0.parquet", "parquet")] {
        let rows = job.rows();
        let fine = rows.iter().filter(|row| row["status"] == "ok");
        let lines = fine.map(|row| json!({ "path": row["key"], "target": row["index"][0] }).to_string());
        let truth = written("packed.jsonl", &lines.collect::<Vec<_>>().join("\n"));
        against(&job.output(), &truth, &["--require", "top1 >= 100"]).exits(0);
    }
}

#[test]
fn lists_of_classes_take_lists() {
    let job = done(manifest("multi.csv").set("input.targets=none").set("output.logits=true"));
    let own = done(manifest("multi.csv"));
    let mut found = figures(&job.output(), Some(&MADE.join("multi.parquet")));
    let mut wanted = figures(&own.output(), None);
    found["provenance"].take();
    wanted["provenance"].take();
    assert_eq!(found, wanted);
    assert!(found["multi_label"]["map"].is_f64(), "{}", found["multi_label"]);
}

#[test]
fn a_masked_job_stays_masked_under_another_truth() {
    let job = done(imagenet("a", "imagenet-a"));
    let rows = job.rows();
    let lines = rows.iter().map(|row| json!({ "path": row["key"], "target": row["target"] }).to_string());
    let truth = written("a.jsonl", &lines.collect::<Vec<_>>().join("\n"));
    let mut found = figures(&job.output(), Some(&truth));
    let mut wanted = figures(&job.output(), None);
    found["provenance"].take();
    wanted["provenance"].take();
    assert_eq!(found, wanted);
}

#[test]
fn two_outputs_are_compared_by_one_other_truth() {
    let val = done(with_file("val", "imagenet-val", "val.txt"));
    let real = done(with_file("val", "imagenet-real", "real.json"));
    let truth = MADE.join("real.json");
    compare(&val.output(), &real.output(), &[]).fails(78, &["by sets of targets"]);
    let both = compare(&val.output(), &real.output(), &["--targets", truth.to_str().unwrap()]).exits(0);
    let wanted = compare(&real.output(), &real.output(), &[]).exits(0);
    assert!(wanted["metrics"]["top5_a"].as_f64().unwrap() > 0.0);
    assert_eq!(both["metrics"]["top5_a"], wanted["metrics"]["top5_a"]);
    assert_eq!(both["metrics"]["top1_b"], wanted["metrics"]["top1_b"]);
}

#[test]
fn a_truth_that_is_none_of_the_rows_is_an_error_of_its_own() {
    let v2 = done(imagenet("v2", "imagenet-v2"));
    let out = v2.output();
    let begun = std::fs::read(out.join("_report/report.json")).unwrap();
    let refused = |truth: &Path, code: i32, words: &[&str]| {
        against(&out, truth, &[]).fails(code, words);
    };
    refused(&MADE.join("nothing.txt"), 66, &["nothing.txt", "is not there"]);
    refused(&MADE.join("nothing.csv"), 66, &["nothing.csv"]);
    refused(&MADE.join("real.json"), 78, &["no row of", "real.json", "ILSVRC2012_val_", "the first row is"]);
    refused(&written("odd.txt", "a b c\n"), 78, &["odd.txt", "fits no convention"]);
    refused(
        &written("odd.csv", "name,truth\na,1\n"),
        78,
        &["odd.csv", "no column of keys", "`name`, `truth`"],
    );
    refused(&written("far.csv", "path,target\na.jpg,1000\n"), 78, &["far.csv", "line 2", "0 to 999"]);
    refused(
        &written("twice.csv", "path,target\na.jpg,1\na.jpg,1\n"),
        78,
        &["line 3", "is in line 2 already"],
    );
    refused(
        &written("other.csv", "path,target\nnone/of/them.jpg,1\n"),
        78,
        &["no row of", "keys as they are"],
    );
    refused(&written("odd.parquet", "no parquet"), 78, &["odd.parquet", "damaged"]);
    assert_eq!(std::fs::read(out.join("_report/report.json")).unwrap(), begun, "a report was written");
    let seven = done(manifest("multi.csv"));
    against(&seven.output(), &MADE.join("val.txt"), &[]).fails(78, &["1000 classes", "the model has 7"]);
    let masked = done(imagenet("a", "imagenet-a"));
    against(&masked.output(), &MADE.join("real.json"), &[])
        .fails(78, &["sets of classes", "among some classes"]);
}
