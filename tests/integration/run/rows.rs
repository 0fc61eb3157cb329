//! The content of a finished output: one row an image, read by common readers.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::support::ask_python;
use crate::support::job::{Ended, IMAGES, Job, parts};

/// A finished run over all test images, with class names that are not in sorted order.
pub struct Done {
    job: Job,
    pub ended: Ended,
    pub rows: Vec<Value>,
}

pub static DONE: LazyLock<Done> = LazyLock::new(|| {
    let job = Job::own().set(format!("input.classes={}", IMAGES.classes.display())).set("output.top_k=3");
    let ended = job.run();
    ended.exits(0);
    let rows = job.rows();
    Done { job, ended, rows }
});

impl Done {
    pub fn output(&self) -> PathBuf {
        self.job.output()
    }

    fn path(&self) -> String {
        self.output().to_str().unwrap().to_owned()
    }
}

#[test]
fn each_image_has_exactly_one_row_in_byte_order_of_its_key() {
    let keys: Vec<&str> = DONE.rows.iter().map(|row| row["key"].as_str().unwrap()).collect();
    let expected: Vec<&String> = IMAGES.expected.keys().collect();
    assert_eq!(keys, expected);
    let ids: Vec<i64> = DONE.rows.iter().map(|row| row["row_id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (0..expected.len() as i64).collect::<Vec<_>>());
    for row in &DONE.rows {
        let path = IMAGES.folder.join(row["key"].as_str().unwrap());
        assert_eq!(row["size"], path.metadata().unwrap().len());
    }
}

#[test]
fn a_broken_image_is_an_error_row_without_predictions_and_a_good_one_is_not() {
    for row in &DONE.rows {
        let (_, kind) = &IMAGES.expected[row["key"].as_str().unwrap()];
        assert_eq!(row["error_kind"], json!(kind), "{row}");
        assert_eq!(row["status"], if kind.is_some() { "error" } else { "ok" });
        assert_eq!(row["error_message"].is_string(), kind.is_some(), "{row}");
        for column in ["index", "prob", "label"] {
            assert_eq!(row[column].is_null(), kind.is_some(), "{column} of {row}");
            assert!(kind.is_some() || row[column].as_array().unwrap().len() == 3, "{column} of {row}");
        }
        let ranked = kind.is_none() && row["target"].is_i64();
        assert_eq!((row["target_prob"].is_f64(), row["target_rank"].is_i64()), (ranked, ranked), "{row}");
    }
}

#[test]
fn targets_and_labels_follow_the_class_names() {
    let names = std::fs::read_to_string(&IMAGES.classes).unwrap();
    let names: Vec<&str> = names.lines().collect();
    for row in &DONE.rows {
        let (folder, _) = &IMAGES.expected[row["key"].as_str().unwrap()];
        let class = folder.as_ref().map(|folder| names.iter().position(|name| name == folder).unwrap());
        assert_eq!(row["target"], json!(class), "{row}");
        let Some(index) = row["index"].as_array() else { continue };
        let labels: Vec<&str> = index.iter().map(|class| names[class.as_u64().unwrap() as usize]).collect();
        assert_eq!(row["label"], json!(labels));
    }
}

#[test]
fn without_class_names_folders_count_in_code_point_order_and_labels_are_null() {
    let job = Job::own().set("output.embedding=none").set("output.logits=false");
    job.run().exits(0);
    let mut folders: Vec<&String> =
        IMAGES.expected.values().filter_map(|(folder, _)| folder.as_ref()).collect();
    folders.sort();
    folders.dedup();
    for row in job.rows() {
        let (folder, _) = &IMAGES.expected[row["key"].as_str().unwrap()];
        let class = folder.as_ref().map(|folder| folders.binary_search(&folder).unwrap());
        assert_eq!(row["target"], json!(class), "{row}");
        assert!(row["label"].is_null(), "{row}");
        assert!(row.get("embedding").is_none() && row.get("logits").is_none(), "{row}");
    }
}

#[test]
fn formats_and_sizes_are_those_of_the_bytes() {
    let formats: std::collections::BTreeSet<&str> =
        DONE.rows.iter().filter_map(|row| row["format"].as_str()).collect();
    assert_eq!(formats.into_iter().collect::<Vec<_>>(), ["bmp", "gif", "jpeg", "png", "webp"]);
    let liar = DONE.rows.iter().find(|row| row["key"] == "yam/09.png").unwrap();
    assert_eq!(liar["format"], "jpeg");
    let huge = DONE.rows.iter().find(|row| row["key"] == "leek/huge.png").unwrap();
    assert_eq!(
        (&huge["width"], &huge["height"], &huge["format"]),
        (&json!(60000), &json!(60000), &json!("png"))
    );
}

#[test]
fn the_result_of_a_run_has_its_totals() {
    let summary = DONE.ended.exits(0);
    assert_eq!(summary["rows"], json!({"planned": 90, "ok": 85, "error": 5}));
    assert_eq!(summary["errors_by_kind"], json!({"limit": 1, "truncated": 2, "unsupported": 2}));
    let left_out =
        json!({"extensions": {".txt": 2, "(no extension)": 1}, "unreadable": 0, "without_target": 1});
    assert_eq!(summary["left_out"], left_out);
    assert_eq!((&summary["parts"], &summary["complete"]), (&json!(12), &json!(true)));
    assert_eq!(summary["output"], DONE.path());
}

#[test]
fn plan_parts_footers_and_success_agree() {
    let found = ask_python("rows.py", &["plan", &DONE.path()]);
    assert_eq!(found, json!({"parts": 12, "planned": 90, "ok": 85, "error": 5}));
}

#[test]
fn a_part_is_named_by_its_number_and_the_fingerprint() {
    let fingerprint = DONE.ended.exits(0)["fingerprint"].as_str().unwrap()[..8].to_owned();
    let expected: Vec<String> = (0..12).map(|id| format!("part-{id:06}-{fingerprint}.parquet")).collect();
    assert_eq!(parts(&DONE.output()), expected);
}

#[test]
fn columns_have_the_types_that_are_documented() {
    let types = ask_python("rows.py", &["types", &DONE.path()]);
    let expected = json!([
        ["row_id", "int64"],
        ["key", "string"],
        ["etag", "string"],
        ["size", "int64"],
        ["target", "int32"],
        ["status", "string"],
        ["error_kind", "string"],
        ["error_message", "string"],
        ["index", "list<item: int32 not null>"],
        ["prob", "list<item: float not null>"],
        ["label", "list<item: string not null>"],
        ["target_prob", "float"],
        ["target_rank", "int32"],
        ["embedding", "fixed_size_list<item: float not null>[160]"],
        ["logits", "fixed_size_list<item: float not null>[7]"],
        ["width", "int32"],
        ["height", "int32"],
        ["format", "string"],
    ]);
    for part in types.as_array().unwrap() {
        assert_eq!(*part, expected);
    }
}

#[test]
fn duckdb_pyarrow_pandas_and_polars_read_the_directory_as_it_is() {
    let read = ask_python("readers.py", &[&DONE.path()]);
    // the reader's own word for: key, prob, embedding
    let words = [
        ("duckdb", "VARCHAR", "FLOAT[]", "FLOAT[]"),
        ("pyarrow", "string", "list<item: float not null>", "fixed_size_list<item: float not null>[160]"),
        ("pandas", "str", "object", "object"),
        ("polars", "String", "List(Float32)", "Array(Float32, shape=(160,))"),
    ];
    for (reader, key, prob, embedding) in words {
        let found = &read[reader];
        assert_eq!(found["rows"], 90, "{reader}");
        assert_eq!(found["keys"], read["keys"], "{reader}");
        let types = &found["types"];
        assert_eq!(
            (&types["key"], &types["prob"], &types["embedding"]),
            (&json!(key), &json!(prob), &json!(embedding))
        );
    }
}

#[test]
fn half_precision_embeddings_of_length_one_are_kept_as_asked() {
    let job = Job::own().set("output.embedding=f16").set("output.normalize_embedding=true");
    job.run().exits(0);
    let types = ask_python("rows.py", &["types", job.output().to_str().unwrap()]);
    let types = types[0].as_array().unwrap();
    assert!(
        types.contains(&json!(["embedding", "fixed_size_list<item: halffloat not null>[160]"])),
        "{types:?}"
    );
    let lengths = ask_python("rows.py", &["lengths", job.output().to_str().unwrap()]);
    assert!((lengths["shortest"].as_f64().unwrap() - 1.0).abs() < 2e-3, "{lengths}");
    assert!((lengths["longest"].as_f64().unwrap() - 1.0).abs() < 2e-3, "{lengths}");
}

#[test]
fn more_errors_than_are_allowed_leave_no_success() {
    let job = Job::own().set("limits.max_error_fraction=0");
    job.run().fails(65, &["`limits.max_error_fraction`"]);
    assert!(!job.output().join("_SUCCESS").exists());
    // with a higher limit, the same job resumes and finishes successfully
    let job = job.set("limits.max_error_fraction=0.06");
    let summary = job.run().exits(0);
    assert!(summary["resumed_rows"].as_u64().unwrap() > 0, "{summary}");
    ask_python("rows.py", &["plan", job.output().to_str().unwrap()]);
}

#[test]
fn a_limit_takes_the_first_images_only() {
    let job = Job::own();
    let mut command = job.command("run");
    let summary = crate::support::job::ended(command.args(["--limit", "19"])).exits(0);
    assert_eq!(summary["rows"]["planned"], 19);
    let keys: Vec<Value> = job.rows().iter().map(|row| row["key"].clone()).collect();
    let expected: Vec<Value> = IMAGES.expected.keys().take(19).map(|key| json!(key)).collect();
    assert_eq!(keys, expected);
}
