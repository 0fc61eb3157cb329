//! The fault matrix of docs/faults.md: the required result of a job when storage, disks, processes and inputs fail.
//! A test's name begins with its row; rows that need failpoints are in `tests/faults`.

mod archived;
mod changes;
mod checksums;
mod credentials;
mod disk;
mod environment;
mod keys;
pub mod kills;
mod listings;
mod names;
mod pieces;
mod processes;
mod ranges;
mod repair;
mod signals;
mod storage;
mod unreachable;
mod unreadable;

use std::path::Path;
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::support::ask_python;
use crate::support::job::{Ended, IMAGES, Job, ended};
use crate::support::s3::files;
use crate::support::scratch;
use crate::support::scripted_s3::{Kind, Rule, ScriptedS3, Seen};

/// The output of [`Job::own`] that nothing has disturbed.
static UNDISTURBED: LazyLock<Job> = LazyLock::new(|| {
    let job = Job::own();
    job.run().exits(0);
    job
});

/// A server with the test images below `images/`.
pub fn server() -> ScriptedS3 {
    let server = ScriptedS3::start();
    for path in files(&IMAGES.folder) {
        let key = path.strip_prefix(&IMAGES.folder).unwrap().to_str().unwrap();
        server.put(&format!("images/{key}"), std::fs::read(&path).unwrap());
    }
    server
}

/// The job of [`Job::own`] from a server to the same server.
pub fn job(server: &ScriptedS3) -> Job {
    serve(server, Job::on("s3://test/images").set("output.uri=s3://test/out"))
}

fn serve(server: &ScriptedS3, job: Job) -> Job {
    server.environment().iter().fold(job, |job, (name, value)| job.env(name, value))
}

/// A later job on the same images, which leaves out what the first one has done.
fn later(server: &ScriptedS3) -> Job {
    job(server)
        .set("output.uri=s3://test/again")
        .set("input.exclude_done=[\"s3://test/out\"]")
        .set("limits.max_error_fraction=1")
}

/// A copy of the server's objects below `out/` on local disk.
fn download(server: &ScriptedS3) -> TempDir {
    let copy = tempfile::tempdir_in(scratch()).unwrap();
    for key in server.keys("out/") {
        let path = copy.path().join(key.strip_prefix("out/").unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, server.get(&key).unwrap()).unwrap();
    }
    copy
}

fn verify(job: &Job) -> Ended {
    ended(&mut job.command("verify"))
}

/// Checks that an output on local disk is finished, verified, and has the rows of an undisturbed run, to the bit;
/// tags are the store's own.
#[track_caller]
fn holds_undisturbed_rows(job: &Job, output: &Path) {
    verify(job).exits(0);
    let whole = UNDISTURBED.output();
    ask_python("rows.py", &["same", output.to_str().unwrap(), whole.to_str().unwrap(), "etag"]);
}

/// As [`holds_undisturbed_rows`], for an output on a server.
#[track_caller]
pub fn served_undisturbed_rows(server: &ScriptedS3, job: &Job) {
    server.clear_rules();
    holds_undisturbed_rows(job, download(server).path());
}

/// Part files on a server.
fn parts(server: &ScriptedS3) -> usize {
    server.keys("out/part-").len()
}

/// A rule for one kind of request, below one prefix.
fn is_write(seen: &Seen) -> bool {
    seen.kind == Kind::Put
}

/// Reads of images only.
fn of_images(rule: Rule) -> Rule {
    rule.prefix("images/")
}
