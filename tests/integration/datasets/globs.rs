//! Stars in `input.uri`: images of a folder, shards and Parquet files that match a pattern, on disk and on a store.

use serde_json::{Value, json};

use super::{PACKED, named_classes, parquet_job, shard_job};
use crate::support::job::{IMAGES, Job, ended};
use crate::support::s3::MOTO;

fn keys(job: &Job) -> Vec<String> {
    job.rows().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
}

fn over(pattern: &str) -> Job {
    named_classes(Job::on(&format!("{}/{pattern}", IMAGES.folder.display())))
        .set("limits.max_error_fraction=1")
}

/// The keys of the test images that a test selects, in byte order.
fn known(means: impl Fn(&str) -> bool) -> Vec<String> {
    let mut keys: Vec<String> = IMAGES.expected.keys().filter(|key| means(key)).cloned().collect();
    keys.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    keys
}

type Means = fn(&str) -> bool;

const PATTERNS: [(&str, Means); 5] = [
    ("*/*.jpg", |key| key.ends_with(".jpg") && key.matches('/').count() == 1),
    ("**/*.png", |key| key.ends_with(".png")),
    ("{beet,yam}/**/*", |key| key.starts_with("beet/") || key.starts_with("yam/")),
    ("*/deep/**/*.*", |key| key.contains("/deep/")),
    ("**/*", |_| true),
];

#[test]
fn a_pattern_takes_the_images_that_it_means_and_no_others() {
    for (pattern, means) in PATTERNS {
        let job = over(pattern);
        job.run().exits(0);
        let known = known(means);
        assert!(!known.is_empty());
        assert_eq!(keys(&job), known, "{pattern}");
        let verified = ended(&mut job.command("verify")).exits(0);
        assert_eq!(verified["defects"], json!([]), "{pattern}");
        // the class is still the first folder
        let target = |row: &Value| row["key"].as_str().unwrap().contains('/') == row["target"].is_i64();
        assert!(job.rows().iter().all(target), "{pattern}");
    }
}

#[test]
fn a_pattern_on_a_store_takes_the_same_images() {
    MOTO.put_folder(&IMAGES.folder, "globs");
    for (pattern, means) in PATTERNS {
        let job =
            named_classes(Job::on(&format!("s3://test/globs/{pattern}"))).set("limits.max_error_fraction=1");
        let job = MOTO.serve(job);
        job.run().exits(0);
        assert_eq!(keys(&job), known(means), "{pattern}");
    }
}

#[test]
fn folders_without_an_image_that_is_meant_are_no_classes() {
    // two folders by code point order would need a model of two classes
    let job = Job::on(&format!("{}/{{beet,yam}}/*.jpg", IMAGES.folder.display()));
    job.run().fails(78, &["2 class folders", "7 classes"]);
}

#[test]
fn shards_and_files_are_meant_by_stars_as_by_braces() {
    let shards = |pattern: &str| shard_job(&format!("{}/{pattern}", PACKED.display()));
    let (stars, braces) = (shards("shards/train-00*.tar"), shards("shards/train-00{0..8}.tar"));
    stars.run().exits(0);
    braces.run().exits(0);
    assert_eq!(stars.rows().len(), braces.rows().len());
    let above = shards("**/train-001.tar");
    above.run().exits(0);
    assert!(keys(&above).iter().all(|key| key.starts_with("shards/train-001.tar!")), "{:?}", keys(&above));
    let file = parquet_job(&format!("{}/*/train-00001*.parquet", PACKED.display()));
    file.run().exits(0);
    assert!(keys(&file)[0].starts_with("parquet/train-00001-of-00002.parquet!"));
}

#[test]
fn patterns_that_mean_nothing_are_told() {
    for (job, code, words) in [
        (over("*/none-*.jpg"), 66, &["no image below"][..]),
        (over("a**/x.jpg"), 78, &["`a**`", "must be alone"]),
        (over("*/**"), 78, &["`**/*`"]),
        (over("*/[ab].jpg"), 78, &["only `*` and `**`"]),
        (Job::on("s3://test/globs/*.jpg?X-Amz-Signature=abc"), 78, &["s3://test"]),
    ] {
        let summary = job.run().fails(code, words);
        assert!(!summary["error"].as_str().unwrap().contains("abc"), "{summary}");
    }
}
