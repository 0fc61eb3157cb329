//! `run JOB --parts -`: one process that reads ranges, and its end when its input, its reader or its job ends.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::job::{Ended, IMAGES, Job, ended, own_model, parts, reaches, send, wait};
use crate::support::process::children;

use super::{UNDISTURBED, holds_undisturbed_rows, verify};

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A process that takes ranges.
struct Slot {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Slot {
    fn start(job: &Job, arguments: &[&str]) -> Slot {
        let mut command = job.command("run");
        command.args(["--parts", "-"]).args(arguments).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        Slot { child, input, lines }
    }

    /// On a job whose plan is written.
    fn of(job: &Job) -> Slot {
        plan(job);
        Slot::start(job, &[])
    }

    fn hand(&mut self, lines: &str) {
        self.input.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
    }

    /// The next line of standard output; `None` once it is closed.
    #[track_caller]
    fn line(&mut self) -> Option<Value> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"))),
            Err(error) => {
                assert_eq!(error, std::sync::mpsc::RecvTimeoutError::Disconnected, "no line in {PATIENCE:?}");
                None
            }
        }
    }

    /// The next line, which answers a range.
    #[track_caller]
    fn answer(&mut self, range: &str, exit: i32) -> Value {
        let answer = self.line().unwrap_or_else(|| panic!("{range} is not answered"));
        assert_eq!((&answer["range"], &answer["exit"]), (&json!(range), &json!(exit)), "{answer}");
        answer
    }

    /// Closes standard input and waits for the end; the last line, which is the command's.
    #[track_caller]
    fn end(mut self, code: i32) -> (Value, String) {
        drop(self.input.take());
        let last = self.line().expect("a last line");
        assert!(last["range"].is_null() && self.line().is_none(), "{last}");
        let Ended { code: ended, stderr, .. } = wait(self.child);
        assert_eq!((ended, &last["exit"]), (Some(code), &json!(code)), "{last}\n{stderr}");
        (last, stderr)
    }
}

fn plan(job: &Job) {
    ended(job.command("plan").arg("--write")).exits(0);
}

fn standing(job: &Job) -> usize {
    parts(&job.output()).len()
}

#[test]
fn each_range_of_standard_input_is_answered_before_the_next_one_comes() {
    let job = Job::own();
    let mut slot = Slot::of(&job);
    slot.hand("0-3\n");
    let first = slot.answer("0-3", 0);
    assert_eq!((&first["complete"], &first["missing_parts"]), (&json!(false), &json!(8)), "{first}");
    assert_eq!(standing(&job), 4);
    slot.hand("\n 7 \r\n");
    assert_eq!(slot.answer("7", 0)["parts_done"], 1);
    // a range that another process has done costs nothing, and a range that ends beyond the plan is shortened
    slot.hand("2-3\n4-6\n8-99");
    drop(slot.input.take());
    assert_eq!(slot.answer("2-3", 0)["parts_done"], 0);
    assert_eq!(slot.answer("4-6", 0)["rows_done"], 24);
    let last = slot.answer("8-99", 0);
    assert_eq!((&last["complete"], &last["rows"]["planned"]), (&json!(true), &json!(90)), "{last}");
    let (command, stderr) = slot.end(0);
    assert_eq!((&command["ranges"], &command["complete"]), (&json!(5), &json!(true)), "{command}");
    assert!(stderr.contains("parts 0-3 is done"), "{stderr}");
    holds_undisturbed_rows(&job, &job.output());
}

#[test]
fn the_model_is_read_once_for_all_ranges() {
    let model = tempfile::tempdir().unwrap();
    let file = model.path().join("v1_odd.safetensors");
    fs::copy(own_model("v1_odd.safetensors"), &file).unwrap();
    let job = Job::own().set(format!("model.path={}", file.display()));
    let mut slot = Slot::of(&job);
    slot.hand("0-3\n");
    slot.answer("0-3", 0);
    fs::remove_file(&file).unwrap();
    slot.hand("4-11\n");
    assert_eq!(slot.answer("4-11", 0)["complete"], true);
    slot.end(0);
    // the content determines the rows
    fs::copy(own_model("v1_odd.safetensors"), &file).unwrap();
    holds_undisturbed_rows(&job, &job.output());
}

#[test]
fn a_process_that_was_started_before_the_plan_has_written_nothing_and_follows_it() {
    let job = Job::own();
    let mut slot = Slot::start(&job, &[]);
    let maps = format!("/proc/{}/maps", slot.child.id());
    // the job is opened, and the model is being loaded
    let is_loading =
        || usize::from(fs::read_to_string(&maps).is_ok_and(|maps| maps.contains("libonnxruntime")));
    assert!(reaches(&mut slot.child, 1, is_loading));
    assert!(!job.output().exists());
    plan(&job);
    slot.hand("0-11\n");
    assert_eq!(slot.answer("0-11", 0)["complete"], true);
    slot.end(0);
    holds_undisturbed_rows(&job, &job.output());
}

