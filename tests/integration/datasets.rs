//! The same images, packed in every supported way, give the same rows through the program itself; the faults of a pack
//! are reported.

mod again;
mod damage;
mod globs;
mod hidden;
mod inventory;
mod manifest;
mod manifest_forms;
mod missing_targets;
mod mutants;
mod packages;
mod pages;
mod photographs;
mod read_ahead;
mod roots;
mod shards_apart;
mod shards_earlier;
mod shards_packed;
mod special_files;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::run::crash::kill_again_and_again;
use crate::support::job::{IMAGES, Job, parts};
use crate::support::s3::MOTO;
use crate::support::{ask_python, run_python, scratch};

/// What `datasets.py` packs of the test images.
pub static PACKED: LazyLock<PathBuf> = LazyLock::new(|| {
    let out = scratch().join("packed");
    let folder = IMAGES.folder.parent().unwrap();
    run_python("datasets.py", &["pack", folder.to_str().unwrap(), out.to_str().unwrap()]);
    out
});

/// The folder's rows, with which all others are compared.
pub static FOLDER: LazyLock<Job> = LazyLock::new(|| {
    let job = named_classes(Job::own());
    job.run().exits(0);
    job
});

pub fn named_classes(job: Job) -> Job {
    job.set(format!("input.classes={}", IMAGES.classes.display()))
}

fn manifest_job(name: &str) -> Job {
    let manifest = PACKED.join(name);
    named_classes(Job::own())
        .set("input.format=manifest")
        .set("input.targets=manifest")
        .set(format!("input.manifest={}", manifest.display()))
}

pub fn shard_job(address: &str) -> Job {
    named_classes(Job::on(address)).set("input.format=webdataset").set("input.targets=webdataset")
}

pub fn local_shards() -> String {
    format!("{}/shards/train-{{000..008}}.tar", PACKED.display())
}

/// Equal to the bit in every column but those that name the source of a row.
pub fn same_rows(one: &Path, but: &[&str]) {
    let folder = FOLDER.output();
    let arguments = [&["same", one.to_str().unwrap(), folder.to_str().unwrap()], but].concat();
    assert_eq!(ask_python("rows.py", &arguments)["rows"], 90);
}

fn shards_of(output: &Path) -> Vec<Value> {
    ask_python("datasets.py", &["shards", output.to_str().unwrap()]).as_array().unwrap().clone()
}

const MANIFESTS: [&str; 5] = ["rows.csv", "rows.tsv", "rows.jsonl", "rows.txt", "rows.parquet"];

#[test]
fn every_kind_of_manifest_gives_the_rows_of_the_folder() {
    for name in MANIFESTS {
        let job = manifest_job(name);
        let summary = job.run().exits(0);
        assert_eq!(summary["rows"], json!({"planned": 90, "ok": 85, "error": 5}), "{name}");
        assert_eq!(parts(&job.output()).len(), 12, "{name}");
        // the tag of a file is the same however its key was found
        same_rows(&job.output(), &[]);
    }
}

#[test]
fn shards_give_the_rows_of_the_folder() {
    for address in [local_shards(), PACKED.join("shards").display().to_string()] {
        let job = shard_job(&address);
        let summary = job.run().exits(0);
        assert_eq!(summary["rows"], json!({"planned": 90, "ok": 85, "error": 5}));
        assert_eq!((&summary["damaged_inputs"], &summary["skipped"]), (&json!(0), &json!(18)));
        same_rows(&job.output(), &["row_id", "key", "etag"]);
        let shards = shards_of(&job.output());
        assert_eq!(shards.len(), 9);
        assert_eq!(shards[3]["keys"][0], "train-003.tar!leek/06.png");
    }
}

pub fn parquet_job(address: &str) -> Job {
    named_classes(Job::on(address)).set("input.format=parquet").set("input.targets=parquet")
}

fn local_files() -> String {
    PACKED.join("parquet").display().to_string()
}

#[test]
fn parquet_files_with_images_give_the_rows_of_the_folder() {
    for address in [local_files(), format!("{}/train-{{00000..00001}}-of-00002.parquet", local_files())] {
        let job = parquet_job(&address);
        let summary = job.run().exits(0);
        assert_eq!(summary["rows"], json!({"planned": 90, "ok": 85, "error": 5}));
        // 45 images a file, 13 a row group
        assert_eq!(parts(&job.output()).len(), 8);
        same_rows(&job.output(), &["key", "etag"]);
        assert_eq!(job.rows()[44]["key"], "train-00000-of-00002.parquet!44");
    }
}

#[test]
fn a_limit_cuts_a_row_group() {
    let job = parquet_job(&local_files()).set("input.limit=20").set("input.carry_columns=[\"camera\"]");
    assert_eq!(job.run().exits(0)["rows"]["planned"], 20);
    let rows = job.rows();
    assert_eq!((rows.len(), &rows[19]["camera"]), (20, &json!("cam \"1\", é")));
}

