//! Rows 2, 3, 19 and the shares: several processes on one job, some of them asleep or dead.

use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use crate::support::job::{IMAGES, Job, ended, parts, reaches, send, wait, while_stopped};
use crate::support::s3::SEAWEEDFS;
use crate::support::scripted_s3::{Kind, ScriptedS3};
use crate::support::{ask_python, job::Ended};

use super::{UNDISTURBED, holds_undisturbed_rows, job, serve, served_undisturbed_rows, server, verify};

fn share(job: &Job, arguments: &[&str]) -> Child {
    job.command("run").args(arguments).spawn().unwrap()
}

fn run_share(job: &Job, arguments: &[&str]) -> Ended {
    ended(job.command("run").args(arguments))
}

#[test]
fn row_02_three_workers_that_each_think_they_are_alone_write_one_file_a_part() {
    SEAWEEDFS.put_folder(&IMAGES.folder, "race-images");
    let job = SEAWEEDFS.serve(Job::slow("s3://test/race-images").set("output.uri=s3://test/race"));
    let racers: Vec<Child> = (0..3).map(|_| job.start()).collect();
    for racer in racers {
        wait(racer).exits(0);
    }
    assert_eq!(SEAWEEDFS.parts("race"), 23);
    verify(&job).exits(0);
    let copy = SEAWEEDFS.download("race");
    assert_eq!(ask_python("rows.py", &["plan", copy.path().to_str().unwrap()])["planned"], 90);
}

#[test]
fn row_02_workers_share_the_parts_and_the_last_one_finishes_the_job() {
    let job = Job::own();
    let workers: Vec<Child> = (0..3).map(|index| share(&job, &["--worker", &format!("{index}/3")])).collect();
    let summaries: Vec<Value> = workers.into_iter().map(|worker| wait(worker).exits(0)).collect();
    let complete = summaries.iter().filter(|summary| summary["complete"] == true).count();
    assert!(complete >= 1, "{summaries:?}");
    holds_undisturbed_rows(&job, &job.output());
}

#[test]
fn row_02_a_plan_without_parts_is_finished_by_whoever_comes_one_by_one_or_all_at_once() {
    let before = &*UNDISTURBED;
    let nothing_new = || Job::own().set(format!("input.exclude_done=[\"{}\"]", before.output().display()));
    let finished = |job: &Job, ended: Ended| {
        let summary = ended.exits(0);
        assert_eq!(
            (&summary["complete"], &summary["rows"]["planned"]),
            (&true.into(), &0.into()),
            "{summary}"
        );
        assert!(job.output().join("_SUCCESS").exists() && parts(&job.output()).is_empty());
        verify(job).exits(0);
    };
    let one_by_one = nothing_new();
    for index in 0..3 {
        finished(&one_by_one, run_share(&one_by_one, &["--worker", &format!("{index}/3")]));
    }
    // the process that finishes removes drafts that others are writing
    for _ in 0..5 {
        let at_once = nothing_new();
        let workers: Vec<Child> =
            (0..3).map(|index| share(&at_once, &["--worker", &format!("{index}/3")])).collect();
        for ended in workers.into_iter().map(wait).collect::<Vec<_>>() {
            finished(&at_once, ended);
        }
    }
    // a scheduler that has planned has no range to give
    let planned = nothing_new();
    assert_eq!(ended(planned.command("plan").arg("--write")).exits(0)["parts"], 0);
    run_share(&planned, &["--parts", "0-0"]).fails(64, &["no parts", "without `--parts`"]);
    finished(&planned, planned.run());
}

#[test]
fn row_02_a_second_process_on_the_same_local_share_ends_with_75_and_names_the_first() {
    let job = Job::slow(IMAGES.folder.to_str().unwrap());
    let mut first = job.start();
    assert!(reaches(&mut first, 1, || parts(&job.output()).len()));
    while_stopped(&first, || {
        job.run().fails(75, &["worker 0/1", &format!("process {}", first.id())]);
        // another share is another lock
        run_share(&job, &["--parts", "22-22"]).exits(0);
    });
    wait(first).exits(0);
    verify(&job).exits(0);
}

#[test]
fn row_03_a_process_that_wakes_up_after_another_has_finished_its_job_doubles_nothing() {
    let server = server();
    let job = serve(&server, Job::slow("s3://test/images").set("output.uri=s3://test/out"));
    let stands = || server.keys("out/part-").len();
    let mut zombie = job.start();
    assert!(reaches(&mut zombie, 3, stands));
    send(zombie.id(), "STOP");
    job.run().exits(0);
    assert_eq!(stands(), 23);
    let before = written(&server);
    send(zombie.id(), "CONT");
    assert_eq!(wait(zombie).exits(0)["complete"], true);
    assert_eq!(stands(), 23);
    assert_eq!(written(&server), before, "an object that determines rows was written again");
    verify(&job).exits(0);
}

