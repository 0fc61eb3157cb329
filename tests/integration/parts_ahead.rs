//! `report`, `status` and `verify` read the parts of a store side by side, and their figures are the same whichever
//! part comes first.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::fault_matrix::{job, server};
use crate::support::job::{Ended, Job, ended, program, reaches, wait};
use crate::support::scripted_s3::{Fault, Gate, Kind, Rule, ScriptedS3};

/// The first of the job's 12 parts is named so, and the first of the 7 parts of its last plan segment.
const FIRST: &str = "part-000000";
const FIRST_OF_SEGMENT: &str = "part-000005";

/// A server with a job that is done, except that it has no `_SUCCESS`: every part is read.
fn unfinished() -> (ScriptedS3, Job) {
    let server = server();
    let job = job(&server);
    job.run().exits(0);
    assert!(server.delete("out/_SUCCESS"));
    (server, job)
}

/// Runs a command that gets the first part only when it has requested all others.
fn first_part_last(server: &ScriptedS3, command: Command) -> Ended {
    comes_last(server, FIRST, command)
}

/// Runs a command that gets a part only when it has requested all others of a later name.
fn comes_last(server: &ScriptedS3, first: &str, mut command: Command) -> Ended {
    let file = format!("out/{first}");
    let is_later = |key: &str| key > file.as_str() && !key.starts_with(&file);
    let later = server.keys("out/part-").iter().filter(|key| is_later(key)).count();
    assert!(later > 5);
    server.reset_log();
    let gate = Gate::closed();
    let rule = server.rule(Rule::on(Kind::Get, Fault::Gated(gate.clone())).contains(first));
    let mut child = command.spawn().unwrap();
    let others = || {
        let seen = server.requests();
        let parts = seen.iter().filter(|seen| seen.kind == Kind::Get && seen.key.contains("part-"));
        parts.map(|seen| seen.key.clone()).filter(|key| is_later(key)).collect::<BTreeSet<_>>().len()
    };
    let came = reaches(&mut child, later, others);
    gate.open();
    let ended = wait(child);
    server.remove(rule);
    assert!(came, "it ended before it asked for the other parts:\n{}", ended.stderr);
    ended
}

fn of_output(server: &ScriptedS3, arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(arguments).envs(server.environment());
    command
}

#[test]
fn a_report_has_the_same_figures_when_the_first_part_comes_last() {
    let (server, _) = unfinished();
    let folder = tempfile::tempdir().unwrap();
    let report = |name: &str| {
        let file = folder.path().join(name);
        let file = file.to_str().unwrap();
        of_output(&server, &["report", "s3://test/out", "--partial", "--json-file", file])
    };
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        let mut report: Value = serde_json::from_str(&text).unwrap();
        assert!(report["provenance"]["created"].take().is_string());
        report
    };
    ended(&mut report("one.json")).exits(0);
    first_part_last(&server, report("other.json")).exits(0);
    assert_eq!(read("one.json"), read("other.json"));
}

#[test]
fn status_has_the_same_figures_when_the_first_part_comes_last() {
    let (server, _) = unfinished();
    let status = || of_output(&server, &["status", "s3://test/out"]);
    let figures = |ended: &Ended| {
        let mut figures = ended.exits(0);
        drop(figures["seconds_since_last_part"].take());
        figures
    };
    let one = figures(&ended(&mut status()));
    assert_eq!((&one["parts"], &one["rows"], &one["errors"]), (&12.into(), &90.into(), &5.into()));
    assert_eq!(figures(&first_part_last(&server, status())), one);
}

#[test]
fn verify_finds_the_same_when_the_first_part_comes_last() {
    let (server, job) = unfinished();
    // a part that is damaged is named, whichever comes first
    let key = server.keys("out/part-").into_iter().nth(7).unwrap();
    let whole = server.get(&key).unwrap();
    server.put(&key, whole.slice(..whole.len() / 2));
    let verify = || job.command("verify");
    let one = ended(&mut verify());
    // segment by segment, and the parts of each side by side
    let other = comes_last(&server, FIRST_OF_SEGMENT, verify());
    assert_eq!((one.code, other.code), (Some(65), Some(65)), "{}{}", one.stderr, other.stderr);
    let defects = |ended: &Ended| serde_json::from_str::<Value>(&ended.stdout).unwrap()["defects"].clone();
    assert!(one.stderr.contains(key.strip_prefix("out/").unwrap()), "{}", one.stderr);
    assert_eq!(defects(&one), defects(&other));
}

#[test]
fn a_report_over_a_part_that_is_damaged_names_it() {
    let (server, _) = unfinished();
    let key = server.keys("out/part-").into_iter().nth(7).unwrap();
    let whole = server.get(&key).unwrap();
    // the footer is whole and a column is not
    let mut bytes = whole.to_vec();
    bytes[4..whole.len() / 2].fill(0);
    server.put(&key, bytes);
    let report = of_output(&server, &["report", "s3://test/out", "--partial"]);
    let damaged = first_part_last(&server, report);
    assert_eq!(damaged.code, Some(65), "{}", damaged.stderr);
    assert!(damaged.stderr.contains(key.strip_prefix("out/").unwrap()), "{}", damaged.stderr);
}
