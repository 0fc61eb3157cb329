//! Every job file in `jobs/` can be loaded, so that copies of them work.

use std::path::PathBuf;

use tresnet_batch::job::{JobSpec, Source, TargetsSpec, load};
use tresnet_batch::report::Gate;

use crate::support::job::{Job, ended};
use crate::support::root;

fn job_files() -> Vec<PathBuf> {
    let items = std::fs::read_dir(root().join("jobs")).unwrap().map(|item| item.unwrap().path());
    let mut files: Vec<PathBuf> =
        items.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort();
    files
}

fn loaded(name: &str, overrides: &[String]) -> JobSpec {
    let source = Source { overrides, date: "2026-11-24".into() };
    load(&root().join("jobs").join(name), &source).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_job_file_loads_without_any_variable_set() {
    let files = job_files();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let spec = loaded(file.file_name().unwrap().to_str().unwrap(), &[]);
        assert!(!spec.input.uri.contains("${") && !spec.output.uri.contains("${"), "{}", file.display());
        assert!(spec.job.name.is_some(), "{} has no name", file.display());
        assert_ne!(spec.input.targets, TargetsSpec::None, "{}", file.display());
        assert_eq!(spec.input.targets.needs_file(), spec.input.targets_file.is_some(), "{}", file.display());
        spec.input.check().unwrap();
    }
}

/// `table.key=value` for every `# key = value` of a job file.
fn commented_out(text: &str) -> Vec<String> {
    let mut table = "";
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = name.split(']').next().unwrap();
        }
        let Some((key, value)) = line.strip_prefix("# ").and_then(|rest| rest.split_once('=')) else {
            continue;
        };
        let key = key.trim();
        if key.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_') {
            found.push(format!("{table}.{key}={value}"));
        }
    }
    found
}

#[test]
fn every_key_that_a_job_file_has_commented_out_is_known() {
    let mut keys = 0;
    for file in job_files() {
        for assignment in commented_out(&std::fs::read_to_string(&file).unwrap()) {
            keys += 1;
            let source = Source { overrides: std::slice::from_ref(&assignment), date: "2026-11-24".into() };
            if let Err(error) = load(&file, &source) {
                panic!("{assignment}: {error}");
            }
        }
    }
    assert!(keys >= 7, "only {keys} such keys were found");
}

#[test]
fn the_job_of_the_imagenet_page_keeps_its_figures() {
    let spec = loaded("imagenet_val.toml", &[]);
    assert_eq!(spec.preprocess.image_size, Some(224));
    assert_eq!(spec.preprocess.crop_pct, Some(0.875));
    assert_eq!(spec.output.top_k, Some(5));
    assert_eq!(spec.report.require, ["top1 >= 80.5"]);
}

#[test]
fn each_convention_of_imagenet_has_a_job_file() {
    for (name, targets) in [
        ("imagenet_val.toml", TargetsSpec::Folder),
        ("imagenet_val_truth.toml", TargetsSpec::ImagenetVal),
        ("imagenet_real.toml", TargetsSpec::ImagenetReal),
        ("imagenet_v2.toml", TargetsSpec::ImagenetV2),
        ("imagenet_a.toml", TargetsSpec::ImagenetA),
        ("imagenet_r.toml", TargetsSpec::ImagenetR),
    ] {
        let spec = loaded(name, &[]);
        assert_eq!(spec.input.targets, targets, "{name}");
        // every metric of a gate exists
        let gates = spec.report.require.iter().map(|gate| Gate::parse(gate));
        assert!(gates.into_iter().all(|gate| gate.is_ok()), "{name}");
    }
}

#[test]
fn an_override_reaches_a_job_file() {
    let overrides = ["input.uri=s3://elsewhere/${DATE}/".to_owned(), "engine.batch_size=64".to_owned()];
    let spec = loaded("imagenet_val.toml", &overrides);
    assert_eq!(spec.input.uri, "s3://elsewhere/2026-11-24/");
}

#[test]
fn plan_shows_the_resolved_job_and_writes_nothing() {
    let job = Job::own();
    let ended = ended(job.command("plan").args(["--rows", "3"]));
    let summary = ended.exits(0);
    for words in ["Kale/00.jpg", "Kale/02.JPEG", "by the rule codepoint", "crop 0.875 of 64px"] {
        assert!(ended.stderr.contains(words), "no `{words}` in\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("Kale/03.jpeg"), "{}", ended.stderr);
    assert!(!job.output().exists());
    let done = job.run().exits(0);
    assert_eq!(done["fingerprint"], summary["fingerprint"]);
}
