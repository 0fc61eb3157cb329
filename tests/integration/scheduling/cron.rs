//! The line of `infra/cron/crontab`, run as cron runs it: by its shell, with its variables, in an empty environment.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{Pace, TOO_HIGH, job_file};
use crate::support::job::{Ended, ended, parts, program, reaches, wait};
use crate::support::{root, scratch};

struct Crontab {
    variables: Vec<(String, String)>,
    command: String,
}

/// The crontab as `crontab(5)` reads it: comments, variables, and lines of five fields and a command.
fn crontab() -> Crontab {
    let text = std::fs::read_to_string(root().join("infra/cron/crontab")).unwrap();
    let mut crontab = Crontab { variables: Vec::new(), command: String::new() };
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once('=') {
            Some((name, value)) if name.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                crontab.variables.push((name.to_owned(), value.to_owned()));
            }
            _ => {
                let mut rest = line;
                for _ in 0..5 {
                    let (field, others) = rest.split_once([' ', '\t']).unwrap();
                    assert!(field.bytes().all(|byte| b"0123456789*/,-".contains(&byte)), "{field} in {line}");
                    rest = others.trim_start();
                }
                assert!(crontab.command.is_empty(), "two lines");
                // a bare % would end the command
                assert_eq!(rest.matches('%').count(), rest.matches("\\%").count(), "{rest}");
                crontab.command = rest.replace("\\%", "%");
            }
        }
    }
    assert!(!crontab.command.is_empty());
    crontab
}

/// A user whose crontab it is.
struct User {
    folder: TempDir,
    job: PathBuf,
}

impl User {
    fn new(pace: Pace, more: &str) -> User {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let runtime = root().join(".runtime/cpu");
        std::fs::write(folder.path().join("job.env"), format!("ORT_DYLIB_PATH='{}'\n", runtime.display()))
            .unwrap();
        let job = job_file(folder.path(), pace, more);
        User { folder, job }
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// An hour has come.
    fn start(&self) -> Child {
        let Crontab { variables, command } = crontab();
        let own = |name: &str| -> Option<PathBuf> {
            Some(match name {
                "PROGRAM" => env!("CARGO_BIN_EXE_tresnet-batch").into(),
                "JOB" => self.job.clone(),
                "ENVIRONMENT" => self.folder.path().join("job.env"),
                "STATE" => self.folder.path().to_owned(),
                _ => return None,
            })
        };
        let shell = variables.iter().find(|(name, _)| name == "SHELL").unwrap().1.clone();
        let mut cron = Command::new(shell);
        cron.args(["-c", &command]).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", self.folder.path());
        for (name, value) in &variables {
            cron.env(name, own(name).unwrap_or_else(|| value.into()));
        }
        cron.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        cron.spawn().unwrap()
    }

    /// What cron mails after a run: all that the line printed.
    fn mail(&self, child: Child) -> String {
        let Ended { stdout, stderr, .. } = wait(child);
        stdout + &stderr
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("photos.log")).unwrap()
    }
}

fn verified(output: &Path) {
    assert_eq!(ended(program().arg("verify").arg(output)).exits(0)["rows"], 90);
}

#[test]
fn the_line_runs_the_job_and_the_next_hour_finds_it_done_and_neither_mails() {
    let user = User::new(Pace::Quick, "");
    assert_eq!(user.mail(user.start()), "");
    verified(&user.output());
    assert_eq!(user.mail(user.start()), "");
    assert!(user.log().lines().any(|line| line.starts_with("complete since ")), "{}", user.log());
}

#[test]
fn a_gate_that_does_not_hold_is_mailed_every_hour() {
    let user = User::new(Pace::Quick, TOO_HIGH);
    for _ in 0..2 {
        let mail = user.mail(user.start());
        assert_eq!(mail.lines().count(), 1, "{mail}");
        assert!(mail.starts_with("error: ") && mail.contains("top1 >= 99 does not hold"), "{mail}");
    }
    verified(&user.output());
}

#[test]
fn an_hour_that_comes_while_the_last_one_s_run_goes_on_ends_in_silence_and_disturbs_nothing() {
    let user = User::new(Pace::Slow, "");
    let mut first = user.start();
    assert!(reaches(&mut first, 2, || parts(&user.output()).len()));
    let before = user.log();
    assert_eq!(user.mail(user.start()), "");
    assert!(first.try_wait().unwrap().is_none(), "the first one ended too early to overlap");
    // the second has not even started the program
    assert_eq!(user.log(), before);
    assert_eq!(user.mail(first), "");
    verified(&user.output());
}

#[test]
fn an_environment_file_that_is_missing_is_mailed() {
    let user = User::new(Pace::Quick, "");
    std::fs::remove_file(user.folder.path().join("job.env")).unwrap();
    let mail = user.mail(user.start());
    assert!(mail.contains("job.env"), "{mail}");
    assert!(!user.output().exists());
}
