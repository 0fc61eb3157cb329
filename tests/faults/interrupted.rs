//! Row 45: SIGTERM while the run blocks in a call that does not react to signals.

use std::time::{Duration, Instant};

use crate::held::Held;
use crate::support::job::{Job, ended, parts, reaches};
use crate::support::process::{children, is_alive};
use crate::support::watched::Watched;

const GRACE: u64 = 2;
/// The grace, two seconds for the run, and the rest for a busy machine.
const LATEST: Duration = Duration::from_secs(GRACE + 2 + 8);

fn planted(job: Job, points: &str) -> Job {
    job.set(format!("limits.grace_seconds={GRACE}")).env("FAILPOINTS", points)
}

/// Interrupts a run and checks that it ends by itself, in time.
#[track_caller]
fn ends_in_time(mut run: Watched, words: &str) {
    run.interrupt();
    let since = Instant::now();
    run.end().fails(75, &[words]);
    println!("ended after {:?}", since.elapsed());
    assert!(since.elapsed() < LATEST, "{:?}", since.elapsed());
}

#[test]
fn row_45_a_signal_while_the_model_is_loaded_ends_the_run_and_nothing_is_written() {
    for point in ["load:model", "load:runtime", "load:session", "load:warm_up"] {
        let (job, held) = (planted(Job::own(), &format!("{point}=return(hold)")), Held::new());
        let mut run = Watched::start(held.on(&mut job.command("run")));
        held.until_reached(&mut run.child, point);
        ends_in_time(run, "interrupted");
        assert!(!job.output().exists(), "{point}");
    }
}

#[test]
fn row_45_a_signal_while_a_batch_does_not_end_ends_the_run() {
    let point = "engine:submit";
    let (job, held) = (planted(Job::own(), &format!("{point}=6*off->return(hold)")), Held::new());
    let mut run = Watched::start(held.on(&mut job.command("run")));
    held.until_reached(&mut run.child, point);
    ends_in_time(run, "interrupted");
    ended(job.command("run").env_remove("FAILPOINTS")).exits(0);
}

#[test]
fn row_45_a_signal_while_the_run_itself_is_blocked_ends_it_from_beside() {
    let point = "finish:report";
    let (job, held) = (planted(Job::own(), &format!("{point}=return(hold)")), Held::new());
    let mut run = Watched::start(held.on(&mut job.command("run")));
    held.until_reached(&mut run.child, point);
    run.interrupt();
    let since = Instant::now();
    let summary = run.end().exits(75);
    assert!(since.elapsed() < LATEST, "{:?}", since.elapsed());
    assert!(summary["error"].as_str().unwrap().contains("did not end within the grace"), "{summary}");
    assert_eq!(parts(&job.output()).len(), 12);
    ended(job.command("run").env_remove("FAILPOINTS")).exits(0);
}

/// A job of which one image hangs its decoder; all other parts are committed.
fn hung(isolate: bool) -> (Job, Watched) {
    let job = crate::decoder::planted("decode.hang=return(WORD)").set("limits.decode_threads=2");
    let job = job.set(format!("limits.grace_seconds={GRACE}"));
    let mut command = job.command("run");
    let mut run = Watched::start(command.args(isolate.then_some("--isolate")));
    assert!(reaches(&mut run.child, 11, || parts(&job.output()).len()));
    (job, run)
}

#[test]
fn row_45_a_signal_while_an_image_does_not_end_ends_the_run() {
    let (job, run) = hung(false);
    ends_in_time(run, "interrupted");
    assert_eq!(parts(&job.output()).len(), 11);
}

#[test]
fn row_45_a_signal_while_a_decode_process_hangs_kills_it_and_ends_the_run() {
    let (job, run) = hung(true);
    let apart = children(run.child.id());
    assert_eq!(apart.len(), 2);
    ends_in_time(run, "interrupted");
    assert!(!apart.iter().any(|pid| is_alive(*pid)), "a decode process continues without its run");
    assert_eq!(parts(&job.output()).len(), 11);
}
