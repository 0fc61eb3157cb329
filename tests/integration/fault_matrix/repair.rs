//! Row 67: a finished output with a lost or truncated part, and its repair.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::job::{Ended, IMAGES, Job, by_hand, ended, parts, program, reaches, wait, while_stopped};
use crate::support::scratch;

use super::{UNDISTURBED, holds_undisturbed_rows, job, served_undisturbed_rows, server, verify};

/// Long enough for a busy machine, and short compared with the retries of a run on a store.
const AT_ONCE: Duration = Duration::from_secs(60);

fn finished() -> Job {
    let job = Job::own();
    job.run().exits(0);
    job
}

fn cut(output: &Path, name: &str) {
    let file = std::fs::OpenOptions::new().write(true).open(output.join(name)).unwrap();
    let size = file.metadata().unwrap().len();
    file.set_len(size / 2).unwrap();
}

fn repair(job: &Job, more: &[&str]) -> Ended {
    ended(job.command("verify").arg("--repair").args(more))
}

fn of(command: &str, job: &Job) -> Ended {
    ended(program().arg(command).arg(job.output()))
}

#[test]
fn row_67_a_finished_output_that_lost_or_tore_a_part_is_noticed_at_once_by_run_report_and_status() {
    for is_torn in [false, true] {
        let job = finished();
        let name = parts(&job.output()).swap_remove(3);
        match is_torn {
            true => cut(&job.output(), &name),
            false => std::fs::remove_file(job.output().join(&name)).unwrap(),
        }
        let since = Instant::now();
        for noticed in [job.run(), of("report", &job), ended(&mut job.command("report"))] {
            noticed.fails(65, &[&name, "verify", "--repair"]);
        }
        let status = of("status", &job);
        let shown = status.exits(0);
        assert_eq!((&shown["complete"], &shown["lost_parts"]), (&false.into(), &1.into()), "{shown}");
        assert!(status.stderr.contains(&name), "{}", status.stderr);
        assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
    }
}

#[test]
fn row_67_a_repair_removes_what_is_damaged_and_the_next_run_makes_the_same_rows() {
    let job = finished();
    let names = parts(&job.output());
    cut(&job.output(), &names[3]);
    std::fs::remove_file(job.output().join(&names[7])).unwrap();
    let repaired = repair(&job, &["--yes"]).exits(0);
    assert_eq!(repaired["removed"]["parts"], serde_json::json!([names[3]]));
    for gone in [&*names[3], "_SUCCESS", "_repair.json", "_report/report.json"] {
        assert!(!job.output().join(gone).exists(), "{gone}");
    }
    assert_eq!(job.run().exits(0)["resumed_rows"], 90 - 2 * 8);
    holds_undisturbed_rows(&job, &job.output());
    assert_eq!(parts(&job.output()), parts(&UNDISTURBED.output()));
}

#[test]
fn row_67_a_repair_on_a_store_removes_what_is_damaged_and_the_next_run_makes_the_same_rows() {
    let server = server();
    let job = job(&server);
    job.run().exits(0);
    let torn = server.keys("out/part-").swap_remove(3);
    let bytes = server.get(&torn).unwrap();
    server.put(&torn, bytes.slice(..bytes.len() / 2));
    job.run().fails(65, &[torn.strip_prefix("out/").unwrap(), "--repair"]);
    let repaired = repair(&job, &["--yes"]).exits(0);
    assert_eq!(repaired["removed"]["parts"].as_array().unwrap().len(), 1);
    assert!(server.get(&torn).is_none() && server.get("out/_SUCCESS").is_none());
    job.run().exits(0);
    served_undisturbed_rows(&server, &job);
}

#[test]
fn row_67_a_whole_output_is_left_alone() {
    let job = finished();
    let before = std::fs::metadata(job.output().join("_SUCCESS")).unwrap().modified().unwrap();
    let checked = repair(&job, &["--yes"]).exits(0);
    assert_eq!(checked["removed"], serde_json::Value::Null);
    assert_eq!(std::fs::metadata(job.output().join("_SUCCESS")).unwrap().modified().unwrap(), before);
}

#[test]
fn row_67_nothing_is_removed_without_an_answer() {
    let job = finished();
    let name = parts(&job.output()).swap_remove(3);
    cut(&job.output(), &name);
    // standard input of a test is no terminal
    repair(&job, &[]).fails(64, &["--yes"]);
    assert!(job.output().join(&name).exists() && job.output().join("_SUCCESS").exists());
    assert!(!job.output().join("_repair.json").exists());
}

#[test]
fn row_67_files_of_others_are_not_removed() {
    let job = finished();
    let name = parts(&job.output()).swap_remove(3);
    cut(&job.output(), &name);
    let others = ["part-000000-00000000.parquet", "notes.parquet", "_report/notes.txt"];
    for other in others {
        std::fs::write(job.output().join(other), "x").unwrap();
    }
    repair(&job, &["--yes"]).exits(0);
    for other in others {
        assert!(job.output().join(other).exists(), "{other}");
    }
    assert!(!job.output().join(&name).exists());
}

