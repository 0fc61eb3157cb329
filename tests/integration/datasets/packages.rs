//! Files of the real packages: shards of `webdataset`, Parquet files of `datasets`. `real_packages.py` and
//! `real_shards.py` made them, with the versions that they name.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::job::{Job, own_model};
use crate::support::{ask_python, root};

fn packed(name: &str) -> PathBuf {
    root().join("tests/data/packed").join(name)
}

fn job(name: &str, format: &str) -> Job {
    Job::new(packed(name).to_str().unwrap(), &own_model("v1_odd.safetensors"))
        .set(format!("input.format={format}"))
        .set(format!("input.targets={format}"))
        .set(format!("input.classes={}", packed("classes.txt").display()))
        .set("preprocess.image_size=64")
        .set("output.logits=true")
}

#[track_caller]
fn same(one: &Job, other: &Job, but: &[&str]) {
    let (one, other) = (one.output(), other.output());
    let arguments = [&["same", one.to_str().unwrap(), other.to_str().unwrap()], but].concat();
    assert_eq!(ask_python("rows.py", &arguments)["rows"], 12);
}

#[test]
fn shards_of_webdataset_and_files_of_datasets_give_the_rows_of_the_folder() {
    let folder = job("images", "folder");
    folder.run().exits(0);
    assert_eq!(folder.rows()[4]["target"], 4);
    for (name, format) in
        [("shards", "webdataset"), ("apart", "webdataset"), ("parquet", "parquet"), ("folder", "parquet")]
    {
        let job = job(name, format);
        assert_eq!(job.run().exits(0)["rows"], json!({"planned": 12, "ok": 12, "error": 0}), "{name}");
        same(&job, &folder, &["row_id", "key", "etag"]);
    }
}

#[test]
fn columns_of_both_packages_are_carried() {
    for (name, format, number) in [
        ("shards", "webdataset", json!("9")),
        ("apart", "webdataset", json!("9")),
        ("parquet", "parquet", json!(9)),
    ] {
        let job = job(name, format).set("input.carry_columns=[\"number\"]");
        job.run().exits(0);
        assert_eq!(job.rows()[9]["number"], number);
    }
}

#[test]
fn a_sequence_of_class_labels_is_a_list_of_the_models_classes() {
    let job = job("lists", "parquet").set("output.activation=sigmoid");
    job.run().exits(0);
    let targets: Vec<Value> = job.rows().iter().map(|row| row["targets"].clone()).collect();
    // beet is 1, leek 4, yam 0; okra, which is 6, is with every other one; every fifth image has nothing
    assert_eq!(
        targets[..6],
        [json!([]), json!([1, 6]), json!([0, 1]), json!([1, 6]), json!([0, 4]), json!([])]
    );
    assert_eq!(targets[8], json!([0]));
}
