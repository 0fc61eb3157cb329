//! Row 67: a repair that is killed at each of its steps.

use std::process::Command;

use crate::support::ask_python;
use crate::support::job::{Job, ended, parts, program, reaches};

/// The signal that ended the command.
fn signal_of(command: &mut Command) -> Option<i32> {
    let mut child = command.spawn().unwrap();
    assert!(!reaches(&mut child, 1, || 0));
    std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap())
}

/// Cuts a part of a finished output; returns its name.
fn torn(job: &Job) -> String {
    job.run().exits(0);
    let name = parts(&job.output()).swap_remove(3);
    let file = std::fs::OpenOptions::new().write(true).open(job.output().join(&name)).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    name
}

fn repair(job: &Job) -> Command {
    let mut command = job.command("verify");
    command.args(["--repair", "--yes"]);
    command
}

#[test]
fn row_67_a_repair_that_is_killed_at_any_step_seals_nothing_and_is_ended_by_the_next_one() {
    let whole = Job::own();
    whole.run().exits(0);
    let name = torn(&Job::own());
    let steps = ["_repair.json", "_SUCCESS", "_report", name.as_str()];
    for (step, object) in steps.into_iter().enumerate() {
        let job = Job::own();
        assert_eq!(torn(&job), name);
        let points = format!("repair.after:{object}=return(kill)");
        assert_eq!(signal_of(repair(&job).env("FAILPOINTS", points)), Some(9), "{object}");
        let stands = |name: &str| job.output().join(name).exists();
        assert!(stands("_repair.json"), "{object}");
        assert_eq!(stands("_SUCCESS"), step < 1, "{object}");
        assert_eq!(stands("_report/report.json"), step < 2, "{object}");
        assert_eq!(stands(&name), step < 3, "{object}");
        job.run().fails(65, &["a repair of the output", "has begun and not ended"]);
        ended(program().arg("report").arg(job.output())).fails(65, &["has begun and not ended"]);
        let other = Job::own().set(format!("input.exclude_done=[\"{}\"]", job.output().display()));
        other.run().fails(65, &["has begun and not ended"]);
        // no refused command has sealed or removed anything
        assert_eq!((stands("_SUCCESS"), stands(&name)), (step < 1, step < 3), "{object}");
        assert_eq!(ended(&mut repair(&job)).exits(0)["removed"]["parts"], serde_json::json!([name]));
        is_made_again(&job, &whole);
        println!("killed after {object}: the next repair ended it");
    }
}

#[test]
fn row_67_a_repair_that_is_killed_after_its_last_step_has_ended() {
    let whole = Job::own();
    whole.run().exits(0);
    let job = Job::own();
    torn(&job);
    assert_eq!(signal_of(repair(&job).env("FAILPOINTS", "repair.after:all=return(kill)")), Some(9));
    is_made_again(&job, &whole);
}

#[test]
fn row_67_a_repair_that_is_killed_before_its_first_step_has_changed_nothing() {
    let job = Job::own();
    let name = torn(&job);
    assert_eq!(signal_of(repair(&job).env("FAILPOINTS", "repair.before:_repair.json=return(kill)")), Some(9));
    assert!(!job.output().join("_repair.json").exists());
    job.run().fails(65, &[&name]);
    assert!(job.output().join("_SUCCESS").exists());
}

#[track_caller]
fn is_made_again(job: &Job, whole: &Job) {
    job.run().exits(0);
    ended(&mut job.command("verify")).exits(0);
    let (ours, theirs) = (job.output(), whole.output());
    ask_python("rows.py", &["same", ours.to_str().unwrap(), theirs.to_str().unwrap()]);
}
