//! What each command prints on standard output, with `--json` and without it.

use std::fs::OpenOptions;
use std::process::Command;

use serde_json::Value;

use crate::support::job::{
    Ended, IMAGES, Job, by_hand, ended, own_model, parts, program, reaches, send, wait,
};
use crate::support::scratch;

/// A finished output with a job file beside it.
fn finished() -> Job {
    let job = Job::own();
    job.run().exits(0);
    job
}

/// Command lines of each command on a finished job, in the order of the help.
fn command_lines(job: &Job, folder: &str) -> Vec<Vec<String>> {
    let (file, output) = (job.file().display().to_string(), job.output().display().to_string());
    let set = job.overrides().iter().flat_map(|key| ["--set".to_owned(), key.clone()]);
    let set: Vec<String> = set.collect();
    let model = own_model("v1_odd.safetensors").display().to_string();
    let images = IMAGES.folder.join("yam").display().to_string();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<String>>();
    let with_job = |line: &str| [words(line), vec![file.clone()], set.clone()].concat();
    let job_file = format!("{folder}/new.toml");
    vec![
        [words("init"), vec![images, "--model".into(), model.clone(), "-o".into(), job_file]].concat(),
        with_job("run"),
        with_job("plan"),
        with_job("report"),
        words(&format!("compare {output} {output}")),
        words(&format!("export {output} --format timm-csv --to {folder}/exported")),
        with_job("verify"),
        with_job("status"),
        words(&format!("model inspect {model}")),
        words(&format!("model new --arch tresnet[1,1,1,1]x16 --classes 3 -o {folder}/new.safetensors")),
        words(&format!("model import {model} -o {folder}/new.onnx --image-size 64")),
        words("doctor"),
        with_job("doctor"),
        words(&format!("doctor decode {}", IMAGES.folder.join("yam").display())),
        words("completions bash"),
        words("schema"),
        words("help gates"),
        words("--help"),
        words("run --help"),
        words("--version"),
        // failures of each kind
        words("rum"),
        words("run"),
        words("run no-such-job.toml"),
        words("status /no/such/output"),
        words("help gate"),
    ]
}

#[track_caller]
fn object(ended: &Ended) -> Value {
    ended.exits(ended.code.unwrap())
}

#[test]
fn with_json_every_command_prints_one_object_and_nothing_else() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let job = finished();
    for line in command_lines(&job, folder.path().to_str().unwrap()) {
        // at the end of the line, as people write it
        let ended = ended(by_hand().args(&line).arg("--json"));
        let object = object(&ended);
        assert_eq!(object.get("error").is_some(), ended.code != Some(0), "{line:?}: {object}");
        assert!(object.get("command").is_some() || ended.code == Some(64), "{line:?}: {object}");
    }
}

#[test]
fn without_json_no_command_prints_any() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let job = finished();
    for line in command_lines(&job, folder.path().to_str().unwrap()) {
        let ended = ended(by_hand().args(&line));
        if line[0] == "schema" {
            assert!(serde_json::from_str::<Value>(&ended.stdout).unwrap().get("command").is_none());
            continue;
        }
        let json = ended
            .stdout
            .lines()
            .find(|text| serde_json::from_str::<Value>(text).is_ok_and(|v| v.is_object()));
        assert_eq!(json, None, "{line:?}");
        assert_eq!(ended.stdout.is_empty(), ended.code != Some(0), "{line:?}: {}", ended.stdout);
    }
}

#[test]
fn quiet_prints_errors_and_nothing_else() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let job = finished();
    for line in command_lines(&job, folder.path().to_str().unwrap()) {
        if ["completions", "schema", "help", "--help", "--version"]
            .iter()
            .any(|word| line.contains(&(*word).into()))
        {
            continue;
        }
        let ended = ended(by_hand().args(&line).arg("--quiet"));
        assert_eq!(ended.stdout, "", "{line:?}");
        match ended.code {
            Some(0) => assert_eq!(ended.stderr, "", "{line:?}"),
            _ => assert!(ended.stderr.starts_with("error: "), "{line:?}: {}", ended.stderr),
        }
    }
}

#[test]
fn a_quiet_run_of_everything_says_nothing_and_its_object_has_the_totals() {
    let job = Job::own();
    let run = ended(job.command("run").arg("--quiet"));
    assert_eq!(run.exits(0)["rows"]["planned"], 90);
    assert_eq!(run.stderr, "");
}

/// A run in the middle of its parts, which a first signal does not end for a long time.
fn stopped_twice(command: &mut Command, job: &Job) -> Ended {
    let mut child = command.spawn().unwrap();
    assert!(reaches(&mut child, 1, || parts(&job.output()).len()));
    send(child.id(), "INT");
    send(child.id(), "TERM");
    wait(child)
}

fn endless() -> Job {
    Job::slow(IMAGES.folder.to_str().unwrap())
        .set("preprocess.image_size=896")
        .set("limits.grace_seconds=300")
}

