//! Runs that are killed or asked to stop, and the runs that resume them.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::job::{IMAGES, Job, parts, reaches, send, wait};
use crate::support::{Noise, ask_python};

fn same_rows(one: &Path, other: &Path) {
    ask_python("rows.py", &["same", one.to_str().unwrap(), other.to_str().unwrap()]);
}

fn plan(output: &Path) -> Value {
    ask_python("rows.py", &["plan", output.to_str().unwrap()])
}

/// An output of the slow job that nothing has disturbed.
fn undisturbed() -> Job {
    let job = slow();
    job.run().exits(0);
    job
}

fn slow() -> Job {
    Job::slow(IMAGES.folder.to_str().unwrap())
}

/// Kills the job repeatedly, a while after one more part is committed than before; returns the number of kills.
pub fn kill_again_and_again(job: &Job, seed: u64, most: usize) -> usize {
    let mut noise = Noise(seed);
    let mut hits = 0;
    while hits < most {
        let mut child = job.start();
        let standing = parts(&job.output()).len();
        if reaches(&mut child, standing + 1, || parts(&job.output()).len()) {
            std::thread::sleep(Duration::from_millis(noise.below(150)));
            child.kill().unwrap();
        }
        child.wait().unwrap();
        if job.output().join("_SUCCESS").exists() {
            break;
        }
        hits += 1;
    }
    hits
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_with_the_rows_of_an_undisturbed_one() {
    let whole = undisturbed();
    for seed in [1, 2, 3] {
        let job = slow();
        let hits = kill_again_and_again(&job, seed, 4);
        let standing = parts(&job.output()).len();
        println!("killed {hits} times, {standing} of 23 parts stood");
        assert!(hits >= 2, "killed only {hits} times in mid-run");
        let summary = job.run().exits(0);
        if hits == 4 {
            assert!(summary["resumed_rows"].as_u64().unwrap() >= 4 * hits as u64, "{summary}");
        }
        assert_eq!(plan(&job.output())["planned"], 90);
        same_rows(&job.output(), &whole.output());
    }
}

#[test]
fn a_killed_run_may_go_on_with_other_batches_and_threads() {
    let whole = undisturbed();
    let job = slow();
    assert_eq!(kill_again_and_again(&job, 4, 1), 1);
    let job = job
        .set("engine.batch_size=3")
        .set("engine.threads=2")
        .set("limits.decode_threads=3")
        .set("limits.requests=16");
    assert!(job.run().exits(0)["resumed_rows"].as_u64().unwrap() >= 4);
    plan(&job.output());
    same_rows(&job.output(), &whole.output());
}

#[test]
fn batches_and_threads_change_no_bit_of_the_rows() {
    let whole = Job::own();
    whole.run().exits(0);
    for (batch, threads) in [(1, 1), (3, 2), (64, 4)] {
        let job = Job::own()
            .set(format!("engine.batch_size={batch}"))
            .set(format!("engine.threads={threads}"))
            .set(format!("limits.decode_threads={threads}"));
        job.run().exits(0);
        same_rows(&job.output(), &whole.output());
    }
}

#[test]
fn what_a_killed_write_leaves_behind_is_swept_before_anybody_reads_it() {
    let job = slow();
    kill_again_and_again(&job, 5, 1);
    // killed between writing and linking, or between linking and unlinking, the local store leaves such files; readers
    // of the directory that check neither the name nor `_SUCCESS` read them as data
    let first = parts(&job.output())[0].clone();
    let part = job.output().join(&first);
    std::fs::copy(&part, job.output().join(format!("{first}#1"))).unwrap();
    std::fs::write(job.output().join(first.replace("part-000000", "part-000020") + "#1"), b"PAR1").unwrap();
    let (own, foreign) = (job.output().join("notes#1"), job.output().join("part-7.csv#22"));
    std::fs::write(&own, "mine").unwrap();
    std::fs::write(&foreign, "mine").unwrap();
    job.run().exits(0);
    assert_eq!(plan(&job.output())["planned"], 90);
    // a file that only looks like a draft belongs to the user
    std::fs::remove_file(own).unwrap();
    std::fs::remove_file(foreign).unwrap();
    let names = std::fs::read_dir(job.output()).unwrap();
    let left: Vec<_> = names.map(|item| item.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains('#')), "{left:?}");
    let read = ask_python("readers.py", &[job.output().to_str().unwrap()]);
    assert_eq!((&read["pyarrow"]["rows"], &read["pandas"]["rows"]), (&90.into(), &90.into()));
}

