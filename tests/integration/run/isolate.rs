//! Decoding in separate processes: the rows are the same, and no process remains.

use std::process::Child;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::support::ask_python;
use crate::support::job::{IMAGES, Job, ended, parts, reaches, send, wait};
use crate::support::process::{children, environment, is_alive};

static WHOLE: LazyLock<Job> = LazyLock::new(|| {
    let job = slow();
    job.run().exits(0);
    job
});

fn slow() -> Job {
    Job::slow(IMAGES.folder.to_str().unwrap()).set("limits.decode_threads=2")
}

fn start(job: &Job) -> Child {
    job.command("run").arg("--isolate").spawn().unwrap()
}

/// The decode processes of a run that has begun to commit.
fn decoders(run: &mut Child, job: &Job) -> Vec<u32> {
    assert!(reaches(run, 1, || parts(&job.output()).len()));
    let apart = children(run.id());
    assert_eq!(apart.len(), 2, "one decode process for each of two workers");
    apart
}

fn ends(pids: &[u32]) {
    let since = Instant::now();
    while pids.iter().any(|pid| is_alive(*pid)) {
        assert!(since.elapsed() < Duration::from_secs(5), "a decode process goes on without its run");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn same_rows(job: &Job) {
    let path = |job: &Job| job.output().to_str().unwrap().to_owned();
    ask_python("rows.py", &["plan", &path(job)]);
    ask_python("rows.py", &["same", &path(job), &path(&WHOLE)]);
}

#[test]
fn isolation_changes_no_bit_of_the_rows() {
    let job = slow();
    let run = wait(start(&job));
    run.exits(0);
    assert!(!run.stderr.contains("decode process"), "{}", run.stderr);
    same_rows(&job);
}

#[test]
fn decode_processes_that_somebody_kills_cost_no_row() {
    let job = slow();
    let mut run = start(&job);
    let mut killed = 0;
    // far enough apart that no image is in progress twice: only five slots of two rows are between them
    for stand in [1, 8, 15] {
        assert!(reaches(&mut run, stand, || parts(&job.output()).len()));
        for pid in children(run.id()) {
            send(pid, "KILL");
            killed += 1;
        }
    }
    wait(run).exits(0);
    println!("killed {killed} decode processes");
    assert!(killed >= 4, "killed only {killed}");
    same_rows(&job);
}

#[test]
fn decode_processes_end_with_a_run_that_is_killed() {
    let job = slow();
    let mut run = start(&job);
    let apart = decoders(&mut run, &job);
    run.kill().unwrap();
    run.wait().unwrap();
    ends(&apart);
}

#[test]
fn a_term_signal_for_all_processes_of_the_run_ends_it_with_75_and_costs_no_row() {
    let job = slow();
    let mut run = start(&job);
    let apart = decoders(&mut run, &job);
    // as a service manager sends it to a control group
    for pid in apart.iter().chain([&run.id()]) {
        send(*pid, "TERM");
    }
    let run = wait(run);
    run.fails(75, &["interrupted"]);
    assert!(!run.stderr.contains("decode process"), "{}", run.stderr);
    ends(&apart);
    job.run().exits(0);
    same_rows(&job);
}

#[test]
fn a_decode_process_knows_no_credential() {
    let job = slow().env("AWS_SECRET_ACCESS_KEY", "canary").env("TRESNET_BATCH_LOG", "error");
    let mut run = start(&job);
    for pid in decoders(&mut run, &job) {
        assert_eq!(environment(pid), ["TRESNET_BATCH_LOG=error"]);
    }
    wait(run).exits(0);
}

#[test]
fn the_hidden_command_is_nothing_for_a_person() {
    let mut command = crate::support::job::program();
    let ended = ended(command.arg("decode-process"));
    ended.fails(64, &["for the program's own use"]);
}
