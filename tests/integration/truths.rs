//! Every convention of ground truth, in files and folders of its real form, through the program. Each accuracy is
//! compared with that of `truths.py`, which reads the logits and the truth itself.

mod again;
mod bad_input;
mod compared;
mod other_truth;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::support::job::{IMAGES, Job, ended, own_model};
use crate::support::{ask_python, root, run_python, scratch};

/// What `truths.py` makes of the test images.
static MADE: LazyLock<PathBuf> = LazyLock::new(|| {
    let out = scratch().join("truths");
    let folder = IMAGES.folder.parent().unwrap();
    run_python("truths.py", &["make", folder.to_str().unwrap(), out.to_str().unwrap()]);
    out
});

/// A job over one of its datasets, through the network of 1000 classes.
fn imagenet(dataset: &str, targets: &str) -> Job {
    let input = MADE.join(dataset);
    Job::new(input.to_str().unwrap(), &MADE.join("model.safetensors"))
        .set(format!("input.targets={targets}"))
        .set("preprocess.image_size=64")
        .set("output.rows_per_part=16")
        .set("limits.max_error_fraction=0.1")
}

/// The same with a truth file.
fn with_file(dataset: &str, targets: &str, file: &str) -> Job {
    imagenet(dataset, targets).set(format!("input.targets_file={}", MADE.join(file).display()))
}

/// Images with lists of classes, through the network of seven.
fn multi(job: Job, format: &str) -> Job {
    job.set(format!("input.format={format}"))
        .set(format!("input.targets={format}"))
        .set(format!("input.classes={}", IMAGES.classes.display()))
        .set("preprocess.image_size=64")
        .set("output.activation=sigmoid")
        .set("output.rows_per_part=8")
        .set("limits.max_error_fraction=0.2")
}

fn manifest(name: &str) -> Job {
    let job = Job::new(IMAGES.folder.to_str().unwrap(), &own_model("v1_odd.safetensors"));
    multi(job, "manifest").set(format!("input.manifest={}", MADE.join(name).display()))
}

fn packed(name: &str, format: &str) -> Job {
    multi(Job::new(MADE.join(name).to_str().unwrap(), &own_model("v1_odd.safetensors")), format)
}

/// Equal to the bit in every column but these; returns the number of rows.
#[track_caller]
fn same_rows(job: &Job, other: &Job, but: &[&str]) -> Value {
    let (one, two) = (job.output(), other.output());
    let arguments = [&["same", one.to_str().unwrap(), two.to_str().unwrap()], but].concat();
    ask_python("rows.py", &arguments)["rows"].clone()
}

fn figures(job: &Job, convention: &str, file: &Path) -> Value {
    ask_python("truths.py", &["figures", job.output().to_str().unwrap(), convention, file.to_str().unwrap()])
}

fn frozen(job: &Job) -> Value {
    serde_json::from_str(&std::fs::read_to_string(job.output().join("_tresnet/job.json")).unwrap()).unwrap()
}

/// Runs a job, compares its metrics with the reference, and prints a line of the table for each.
#[track_caller]
fn same_figures(job: &Job, convention: &str, file: &Path, rule: &str) -> Value {
    let summary = job.run().exits(0);
    assert_eq!(summary["targets"], rule);
    let reference = figures(job, convention, file);
    for (name, theirs) in reference.as_object().unwrap() {
        let (ours, theirs) = (summary["metrics"][name].as_f64(), theirs.as_f64().unwrap());
        let ours = ours.unwrap_or_else(|| panic!("no {name} in {summary}"));
        println!("| {rule} | {name} | {ours:.6} | {theirs:.6} |");
        assert!((ours - theirs).abs() < 1e-6, "{rule}: {name} is {ours}, {theirs} by numpy");
    }
    reference
}

#[test]
fn each_convention_gives_the_accuracy_of_an_independent_script() {
    let lists = root().join("src/classes");
    println!("| rule | figure | tresnet-batch | numpy |\n|---|---|---:|---:|");
    for (file, convention, rule) in [
        ("val.txt", "caffe", "caffe-val"),
        ("imagenet_2012_validation_synset_labels.txt", "synsets", "synset-labels"),
        ("LOC_val_solution.csv", "kaggle", "kaggle-loc-val-solution"),
        ("real.json", "real", "real-json"),
    ] {
        let targets = if convention == "real" { "imagenet-real" } else { "imagenet-val" };
        let job = with_file("val", targets, file).set("output.logits=true");
        let reference = same_figures(&job, convention, &MADE.join(file), rule);
        assert!((1.0..99.0).contains(&reference["top5"].as_f64().unwrap()), "{reference}");
    }
    let v2 = imagenet("v2", "imagenet-v2").set("output.logits=true");
    same_figures(&v2, "v2", Path::new("-"), "imagenet-v2");
    for (dataset, list) in [("a", "imagenet_a.txt"), ("r", "imagenet_r.txt")] {
        let rule = format!("imagenet-{dataset}");
        let job = imagenet(dataset, &rule);
        let reference = same_figures(&job, dataset, &lists.join(list), &rule);
        assert_ne!(reference["top5"], reference["top5_unmasked"], "the mask changes nothing here");
        let among = frozen(&job)["truth"]["among"].as_array().unwrap().len();
        assert_eq!(among, 200);
    }
    same_figures(&manifest("multi.csv"), "multi", &MADE.join("multi.json"), "manifest");
}

