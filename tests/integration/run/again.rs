//! Jobs that are run again: finished, changed, or refused by a gate.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::job::{IMAGES, Job};

/// Every file with what would change if it were written.
fn files(folder: &Path) -> BTreeMap<String, (u64, i64, i64, u64)> {
    let mut found = BTreeMap::new();
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        let facts = path.metadata().unwrap();
        let state = (facts.ino(), facts.mtime(), facts.mtime_nsec(), facts.size());
        found.insert(path.to_str().unwrap().to_owned(), state);
        if facts.is_dir() {
            found.extend(files(&path));
        }
    }
    found
}

#[test]
fn a_finished_job_says_so_and_writes_nothing() {
    let job = Job::own();
    job.run().exits(0);
    let before = files(&job.output());
    let again = job.run();
    let summary = again.exits(0);
    assert_eq!((&summary["complete"], &summary["already_complete"]), (&true.into(), &true.into()));
    assert!(again.stderr.contains("complete since"), "{}", again.stderr);
    assert!(again.stderr.contains("90 rows, 5 errors"), "{}", again.stderr);
    assert_eq!(files(&job.output()), before);
}

#[test]
fn what_decides_no_rows_may_change_on_a_finished_job() {
    let job = Job::own();
    job.run().exits(0);
    let job = job.set("engine.batch_size=13").set("limits.decode_threads=3").set("job.name=other");
    assert_eq!(job.run().exits(0)["already_complete"], true);
}

#[test]
fn what_decides_rows_may_not_change_and_is_named() {
    let job = Job::own();
    job.run().exits(0);
    let before = files(&job.output());
    for (change, words) in [
        ("output.top_k=2", ["`output.top_k`", "5 there, 2 here"]),
        ("preprocess.crop_pct=0.9", ["`preprocess.crop_pct`", "0.9 here"]),
        ("input.limit=10", ["`input.limit`", "10 here"]),
        ("model.precision=fp16", ["`model.precision`", "\"fp16\" here"]),
    ] {
        let mut command = job.command("run");
        crate::support::job::ended(command.args(["--set", change])).fails(78, &words);
    }
    assert_eq!(files(&job.output()), before);
}

#[test]
fn two_changes_are_both_named() {
    let job = Job::own();
    job.run().exits(0);
    let classes = format!("input.classes={}", IMAGES.classes.display());
    job.set("output.top_k=2").set(classes).run().fails(78, &["`output.top_k`", "`input.classes`"]);
}

#[test]
fn a_gate_that_fails_is_65_on_this_run_and_on_the_next_and_the_job_is_finished() {
    let job = Job::own().set("report.require=[\"top1 >= 99\", \"rows == 90\"]");
    let gate = ["top1 >= 99 does not hold"];
    let summary = job.run().fails(65, &gate);
    assert!(!summary["error"].as_str().unwrap().contains("rows == 90"), "{summary}");
    assert!(job.output().join("_SUCCESS").exists());
    let before = files(&job.output());
    let summary = job.run().fails(65, &gate);
    assert_eq!(summary["already_complete"], true);
    assert_eq!(files(&job.output()), before);
}

#[test]
fn a_gate_that_holds_is_told_and_the_run_ends_well() {
    let ended = Job::own().set("report.require=[\"errors <= 5\"]").run();
    ended.exits(0);
    assert!(ended.stderr.contains("errors <= 5 holds"), "{}", ended.stderr);
}
