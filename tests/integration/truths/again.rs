//! Outputs whose targets are sets, or come from a file: resumed, verified, and compared with their truth.

use serde_json::json;

use super::{MADE, manifest, packed, with_file};
use crate::run::crash::kill_again_and_again;
use crate::support::job::{IMAGES, Job, ended, parts};
use crate::support::{ask_python, scratch};

#[test]
fn outputs_with_sets_of_targets_verify() {
    for job in [
        with_file("val", "imagenet-real", "real.json"),
        manifest("multi.csv"),
        packed("multi-shards", "webdataset"),
        packed("multi-parquet", "parquet"),
    ] {
        job.run().exits(0);
        let verified = ended(&mut job.command("verify")).exits(0);
        assert_eq!(verified["defects"], json!([]), "{verified}");
    }
}

#[test]
fn the_plans_hash_of_a_part_covers_its_sets() {
    let job = with_file("val", "imagenet-real", "real.json");
    job.run().exits(0);
    // hashes written again in Python agree with segments and footers
    assert_eq!(ask_python("rows.py", &["plan", job.output().to_str().unwrap()])["planned"], 51);
}

#[test]
fn a_set_that_is_not_the_plans_is_a_defect() {
    let (one, other) = (manifest("multi.csv"), manifest("multi.csv"));
    one.run().exits(0);
    other.run().exits(0);
    let part = &parts(&one.output())[2];
    ask_python("truths.py", &["bend", one.output().join(part).to_str().unwrap()]);
    let defects = ended(&mut one.command("verify")).exits(65)["defects"].to_string();
    assert!(defects.contains("has the target `[6]`"), "{defects}");
}

#[test]
fn a_run_with_sets_that_is_killed_again_and_again_ends_with_the_rows_of_an_undisturbed_one() {
    let slow = || {
        let job = Job::slow(IMAGES.folder.to_str().unwrap());
        job.set("input.format=manifest")
            .set("input.targets=manifest")
            .set(format!("input.manifest={}", MADE.join("multi.csv").display()))
            .set("output.activation=sigmoid")
    };
    let whole = slow();
    whole.run().exits(0);
    let job = slow();
    let hits = kill_again_and_again(&job, 5, 3);
    assert!(hits >= 2, "killed only {hits} times in mid-run");
    job.run().exits(0);
    ask_python("rows.py", &["same", job.output().to_str().unwrap(), whole.output().to_str().unwrap()]);
}

#[test]
fn a_truth_file_that_was_changed_is_another_job_and_a_copy_of_it_is_not() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let path = folder.path().join("truth.txt");
    let line = "ILSVRC2012_val_00000001.JPEG 65\n";
    std::fs::write(&path, line).unwrap();
    let job = Job::new(MADE.join("val").to_str().unwrap(), &MADE.join("model.safetensors"))
        .set("input.targets=imagenet-val")
        .set("preprocess.image_size=64")
        .set("limits.max_error_fraction=0.1");
    let of = |job: Job, path: &std::path::Path| job.set(format!("input.targets_file={}", path.display()));
    let job = of(job, &path);
    job.run().exits(0);
    let copy = folder.path().join("copy.txt");
    std::fs::copy(&path, &copy).unwrap();
    let job = of(job, &copy);
    assert_eq!(job.run().exits(0)["already_complete"], true);
    std::fs::write(&copy, format!("{line}ILSVRC2012_val_00000002.JPEG 970\n")).unwrap();
    job.run().fails(78, &["`input.targets_file`", "sha256"]);
}

#[test]
fn a_report_made_later_and_from_the_address_alone_has_the_figures_of_the_run() {
    for job in [
        super::imagenet("r", "imagenet-r"),
        manifest("multi.csv"),
        with_file("val", "imagenet-real", "real.json"),
    ] {
        let of_run = job.run().exits(0)["metrics"].clone();
        let mut report = crate::support::job::program();
        let of_output = ended(report.arg("report").arg(job.output())).exits(0)["metrics"].clone();
        assert_eq!(of_run, of_output);
    }
}