#[test]
fn an_image_that_no_truth_file_knows_is_a_row_without_target_and_counted() {
    let job = with_file("val", "imagenet-val", "val.txt");
    let summary = job.run().exits(0);
    // one that is not listed, and one that is no image of the set
    assert_eq!(summary["left_out"]["without_target"], 2, "{summary}");
    assert_eq!(summary["metrics"]["unknown_target"], 2.0);
    let rows = job.rows();
    let of = |key: &str| rows.iter().find(|row| row["key"] == key).unwrap();
    assert_eq!(of("stray.jpg")["target"], Value::Null);
    assert_eq!(of("ILSVRC2012_val_00049999.JPEG")["target"], Value::Null);
    assert_eq!(of("ILSVRC2012_val_00000002.JPEG")["target"], 970);
    let error = of("ILSVRC2012_val_00049998.JPEG");
    assert_eq!((&error["status"], error["target"].is_i64()), (&json!("error"), true));
}

#[test]
fn a_validation_image_has_its_target_wherever_it_is_packed() {
    let folder = with_file("val", "imagenet-real", "real.json");
    folder.run().exits(0);
    for (dataset, format) in [("val", "manifest"), ("val-shards", "webdataset"), ("val-parquet", "parquet")] {
        let mut job = with_file(dataset, "imagenet-real", "real.json").set(format!("input.format={format}"));
        if format == "manifest" {
            job = job.set(format!("input.manifest={}", MADE.join("val.csv").display()));
        }
        job.run().exits(0);
        assert_eq!(same_rows(&job, &folder, &["row_id", "key", "etag", "size"]), 51, "{format}");
    }
    let rows = folder.rows();
    assert_eq!(
        (&rows[0]["key"], &rows[0]["target"], &rows[0]["targets"]),
        (&json!("ILSVRC2012_val_00000001.JPEG"), &Value::Null, &Value::Null)
    );
    assert_eq!((&rows[1]["target"], &rows[1]["targets"]), (&Value::Null, &json!([795, 970])));
}

#[test]
fn a_set_of_targets_has_the_rank_and_the_probability_of_its_best_class() {
    let job = with_file("val", "imagenet-real", "real.json").set("output.top_k=1000");
    job.run().exits(0);
    let mut sets = 0;
    for row in job.rows().iter().filter(|row| row["status"] == "ok" && !row["targets"].is_null()) {
        let set = row["targets"].as_array().unwrap();
        let index = row["index"].as_array().unwrap();
        let best = index.iter().position(|class| set.contains(class)).unwrap();
        assert_eq!(row["target_rank"], best + 1, "{row}");
        assert_eq!(row["target_prob"], row["prob"][best], "{}", row["key"]);
        sets += usize::from(set.len() > 1);
    }
    assert!(sets >= 5, "only {sets} rows have more than one");
}

#[test]
fn lists_of_classes_are_the_same_in_every_format_that_has_them() {
    let csv = manifest("multi.csv");
    csv.run().exits(0);
    let known: Value =
        serde_json::from_str(&std::fs::read_to_string(MADE.join("multi.json")).unwrap()).unwrap();
    for row in csv.rows() {
        assert_eq!(row["targets"], known[row["key"].as_str().unwrap()]);
        assert_eq!(row["target"], Value::Null);
    }
    let but: [(Job, &[&str]); 4] = [
        (manifest("multi.jsonl"), &[]),
        (manifest("multi.parquet"), &[]),
        (packed("multi-shards", "webdataset"), &["row_id", "key", "etag"]),
        (packed("multi-parquet", "parquet"), &["key", "etag"]),
    ];
    for (job, but) in but {
        let summary = job.run().exits(0);
        assert_eq!(same_rows(&job, &csv, but), 90);
        let map = summary["metrics"]["map"].as_f64().unwrap();
        assert!((1.0..99.0).contains(&map), "{summary}");
    }
    let report = std::fs::read_to_string(csv.output().join("_report/report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let labels = &report["multi_label"];
    assert_eq!((&labels["classes"], &labels["average_precision"][6]), (&json!(6), &Value::Null), "{labels}");
    let report = std::fs::read_to_string(csv.output().join("_report/report.md")).unwrap();
    assert!(report.contains("mean average precision"), "{report}");
}

#[test]
fn a_gate_may_ask_for_the_figures_of_a_convention() {
    let masked = imagenet("a", "imagenet-a").set(r#"report.require=["top5_unmasked >= 0", "top5 > 100"]"#);
    masked.run().fails(65, &["top5 > 100 does not hold"]);
    let lists = manifest("multi.csv").set(r#"report.require=["map >= 1"]"#);
    lists.run().exits(0);
    with_file("val", "imagenet-val", "val.txt")
        .set(r#"report.require=["map >= 1"]"#)
        .run()
        .fails(65, &["map >= 1 does not hold", "not several classes"]);
}

#[test]
fn plan_shows_the_rule_and_what_it_was_made_of() {
    let shown = |job: &Job| {
        let shown = ended(&mut job.command("plan"));
        shown.exits(0);
        shown.stderr
    };
    for (job, words) in [
        (
            with_file("val", "imagenet-val", "val.txt"),
            &["by the rule caffe-val", "49999 images in", "sha256"][..],
        ),
        (
            with_file("val", "imagenet-real", "real.json"),
            &["by the rule real-json", "each of which is right", "[795, 970]"],
        ),
        (imagenet("v2", "imagenet-v2"), &["folders by the rule imagenet-v2", "10 is class 10 "]),
        (
            imagenet("a", "imagenet-a"),
            &["by the rule imagenet-a", "among 200 of the model's classes", "output.logits = true"],
        ),
        (manifest("multi.csv"), &["by the rule manifest", "all of which are there"]),
    ] {
        let shown = shown(&job);
        for word in words {
            assert!(shown.contains(word), "no `{word}` in\n{shown}");
        }
    }
}
