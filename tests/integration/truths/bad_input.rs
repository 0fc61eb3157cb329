//! Invalid truth files: each error names what was found and what was expected, before anything is written.

use crate::support::job::{IMAGES, Job, own_model};
use crate::support::scratch;

use super::{MADE, imagenet, manifest, with_file};

/// A job with a truth file of this text.
fn told(targets: &str, text: &str) -> (tempfile::TempDir, Job) {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let path = folder.path().join("truth.txt");
    std::fs::write(&path, text).unwrap();
    let job = imagenet("val", targets).set(format!("input.targets_file={}", path.display()));
    (folder, job)
}

#[track_caller]
fn refused(job: &Job, code: i32, words: &[&str]) {
    job.run().fails(code, words);
    assert!(!job.output().exists());
}

#[test]
fn a_truth_file_that_fits_two_conventions_is_told_with_both() {
    let (_folder, job) = told("imagenet-val", &"7\n".repeat(50_000));
    refused(
        &job,
        78,
        &[
            "truth.txt",
            "fits two conventions",
            "ILSVRC2012_validation_ground_truth.txt",
            "from 0",
            "7, 7, 7, 7, 7",
        ],
    );
}

#[test]
fn a_truth_file_that_fits_none_is_told_with_the_line_and_what_there_is() {
    let (_folder, job) = told("imagenet-val", "ILSVRC2012_val_00000001.JPEG 65\nand nothing more here\n");
    refused(&job, 78, &["fits no convention", "line 2", "`and nothing more here`", "LOC_val_solution.csv"]);
    let (_folder, job) = told("imagenet-real", "");
    refused(&job, 78, &["is empty", "real.json"]);
}

#[test]
fn the_ids_of_the_devkit_are_known_and_not_taken_for_classes() {
    refused(
        &with_file("val", "imagenet-val", "ILSVRC2012_validation_ground_truth.txt"),
        78,
        &["ILSVRC2012_validation_ground_truth.txt", "meta.mat", "val.txt"],
    );
}

#[test]
fn a_target_out_of_range_is_told_with_its_line() {
    let (_folder, job) = told("imagenet-val", "ILSVRC2012_val_00000007.JPEG 1000\n");
    refused(&job, 78, &["line 1", "class 1000", "0 to 999"]);
    let (_folder, job) = told("imagenet-val", "ILSVRC2012_val_00000001.JPEG 66\n");
    refused(&job, 78, &["image 1 is class 66", "known to be 65", "count from 1"]);
}

#[test]
fn a_truth_file_of_another_kind_says_which_targets_it_goes_with() {
    refused(&with_file("val", "imagenet-real", "val.txt"), 78, &["`input.targets = \"imagenet-val\"`"]);
    refused(&with_file("val", "imagenet-val", "real.json"), 78, &["`input.targets = \"imagenet-real\"`"]);
}

#[test]
fn a_truth_file_is_there_exactly_where_the_targets_need_one() {
    refused(&imagenet("val", "imagenet-val"), 78, &["`input.targets_file`", "imagenet-val"]);
    refused(&with_file("v2", "imagenet-v2", "val.txt"), 78, &["`input.targets_file` is set", "imagenet-v2"]);
    refused(&with_file("val", "imagenet-val", "none.txt"), 66, &["none.txt", "is not there"]);
}

#[test]
fn folders_that_are_no_classes_of_the_dataset_are_refused_by_name() {
    refused(&imagenet("r", "imagenet-v2"), 78, &["folder `n0", "class indices from 0 to 999"]);
    refused(&imagenet("v2", "imagenet-a"), 78, &["folder `", "200 classes of ImageNet-A"]);
    refused(&imagenet("r", "imagenet-a"), 78, &["folder `n0", "200 classes of ImageNet-A"]);
}

#[test]
fn images_of_whose_names_the_truth_knows_none_are_another_dataset() {
    refused(
        &with_file("v2", "imagenet-val", "val.txt"),
        78,
        &["none of the first", "`ILSVRC2012_val_`", "val.txt"],
    );
    let listed = imagenet("val", "imagenet-r")
        .set("input.format=manifest")
        .set(format!("input.manifest={}", MADE.join("val.csv").display()));
    refused(&listed, 78, &["none of the first 51 images", "class folder of imagenet-r"]);
}

#[test]
fn a_model_of_other_classes_cannot_have_imagenets_targets() {
    let job = Job::new(IMAGES.folder.to_str().unwrap(), &own_model("v1_odd.safetensors"));
    refused(&job.set("input.targets=imagenet-r"), 78, &["imagenet-r", "1000 classes", "the model has 7"]);
}

#[test]
fn rows_without_logits_cannot_be_scored_among_some_classes() {
    refused(&imagenet("a", "imagenet-a").set("output.logits=false"), 78, &["`output.logits`", "imagenet-a"]);
}

#[test]
fn a_list_of_classes_needs_the_activation_that_means_it() {
    for (name, words) in [
        ("multi.csv", &["line 2", "a list of 2", "sigmoid"][..]),
        ("multi.jsonl", &["line 1", "a list of", "sigmoid"]),
        ("multi.parquet", &["a list of", "sigmoid"]),
    ] {
        refused(&manifest(name).set("output.activation=softmax"), 78, words);
    }
}
