//! Rows 16 to 18 and growing inputs: jobs, models and folders that change between runs.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::job::{IMAGES, Job, ended, own_model, parts, rows};
use crate::support::s3::MOTO;
use crate::support::scratch;

use super::{job, later, served_undisturbed_rows, server, verify};

/// Flips the lowest bit of the last byte: a weight of the network, a letter of a list.
fn flip(path: &Path, back: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() - back;
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn row_16_one_flipped_byte_of_model_or_labels_is_78_and_named_whether_begun_or_finished() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let (model, classes) = (folder.path().join("m.safetensors"), folder.path().join("classes.txt"));
    std::fs::copy(own_model("v1_odd.safetensors"), &model).unwrap();
    std::fs::copy(&IMAGES.classes, &classes).unwrap();
    let job = Job::own()
        .set(format!("model.path={}", model.display()))
        .set(format!("input.classes={}", classes.display()));
    ended(job.command("plan").arg("--write")).exits(0);
    ended(job.command("run").args(["--parts", "0-2"])).exits(0);
    for finished in [false, true] {
        if finished {
            job.run().exits(0);
        }
        let before = parts(&job.output());
        flip(&model, 1);
        job.run().fails(78, &["`model."]);
        flip(&model, 1);
        flip(&classes, 3);
        job.run().fails(78, &["`input.classes`"]);
        flip(&classes, 3);
        assert_eq!(parts(&job.output()), before);
    }
    assert_eq!(job.run().exits(0)["already_complete"], true);
}

#[test]
fn row_17_batch_size_threads_and_storage_settings_may_change_between_runs() {
    let server = server();
    let begun = job(&server);
    ended(begun.command("plan").arg("--write")).exits(0);
    ended(begun.command("run").args(["--parts", "0-5"])).exits(0);
    let changed = begun
        .set("engine.batch_size=7")
        .set("engine.threads=1")
        .set("limits.decode_threads=1")
        .set("limits.requests=3")
        .set("storage.checksums=off")
        .set("storage.retry_seconds=30")
        .set("input.listing=sort");
    assert_eq!(changed.run().exits(0)["resumed_rows"], 48);
    served_undisturbed_rows(&server, &changed);
}

#[test]
fn row_18_keys_that_come_while_a_job_goes_on_are_left_to_another_job() {
    let server = server();
    let job = job(&server);
    ended(job.command("plan").arg("--write")).exits(0);
    for key in ["images/aaa/0.jpg", "images/yam/zz.jpg", "images/zzz/0.jpg"] {
        server.put(key, server.get("images/yam/00.jpg").unwrap());
    }
    assert_eq!(job.run().exits(0)["rows"]["planned"], 90);
    served_undisturbed_rows(&server, &job);
}

/// A folder that grows, and a job that runs on it each day.
struct Growing {
    folder: tempfile::TempDir,
}

impl Growing {
    fn new() -> Growing {
        let growing = Growing { folder: tempfile::tempdir_in(scratch()).unwrap() };
        let images = growing.images();
        std::fs::create_dir(&images).unwrap();
        for class in ["yam", "zucchini"] {
            growing.copy("yam/00.jpg", &format!("{class}/first.jpg"));
            growing.copy("yam/01.jpg", &format!("{class}/second.jpg"));
        }
        growing
    }

    fn images(&self) -> std::path::PathBuf {
        self.folder.path().join("images")
    }

    fn copy(&self, from: &str, to: &str) {
        let to = self.images().join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(IMAGES.folder.join(from), to).unwrap();
    }

    fn outputs(&self) -> std::path::PathBuf {
        self.folder.path().join("results")
    }

    fn job(&self) -> Job {
        Job::on(self.images().to_str().unwrap())
            .set("input.targets=none")
            .set(format!("output.uri={}/dt=${{DATE}}", self.outputs().display()))
            .set(format!("input.exclude_done=[\"{}\"]", self.outputs().display()))
    }

    fn day(&self, job: &Job, date: &str) -> Command {
        let mut command = job.command("run");
        command.args(["--date", date]);
        command
    }

