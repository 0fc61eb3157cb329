//! The limit of open files: the soft one is raised, and a hard one that is too low is an error before anything is read.

use std::process::{Command, Stdio};

use crate::fault_matrix::{job, server};
use crate::support::job::{Job, ended};

/// `run` in a shell that sets a limit first.
fn limited(job: &Job, limit: &str) -> Command {
    let run = job.command("run");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("ulimit {limit} && exec \"$@\""), "sh"])
        .arg(run.get_program())
        .args(run.get_args());
    shell.env_clear().envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

#[test]
fn a_soft_limit_that_is_too_low_is_raised() {
    let server = server();
    let job = job(&server).set("limits.requests=200");
    assert_eq!(ended(&mut limited(&job, "-S -n 100")).exits(0)["rows"]["planned"], 90);
}

#[test]
fn a_hard_limit_that_is_too_low_is_78_and_names_what_to_set() {
    let server = server();
    let job = job(&server).set("limits.requests=200");
    let refused = ended(&mut limited(&job, "-n 400"));
    refused.fails(78, &["`limits.requests` = 200", "456 open files", "allows 400", "144 or less"]);
    assert!(server.keys("out/").is_empty(), "{:?}", server.keys("out/"));
    let fewer = job.set("limits.requests=144");
    assert_eq!(ended(&mut limited(&fewer, "-n 400")).exits(0)["rows"]["planned"], 90);
}
