//! Manifests in the forms that users have: other names of columns, other delimiters, floats, doubles, and names that
//! are spelled otherwise than the files.

use std::path::Path;

use serde_json::{Value, json};
use tresnet_batch::job::{Components, fingerprint};

use super::manifest::{over, written};
use crate::support::job::{Job, rows};
use crate::support::{run_python, scratch};

/// Key and target of each row.
fn found(job: &Job) -> Vec<(Value, Value)> {
    job.rows().into_iter().map(|row| (row["key"].clone(), row["target"].clone())).collect()
}

fn two() -> Vec<(Value, Value)> {
    vec![(json!("yam/01.jpg"), json!(0)), (json!("Kale/00.jpg"), json!(3))]
}

fn components(output: &Path) -> Value {
    let text = std::fs::read_to_string(output.join("_tresnet/job.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["components"].clone()
}

#[test]
fn lists_of_many_makers_give_the_same_rows() {
    for (name, text) in [
        ("a.csv", "path,target\nyam/01.jpg,0\nKale/00.jpg,3\n"),
        ("a.csv", "filename,class_id\nyam/01.jpg,0.0\nKale/00.jpg,3.0\n"),
        ("a.csv", " image_path ; class \nyam/01.jpg;0\nKale/00.jpg;3\n"),
        ("a.csv", "filepath\tlabel\nyam/01.jpg\t0\nKale/00.jpg\t3\n"),
        ("a.tsv", "key \t class\nyam/01.jpg\t0\nKale/00.jpg\t3\n"),
        (
            "a.jsonl",
            "{\"url\": \"yam/01.jpg\", \"class\": 0.0}\n{\"uri\": \"Kale/00.jpg\", \"label\": 3.0}\n",
        ),
    ] {
        let (_folder, job) = written(name, text);
        job.run().exits(0);
        assert_eq!(found(&job), two(), "{text}");
    }
}

#[test]
fn a_float_column_of_parquet_gives_indices_and_a_missing_number_is_no_target() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let path = folder.path().join("a.parquet");
    run_python("datasets.py", &["floats", path.to_str().unwrap()]);
    let job = over(&path);
    let summary = job.run().exits(0);
    let mut expected = two();
    expected.push((json!("yam/03.jpeg"), Value::Null));
    assert_eq!(found(&job), expected);
    assert_eq!(summary["left_out"]["without_target"], 1, "{summary}");
}

#[test]
fn a_parquet_manifest_in_another_compression_says_which_are_read() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let path = folder.path().join("a.parquet");
    run_python("datasets.py", &["floats", path.to_str().unwrap(), "gzip"]);
    over(&path).run().fails(78, &["a.parquet", "compressed with GZIP", "Snappy"]);
}

#[test]
fn columns_of_any_name_are_read_where_the_job_names_them() {
    let (_folder, job) = written("a.csv", "path,photo,kind,label\nx,yam/01.jpg,0,5\ny,Kale/00.jpg,3,5\n");
    let job = job.set("input.path_column=photo").set("input.target_column=kind");
    job.run().exits(0);
    assert_eq!(found(&job), two());
    let components = components(&job.output());
    assert_eq!(
        (&components["input.path_column"], &components["input.target_column"]),
        (&json!("photo"), &json!("kind"))
    );
}

#[test]
fn a_column_that_the_job_names_and_the_manifest_lacks_is_78() {
    let (_folder, job) = written("a.csv", "path,label\nyam/01.jpg,0\n");
    job.set("input.path_column=photo").run().fails(78, &["`input.path_column`", "`photo`", "`path`"]);
    let (_folder, job) = written("a.csv", "path,label\nyam/01.jpg,0\n");
    job.set("input.target_column=kind").run().fails(78, &["`input.target_column`", "`kind`", "`label`"]);
    let (_folder, job) = written("a.txt", "yam/01.jpg 0\n");
    job.set("input.path_column=photo").run().fails(78, &["`input.path_column`", "no columns"]);
}

#[test]
fn keys_of_manifests_are_refused_for_other_formats() {
    for (key, value) in [("path_column", "x"), ("target_column", "x"), ("duplicates", "skip")] {
        let job = Job::own().set(format!("input.{key}={value}"));
        job.run().fails(78, &[&format!("`input.{key}`"), "format = \"manifest\""]);
    }
    let (_folder, job) = written("a.csv", "path,label\nyam/01.jpg,0\n");
    let job = job.set("input.targets=none").set("input.target_column=label");
    job.run().fails(78, &["`input.target_column`", "targets = \"manifest\""]);
}

