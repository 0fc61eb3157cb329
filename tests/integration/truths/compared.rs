//! Comparisons of two outputs whose targets are not one class among all.

use serde_json::json;

use super::{imagenet, manifest, with_file};
use crate::compare::{compare, held};
use crate::support::job::{Job, ended, program};

fn done(job: Job) -> Job {
    job.run().exits(0);
    job
}

/// A finished job at another image size, which counts as another network.
fn elsewhere(job: Job) -> Job {
    done(job.set("preprocess.image_size=96"))
}

#[test]
fn sets_of_targets_are_held_against_each_sides_own_best() {
    let real = || with_file("val", "imagenet-real", "real.json");
    let (a, b) = (done(real()), elsewhere(real().set("output.rows_per_part=8")));
    let ours = held(&a.output(), &b.output(), Some("format"));
    assert_eq!(ours["join"]["method"], "key_order");
    let scored = ours["counts"]["scored"].as_u64().unwrap();
    assert!((20..51).contains(&scored), "{}", ours["counts"]);
    assert_ne!(ours["top5"]["pairs"]["both"], 0);
}

#[test]
fn sets_of_targets_are_joined_by_the_table_too() {
    let shuffled = done(manifest("multi.csv"));
    let other = elsewhere(manifest("multi.jsonl").set("input.limit=40"));
    let ours = held(&shuffled.output(), &other.output(), None);
    assert_eq!((&ours["join"]["method"], &ours["counts"]["only_a"]), (&json!("key_table"), &json!(50)));
    assert!(ours["counts"]["scored"].as_u64().unwrap() > 20, "{}", ours["counts"]);
}

#[test]
fn rows_are_held_among_the_classes_of_their_dataset() {
    for dataset in ["a", "r"] {
        let rule = format!("imagenet-{dataset}");
        let (a, b) = (done(imagenet(dataset, &rule)), elsewhere(imagenet(dataset, &rule)));
        let ours = held(&a.output(), &b.output(), None);
        assert!(ours["counts"]["scored"].as_u64().unwrap() > 20, "{}", ours["counts"]);
        // the same output's figure among the classes is that of its report
        let own =
            ended(program().arg("report").arg(a.output())).exits(0)["metrics"]["top5"].as_f64().unwrap();
        let found = compare(&a.output(), &a.output(), &[]).exits(0)["metrics"]["top5_a"].as_f64().unwrap();
        assert!((own - found).abs() < 1e-9, "{own} {found}");
    }
}

#[test]
fn outputs_that_are_scored_differently_are_refused_with_both() {
    let masked = done(imagenet("a", "imagenet-a"));
    let plain = done(imagenet("a", "folder"));
    let refused = ["A (`", "targets imagenet-a) is scored among 200 of the classes", "B (`", "by one target"];
    compare(&masked.output(), &plain.output(), &[]).fails(78, &refused);
    let real = done(with_file("val", "imagenet-real", "real.json"));
    let val = done(with_file("val", "imagenet-val", "val.txt"));
    let refused = ["A (`", "by one target among all", "B (`", "by sets of targets"];
    compare(&val.output(), &real.output(), &[]).fails(78, &refused);
}

#[test]
fn other_sets_for_an_image_are_other_truths() {
    let a = done(manifest("multi.csv"));
    let text = std::fs::read_to_string(super::MADE.join("multi.csv")).unwrap();
    let (at, line) = text.lines().enumerate().skip(1).find(|(_, line)| line.contains(';')).unwrap();
    let key = line.split_once(',').unwrap().0;
    let lines: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(i, line)| if i == at { format!("{key},5") } else { line.into() })
        .collect();
    std::fs::write(super::MADE.join("bent.csv"), lines.join("\n") + "\n").unwrap();
    let b = done(manifest("bent.csv"));
    compare(&a.output(), &b.output(), &[]).fails(78, &["has other targets in A than in B", key, "--targets"]);
}