/// Every object that determines rows, with its bytes.
fn written(server: &ScriptedS3) -> Vec<(String, bytes::Bytes)> {
    let keys = server.keys("out/").into_iter().filter(|key| !key.contains("_report"));
    keys.map(|key| (key.clone(), server.get(&key).unwrap())).collect()
}

#[test]
fn row_19_three_workers_that_are_killed_are_followed_by_seven_others() {
    let server = server();
    let slow = serve(&server, Job::slow("s3://test/images").set("output.uri=s3://test/out"));
    let mut workers: Vec<Child> =
        (0..3).map(|index| share(&slow, &["--worker", &format!("{index}/3")])).collect();
    assert!(reaches(&mut workers[0], 5, || server.keys("out/part-").len()));
    for worker in &mut workers {
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    let stood = server.keys("out/part-").len();
    assert!((5..23).contains(&stood), "{stood} parts stood");
    let workers: Vec<Child> =
        (0..7).map(|index| share(&slow, &["--worker", &format!("{index}/7")])).collect();
    for worker in workers {
        wait(worker).exits(0);
    }
    assert_eq!(server.keys("out/_SUCCESS").len(), 1);
    verify(&slow).exits(0);
}

#[test]
fn a_scheduler_plans_once_and_runs_ranges_of_parts() {
    let job = Job::own();
    let planned = ended(job.command("plan").arg("--write")).exits(0);
    assert_eq!((&planned["parts"], &planned["rows"]), (&12.into(), &90.into()));
    assert!(parts(&job.output()).is_empty());
    let first = run_share(&job, &["--parts", "0-3"]).exits(0);
    assert_eq!((&first["complete"], &first["missing_parts"]), (&false.into(), &8.into()), "{first}");
    assert_eq!(parts(&job.output()).len(), 4);
    run_share(&job, &["--parts", "4-7"]).exits(0);
    let last = run_share(&job, &["--parts", "8-99"]);
    assert_eq!(last.exits(0)["complete"], true);
    assert!(last.stderr.contains("the plan ends with part 11"), "{}", last.stderr);
    holds_undisturbed_rows(&job, &job.output());
}

#[test]
fn ranges_and_shares_that_do_not_exist_are_64() {
    let job = Job::own();
    ended(job.command("plan").arg("--write")).exits(0);
    run_share(&job, &["--parts", "12-20"]).fails(64, &["0 to 11"]);
    for arguments in [["--worker", "3/3"], ["--worker", "x"], ["--parts", "5-3"]] {
        run_share(&job, &arguments).exits(64);
    }
    run_share(&job, &["--worker", "0/2", "--parts", "0-1"]).exits(64);
    assert!(parts(&job.output()).is_empty());
}

#[test]
fn a_follower_waits_for_the_planner_and_for_nothing_else() {
    let job = Job::own();
    let mut follower = share(&job, &["--worker", "1/2"]);
    std::thread::sleep(Duration::from_secs(2));
    assert!(follower.try_wait().unwrap().is_none(), "it does not wait for the plan");
    run_share(&job, &["--worker", "0/2"]).exits(0);
    wait(follower).exits(0);
    holds_undisturbed_rows(&job, &job.output());
}

#[test]
fn an_already_finished_job_ends_with_the_code_that_was_asked_for() {
    let job = &*UNDISTURBED;
    let again = run_share(job, &["--already-done-exit", "99"]).exits(99);
    assert_eq!(again["already_complete"], true);
    let gated = run_share(job, &["--already-done-exit", "99", "--set", "report.require=[\"top1 >= 99\"]"]);
    gated.exits(65);
    let fresh = Job::own();
    run_share(&fresh, &["--already-done-exit", "99"]).exits(0);
}

#[test]
fn a_finished_job_that_is_run_again_asks_for_little() {
    let server = server();
    let job = job(&server);
    job.run().exits(0);
    server.reset_log();
    job.run().exits(0);
    let listings = server.count(|seen| seen.kind == Kind::List);
    println!("a finished job run again: {} requests", server.requests().len());
    assert_eq!(listings, 1, "names and sizes of the parts are compared");
    assert!(server.requests().len() <= 3, "{:?}", server.requests());
    served_undisturbed_rows(&server, &job);
}