#[test]
fn of_several_known_names_the_first_is_read_and_a_notice_names_the_rest() {
    let (_folder, job) = written("a.csv", "url,path,class,target\nx,yam/01.jpg,5,0\ny,Kale/00.jpg,5,3\n");
    let ended = job.run();
    ended.exits(0);
    assert_eq!(found(&job), two());
    for words in ["`path`, not from `url`", "`target`, not from `class`"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

#[test]
fn a_job_that_types_no_new_key_has_the_components_of_version_0_1_0() {
    let (_folder, job) = written("a.jsonl", "{\"path\": \"yam/01.jpg\", \"label\": 0, \"class\": 5}\n");
    job.run().exits(0);
    let components = components(&job.output());
    for key in ["input.path_column", "input.target_column", "input.duplicates", "rules.manifest_targets"] {
        assert_eq!(components[key], Value::Null, "{key}");
    }
}

#[test]
fn a_job_of_version_0_1_0_ends_where_it_would_read_a_target_that_was_none() {
    let text = "{\"path\": \"yam/01.jpg\", \"label\": 0}\n{\"path\": \"Kale/00.jpg\", \"class\": 3}\n";
    let (_folder, job) = written("a.jsonl", text);
    job.run().exits(0);
    assert_eq!(components(&job.output())["rules.manifest_targets"], "class");
    // as 0.1.0 froze it, before it wrote anything else
    let file = job.output().join("_tresnet/job.json");
    let mut frozen: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    frozen["components"].as_object_mut().unwrap().remove("rules.manifest_targets");
    let left: Components = serde_json::from_value(frozen["components"].clone()).unwrap();
    frozen["fingerprint"] = json!(fingerprint(&left));
    std::fs::remove_dir_all(job.output()).unwrap();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, frozen.to_string()).unwrap();
    job.run().fails(78, &["line 2", "`class`", "0.1.0", "output.uri"]);
}

#[test]
fn rows_of_one_image_are_skipped_where_the_job_says_so_and_counted() {
    let text = "path,target\nyam/01.jpg,0\nyam/01.jpg,0\nKale/00.jpg,3\n./yam/01.jpg,5\n";
    let (_folder, job) = written("a.csv", text);
    let job = job.set("input.duplicates=skip");
    let summary = job.run().exits(0);
    assert_eq!(found(&job), two());
    assert_eq!(summary["left_out"]["duplicates"], 2, "{summary}");
    assert_eq!(components(&job.output())["input.duplicates"], "skip");
}

#[test]
fn a_utf_16_file_is_78_and_says_so() {
    for text in ["path,target\nyam/01.jpg,0\n", "\u{feff}path,target\nyam/01.jpg,0\n"] {
        for name in ["a.csv", "a.txt"] {
            let (folder, job) = written(name, "");
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            std::fs::write(folder.path().join(name), bytes).unwrap();
            job.run().fails(78, &[name, "UTF-16", "UTF-8"]);
        }
    }
}

#[test]
fn a_name_that_is_spelled_otherwise_than_the_file_is_a_row_that_says_how() {
    let text = "path,target\nyam/01.jpg,0\nyam\\01.jpg,0\nyam/caf\u{e9}.jpg,0\nyam/cafe\u{301}.jpg,0\nyam/none.jpg,0\n";
    let (_folder, job) = written("a.csv", text);
    let job = job.set("limits.max_error_fraction=1");
    job.run().exits(0);
    let rows = rows(&job.output());
    for (row, words) in rows[1..].iter().zip(["backslash", "NFC", "NFD", "gone"]) {
        assert_eq!(row["error_kind"], "not_found", "{row}");
        assert!(row["error_message"].as_str().unwrap().contains(words), "{row}");
    }
}

#[test]
fn a_manifest_of_backslashes_alone_is_told_so() {
    let (_folder, job) = written("a.csv", "path,target\nyam\\01.jpg,0\nKale\\00.jpg,3\n");
    job.run().fails(69, &["backslash"]);
}
