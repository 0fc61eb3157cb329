//! Row 1: kill -9 at random moments, each run resumed at once, on a disk and on any store. The counts are small here;
//! `make test-long` sets `TRESNET_BATCH_KILLS`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::job::{IMAGES, Job, ended};
use crate::support::remote::Remote;
use crate::support::s3::{Private, SEAWEEDFS, files};
use crate::support::{Noise, ask_python};

/// Kills that a run of the tests deals out at least, and how many of them between the first segment and `_SUCCESS`.
fn kills(usual: usize) -> (usize, usize) {
    let kills = std::env::var("TRESNET_BATCH_KILLS").map_or(usual, |text| text.parse().unwrap());
    (kills, kills * 3 / 4)
}

/// How far an output was when its process died, by its objects.
fn step(names: &[String], planned: usize) -> String {
    let has = |name: &str| names.iter().any(|other| other == name);
    let segments =
        names.iter().filter(|name| name.starts_with("_tresnet/plan/") && !name.contains('#')).count();
    let parts = names.iter().filter(|name| name.ends_with(".parquet")).count();
    let draft = if names.iter().any(|name| name.contains('#')) { ", in the middle of a write" } else { "" };
    let place = if has("_SUCCESS") {
        "6 after _SUCCESS"
    } else if parts == planned {
        "5 all parts, no _SUCCESS"
    } else if !has("_tresnet/job.json") {
        return "0 before job.json".into();
    } else if segments == 0 {
        "1 job.json, no segment"
    } else if parts == 0 {
        "2 segments, no part"
    } else if parts * 2 < planned {
        "3 up to half of the parts"
    } else {
        "4 more than half of the parts"
    };
    format!("{place}{draft}")
}

fn is_between(step: &str) -> bool {
    ('2'..='5').contains(&step.chars().next().unwrap())
}

/// The place of the outputs, and how they are read.
trait Place {
    fn job(&self, number: usize) -> Job;
    fn names(&self, number: usize) -> Vec<String>;
    fn copy(&self, number: usize) -> (PathBuf, Option<TempDir>);
}

struct Disk;

impl Disk {
    fn output(number: usize) -> PathBuf {
        crate::support::scratch().join(format!("killed-{number}"))
    }
}

impl Place for Disk {
    fn job(&self, number: usize) -> Job {
        slow(IMAGES.folder.to_str().unwrap()).set(format!("output.uri={}", Self::output(number).display()))
    }

    fn names(&self, number: usize) -> Vec<String> {
        let output = Self::output(number);
        if !output.exists() {
            return Vec::new();
        }
        let name = |path: PathBuf| path.strip_prefix(&output).unwrap().to_str().unwrap().to_owned();
        files(&output).into_iter().map(name).collect()
    }

    fn copy(&self, number: usize) -> (PathBuf, Option<TempDir>) {
        (Self::output(number), None)
    }
}

struct OnStore<'a>(&'a dyn Remote);

impl Place for OnStore<'_> {
    fn job(&self, number: usize) -> Job {
        let output = self.0.uri(&format!("kills-{number}/out"));
        self.0.serve(slow(&self.0.uri("kill-images")).set(format!("output.uri={output}")))
    }

    fn names(&self, number: usize) -> Vec<String> {
        let prefix = format!("kills-{number}/out");
        let keys = self.0.keys(&prefix);
        keys.iter().map(|key| key[prefix.len() + 1..].to_owned()).collect()
    }

    fn copy(&self, number: usize) -> (PathBuf, Option<TempDir>) {
        let copy = self.0.download(&format!("kills-{number}/out"));
        (copy.path().to_owned(), Some(copy))
    }
}

/// Kills a job from a store to the same store, `TRESNET_BATCH_KILLS` times, by default `usual` times.
pub fn kill_and_resume_on(store: &dyn Remote, usual: usize, seed: u64) {
    store.put_files(&IMAGES.folder, "kill-images");
    kill_and_resume(&OnStore(store), usual, seed);
}

/// 90 rows in 45 parts that take one or two seconds.
fn slow(input: &str) -> Job {
    Job::slow(input).set("preprocess.image_size=224").set("output.rows_per_part=2")
}

const PARTS: usize = 45;

/// Deals out kills, job after job, until there were enough in all and in the middle of the work; every job must end
/// verified, with the same rows. On a machine that is slow to start a process more of them come too early.
fn kill_and_resume(place: &dyn Place, usual: usize, seed: u64) {
    let (wanted, between) = kills(usual);
    let mut noise = Noise(seed);
    let mut histogram: BTreeMap<String, usize> = BTreeMap::new();
    let (mut dealt, mut hit, mut number) = (0, 0, 0);
    let mut whole: Option<(PathBuf, Option<TempDir>)> = None;
    let mut lasts = Duration::from_secs(3);
    while dealt < wanted || hit < between {
        assert!(
            dealt < 5 * wanted,
            "only {hit} of {dealt} kills fell between the first segment and _SUCCESS"
        );
        let job = place.job(number);
        // the first one is not killed: all others must have its rows
        while whole.is_some() && (dealt < wanted || hit < between) && dealt < 5 * wanted {
            let mut child = job.start();
            let after = Duration::from_micros(noise.below(lasts.as_micros() as u64));
            std::thread::sleep(after);
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                break;
            }
            dealt += 1;
            let step = step(&place.names(number), PARTS);
            hit += usize::from(is_between(&step));
            let finished = step.starts_with('6');
            *histogram.entry(step).or_default() += 1;
            if finished {
                break;
            }
        }
        let started = Instant::now();
        job.run().exits(0);
        if whole.is_none() {
            lasts = started.elapsed();
        }
        ended(&mut job.command("verify")).exits(0);
        let (output, copy) = place.copy(number);
        if let Some((whole, _)) = &whole {
            same_rows(&output, whole);
        } else {
            whole = Some((output, copy));
        }
        number += 1;
    }
    println!("{dealt} kills over {} jobs, each resumed at once and verified:", number - 1);
    for (step, count) in &histogram {
        println!("  {count:4} × {step}");
    }
}

fn same_rows(one: &Path, other: &Path) {
    ask_python("rows.py", &["same", one.to_str().unwrap(), other.to_str().unwrap()]);
}

#[test]
fn row_01_a_job_on_disk_that_is_killed_at_random_moments_loses_and_doubles_nothing() {
    kill_and_resume(&Disk, 12, 101);
}

#[test]
fn row_01_a_job_on_seaweedfs_that_is_killed_at_random_moments_loses_and_doubles_nothing() {
    kill_and_resume_on(&*SEAWEEDFS, 12, 102);
}

#[test]
fn row_01_a_store_that_is_killed_and_started_again_in_the_middle_of_a_run_loses_nothing() {
    let store = Private::start();
    store.put_folder(&IMAGES.folder, "images");
    let job = store.serve(slow("s3://test/images").set("preprocess.image_size=448"));
    let job = job.set("output.uri=s3://test/out");
    let mut child = job.start();
    let stands = || store.parts("out");
    assert!(crate::support::job::reaches(&mut child, 5, stands));
    store.kill();
    std::thread::sleep(Duration::from_secs(1));
    store.start_again();
    crate::support::job::wait(child).exits(0);
    ended(&mut job.command("verify")).exits(0);
    let copy = store.download("out");
    assert_eq!(ask_python("rows.py", &["plan", copy.path().to_str().unwrap()])["planned"], 90);
}