    fn keys(&self, date: &str) -> Vec<String> {
        let rows = rows(&self.outputs().join(format!("dt={date}")));
        rows.iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn a_scheduled_job_classifies_on_the_second_day_only_what_is_new_or_changed() {
    let growing = Growing::new();
    let job = growing.job();
    ended(&mut growing.day(&job, "2026-11-01")).exits(0);
    assert_eq!(growing.keys("2026-11-01").len(), 4);
    growing.copy("yam/02.JPEG", "yam/third.jpg");
    growing.copy("yam/03.jpeg", "zucchini/first.jpg");
    let summary = ended(&mut growing.day(&job, "2026-11-02")).exits(0);
    assert_eq!(growing.keys("2026-11-02"), ["yam/third.jpg", "zucchini/first.jpg"]);
    assert_eq!(summary["left_out"]["already_done"], 3, "{summary}");
    // the third day has nothing to do, and reports this
    let third = ended(&mut growing.day(&job, "2026-11-03"));
    assert_eq!(third.exits(0)["rows"]["planned"], 0);
    assert!(third.stderr.contains("left out, since an excluded output has them: 5"), "{}", third.stderr);
    // the images that the second day left out stay frozen with it
    assert_eq!(ended(&mut growing.day(&job, "2026-11-02")).exits(0)["already_complete"], true);
    ended(job.command("verify").args(["--date", "2026-11-02"])).exits(0);
}

#[test]
fn an_excluded_output_that_was_begun_and_not_finished_is_75_and_named() {
    let growing = Growing::new();
    let job = growing.job();
    ended(&mut growing.day(&job, "2026-11-01")).exits(0);
    std::fs::remove_file(growing.outputs().join("dt=2026-11-01/_SUCCESS")).unwrap();
    ended(&mut growing.day(&job, "2026-11-02")).fails(75, &["dt=2026-11-01", "not finished"]);
    assert!(!growing.outputs().join("dt=2026-11-02").exists());
}

#[test]
fn a_second_output_tries_again_only_what_the_store_had_refused() {
    let server = server();
    use crate::support::scripted_s3::{Fault, Kind, Rule};
    server.rule(Rule::on(Kind::Get, Fault::error(403, "AccessDenied")).prefix("images/yam/0"));
    let first = job(&server);
    let summary = first.run().exits(0);
    let denied = summary["errors_by_kind"]["denied"].as_u64().unwrap();
    assert!(denied >= 5, "{summary}");
    server.clear_rules();
    let again = later(&server);
    let summary = again.run().exits(0);
    assert_eq!(summary["rows"]["planned"], denied, "{summary}");
    assert_eq!(summary["errors_by_kind"]["denied"], Value::Null);
    verify(&again).exits(0);
}

#[test]
fn an_excluded_output_of_a_folder_below_leaves_out_the_same_images() {
    MOTO.put_folder(&IMAGES.folder, "grown");
    let below = MOTO.serve(Job::on("s3://test/grown/yam"));
    let below = below.set("input.targets=none").set("output.uri=s3://test/grown-out/yam");
    let done = below.run().exits(0)["rows"]["planned"].as_u64().unwrap();
    let all = MOTO.serve(Job::on("s3://test/grown"));
    let all =
        all.set("output.uri=s3://test/grown-out/all").set("input.exclude_done=[\"s3://test/grown-out\"]");
    assert_eq!(all.run().exits(0)["rows"]["planned"].as_u64().unwrap(), 90 - done);
}

#[test]
fn half_of_the_first_rows_in_error_end_a_run_before_it_wastes_more() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    for number in 0..600 {
        std::fs::write(folder.path().join(format!("{number:03}.jpg")), "no image").unwrap();
    }
    let job =
        Job::on(folder.path().to_str().unwrap()).set("input.targets=none").set("output.rows_per_part=500");
    let summary = job.set("limits.max_error_fraction=0.4").run().fails(65, &["unsupported"]);
    assert!(summary["error"].as_str().unwrap().contains("rows are errors"), "{summary}");
}
