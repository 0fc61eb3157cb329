//! `report`, compared with figures that pyarrow and numpy compute from the same Parquet.

use std::path::Path;

use serde_json::Value;

use super::rows::DONE;
use crate::report::assert_same;
use crate::support::ask_python;
use crate::support::job::{Ended, IMAGES, Job, ended, parts, program, reaches};

fn report(of: &Path, more: &[&str]) -> Ended {
    ended(program().arg("report").arg(of).args(more))
}

fn written(output: &Path) -> Value {
    let text = std::fs::read_to_string(output.join("_report/report.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_report_of_a_run_has_the_figures_of_the_python_reference() {
    let reference = ask_python("accuracy.py", &[DONE.output().to_str().unwrap(), "--classes", "7"]);
    assert_same(&reference, &written(&DONE.output()), "");
    let markdown = std::fs::read_to_string(DONE.output().join("_report/report.md")).unwrap();
    for name in ["rübe", "pea pod", "truncated"] {
        assert!(markdown.contains(name), "no `{name}` in\n{markdown}");
    }
}

#[test]
fn a_job_file_and_its_output_give_the_same_report() {
    let job = Job::own();
    job.run().exits(0);
    let of_run = written(&job.output());
    let of_job = report(&job.file(), &[]).exits(0);
    let after_job = written(&job.output());
    let of_output = report(&job.output(), &[]).exits(0);
    let after_output = written(&job.output());
    assert_eq!(of_job["metrics"], of_output["metrics"]);
    let reference = ask_python("accuracy.py", &[job.output().to_str().unwrap(), "--classes", "7"]);
    assert_same(&reference, &after_output, "");
    for report in [&of_run, &after_job, &after_output] {
        assert_eq!(report["metrics"], of_job["metrics"]);
        assert_eq!(report["top1"], of_run["top1"]);
    }
}

#[test]
fn a_gate_on_the_command_line_is_judged() {
    report(&DONE.output(), &["--require", "rows == 90"]).exits(0);
    report(&DONE.output(), &["--require", "top1 >= 99"]).fails(65, &["top1 >= 99 does not hold"]);
    report(&DONE.output(), &["--require", "top1 >> 99"]).fails(78, &["top1 >> 99"]);
}

#[test]
fn formats_can_be_chosen() {
    let job = Job::own().set("report.formats=[]");
    job.run().exits(0);
    assert!(!job.output().join("_report").exists());
    report(&job.output(), &["--format", "markdown"]).exits(0);
    assert!(job.output().join("_report/report.md").exists());
    assert!(!job.output().join("_report/report.json").exists());
}

#[test]
fn an_unfinished_output_is_reported_on_only_when_asked() {
    let job = Job::slow(IMAGES.folder.to_str().unwrap());
    let mut child = job.start();
    assert!(reaches(&mut child, 3, || parts(&job.output()).len()));
    child.kill().unwrap();
    child.wait().unwrap();
    report(&job.output(), &[]).fails(75, &["not finished", "--partial"]);
    assert!(!job.output().join("_report").exists());
    let summary = report(&job.output(), &["--partial"]).exits(0);
    assert_eq!(summary["complete"], false);
    let reference = ask_python("accuracy.py", &[job.output().to_str().unwrap(), "--classes", "7"]);
    assert!(reference["counts"]["rows"].as_u64().unwrap() >= 12);
    assert_same(&reference, &written(&job.output()), "");
}

#[test]
fn where_no_job_has_begun_there_is_nothing_to_report() {
    let folder = tempfile::tempdir().unwrap();
    report(folder.path(), &[]).fails(66, &["no job has begun"]);
}