#[test]
fn manifests_and_shards_on_s3_give_the_same_rows_too() {
    MOTO.put_folder(&PACKED, "packed");
    MOTO.put_folder(&IMAGES.folder, "datasets");
    for name in MANIFESTS {
        let job = named_classes(Job::on("s3://test/datasets"))
            .set("input.format=manifest")
            .set("input.targets=manifest")
            .set(format!("input.manifest=s3://test/packed/{name}"));
        let job = MOTO.serve(job);
        job.run().exits(0);
        same_rows(&job.output(), &["etag"]);
        let components = std::fs::read_to_string(job.output().join("_tresnet/job.json")).unwrap();
        let components: Value = serde_json::from_str(&components).unwrap();
        assert!(components["components"]["input.manifest"]["etag"].is_string(), "{components}");
    }
    for address in ["s3://test/packed/shards/train-{000..008}.tar", "s3://test/packed/shards"] {
        let job = MOTO.serve(shard_job(address).set("output.uri=s3://test/of-shards"));
        job.run().exits(0);
        let copy = MOTO.download("of-shards");
        same_rows(copy.path(), &["row_id", "key", "etag"]);
        assert_eq!(shards_of(copy.path()).len(), 9);
        MOTO.delete(MOTO.keys("of-shards").into_iter());
    }
    let job = MOTO.serve(parquet_job("s3://test/packed/parquet"));
    job.run().exits(0);
    same_rows(&job.output(), &["key", "etag"]);
}

#[test]
fn carried_columns_arrive_as_they_were() {
    let all = r#"["flash", "camera", "year", "f-stop"]"#;
    let text = |value: &Value| match value {
        Value::Null => Value::Null,
        Value::String(text) => json!(text),
        // as Python writes them in CSV
        Value::Bool(true) => json!("True"),
        Value::Bool(false) => json!("False"),
        other => json!(other.to_string()),
    };
    let known: Vec<Value> = std::fs::read_to_string(PACKED.join("rows.jsonl"))
        .unwrap()
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for name in ["rows.csv", "rows.jsonl", "rows.parquet"] {
        let job = manifest_job(name).set(format!("input.carry_columns={all}"));
        job.run().exits(0);
        let rows = job.rows();
        assert_eq!(rows.len(), known.len());
        for (row, known) in rows.iter().zip(&known) {
            assert_eq!(row["key"], known["image"]);
            match name {
                "rows.parquet" => {
                    assert_eq!([&row["year"], &row["flash"]], [&known["year"], &known["flash"]]);
                    let f = |value: &Value| value.as_f64().map(|number| number as f32);
                    assert_eq!(f(&row["f-stop"]), f(&known["f-stop"]));
                }
                // CSV has no null
                "rows.csv" if known["year"].is_null() => assert_eq!(row["year"], ""),
                "rows.csv" => {
                    assert_eq!([&row["year"], &row["flash"]], [&text(&known["year"]), &text(&known["flash"])])
                }
                _ => assert_eq!(
                    row["flash"],
                    known["flash"].as_bool().map_or(Value::Null, |it| json!(it.to_string()))
                ),
            }
            let camera =
                if known["camera"].is_null() && name == "rows.csv" { &json!("") } else { &known["camera"] };
            assert_eq!(&row["camera"], camera);
        }
    }
    let job = shard_job(&local_shards()).set(r#"input.carry_columns=["camera", "year"]"#);
    job.run().exits(0);
    for (row, known) in job.rows().iter().zip(&known) {
        assert!(row["key"].as_str().unwrap().ends_with(known["image"].as_str().unwrap()));
        assert_eq!([&row["camera"], &row["year"]], [&known["camera"], &text(&known["year"])]);
    }
    let types = ask_python("rows.py", &["types", job.output().to_str().unwrap()]);
    let last = types[0].as_array().unwrap().iter().rev().take(2).cloned().collect::<Vec<_>>();
    assert_eq!(last, [json!(["year", "string"]), json!(["camera", "string"])]);
}

#[test]
fn a_run_over_shards_that_is_killed_again_and_again_ends_with_the_rows_of_an_undisturbed_one() {
    let slow = || {
        named_classes(Job::slow(&local_shards()))
            .set("input.format=webdataset")
            .set("input.targets=webdataset")
    };
    let whole = slow();
    whole.run().exits(0);
    let job = slow();
    let hits = kill_again_and_again(&job, 11, 3);
    println!("killed {hits} times, {} of 9 parts stood", parts(&job.output()).len());
    assert!(hits >= 2, "killed only {hits} times in mid-run");
    job.run().exits(0);
    assert_eq!(shards_of(&job.output()).len(), 9);
    ask_python("rows.py", &["same", job.output().to_str().unwrap(), whole.output().to_str().unwrap()]);
}

#[test]
fn a_plan_of_a_manifest_that_was_cut_short_goes_on_behind_its_last_key() {
    let job = manifest_job("rows.csv").set("output.rows_per_part=1");
    job.run().exits(0);
    let before = job.rows();
    for name in crate::run::crash::behind_the_second_segment() {
        let path = job.output().join(&name);
        if path.exists() {
            std::fs::remove_file(path).unwrap();
        } else {
            for part in parts(&job.output()).iter().filter(|part| part.starts_with(&name)) {
                std::fs::remove_file(job.output().join(part)).unwrap();
            }
        }
    }
    job.run().exits(0);
    assert_eq!(job.rows(), before);
}
