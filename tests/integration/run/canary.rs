//! The first images of a run, which show whether the network works: they are rows as all others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use crate::fault_matrix::{job, server};
use crate::support::job::{Job, ended, own_model, parts};
use crate::support::scripted_s3::{Kind, Seen};
use crate::support::{root, run_python, scratch};

/// Weights whose network gives no finite number for any image.
static OVERFLOWING: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = scratch().join("overflowing.safetensors");
    run_python(
        "overflowing_model.py",
        &[own_model("v1_odd.safetensors").to_str().unwrap(), path.to_str().unwrap()],
    );
    path
});

/// A job whose network gives no finite numbers, in three parts.
fn broken() -> Job {
    Job::own().set("output.rows_per_part=32").set(format!("model.path={}", OVERFLOWING.display()))
}

#[test]
fn each_image_is_asked_for_once() {
    let server = server();
    job(&server).set("output.rows_per_part=32").run().exits(0);
    // one byte of an image shows that the input answers
    let is_image =
        |seen: &Seen| seen.kind == Kind::Get && seen.key.starts_with("images/") && seen.range.is_none();
    let mut asked = BTreeMap::new();
    for seen in server.requests().into_iter().filter(is_image) {
        *asked.entry(seen.key).or_insert(0) += 1;
    }
    let keys: Vec<String> = server.keys("images/");
    assert!(asked.len() > 80, "{asked:?} of {keys:?}");
    assert!(asked.values().all(|times| *times == 1), "{asked:?}");
}

#[test]
fn a_network_without_finite_numbers_is_78_before_any_part_is_written_however_its_batches_are_cut() {
    for batch in [1, 7, 16, 32] {
        let job = broken().set(format!("engine.batch_size={batch}"));
        job.run().fails(78, &["finite numbers", "first 16 images"]);
        assert!(parts(&job.output()).is_empty(), "batches of {batch}");
    }
}

#[test]
fn a_process_that_does_not_have_the_first_part_has_a_canary_of_its_own() {
    // every part begins with images that are whole: one that is not shows nothing about the network
    let images = tempfile::tempdir_in(scratch()).unwrap();
    let picture = root().join("tests/data/earlier/images/a/1.png");
    for number in 0..96 {
        std::fs::copy(&picture, images.path().join(format!("{number:02}.png"))).unwrap();
    }
    let job = Job::on(images.path().to_str().unwrap())
        .set("input.targets=none")
        .set("output.rows_per_part=32")
        .set(format!("model.path={}", OVERFLOWING.display()));
    ended(job.command("plan").arg("--write")).exits(0);
    for share in [["--worker", "1/2"], ["--parts", "1-2"]] {
        ended(job.command("run").args(share)).fails(78, &["finite numbers", "first 16 images"]);
    }
    assert!(parts(&job.output()).is_empty());
}