#[test]
fn a_second_signal_leaves_one_object_with_json() {
    let job = endless();
    let stopped = stopped_twice(&mut job.command("run"), &job);
    let error = stopped.fails(75, &["second signal"]);
    assert_eq!(error["command"], "run");
    assert!(error["run_id"].is_string());
}

#[test]
fn a_second_signal_leaves_no_json_without_it() {
    let job = endless();
    let mut command = by_hand();
    command.arg("run").arg(job.file());
    command.args(job.overrides().iter().flat_map(|assignment| ["--set", assignment]));
    let stopped = stopped_twice(&mut command, &job);
    assert_eq!((stopped.code, stopped.stdout.as_str()), (Some(75), ""));
    assert!(stopped.stderr.contains("error: ended by a second signal"), "{}", stopped.stderr);
}

#[test]
fn a_command_line_that_cannot_be_parsed_is_answered_as_its_words_ask() {
    let asked = ended(by_hand().args(["run", "--no-such-option", "job.toml", "--json"]));
    assert!(asked.exits(64)["error"].as_str().unwrap().contains("--no-such-option"));
    let not_asked = ended(by_hand().args(["run", "--no-such-option", "job.toml"]));
    assert_eq!((not_asked.code, not_asked.stdout.as_str()), (Some(64), ""));
    assert!(not_asked.stderr.contains("--no-such-option"), "{}", not_asked.stderr);
}

#[test]
fn a_file_after_json_is_refused_with_the_option_that_takes_it() {
    let job = finished();
    let file = job.output().with_file_name("report.json");
    let report = |words: &[&str]| ended(by_hand().arg("report").arg(job.output()).args(words).arg(&file));
    let refused = report(&["--json"]);
    assert_eq!(refused.code, Some(64));
    assert!(refused.stderr.contains("--json-file"), "{}", refused.stderr);
    assert!(!file.exists());
    assert_eq!(report(&["--json-file"]).code, Some(0));
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(written["counts"]["rows"], 90);
}

#[test]
fn the_option_may_come_first_last_or_twice() {
    for words in [&["--json", "schema"][..], &["schema", "--json"], &["--json", "schema", "--json", "--json"]]
    {
        let object = ended(by_hand().args(words)).exits(0);
        assert!(object["schema"]["properties"].is_object(), "{words:?}");
    }
    assert!(ended(program().arg("--version")).exits(0)["version"].is_string());
}

/// As [`ended`], with a standard output on a full disk.
fn ended_on_a_full_disk(command: &mut Command) -> Ended {
    ended(command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap()))
}

/// Checks the exit code for a full disk, and the one error that reports it.
#[track_caller]
fn reports_the_full_disk(ended: &Ended, more: &str) {
    assert_eq!((ended.code, ended.signal), (Some(74), None), "{}", ended.stderr);
    let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{}", ended.stderr);
    for words in ["cannot write standard output", "No space left", more] {
        assert!(errors[0].contains(words), "no `{words}` in: {}", errors[0]);
    }
}

#[test]
fn a_result_that_a_full_disk_does_not_take_is_a_failure() {
    let job = finished();
    let output = job.output().display().to_string();
    let images = IMAGES.folder.join("yam").display().to_string();
    for line in [
        &["status", &output][..],
        &["verify", &output],
        &["report", &output],
        &["compare", &output, &output],
        &["doctor", "decode", &images],
        &["schema"],
        &["help", "gates"],
        &["run", "--help"],
        &["--version"],
    ] {
        reports_the_full_disk(&ended_on_a_full_disk(by_hand().args(line)), "");
        reports_the_full_disk(&ended_on_a_full_disk(by_hand().args(line).arg("--json")), "");
    }
    // nothing is printed, so nothing is lost
    let quiet = ended_on_a_full_disk(by_hand().args(["verify", &output, "--quiet"]));
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_run_whose_result_a_full_disk_does_not_take_says_that_its_output_is_whole() {
    let job = Job::own();
    let whole = "every row is committed and the output is whole";
    reports_the_full_disk(&ended_on_a_full_disk(&mut job.command("run")), whole);
    assert_eq!(job.rows().len(), 90);
    let again = ended_on_a_full_disk(job.command("run").args(["--already-done-exit", "99"]));
    reports_the_full_disk(&again, whole);
    assert_eq!(job.run().exits(0)["already_complete"], true);
}

#[test]
fn a_failure_keeps_its_code_on_a_full_disk() {
    for line in [&["rum"][..], &["run", "no-such-job.toml"], &["status", "/no/such/output"]] {
        let known = ended(program().args(line));
        let full = ended_on_a_full_disk(program().args(line));
        assert_eq!(full.code, known.code, "{line:?}: {}", full.stderr);
        assert_ne!(full.code, Some(74), "{line:?}");
        assert!(full.stderr.contains("cannot write standard output"), "{line:?}: {}", full.stderr);
    }
}

#[test]
fn a_reader_that_has_gone_away_is_no_failure() {
    for line in [&["schema"][..], &["schema", "--json"], &["help", "gates"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = ended(by_hand().args(line).stdout(writer));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{line:?}");
    }
}
