//! `verify` on outputs with planted defects, and compared with DuckDB.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::job::{Ended, IMAGES, Job, ended, parts, program, reaches, while_stopped};
use crate::support::s3::SEAWEEDFS;
use crate::support::{ask_python, run_python, scratch};

/// A finished output of 90 rows in 12 parts; no test writes to it.
static CLEAN: LazyLock<Job> = LazyLock::new(|| {
    let job = Job::own();
    job.run().exits(0);
    job
});

pub fn verify(of: &Path, more: &[&str]) -> Ended {
    ended(program().arg("verify").arg(of).args(["--progress", "none"]).args(more))
}

/// A copy of the clean output with a defect in it.
struct Planted {
    folder: TempDir,
}

impl Planted {
    fn new(defects: &[&str]) -> Planted {
        let planted = Planted { folder: tempfile::tempdir_in(scratch()).unwrap() };
        let from = CLEAN.output().join(".");
        let copied = Command::new("cp").arg("-rp").arg(from).arg(planted.output()).status();
        assert!(copied.unwrap().success());
        let output = planted.output();
        run_python("plant.py", &[&[output.to_str().unwrap()], defects].concat());
        planted
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn verify(&self, more: &[&str]) -> Ended {
        verify(&self.output(), more)
    }

    fn judge(&self) -> Value {
        judge(&self.output())
    }
}

fn judge(output: &Path) -> Value {
    ask_python("judge.py", &[output.to_str().unwrap()])
}

/// The defects of a summary, each as one line.
fn lines(summary: &Value) -> Vec<String> {
    let text = |defect: &Value, field: &str| defect[field].as_str().unwrap().to_owned();
    let defects = summary["defects"].as_array().unwrap();
    let line = |defect| {
        format!("{}: {}; {}", text(defect, "object"), text(defect, "what"), text(defect, "expected"))
    };
    defects.iter().map(line).collect()
}

/// Plants a defect; it must be found, and each line that is found must be one of the expected ones, in order.
#[track_caller]
fn finds(defect: &str, wanted: &[&[&str]]) {
    let summary = Planted::new(&[defect]).verify(&[]).exits(65);
    let lines = lines(&summary);
    println!("{lines:#?}");
    assert_eq!(lines.len(), wanted.len(), "{lines:#?}");
    assert_eq!(summary["more_defects"], 0);
    for (line, words) in lines.iter().zip(wanted) {
        for word in *words {
            assert!(line.contains(word), "no `{word}` in: {line}");
        }
    }
}

#[test]
fn a_clean_output_is_verified_by_its_job_file_and_by_its_address() {
    for ended in [verify(&CLEAN.output(), &[]), ended(&mut CLEAN.command("verify"))] {
        let summary = ended.exits(0);
        assert!(ended.stderr.contains("every row of the plan exists exactly once"), "{}", ended.stderr);
        assert_eq!(summary["complete"], true);
        assert_eq!(summary["defects"].as_array().unwrap().len(), 0);
        assert_eq!((&summary["parts"], &summary["rows"]), (&12.into(), &90.into()));
        let errors = IMAGES.expected.values().filter(|(_, error)| error.is_some()).count();
        assert_eq!((&summary["ok"], &summary["errors"]), (&(90 - errors).into(), &errors.into()));
    }
}

#[test]
fn verify_and_a_query_in_duckdb_agree_on_the_clean_output() {
    let summary = verify(&CLEAN.output(), &[]).exits(0);
    let judged = judge(&CLEAN.output());
    assert_eq!(judged["wrong"], Value::Array(Vec::new()));
    for field in ["complete", "parts", "rows", "ok", "errors", "missing_parts"] {
        assert_eq!(summary[field], judged[field], "{field}");
    }
}

#[test]
fn verify_and_a_query_in_duckdb_agree_on_every_planted_defect() {
    // the query does not find these: it hashes no plan, and trusts `_SUCCESS` and the components of job.json
    let beyond = [
        "rows_of_another_plan",
        "part_of_another_plan",
        "success_with_a_wrong_part",
        "job_with_another_component",
        "job_that_is_gone",
        "success_that_is_gone",
    ];
    let planted = ask_python("plant.py", &["list"]);
    let planted: Vec<&str> = planted.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(beyond.iter().all(|name| planted.contains(name)));
    for defect in planted.iter().filter(|name| !beyond.contains(name)) {
        let output = Planted::new(&[defect]);
        let judged = output.judge();
        println!("{defect}: {}", judged["wrong"]);
        assert!(!judged["wrong"].as_array().unwrap().is_empty(), "DuckDB finds nothing of {defect}");
        let summary = output.verify(&[]).exits(65);
        if judged["complete"].is_boolean() {
            assert_eq!(summary["complete"], judged["complete"], "{defect}");
            assert_eq!(summary["missing_parts"], judged["missing_parts"], "{defect}");
        }
    }
}

#[test]
fn a_missing_part_is_named() {
    finds(
        "missing_part",
        &[
            &["part-000005-", "is missing", "its 8 rows"],
            &["_SUCCESS", "too early: 1 of 12 parts are missing (5)"],
        ],
    );
}

#[test]
fn a_doubled_row_is_named() {
    finds("doubled_row", &[&["part-000002-", "holds row ", "twice"], &["part-000002-", "is missing row "]]);
    finds(
        "added_row",
        &[
            &["part-000002-", "holds row ", "twice"],
            &["_SUCCESS", "lists part 2 with 8 rows, 8 ok", "9 rows, 9 ok, as committed"],
            &["_SUCCESS", "90 planned", "91 planned"],
        ],
    );
}

#[test]
fn a_foreign_fingerprint_is_named() {
    finds("foreign_fingerprint", &[&["part-000003-", "tresnet.fingerprint"]]);
    finds("foreign_part", &[&["part-000003-00000000.parquet", "another job"]]);
}

#[test]
fn a_torn_footer_is_named() {
    finds("torn_footer", &[&["part-000004-", "torn or damaged"]]);
}

#[test]
fn a_wrong_count_is_named() {
    finds(
        "wrong_count",
        &[&["part-000001-", "tresnet.ok", "as its rows are"], &["part-000001-", "tresnet.errors"]],
    );
}

#[test]
fn an_early_success_is_named() {
    finds(
        "early_success",
        &[
            &["part-000010-", "is missing"],
            &["part-000011-", "is missing"],
            &["_SUCCESS", "too early: 2 of 12 parts are missing (10-11)"],
        ],
    );
    finds(
        "chain_without_end",
        &[
            &["_SUCCESS", "too early: the plan has no last segment"],
            &["_SUCCESS", "lists parts that no plan has: 5-11"],
        ],
    );
}

#[test]
fn a_row_of_another_key_or_target_is_named() {
    finds("row_of_another_key", &[&["part-000007-", "the key `another/key.jpg` in row 62", "the plan's `"]]);
    finds("row_of_another_target", &[&["part-000007-", "the target `", "in row 62"]]);
}

#[test]
fn a_gap_in_the_chain_is_named() {
    finds(
        "gap_in_the_chain",
        &[
            &["_tresnet/plan/000001", "is missing, but `_tresnet/plan/000002` exists"],
            &["part-000001-", "cannot be checked (and 3 more parts)"],
        ],
    );
}

#[test]
fn what_else_can_be_wrong_with_the_plan_is_named() {
    finds(
        "segment_behind_the_last",
        &[
            &["_tresnet/plan/000003", "claims to be segment 2"],
            &["_tresnet/plan/000003", "after the segment that is flagged as the last"],
        ],
    );
    finds("rows_of_another_plan", &[&["_tresnet/plan/000001", "has other rows in part 3"]]);
    finds("part_behind_the_plan", &[&["part-000012-", "is not in the plan, which ends before part 12"]]);
    finds("part_of_another_plan", &[&["part-000008-", "tresnet.plan"]]);
}

#[test]
fn what_else_can_be_wrong_with_the_files_is_named() {
    finds("copy_beside_the_parts", &[&["copy.parquet", "readers take it for rows"]]);
    finds("success_with_wrong_totals", &[&["_SUCCESS", "planned", "by the rows"]]);
    finds("success_with_a_wrong_part", &[&["_SUCCESS", "lists part 2", "abacus"]]);
    finds("success_that_is_no_json", &[&["_SUCCESS", "is not ours"]]);
    finds("job_with_another_component", &[&["_tresnet/job.json", "the hash of its components"]]);
    finds("job_that_is_gone", &[&["_tresnet/job.json", "is missing"]]);
}

#[test]
fn of_many_defects_twenty_are_named_and_all_counted() {
    let output = Planted::new(&[]);
    for number in 0..30 {
        std::fs::write(output.output().join(format!("{number}.parquet")), b"PAR1").unwrap();
    }
    let ended = output.verify(&[]);
    let summary = ended.exits(65);
    assert_eq!(lines(&summary).len(), 20);
    assert_eq!(summary["more_defects"], 10);
    assert!(ended.stderr.contains("\nand 10 more\n"), "{}", ended.stderr);
}

#[test]
fn an_output_without_its_success_is_not_finished_and_not_wrong() {
    let output = Planted::new(&["success_that_is_gone"]);
    output.verify(&[]).fails(75, &["nothing is wrong", "`_SUCCESS` is not written yet"]);
    assert_eq!(output.verify(&["--partial"]).exits(0)["complete"], false);
}

#[test]
fn an_output_that_was_killed_is_not_wrong_and_is_verified_once_it_was_taken_up() {
    let job = Job::slow(IMAGES.folder.to_str().unwrap());
    let mut child = job.start();
    assert!(reaches(&mut child, 3, || parts(&job.output()).len()));
    // the output of a running job is read as any other
    let at_work = while_stopped(&child, || verify(&job.output(), &["--partial"]).exits(0));
    assert_eq!(at_work["complete"], false);
    child.kill().unwrap();
    child.wait().unwrap();
    let stood = parts(&job.output()).len();
    let summary = verify(&job.output(), &[]).fails(75, &["parts are missing"]);
    assert_eq!(summary["parts"], stood);
    let judged = judge(&job.output());
    assert_eq!(judged["wrong"], Value::Array(Vec::new()));
    for field in ["complete", "parts", "rows", "ok", "errors", "missing_parts"] {
        assert_eq!(summary[field], judged[field], "{field}");
    }
    job.run().exits(0);
    assert_eq!(verify(&job.output(), &[]).exits(0)["rows"], 90);
}

#[test]
fn an_output_on_s3_is_looked_at_as_one_on_disk() {
    let job = SEAWEEDFS.serve(Job::own().set("output.uri=s3://test/looked-at"));
    job.run().exits(0);
    let look = |command: &str| ended(&mut job.command(command));
    let verified = look("verify").exits(0);
    assert_eq!((&verified["rows"], &verified["complete"]), (&90.into(), &true.into()));
    let status = look("status").exits(0);
    let copy = SEAWEEDFS.download("looked-at");
    let size = |name: &String| copy.path().join(name).metadata().unwrap().len();
    assert_eq!(status["bytes"], parts(copy.path()).iter().map(size).sum::<u64>());
    assert!(status["seconds_since_last_part"].as_u64().unwrap() < 120, "{status}");
    let fifth = |key: &String| key.contains("/part-000005-");
    SEAWEEDFS.delete(SEAWEEDFS.keys("looked-at").into_iter().filter(fifth));
    let words = lines(&look("verify").exits(65));
    assert!(words.iter().any(|line| line.contains("too early: 1 of 12 parts are missing (5)")), "{words:#?}");
    assert_eq!(look("status").exits(0)["missing"], json!(["5"]));
}

#[test]
fn where_no_job_has_begun_there_is_nothing_to_verify() {
    let folder = tempfile::tempdir().unwrap();
    verify(folder.path(), &[]).fails(66, &["no job has begun"]);
}

#[test]
fn a_job_file_over_another_input_is_not_held_against_the_output() {
    let command = &mut CLEAN.command("verify");
    ended(command.args(["--set", "input.uri=/another/folder"])).fails(78, &["belongs to another job"]);
}
