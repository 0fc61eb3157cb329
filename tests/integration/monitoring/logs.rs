//! `--log-format json`: one JSON object a line on standard error, with the id of the run.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::{Page, file_of};
use crate::support::ask_python;
use crate::support::job::{Ended, IMAGES, Job, ended, parts, program, reaches, send, wait};
use crate::support::process::children;
use crate::support::s3::MOTO;

/// Standard error as objects; every line must be one, with all documented fields.
#[track_caller]
fn lines(ended: &Ended) -> Vec<Map<String, Value>> {
    let parsed = ended.stderr.lines().map(|line| {
        let object: Map<String, Value> =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON object ({error}): `{line}`"));
        let text = |field: &str| object[field].as_str().unwrap_or_else(|| panic!("no {field} in `{line}`"));
        assert!(["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&text("level")), "{line}");
        let timestamp = text("timestamp");
        assert!(timestamp.len() == 27 && timestamp.ends_with('Z') && &timestamp[10..11] == "T", "{line}");
        assert!(!text("run_id").is_empty() && !text("target").is_empty(), "{line}");
        text("message");
        assert!(object["fields"].is_object(), "{line}");
        object
    });
    parsed.collect()
}

fn run(job: &Job) -> Ended {
    ended(job.command("run").args(["--log-format", "json"]))
}

/// A run on a store that logs all there is, with credentials that must not be seen.
static TALKATIVE: LazyLock<Ended> = LazyLock::new(|| {
    MOTO.put_folder(&IMAGES.folder, "logged");
    let job = Job::on("s3://test/logged").set("output.uri=s3://test/logged-rows");
    let job = MOTO
        .serve(job)
        .env("TRESNET_BATCH_LOG", "trace")
        .env("AWS_SECRET_ACCESS_KEY", "canary-secret-4714")
        .env("AWS_SESSION_TOKEN", "canary-token-4715");
    run(&job)
});

#[test]
fn every_line_of_a_run_is_an_object_with_the_run_id_of_its_result() {
    let summary = TALKATIVE.exits(0);
    let lines = lines(&TALKATIVE);
    assert!(lines.len() > 100, "the run logs nothing, so this test checks nothing");
    assert!(lines.iter().all(|line| line["run_id"] == summary["run_id"]));
    assert!(lines.iter().any(|line| line["target"].as_str().unwrap().starts_with("tresnet_batch::")));
    assert!(lines.iter().any(|line| !line["fields"].as_object().unwrap().is_empty()));
}

#[test]
fn secrets_and_tokens_are_seen_in_no_line() {
    TALKATIVE.exits(0);
    assert!(!TALKATIVE.stderr.contains("canary-"), "{}", TALKATIVE.stderr);
    assert!(!TALKATIVE.stdout.contains("canary-"), "{}", TALKATIVE.stdout);
}

#[test]
fn one_id_is_in_the_result_the_logs_the_footers_and_the_metrics() {
    let job = Job::own().env("TRESNET_BATCH_LOG", "debug");
    let ended = ended(job.command("run").args(["--log-format", "json", "--metrics"]).arg(file_of(&job)));
    let id = ended.exits(0)["run_id"].clone();
    let lines = lines(&ended);
    assert!(!lines.is_empty() && lines.iter().all(|line| line["run_id"] == id), "{lines:?}");
    let footers = ask_python("rows.py", &["footers", job.output().to_str().unwrap()]).to_string();
    assert!(footers.contains(id.as_str().unwrap()), "{footers}");
    assert_eq!(Page::read(&file_of(&job)).label("tresnet_batch_run_info", "run_id"), id.as_str().unwrap());
    let again = job.run().exits(0);
    assert_ne!(again["run_id"], id);
}

#[test]
fn the_error_is_one_object_with_the_exit_code() {
    let job = Job::own().set("input.uri=/no/such/folder");
    let ended = run(&job);
    let summary = ended.exits(66);
    let lines = lines(&ended);
    let errors: Vec<_> = lines.iter().filter(|line| line["level"] == "ERROR").collect();
    assert_eq!(errors.len(), 1, "{lines:?}");
    assert_eq!((&errors[0]["message"], &errors[0]["fields"]["exit"]), (&summary["error"], &json!(66)));
    assert_eq!(errors[0]["run_id"], summary["run_id"]);
}

#[test]
fn what_is_said_after_a_signal_is_an_object_too() {
    let job = Job::slow(IMAGES.folder.to_str().unwrap());
    let mut child = job.command("run").args(["--log-format", "json"]).spawn().unwrap();
    assert!(reaches(&mut child, 1, || parts(&job.output()).len()));
    send(child.id(), "TERM");
    let ended = wait(child);
    ended.exits(75);
    let lines = lines(&ended);
    let stopping = lines.iter().find(|line| line["message"].as_str().unwrap().starts_with("stopping"));
    assert_eq!(stopping.unwrap()["level"], "INFO");
}

#[test]
fn decode_processes_log_in_the_same_form_under_the_same_id() {
    let job = Job::slow(IMAGES.folder.to_str().unwrap());
    let mut child = job.command("run").args(["--isolate", "--log-format", "json"]).spawn().unwrap();
    assert!(reaches(&mut child, 1, || parts(&job.output()).len()));
    let started: Vec<String> = children(child.id())
        .into_iter()
        .map(|pid| {
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            String::from_utf8(arguments).unwrap().replace('\0', " ")
        })
        .collect();
    let ended = wait(child);
    let summary = ended.exits(0);
    lines(&ended);
    assert_eq!(started.len(), 1, "{started:?}");
    let id = summary["run_id"].as_str().unwrap();
    assert!(started[0].contains(&format!("--run-id {id} --log-format json")), "{started:?}");
}

#[test]
fn text_stays_text() {
    let job = Job::own().set("input.uri=/no/such/folder");
    let ended = job.run();
    let summary = ended.fails(66, &["/no/such/folder"]);
    assert!(!ended.stderr.contains('{'), "{}", ended.stderr);
    assert_eq!(summary["run_id"].as_str().map(str::len), Some(16), "{summary}");
}

#[test]
fn a_form_that_is_none_is_a_mistake_of_the_command_line() {
    let ended = ended(program().args(["doctor", "--log-format", "xml"]));
    assert!(ended.exits(64)["error"].as_str().unwrap().contains("xml"));
}
