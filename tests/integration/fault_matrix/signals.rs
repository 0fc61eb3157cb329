//! Row 4: SIGTERM at moments at which a run waits for something else.

use std::time::{Duration, Instant};

use crate::support::job::{Job, reaches};
use crate::support::scripted_s3::{Fault, Gate, Kind, Rule, ScriptedS3};
use crate::support::watched::Watched;

use super::{is_write, job, of_images, parts, server};

/// Beyond `limits.grace_seconds`: two seconds for the run, the rest for a busy machine.
const BEYOND: Duration = Duration::from_secs(2 + 8);

fn start(job: &Job) -> Watched {
    Watched::start(&mut job.command("run"))
}

/// Waits until the server has got a request whose key begins so.
#[track_caller]
fn until_asked(server: &ScriptedS3, run: &mut Watched, kind: Kind, prefix: &'static str, times: usize) {
    let asked = || server.count(|seen| seen.kind == kind && seen.key.starts_with(prefix));
    assert!(reaches(&mut run.child, times, asked), "it has ended");
}

#[test]
fn row_04_a_part_that_is_being_written_when_the_signal_comes_is_finished() {
    let server = server();
    let job = job(&server).set("output.rows_per_part=90");
    let gate = Gate::closed();
    server.rule(Rule::on(Kind::Put, Fault::Gated(gate.clone())).prefix("out/part-"));
    let mut run = start(&job);
    until_asked(&server, &mut run, Kind::Put, "out/part-", 1);
    run.interrupt();
    gate.open();
    run.end().fails(75, &["interrupted"]);
    assert_eq!(parts(&server), 1);
    assert_eq!(job.run().exits(0)["resumed_rows"], 90);
}

/// A run that gets no answer to some requests ends within its grace, by a failure with these words.
#[track_caller]
fn ends_within_the_grace(kind: Kind, prefix: &'static str, words: &str) -> ScriptedS3 {
    let server = server();
    server.rule(Rule::on(kind, Fault::Gated(Gate::closed())).prefix(prefix));
    let job = job(&server).set("output.rows_per_part=90").set("limits.grace_seconds=2");
    let mut run = start(&job);
    until_asked(&server, &mut run, kind, prefix, 1);
    run.interrupt();
    let since = Instant::now();
    run.end().fails(75, &[words]);
    assert!(since.elapsed() < Duration::from_secs(2) + BEYOND, "{:?}", since.elapsed());
    server
}

#[test]
fn row_04_a_signal_while_the_output_does_not_answer_ends_the_run_within_the_grace() {
    ends_within_the_grace(Kind::Get, "out/_tresnet/job.json", "interrupted");
}

#[test]
fn row_04_a_signal_while_the_listing_does_not_come_ends_the_run_within_the_grace() {
    let server = ends_within_the_grace(Kind::List, "images/", "interrupted");
    assert_eq!(parts(&server), 0);
}

#[test]
fn row_04_a_signal_while_the_first_images_do_not_come_ends_the_run_within_the_grace() {
    let server = ends_within_the_grace(Kind::Get, "images/", "interrupted");
    assert_eq!(parts(&server), 0);
}

#[test]
fn row_04_a_signal_while_a_part_is_not_taken_ends_the_run_within_the_grace() {
    let server = ends_within_the_grace(Kind::Put, "out/part-", "interrupted");
    assert_eq!(parts(&server), 0);
}

#[test]
fn row_04_a_signal_while_the_success_is_not_taken_ends_the_run_within_the_grace() {
    let server = ends_within_the_grace(Kind::Put, "out/_SUCCESS", "interrupted");
    assert_eq!(parts(&server), 1);
}

#[test]
fn row_04_a_part_that_cannot_end_within_the_grace_is_given_up_at_once() {
    let server = server();
    server.rule(of_images(Rule::on(Kind::Get, Fault::Latency(Duration::from_millis(150)))));
    let job = job(&server)
        .set("output.rows_per_part=90")
        .set("limits.requests=1")
        .set("limits.grace_seconds=3")
        .env("TRESNET_BATCH_LOG", "info");
    let mut run = start(&job);
    until_asked(&server, &mut run, Kind::Get, "images/", 45);
    run.interrupt();
    let ended = run.end();
    ended.fails(75, &["interrupted"]);
    assert!(ended.stderr.contains("would not end within the grace and is given up"), "{}", ended.stderr);
    assert_eq!(parts(&server), 0);
}

#[test]
fn row_04_a_second_signal_ends_the_run_at_once() {
    let server = server();
    let job = job(&server).set("output.rows_per_part=90").set("limits.grace_seconds=3600");
    server.rule(Rule::on(Kind::Put, Fault::Gated(Gate::closed())).prefix("out/part-"));
    let mut run = start(&job);
    until_asked(&server, &mut run, Kind::Put, "out/part-", 1);
    run.interrupt();
    assert!(run.child.try_wait().unwrap().is_none(), "the first signal waits for the part that is written");
    crate::support::job::send(run.child.id(), "TERM");
    let ended = run.end();
    assert_eq!(ended.exits(75)["error"], "ended by a second signal; run again");
    assert_eq!(server.count(|seen| is_write(seen) && seen.key.starts_with("out/part-")), 1);
}