/// A job over a copy of the images, killed when its plan was complete and most of its parts were missing.
fn planned_and_killed(images: &Path) -> Job {
    let copy = Command::new("cp").arg("-rp").arg(IMAGES.folder.join(".")).arg(images).status();
    assert!(copy.unwrap().success());
    let job = Job::slow(images.to_str().unwrap());
    // 23 parts are planned in segments of 1, 4, 16 and the rest
    let last = || usize::from(job.output().join("_tresnet/plan/000003").exists());
    let mut child = job.start();
    assert!(reaches(&mut child, 1, last), "the run was too quick");
    child.kill().unwrap();
    child.wait().unwrap();
    job
}

#[test]
fn a_plan_that_was_cut_short_goes_on_behind_its_last_key() {
    let job = slow().set("output.rows_per_part=1");
    let whole = slow().set("output.rows_per_part=1");
    job.run().exits(0);
    whole.run().exits(0);
    for name in behind_the_second_segment() {
        let path = job.output().join(&name);
        let removed = if name.starts_with("part-") {
            let part = parts(&job.output()).into_iter().find(|part| part.starts_with(&name)).unwrap();
            std::fs::remove_file(job.output().join(part))
        } else {
            std::fs::remove_file(path)
        };
        removed.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    job.run().exits(0);
    assert_eq!(plan(&job.output())["parts"], 90);
    same_rows(&job.output(), &whole.output());
}

/// The files that a planner which dies after its second segment has not written: 90 parts of one row are planned in
/// segments of 1, 4, 16, 64 and the rest. Part files by the beginning of their names.
pub fn behind_the_second_segment() -> Vec<String> {
    let segments = (2..5).map(|index| format!("_tresnet/plan/{index:06}"));
    let parts = (5..90).map(|part| format!("part-{part:06}"));
    segments.chain(parts).chain(["_SUCCESS".to_owned()]).collect()
}

#[test]
fn images_that_come_after_the_plan_are_left_to_another_job() {
    let images = tempfile::tempdir().unwrap();
    let job = planned_and_killed(images.path());
    let new = images.path().join("zucchini.jpg");
    std::fs::copy(images.path().join("beet-leaf.jpg"), new).unwrap();
    assert_eq!(job.run().exits(0)["rows"]["planned"], 90);
    assert!(job.rows().iter().all(|row| row["key"] != "zucchini.jpg"));
}

#[test]
fn images_that_are_rewritten_or_removed_after_the_plan_are_error_rows() {
    let images = tempfile::tempdir().unwrap();
    let job = planned_and_killed(images.path());
    std::fs::write(images.path().join("yam/00.jpg"), b"another file").unwrap();
    std::fs::remove_file(images.path().join("yam/01.jpg")).unwrap();
    job.run().exits(0);
    let rows = job.rows();
    for (key, kind) in [("yam/00.jpg", "changed"), ("yam/01.jpg", "not_found")] {
        let row = rows.iter().find(|row| row["key"] == key).unwrap();
        assert_eq!(row["error_kind"], kind, "{row}");
    }
}

#[test]
fn a_term_signal_ends_a_run_with_75_and_nothing_torn() {
    let whole = undisturbed();
    for signal in ["TERM", "INT"] {
        let job = slow();
        let mut child = job.start();
        assert!(reaches(&mut child, 2, || parts(&job.output()).len()));
        let asked = Instant::now();
        send(child.id(), signal);
        let ended = wait(child);
        assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
        ended.fails(75, &["interrupted"]);
        let stood = parts(&job.output());
        assert!((2..23).contains(&stood.len()), "{} parts stand", stood.len());
        assert!(!job.output().join("_SUCCESS").exists());
        // `types` reads every part's footer: a torn file would fail it
        ask_python("rows.py", &["types", job.output().to_str().unwrap()]);
        let summary = job.run().exits(0);
        assert!(summary["resumed_rows"].as_u64().unwrap() >= 4 * stood.len() as u64, "{summary}");
        same_rows(&job.output(), &whole.output());
    }
}