#[test]
fn decode_processes_end_with_their_range() {
    let job = Job::own();
    plan(&job);
    let mut slot = Slot::start(&job, &["--isolate"]);
    for range in ["0-3", "4-11"] {
        slot.hand(&format!("{range}\n"));
        slot.answer(range, 0);
        assert!(children(slot.child.id()).is_empty());
    }
    slot.end(0);
    holds_undisturbed_rows(&job, &job.output());
}

#[test]
fn a_range_that_fails_ends_the_process_with_its_code_and_no_further_one_is_run() {
    for (range, words) in [("12-20", "0 to 11"), ("all", "no range of parts")] {
        let job = Job::own();
        let mut slot = Slot::of(&job);
        slot.hand(&format!("0-1\n{range}\n2-3\n"));
        slot.answer("0-1", 0);
        let failed = slot.answer(range, 64);
        assert!(failed["error"].as_str().unwrap().contains(words), "{failed}");
        let (last, stderr) = slot.end(64);
        assert_eq!(last["error"], failed["error"]);
        assert_eq!(stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{stderr}");
        assert_eq!(standing(&job), 2);
    }
}

#[test]
fn a_job_that_cannot_be_run_ends_the_process_before_any_range_is_answered() {
    let job = Job::own().set("engine.batch_sizes=2");
    let (last, _) = Slot::start(&job, &[]).end(78);
    assert!(last["error"].as_str().unwrap().contains("batch_sizes"), "{last}");
}

#[test]
fn a_gate_that_does_not_hold_is_the_answer_of_the_range_that_finishes_the_job() {
    let job = Job::own().set("report.require=[\"ok >= 91\"]");
    let mut slot = Slot::of(&job);
    slot.hand("0-10\n11\n");
    slot.answer("0-10", 0);
    let last = slot.answer("11", 65);
    assert!(last["error"].as_str().unwrap().contains("ok >= 91") && last["complete"] == true, "{last}");
    slot.end(65);
    verify(&job).exits(0);
}

#[test]
fn ranges_of_a_finished_job_are_answered_by_what_is_known_of_it() {
    let mut slot = Slot::start(&UNDISTURBED, &["--already-done-exit", "99"]);
    slot.hand("0-3\n4-7\n");
    for range in ["0-3", "4-7"] {
        assert_eq!(slot.answer(range, 99)["already_complete"], true);
    }
    let (last, _) = slot.end(0);
    assert_eq!((&last["complete"], &last["ranges"]), (&json!(true), &json!(2)));
}

#[test]
fn one_process_for_many_ranges_takes_no_worker_and_has_no_metrics_of_one_share() {
    let job = Job::own();
    plan(&job);
    for arguments in [["--worker", "0/2"], ["--metrics", "m.prom"]] {
        ended(job.command("run").args(["--parts", "-"]).args(arguments))
            .fails(64, &["--parts", arguments[0]]);
    }
    assert_eq!(standing(&job), 0);
}

#[test]
fn row_04_a_signal_between_two_ranges_ends_the_process_with_75() {
    let job = Job::own();
    let mut slot = Slot::of(&job);
    slot.hand("0-3\n");
    slot.answer("0-3", 0);
    send(slot.child.id(), "TERM");
    assert!(slot.line().unwrap()["error"].as_str().unwrap().contains("interrupted"));
    // its standard input is still open
    assert_eq!(wait(slot.child).code, Some(75));
    assert_eq!(standing(&job), 4);
}

#[test]
fn row_04_a_signal_within_a_range_is_its_answer_and_what_is_committed_is_resumed() {
    let job = Job::slow(IMAGES.folder.to_str().unwrap()).set("limits.grace_seconds=0");
    let mut slot = Slot::of(&job);
    slot.hand("0-22\n");
    assert!(reaches(&mut slot.child, 3, || standing(&job)));
    let since = Instant::now();
    send(slot.child.id(), "TERM");
    assert!(slot.answer("0-22", 75)["error"].as_str().unwrap().contains("interrupted"));
    slot.end(75);
    assert!(since.elapsed() < Duration::from_secs(2 + 8), "{:?}", since.elapsed());
    let stood = standing(&job);
    assert!((3..23).contains(&stood), "{stood} parts stand");
    let mut again = Slot::start(&job, &[]);
    again.hand("0-22\n");
    assert_eq!(again.answer("0-22", 0)["complete"], true);
    again.end(0);
    verify(&job).exits(0);
}

#[test]
fn row_01_a_process_whose_caller_is_gone_finishes_its_range_and_takes_no_other() {
    let job = Job::own();
    plan(&job);
    let mut child = job.command("run").args(["--parts", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(b"0-5\n6-11\n").unwrap();
    let Ended { code, stderr, .. } = wait(child);
    assert_eq!(code, Some(74), "{stderr}");
    assert!(stderr.contains("the answer to the range 0-5 cannot be written"), "{stderr}");
    assert_eq!(standing(&job), 6);
}
