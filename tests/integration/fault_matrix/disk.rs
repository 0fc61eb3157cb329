//! Rows 11, 13, 14 and 15: disks that fill up, refuse, vanish and tear.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::job::{IMAGES, Job, parts, reaches, wait};
use crate::support::scratch;

use super::{UNDISTURBED, holds_undisturbed_rows, verify};

/// A small separate file system, which is removed with this value.
struct Mount(PathBuf);

impl Mount {
    /// Returns `None`, with the reason printed, if this process may not mount.
    fn tmpfs(options: &str) -> Option<Mount> {
        let folder = tempfile::tempdir_in(scratch()).unwrap().keep();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&folder)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        if mounted.status.success() {
            return Some(Mount(folder));
        }
        let why = String::from_utf8_lossy(&mounted.stderr).trim().to_owned();
        assert!(std::env::var_os("CI").is_none(), "mounts must not be skipped in CI: {why}");
        println!("skipped: this machine forbids mounts: {why}");
        None
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }

    fn vanish(&self) {
        assert!(Command::new("umount").arg("-l").arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status());
    }
}

fn to(output: &Path) -> Job {
    Job::own().set(format!("output.uri={}", output.display()))
}

#[test]
fn row_13_a_full_disk_is_74_and_the_run_goes_on_when_there_is_room() {
    let Some(disk) = Mount::tmpfs("size=72k") else { return };
    let output = disk.0.join("out");
    let job = to(&output);
    job.run().fails(74, &["No space left"]);
    assert!(!output.join("_SUCCESS").exists());
    println!("{} parts fitted", parts(&output).len());
    disk.remount("size=16m");
    job.run().exits(0);
    holds_undisturbed_rows(&job, &output);
}

#[test]
fn row_14_a_file_size_limit_is_74_and_no_death_by_signal() {
    let job = Job::own();
    let run = job.command("run");
    let line = std::iter::once(run.get_program()).chain(run.get_args());
    let line: Vec<String> = line.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let mut limited = Command::new("bash");
    // 4 KiB: enough for job.json and the plan, not for a part
    limited.args(["-c", &format!("ulimit -f 4; exec {}", line.join(" "))]).env_clear();
    limited.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    wait(limited.spawn().unwrap()).fails(74, &["File too large"]);
    job.run().exits(0);
    holds_undisturbed_rows(&job, &job.output());
}

#[test]
fn row_14_an_output_that_may_only_be_read_is_73() {
    let Some(disk) = Mount::tmpfs("size=1m") else { return };
    disk.remount("ro");
    to(&disk.0.join("out")).run().fails(73, &["cannot be written"]);
}

#[test]
fn row_15_a_part_file_that_is_torn_is_noticed_and_done_again() {
    let job = Job::own();
    job.run().exits(0);
    let names = parts(&job.output());
    std::fs::remove_file(job.output().join("_SUCCESS")).unwrap();
    let cut = |name: &str, to: u64| {
        let file = std::fs::OpenOptions::new().write(true).open(job.output().join(name)).unwrap();
        file.set_len(to).unwrap();
    };
    let size = job.output().join(&names[3]).metadata().unwrap().len();
    for (name, to) in [(&names[3], size - 3), (&names[5], size / 2), (&names[7], 0), (&names[9], 5)] {
        cut(name, to);
    }
    let ended = job.run();
    assert_eq!(ended.exits(0)["resumed_rows"], 8 * 8 - 6);
    for torn in [3, 5, 7, 9] {
        assert!(ended.stderr.contains(&names[torn]), "{} is not named in {}", names[torn], ended.stderr);
    }
    holds_undisturbed_rows(&job, &job.output());
    assert_eq!(parts(&job.output()), parts(&UNDISTURBED.output()));
}

#[test]
fn row_11_an_input_that_is_unmounted_in_mid_run_is_69_and_makes_no_row() {
    let Some(disk) = Mount::tmpfs("size=64m") else { return };
    let fill = || {
        let copied = Command::new("cp").arg("-rp").arg(IMAGES.folder.join(".")).arg(&disk.0).status();
        assert!(copied.unwrap().success());
    };
    fill();
    let job = Job::slow(disk.0.to_str().unwrap());
    let mut child = job.start();
    let planned = || usize::from(job.output().join("_tresnet/plan/000003").exists());
    assert!(reaches(&mut child, 1, planned));
    assert!(reaches(&mut child, 2, || parts(&job.output()).len()));
    disk.vanish();
    wait(child).fails(69, &["still mounted"]);
    let stood = parts(&job.output()).len();
    assert!((2..23).contains(&stood), "{stood} parts stood");
    let again = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&disk.0).status().unwrap();
    assert!(again.success());
    fill();
    let summary = job.run().exits(0);
    assert_eq!(summary["errors_by_kind"]["not_found"], serde_json::Value::Null, "{summary}");
    verify(&job).exits(0);
}