#[test]
fn row_67_a_damaged_plan_is_no_reason_to_remove_a_part() {
    let job = finished();
    let name = parts(&job.output()).swap_remove(3);
    cut(&job.output(), &name);
    cut(&job.output(), "_tresnet/plan/000000");
    repair(&job, &["--yes"]).fails(65, &["cannot be made again"]);
    assert!(job.output().join(&name).exists() && job.output().join("_SUCCESS").exists());
}

#[test]
fn row_67_a_repair_waits_for_no_run_and_a_run_for_no_repair() {
    let job = Job::slow(IMAGES.folder.to_str().unwrap());
    let mut running = job.command("run").args(["--worker", "0/2"]).spawn().unwrap();
    assert!(reaches(&mut running, 1, || parts(&job.output()).len()));
    while_stopped(&running, || repair(&job, &["--yes"]).fails(75, &["running on", "process "]));
    wait(running).exits(0);
}

#[test]
fn row_67_while_a_repair_has_not_ended_nothing_uses_the_output() {
    let job = finished();
    let status = of("status", &job).exits(0);
    let name = parts(&job.output()).swap_remove(3);
    let begun = serde_json::json!({
        "fingerprint": status["fingerprint"], "begun": "2026-01-01T00:00:00Z", "parts": [name]
    });
    std::fs::write(job.output().join("_repair.json"), begun.to_string()).unwrap();
    let other = Job::own().set(format!("input.exclude_done=[\"{}\"]", job.output().display()));
    for refused in [job.run(), of("report", &job), other.run()] {
        refused.fails(65, &["a repair of the output", "has begun and not ended"]);
    }
    std::fs::remove_file(job.output().join("_SUCCESS")).unwrap();
    for refused in [job.run(), of("report", &job), other.run()] {
        refused.fails(65, &["a repair of the output", "has begun and not ended"]);
    }
    verify(&job).fails(65, &["_repair.json"]);
    assert_eq!(of("status", &job).exits(0)["repairing"], true);
    // the part is whole, but the repair that was begun removes it
    assert_eq!(repair(&job, &["--yes"]).exits(0)["removed"]["parts"], serde_json::json!([name]));
    job.run().exits(0);
    holds_undisturbed_rows(&job, &job.output());
}

#[test]
fn row_67_a_repair_file_of_another_job_is_not_followed() {
    let job = finished();
    let begun = serde_json::json!({ "fingerprint": "0", "begun": "", "parts": ["../../etc/passwd"] });
    std::fs::write(job.output().join("_repair.json"), begun.to_string()).unwrap();
    repair(&job, &["--yes"]).fails(73, &["_repair.json", "another job"]);
    assert!(job.output().join("_SUCCESS").exists());
}

#[test]
fn row_67_an_image_that_has_changed_since_becomes_a_row_changed() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let mut copy = std::process::Command::new("cp");
    copy.arg("-rp").arg(IMAGES.folder.join(".")).arg(folder.path());
    assert!(copy.status().unwrap().success());
    let job = Job::on(folder.path().to_str().unwrap());
    job.run().exits(0);
    let row = job.rows().into_iter().position(|row| row["status"] == "ok").unwrap();
    let key = job.rows()[row]["key"].as_str().unwrap().to_owned();
    std::fs::write(folder.path().join(&key), "other bytes").unwrap();
    let name = parts(&job.output()).swap_remove(row / 8);
    cut(&job.output(), &name);
    let repaired = repair(&job, &["--yes"]);
    repaired.exits(0);
    assert!(repaired.stderr.contains("`changed`"), "{}", repaired.stderr);
    assert_eq!(job.run().exits(0)["errors_by_kind"]["changed"], 1);
    assert_eq!(job.rows()[row]["error_kind"], "changed");
}

#[test]
fn row_67_a_person_at_a_terminal_is_asked() {
    let executable = by_hand().get_program().to_str().unwrap().to_owned();
    for (answer, removes) in [("n", false), ("y", true)] {
        let job = finished();
        let name = parts(&job.output()).swap_remove(3);
        cut(&job.output(), &name);
        let line = format!(
            "echo {answer} | script -qec \"'{executable}' verify '{}' --repair\" /dev/null",
            job.output().display()
        );
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &line]).stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let asked = ended(&mut command);
        assert!(asked.stdout.contains("Remove them? [y/N]"), "{}", asked.stdout);
        assert_eq!(job.output().join(&name).exists(), !removes, "{}", asked.stdout);
        assert_eq!(asked.code, Some(if removes { 0 } else { 65 }));
    }
}
