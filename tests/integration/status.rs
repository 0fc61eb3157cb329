//! `status`, on outputs that are finished, in progress, interrupted and damaged.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::job::{Ended, IMAGES, Job, ended, parts, program, reaches, wait, while_stopped};

fn status(of: &Path) -> Ended {
    ended(program().arg("status").arg(of))
}

/// Error rows of the test images by kind, as `status` should count them.
fn kinds() -> Value {
    let mut kinds = serde_json::Map::new();
    for kind in IMAGES.expected.values().filter_map(|(_, kind)| kind.as_ref()) {
        let before = kinds.get(kind).and_then(Value::as_u64).unwrap_or_default();
        kinds.insert(kind.clone(), json!(before + 1));
    }
    Value::Object(kinds)
}

/// The sizes of the committed part files.
fn size(output: &Path) -> u64 {
    parts(output).iter().map(|part| output.join(part).metadata().unwrap().len()).sum()
}

#[test]
fn a_finished_output_is_told_by_its_address_and_by_its_job_file() {
    let job = Job::own();
    job.run().exits(0);
    let of_output = status(&job.output());
    let summary = of_output.exits(0);
    let of_job = ended(&mut job.command("status")).exits(0);
    for field in ["rows", "finished", "bytes", "errors_by_kind", "last_part"] {
        assert_eq!(summary[field], of_job[field], "{field}");
    }
    assert_eq!(summary["complete"], true);
    let success = std::fs::read(job.output().join("_SUCCESS")).unwrap();
    let success: Value = serde_json::from_slice(&success).unwrap();
    assert_eq!(summary["finished"], success["finished"]);
    let totals = &success["totals"];
    assert_eq!([&summary["ok"], &summary["errors"]], [&totals["ok"], &totals["error"]]);
    assert_eq!([&summary["rows"], &summary["planned_rows"]], [&json!(90); 2]);
    assert_eq!([&summary["parts"], &summary["planned_parts"]], [&json!(12); 2]);
    assert_eq!(summary["errors_by_kind"], kinds());
    assert_eq!(summary["missing"], json!([]));
    assert_eq!(summary["providers"], json!(["cpu"]));
    assert_eq!(summary["bytes"], size(&job.output()));
    assert_eq!(summary["seconds_left"], Value::Null);
    let finished = format!("finished   {}", success["finished"].as_str().unwrap());
    for words in ["parts      12 of 12", "90 of 90", finished.as_str()] {
        assert!(of_output.stderr.contains(words), "no `{words}` in\n{}", of_output.stderr);
    }
}

#[test]
fn footers_and_success_tell_the_same() {
    let job = Job::own();
    job.run().exits(0);
    let finished = status(&job.output()).exits(0);
    std::fs::remove_file(job.output().join("_SUCCESS")).unwrap();
    let unfinished = status(&job.output()).exits(0);
    assert_eq!(unfinished["complete"], false);
    assert_eq!(unfinished["finished"], Value::Null);
    for field in ["rows", "ok", "errors", "errors_by_kind", "providers", "bytes", "parts", "plan_is_whole"] {
        assert_eq!(finished[field], unfinished[field], "{field}");
    }
}

#[test]
fn a_run_at_work_is_seen_from_outside_and_an_interrupted_one_too() {
    let job = Job::slow(IMAGES.folder.to_str().unwrap());
    let mut child = job.start();
    // the plan of 23 parts is complete with its fourth segment
    let whole = || usize::from(job.output().join("_tresnet/plan/000003").exists());
    assert!(reaches(&mut child, 1, whole));
    assert!(reaches(&mut child, 4, || parts(&job.output()).len()));
    let at_work = while_stopped(&child, || status(&job.output()).exits(0));
    assert!((4..=23).contains(&at_work["parts"].as_u64().unwrap()), "{at_work}");
    assert!(at_work["images_per_s"].as_f64().unwrap() > 0.0, "{at_work}");
    child.kill().unwrap();
    child.wait().unwrap();
    let stood = parts(&job.output()).len() as u64;
    let ended = status(&job.output());
    let summary = ended.exits(0);
    assert_eq!(summary["parts"], stood);
    assert_eq!(summary["planned_parts"], 23);
    assert_eq!(summary["plan_is_whole"], true);
    assert_eq!(summary["missing_parts"], 23 - stood);
    assert_eq!(summary["rows"], 4 * stood);
    assert!(summary["seconds_left"].is_u64(), "{summary}");
    assert!(summary["seconds_since_last_part"].as_u64().unwrap() < 120, "{summary}");
    assert!(ended.stderr.contains("`_SUCCESS` does not exist"), "{}", ended.stderr);
}

#[test]
fn missing_parts_are_told_as_ranges_and_a_plan_that_is_cut_short_as_such() {
    let job = Job::own();
    job.run().exits(0);
    let names = parts(&job.output());
    for missing in [3, 4, 5, 7] {
        std::fs::remove_file(job.output().join(&names[missing])).unwrap();
    }
    std::fs::remove_file(job.output().join("_SUCCESS")).unwrap();
    let ended = status(&job.output());
    assert_eq!(ended.exits(0)["missing"], json!(["3-5", "7"]));
    assert!(ended.stderr.contains("missing    4 parts: numbers 3-5, 7\n"), "{}", ended.stderr);
    // segments of 1, 4 and 7 parts
    std::fs::remove_file(job.output().join("_tresnet/plan/000002")).unwrap();
    let ended = status(&job.output());
    let summary = ended.exits(0);
    assert_eq!((&summary["plan_is_whole"], &summary["planned_parts"]), (&json!(false), &json!(5)));
    assert_eq!(summary["missing"], json!(["3-4"]));
    assert_eq!(summary["seconds_left"], Value::Null);
    assert!(ended.stderr.contains("of 5+, the plan is not whole yet"), "{}", ended.stderr);
}

#[test]
fn files_that_cannot_be_read_are_told_beside_those_that_can() {
    let job = Job::own();
    job.run().exits(0);
    let names = parts(&job.output());
    std::fs::write(job.output().join(&names[2]), b"PAR1 and no more").unwrap();
    std::fs::copy(job.output().join(&names[0]), job.output().join("part-000000-00000000.parquet")).unwrap();
    let ended = status(&job.output());
    let summary = ended.exits(0);
    assert_eq!((&summary["parts"], &summary["rows"]), (&json!(11), &json!(82)));
    assert_eq!(summary["strange_files"], 2);
    for words in [names[2].as_str(), "part-000000-00000000.parquet", "`verify` shows more"] {
        assert!(ended.stderr.contains(words), "no `{words}` in\n{}", ended.stderr);
    }
}

#[test]
fn where_no_job_has_begun_there_is_no_status() {
    let folder = tempfile::tempdir().unwrap();
    status(folder.path()).fails(66, &["no job has begun"]);
    status(&folder.path().join("not/there")).fails(66, &["no job has begun"]);
}

#[test]
fn a_job_is_watched_until_it_is_complete() {
    let job = Job::slow(IMAGES.folder.to_str().unwrap());
    let mut running = job.start();
    assert!(reaches(&mut running, 1, || parts(&job.output()).len()));
    let watched = ended(program().arg("status").arg(job.output()).arg("--watch=1"));
    assert_eq!(watched.exits(0)["complete"], true);
    assert!(watched.stderr.matches("output     ").count() > 1, "{}", watched.stderr);
    wait(running).exits(0);
}
