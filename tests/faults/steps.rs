//! Rows 1, 23, 27 and 29: processes that die, sleep or fail at a chosen step of the protocol.

use serde_json::Value;

use crate::held::Held;
use crate::support::ask_python;
use crate::support::job::{IMAGES, Job, ended, parts, reaches, wait};
use crate::support::s3::files;
use crate::support::scripted_s3::ScriptedS3;

pub fn with(job: &Job, command: &str, points: &str) -> std::process::Command {
    let mut command = job.command(command);
    command.env("FAILPOINTS", points);
    command
}

pub fn verify(job: &Job) {
    ended(&mut job.command("verify")).exits(0);
}

#[test]
fn row_01_a_process_that_is_killed_at_each_step_is_followed_by_one_that_finishes() {
    let whole = Job::own();
    let summary = whole.run().exits(0);
    let short = &summary["fingerprint"].as_str().unwrap()[..8];
    let part = |id: u32| format!("part-{id:06}-{short}.parquet");
    let control =
        ["_tresnet/job.json", "_tresnet/plan/000000", "_tresnet/plan/000001", "_tresnet/plan/000002"];
    let objects =
        control.map(str::to_owned).into_iter().chain([part(0), part(4), part(11), "_SUCCESS".into()]);
    for object in objects {
        for moment in ["before", "after"] {
            let job = Job::own();
            let mut killed = with(&job, "run", &format!("create.{moment}:{object}=return(kill)"));
            let status = wait_status(&mut killed);
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{moment} {object}");
            let stood = job.output().join(&object).exists();
            assert_eq!(stood, moment == "after", "{moment} {object}");
            job.run().exits(0);
            verify(&job);
            let (ours, theirs) = (job.output(), whole.output());
            ask_python("rows.py", &["same", ours.to_str().unwrap(), theirs.to_str().unwrap()]);
        }
        println!("killed before and after {object}: the next run finished the job");
    }
}

fn wait_status(command: &mut std::process::Command) -> std::process::ExitStatus {
    let mut child = command.spawn().unwrap();
    let never = || 0;
    assert!(!reaches(&mut child, 1, never));
    child.wait().unwrap()
}

#[test]
fn row_23_a_batch_that_fails_once_is_run_again_and_changes_no_row() {
    let whole = Job::own();
    whole.run().exits(0);
    let job = Job::own();
    ended(&mut with(&job, "run", "engine.fails=3*off->2*return")).exits(0);
    let path = |job: &Job| job.output().to_str().unwrap().to_owned();
    ask_python("rows.py", &["same", &path(&job), &path(&whole)]);
}

#[test]
fn row_23_a_batch_that_fails_twice_in_the_same_words_is_70_and_named() {
    let job = Job::own();
    let faults = "engine.fails=9*off->return;engine.fails_again=return";
    let failed = ended(&mut with(&job, "run", faults));
    failed.fails(70, &["fails in the same way when it is run again", "a failpoint", "it holds `"]);
    let stood = parts(&job.output()).len();
    assert!(stood < 12, "{stood} parts stand");
    job.run().exits(0);
    verify(&job);
}

#[test]
fn row_23_a_batch_that_fails_in_other_words_the_second_time_is_75() {
    let faults = "engine.fails=9*off->return;engine.has_no_memory=9*off->return";
    ended(&mut with(&Job::own(), "run", faults)).fails(75, &["bad allocation"]);
}

#[test]
fn row_23_an_engine_without_memory_is_75_and_its_part_is_not_committed() {
    let job = Job::own();
    let failed = ended(&mut with(&job, "run", "engine.has_no_memory=9*off->return"));
    failed.fails(75, &["the engine stopped", "not committed"]);
    let stood = parts(&job.output()).len();
    assert!(stood < 12, "{stood} parts stand");
    let summary = job.run().exits(0);
    assert_eq!(summary["resumed_rows"].as_u64().unwrap(), 8 * stood as u64);
    verify(&job);
}

#[test]
fn row_27_a_planner_that_dies_between_segments_is_followed_by_another_on_the_same_chain() {
    let job = Job::own();
    let killed =
        wait_status(with(&job, "plan", "create.after:_tresnet/plan/000001=return(kill)").arg("--write"));
    assert!(!killed.success());
    assert!(job.output().join("_tresnet/plan/000001").exists());
    let planned = ended(job.command("plan").arg("--write")).exits(0);
    assert_eq!((&planned["parts"], &planned["rows"]), (&12.into(), &90.into()));
    job.run().exits(0);
    verify(&job);
}

/// A server with the images, and the job on it.
pub fn on_server() -> (ScriptedS3, Job) {
    let server = ScriptedS3::start();
    for path in files(&IMAGES.folder) {
        let key = path.strip_prefix(&IMAGES.folder).unwrap().to_str().unwrap();
        server.put(&format!("images/{key}"), std::fs::read(&path).unwrap());
    }
    let job = Job::on("s3://test/images").set("output.uri=s3://test/out");
    let job = server.environment().iter().fold(job, |job, (name, value)| job.env(name, value));
    (server, job)
}

#[test]
fn row_27_two_planners_at_the_same_time_make_one_chain() {
    let (server, job) = on_server();
    let job = job.set("output.rows_per_part=1");
    let slow = "create.before:_tresnet/plan/000000=sleep(300);create.before:_tresnet/plan/000002=sleep(300)";
    let planners = ["", slow].map(|points| with(&job, "plan", points).arg("--write").spawn().unwrap());
    let planned = planners.map(|planner| wait(planner).exits(0));
    assert_eq!(planned[0]["parts"], 90);
    assert_eq!(planned[0]["parts"], planned[1]["parts"]);
    assert_eq!(server.keys("out/_tresnet/plan/").len(), 5);
    job.run().exits(0);
    verify(&job);
}

#[test]
fn row_29_two_planners_with_different_listings_make_one_chain_and_the_parts_match_it() {
    let (server, job) = on_server();
    let job = job.set("output.rows_per_part=4");
    // the first one has listed and cut its second segment, and stops before it writes it
    let point = "create.before:_tresnet/plan/000001";
    let held = Held::new();
    let mut first =
        held.on(with(&job, "plan", &format!("{point}=return(hold)")).arg("--write")).spawn().unwrap();
    held.until_reached(&mut first, point);
    let image = server.get("images/yam/00.jpg").unwrap();
    let taken = server.keys("images/").swap_remove(40);
    server.delete(&taken);
    for new in ["images/beet/aa.jpg", "images/yam/aa.jpg", "images/zz/aa.jpg"] {
        server.put(new, image.clone());
    }
    let second = ended(job.command("plan").arg("--write")).exits(0);
    held.let_go(point);
    let first = wait(first).exits(0);
    let rows = |summary: &Value| (summary["parts"].clone(), summary["rows"].clone());
    assert_eq!(rows(&first), rows(&second));
    assert_eq!(job.run().exits(0)["rows"]["planned"], second["rows"]);
    verify(&job);
}
