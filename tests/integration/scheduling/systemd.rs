//! The units of `infra/systemd`: read by systemd itself, and their command run with the program under test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{Pace, TOO_HIGH, job_file};
use crate::support::job::{Ended, ended, program};
use crate::support::{root, scratch};

const PROGRAM: &str = "/opt/tresnet-batch/tresnet-batch";
const SERVICE: &str = "tresnet-batch@.service";
const TIMER: &str = "tresnet-batch@.timer";

fn unit(name: &str) -> String {
    std::fs::read_to_string(root().join("infra/systemd").join(name)).unwrap()
}

/// All values of a unit by their keys; no key is set twice.
fn values(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut values = BTreeMap::new();
    for (key, value) in lines.filter_map(|line| line.split_once('=')) {
        assert!(values.insert(key, value).is_none(), "{key} is set twice");
    }
    values
}

/// The units in a separate folder, with the program under test; `None` if systemd is not installed.
fn installed(change: impl Fn(String) -> String) -> Option<TempDir> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("skipped: no systemd-analyze on PATH (Debian: apt-get install systemd)");
        return None;
    }
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let service = unit(SERVICE).replace(PROGRAM, env!("CARGO_BIN_EXE_tresnet-batch"));
    std::fs::write(folder.path().join(SERVICE), change(service)).unwrap();
    std::fs::write(folder.path().join(TIMER), unit(TIMER)).unwrap();
    Some(folder)
}

fn analyze(folder: &Path, arguments: &[&str], units: &[&str]) -> Output {
    let units = units.iter().map(|unit| folder.join(unit));
    Command::new("systemd-analyze").args(arguments).args(units).output().unwrap()
}

fn verify(folder: &Path) -> (Option<i32>, String) {
    let units = ["tresnet-batch@photos.service", "tresnet-batch@photos.timer"];
    let out = analyze(folder, &["verify", "--man=no", "--recursive-errors=no"], &units);
    let said = [out.stdout, out.stderr].concat();
    (out.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn systemd_has_nothing_to_say_of_the_units() {
    let Some(folder) = installed(|service| service) else { return };
    assert_eq!(verify(folder.path()), (Some(0), String::new()));
}

#[test]
fn systemd_would_say_what_is_wrong_with_them() {
    // oneshot does not allow codes that force a restart; systemd only reports an unknown word
    for (wrong, words) in [
        ("Type=oneshot\nRestartForceExitStatus=69", "RestartForceExitStatus"),
        ("Type=oneshot\nTimeoutStopSeconds=9", "TimeoutStopSeconds"),
    ] {
        let Some(folder) = installed(|service| service.replace("Type=oneshot", wrong)) else { return };
        let (code, said) = verify(folder.path());
        assert!(said.contains(words), "{code:?} {said}");
    }
}

#[test]
fn the_service_has_few_rights() {
    let Some(folder) = installed(|service| service) else { return };
    // of 100, where services without any hardening have 96
    let held =
        analyze(folder.path(), &["security", "--offline=yes", "--no-pager", "--threshold=20"], &[SERVICE]);
    assert!(held.status.success(), "{}", String::from_utf8_lossy(&held.stdout));
}

/// The codes of exit-codes.md whose line asks a scheduler to retry, and the other failures.
fn table_of_exit_codes() -> (Vec<u8>, Vec<u8>) {
    let text = std::fs::read_to_string(root().join("docs/exit-codes.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        Some((cells.first()?.parse::<u8>().ok()?, cells.last()?.contains("retry")))
    });
    let failures: Vec<(u8, bool)> = rows.filter(|(code, _)| *code != 0).collect();
    let those =
        |wanted: bool| failures.iter().filter(|(_, retry)| *retry == wanted).map(|(code, _)| *code).collect();
    (those(true), those(false))
}

#[test]
fn the_service_is_started_again_for_exactly_the_codes_that_a_retry_can_mend() {
    let (retry, fail) = table_of_exit_codes();
    assert_eq!(retry, [69, 74, 75]);
    let text = unit(SERVICE);
    let values = values(&text);
    // on-failure is every code but 0 and 99, and every signal; codes that are not to be retried are excluded
    assert_eq!((values["Restart"], values["SuccessExitStatus"]), ("on-failure", "99"));
    let prevented: Vec<u8> =
        values["RestartPreventExitStatus"].split_whitespace().map(|code| code.parse().unwrap()).collect();
    assert_eq!(prevented, fail);
}

#[test]
fn the_service_waits_for_the_grace_of_the_program() {
    let text = unit(SERVICE);
    let stop: u64 = values(&text)["TimeoutStopSec"].parse().unwrap();
    let job = std::fs::read_to_string(root().join("docs/job.md")).unwrap();
    let line = job.lines().find(|line| line.starts_with("| `limits.grace_seconds`")).unwrap();
    let grace: u64 = line.split('|').nth(2).unwrap().trim().parse().unwrap();
    assert!(stop >= grace + 10, "{stop} s for a grace of {grace} s");
}

/// Runs `ExecStart` with the program and the job file in place of what a machine would have.
fn start(job: &Path) -> Ended {
    let text = unit(SERVICE);
    let mut words = values(&text)["ExecStart"].split_whitespace();
    assert_eq!(words.next(), Some(PROGRAM));
    let mut command = program();
    command.args(words.map(|word| match word {
        "/etc/tresnet-batch/%i.toml" => PathBuf::from(job),
        word => PathBuf::from(word),
    }));
    ended(&mut command)
}

#[test]
fn the_service_s_command_runs_the_job_and_tells_by_99_that_it_was_done_before() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let job = job_file(folder.path(), Pace::Quick, "");
    assert_eq!(start(&job).exits(0)["rows"]["planned"], 90);
    assert_eq!(start(&job).exits(99)["already_complete"], true);
}

#[test]
fn a_gate_that_does_not_hold_fails_the_service_each_time() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let job = job_file(folder.path(), Pace::Quick, TOO_HIGH);
    for _ in 0..2 {
        start(&job).fails(65, &["top1 >= 99 does not hold"]);
    }
}

#[test]
fn no_credential_stands_in_a_unit() {
    for name in [SERVICE, TIMER] {
        for key in ["Environment", "PassEnvironment", "SetCredential"] {
            assert!(!values(&unit(name)).contains_key(key), "{name} has {key}");
        }
    }
    let text = unit(SERVICE);
    assert!(values(&text)["EnvironmentFile"].starts_with("-/etc/tresnet-batch/"));
}
