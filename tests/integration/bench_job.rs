//! `bench job`: each stage is measured on the job's own input, and every file is removed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

use crate::datasets::{local_shards, shard_job};
use crate::support::job::{Ended, Job, ended, program};
use crate::support::root;

fn bench(job: &Job, arguments: &[&str]) -> Ended {
    let like = job.command("job");
    let mut command = program();
    command.arg("bench").args(like.get_args()).args(arguments);
    ended(&mut command)
}

struct Measured {
    job: Job,
    ended: Ended,
    summary: Value,
}

static MEASURED: LazyLock<Measured> = LazyLock::new(|| {
    let job = Job::own();
    let file = job.output().with_file_name("bench.json");
    let ended = bench(&job, &["--images", "60", "--rounds", "2", "--json-file", file.to_str().unwrap()]);
    let summary = ended.exits(0);
    Measured { job, ended, summary }
});

fn number(value: &Value, keys: &[&str]) -> f64 {
    let found = keys.iter().fold(value, |value, key| &value[*key]);
    found.as_f64().unwrap_or_else(|| panic!("no number at {keys:?} of {value}"))
}

#[test]
fn every_stage_has_a_rate_of_its_own() {
    let summary = &MEASURED.summary;
    for keys in [
        &["fetch", "images_per_s"][..],
        &["fetch", "bytes_per_s"],
        &["decode", "images_per_s"],
        &["decode", "images_per_s_per_worker"],
        &["engine", "images_per_s"],
        &["encode", "images_per_s"],
        &["encode", "bytes_per_image"],
        &["encode", "rows_per_part"],
        &["commit", "images_per_s"],
        &["commit", "seconds_per_part"],
        &["together", "images_per_s"],
    ] {
        assert!(number(summary, keys) > 0.0, "{keys:?} of {summary}");
    }
    for stage in ["fetch", "decode", "engine", "encode", "together"] {
        assert_eq!(summary[stage]["runs"].as_array().unwrap().len(), 2, "{stage} of {summary}");
    }
}

#[test]
fn the_whole_is_held_against_what_the_stages_promise() {
    let summary = &MEASURED.summary;
    let (engine, decode) =
        (number(summary, &["engine", "images_per_s"]), number(summary, &["decode", "images_per_s"]));
    let fetch = number(summary, &["fetch", "images_per_s"]);
    let promised = (1.0 / (1.0 / engine + 1.0 / decode)).min(fetch);
    let expected = number(summary, &["expected", "images_per_s"]);
    assert!((expected / promised - 1.0).abs() < 0.001, "{expected} instead of {promised}");
    let share = number(summary, &["together", "images_per_s"]) / expected;
    assert!((number(summary, &["share"]) - share).abs() < 0.001, "{summary}");
}

#[test]
fn the_table_has_the_stages_and_the_bottleneck() {
    let printed = &MEASURED.ended.stderr;
    for stage in ["fetch", "decode", "engine", "encode", "commit", "together"] {
        assert!(printed.lines().any(|line| line.starts_with(stage)), "no {stage} in:\n{printed}");
    }
    let named = MEASURED.summary["bottleneck"].as_str().unwrap();
    assert!(printed.contains(&format!("bottleneck: {named}; ")), "{printed}");
}

#[test]
fn the_file_holds_what_the_result_says() {
    let file = MEASURED.job.output().with_file_name("bench.json");
    let written: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for (key, value) in written.as_object().unwrap() {
        assert_eq!(&MEASURED.summary[key], value, "{key}");
    }
    assert!(written["decode"]["images_per_s_per_worker"].is_f64());
}

#[test]
fn an_output_that_was_not_there_is_not_there_afterwards() {
    assert_eq!(MEASURED.summary["exit"], 0);
    assert!(!MEASURED.job.output().exists());
}

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for item in std::fs::read_dir(next).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn a_finished_output_is_left_as_it_was() {
    let job = Job::own();
    job.run().exits(0);
    let before = files(&job.output());
    bench(&job, &["--images", "20", "--rounds", "1"]).exits(0);
    assert!(files(&job.output()) == before, "the output changed");
    assert!(
        !job.output()
            .join("_tresnet")
            .read_dir()
            .unwrap()
            .any(|item| { item.unwrap().file_name().to_string_lossy().starts_with("bench-") })
    );
}

#[test]
fn of_shards_only_the_first_images_are_taken() {
    let job = shard_job(&local_shards());
    let summary = bench(&job, &["--images", "25", "--rounds", "1"]).exits(0);
    let used = &summary["together"]["utilisation"];
    // nine shards of about ten images
    assert_eq!(used["decode"]["images"], 25, "{summary}");
    assert!(!job.output().exists());
}

#[test]
fn an_output_that_cannot_be_written_is_told_and_the_rest_is_measured() {
    let job = Job::own();
    // a file where the output's folder should be
    std::fs::write(job.output(), "in the way").unwrap();
    let summary = bench(&job, &["--images", "20", "--rounds", "1"]).exits(0);
    assert!(summary["commit"]["not_measured"].is_string(), "{summary}");
    assert!(number(&summary, &["encode", "images_per_s"]) > 0.0);
    assert_eq!(std::fs::read_to_string(job.output()).unwrap(), "in the way");
}

#[test]
fn images_that_cannot_be_decoded_have_no_rate_of_decoding() {
    let job = Job::own();
    let pages = job.output().with_file_name("pages");
    std::fs::create_dir(&pages).unwrap();
    for number in 0..8 {
        std::fs::write(pages.join(format!("{number}.jpg")), "<!DOCTYPE html>").unwrap();
    }
    let job = job.set(format!("input.uri={}", pages.display())).set("input.targets=none");
    let ended = bench(&job, &["--images", "8", "--rounds", "1"]);
    let summary = ended.exits(0);
    assert!(ended.stderr.contains("decode     not measured: no image was decoded"), "{}", ended.stderr);
    assert!(ended.stderr.contains("bottleneck: not known"), "{}", ended.stderr);
    for keys in
        [["decode", "images_per_s"], ["decode", "images_per_s_per_worker"], ["expected", "images_per_s"]]
    {
        assert!(summary[keys[0]][keys[1]].is_null(), "{keys:?} of {summary}");
    }
    assert!(summary["share"].is_null() && summary["bottleneck"].is_null(), "{summary}");
}

#[test]
fn an_input_without_images_fails_as_a_run_does() {
    let job = Job::own();
    let empty = job.output().with_file_name("empty");
    std::fs::create_dir(&empty).unwrap();
    let job = job.set(format!("input.uri={}", empty.display()));
    bench(&job, &[]).fails(66, &["empty"]);
}

#[test]
fn everything_that_is_measured_by_one_command_has_one_place_on_the_page() {
    let script = std::fs::read_to_string(root().join("benches/measure.py")).unwrap();
    let page = std::fs::read_to_string(root().join("docs/performance.md")).unwrap();
    let keys = script
        .lines()
        .filter_map(|line| line.strip_prefix("    \"")?.split_once("\": [").map(|(key, _)| key));
    let mut measures: Vec<&str> = keys.collect();
    let marks = page.lines().filter_map(|line| line.strip_prefix("<!-- measured: ")?.strip_suffix(" -->"));
    let mut places: Vec<&str> = marks.collect();
    assert!(measures.len() > 8, "{measures:?}");
    assert_eq!(page.matches("<!-- end -->").count(), places.len());
    measures.sort_unstable();
    places.sort_unstable();
    assert_eq!(measures, places);
}
