//! Shards and row groups that are read ahead of their turn: when they are requested, and that no row depends on it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{PACKED, parquet_job, same_rows, shard_job};
use crate::support::job::{Job, reaches, wait};
use crate::support::s3::files;
use crate::support::scripted_s3::{Fault, Gate, Kind, Rule, ScriptedS3, Seen};

/// The columns that name the source of a row.
const ORIGIN: [&str; 3] = ["row_id", "key", "etag"];

/// A folder of the packed images below `in/`.
fn served(folder: &str) -> ScriptedS3 {
    let server = ScriptedS3::start();
    for path in files(&PACKED.join(folder)) {
        let name = path.file_name().unwrap().to_str().unwrap();
        server.put(&format!("in/{name}"), std::fs::read(&path).unwrap());
    }
    server
}

fn with(server: &ScriptedS3, job: Job) -> Job {
    server.environment().iter().fold(job, |job, (name, value)| job.env(name, value))
}

/// A read of a shard; a range of one byte only asks whether the store answers.
fn is_window(seen: &Seen) -> bool {
    seen.kind == Kind::Get && seen.key.ends_with(".tar") && seen.range.as_deref() != Some("bytes=0-0")
}

#[test]
fn later_shards_are_asked_for_while_the_first_one_is_on_its_way() {
    let server = served("shards");
    let gate = Gate::closed();
    server.rule(Rule::on(Kind::Get, Fault::Gated(gate.clone())).prefix("in/train-000.tar").when(is_window));
    let job = with(&server, shard_job("s3://test/in"));
    let mut child = job.start();
    let asked = || {
        let windows = server.requests().into_iter().filter(is_window);
        windows.map(|seen| seen.key).collect::<BTreeSet<_>>().len()
    };
    assert!(reaches(&mut child, 9, asked));
    gate.open();
    wait(child).exits(0);
    same_rows(&job.output(), &ORIGIN);
    // no window is asked for twice
    let begins = |seen: &Seen| seen.range.as_deref().is_some_and(|range| range.starts_with("bytes=0-"));
    let firsts = server.requests().into_iter().filter(|seen| is_window(seen) && begins(seen));
    let firsts: Vec<_> = firsts.map(|seen| seen.key).collect();
    assert_eq!(firsts.len(), 9, "{firsts:?}");
}

#[test]
fn windows_that_fail_ahead_of_their_turn_are_asked_for_again_in_it_and_change_no_row() {
    let server = served("shards");
    let rule = Rule::on(Kind::Get, Fault::error(405, "MethodNotAllowed")).when(is_window);
    let rule = server.rule(rule.times_per_key(1));
    let job = with(&server, shard_job("s3://test/in"));
    let summary = job.run().exits(0);
    assert_eq!(server.fired(rule), 9);
    assert_eq!((&summary["damaged_inputs"], &summary["rows"]["error"]), (&json!(0), &json!(5)), "{summary}");
    same_rows(&job.output(), &ORIGIN);
}

#[test]
fn row_groups_that_fail_ahead_of_their_turn_are_asked_for_again_in_it_and_change_no_row() {
    let server = served("parquet");
    let keys = server.keys("in/").into_iter();
    let sizes: BTreeMap<String, usize> =
        keys.map(|key| (key.clone(), server.get(&key).unwrap().len())).collect();
    // a footer is read to the end of its file
    let is_piece = move |seen: &Seen| {
        let last = seen.range.as_deref().and_then(|range| range.rsplit_once('-')?.1.parse::<usize>().ok());
        sizes.get(&seen.key).is_some_and(|size| last.is_some_and(|last| last + 1 < *size))
    };
    let rule = Rule::on(Kind::Get, Fault::error(405, "MethodNotAllowed")).when(is_piece);
    let rule = server.rule(rule.times_per_key(1));
    let job = with(&server, parquet_job("s3://test/in"));
    let summary = job.run().exits(0);
    assert_eq!(server.fired(rule), 2);
    assert_eq!((&summary["damaged_inputs"], &summary["rows"]["error"]), (&json!(0), &json!(5)), "{summary}");
    same_rows(&job.output(), &ORIGIN);
}

#[test]
fn little_room_for_windows_and_few_requests_give_the_same_rows() {
    let (shards, tables) = (served("shards"), served("parquet"));
    for requests in [1, 2] {
        for job in [with(&shards, shard_job("s3://test/in")), with(&tables, parquet_job("s3://test/in"))] {
            let job = job
                .set(r#"limits.max_encoded_bytes="2MiB""#)
                .set(r#"limits.in_flight_bytes="2MiB""#)
                .set(format!("limits.requests={requests}"));
            job.run().exits(0);
            same_rows(&job.output(), &ORIGIN);
        }
    }
}
