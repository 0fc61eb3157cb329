//! Parquet files as common programs write them, and columns that the job names.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::{Value, json};
use tresnet_batch::job::{Components, fingerprint};

use crate::support::job::{IMAGES, Job, ended, parts, program};
use crate::support::{ask_python, run_python, scratch};

use super::{named_classes, same_rows};

/// What `tables.py` packs of the test images.
static TABLES: LazyLock<PathBuf> = LazyLock::new(|| {
    let out = scratch().join("tables");
    let folder = IMAGES.folder.parent().unwrap();
    let packed = ask_python("tables.py", &["pack", folder.to_str().unwrap(), out.to_str().unwrap()]);
    assert_eq!(packed, json!({"rows": 90, "further": 60}));
    out
});

/// Files with columns, keys and paths that are not as they should be.
static ODD: LazyLock<PathBuf> = LazyLock::new(|| {
    let out = scratch().join("odd_tables");
    let folder = IMAGES.folder.parent().unwrap();
    run_python("tables.py", &["odd", folder.to_str().unwrap(), out.to_str().unwrap()]);
    out
});

fn job(kind: &str) -> Job {
    let input = TABLES.join(kind);
    named_classes(Job::on(input.to_str().unwrap())).set("input.format=parquet").set("input.targets=parquet")
}

fn odd(kind: &str) -> Job {
    let input = ODD.join(kind);
    named_classes(Job::on(input.to_str().unwrap()))
        .set("input.format=parquet")
        .set("input.targets=none")
        .set("limits.max_error_fraction=1")
}

fn components(job: &Job) -> Value {
    let text = std::fs::read_to_string(job.output().join("_tresnet/job.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["components"].clone()
}

fn column(job: &Job, name: &str) -> Vec<Value> {
    job.rows().iter().map(|row| row[name].clone()).collect()
}

/// Gives the output the `job.json` of version 0.1.0, and nothing else.
fn begin_as_0_1_0(job: &Job, later: &[&str]) {
    let file = job.output().join("_tresnet/job.json");
    let mut frozen: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    for component in later {
        assert!(frozen["components"].as_object_mut().unwrap().remove(*component).is_some(), "{component}");
    }
    let left: Components = serde_json::from_value(frozen["components"].clone()).unwrap();
    frozen["fingerprint"] = json!(fingerprint(&left));
    std::fs::remove_dir_all(job.output()).unwrap();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, frozen.to_string()).unwrap();
}

#[test]
fn files_of_pyarrow_polars_and_duckdb_give_the_rows_of_the_folder() {
    for kind in ["spark", "img2dataset", "lists", "paths", "beside", "polars", "duckdb"] {
        let job = job(kind);
        let summary = job.run().exits(0);
        assert_eq!(summary["rows"], json!({"planned": 90, "ok": 85, "error": 5}), "{kind}");
        same_rows(&job.output(), &["key", "etag"]);
    }
}

#[test]
fn binary_columns_of_every_type_give_the_rows_of_the_folder() {
    for kind in ["binary", "large", "view"] {
        let job = job(kind).set("input.image_column=picture").set("input.key_column=name");
        job.run().exits(0);
        // the keys are those of the folder
        same_rows(&job.output(), &["etag"]);
        let components = components(&job);
        assert_eq!(
            (&components["input.image_column"], &components["input.key_column"]),
            (&json!("picture"), &json!("name"))
        );
    }
}

#[test]
fn keys_come_from_the_column_that_the_program_writes_them_to() {
    for (kind, key) in [("spark", "dbfs:/mnt/photos/Kale/00.jpg"), ("img2dataset", "000000000")] {
        let job = job(kind);
        job.run().exits(0);
        assert_eq!(job.rows()[0]["key"], key);
    }
}

#[test]
fn images_after_the_first_of_a_list_are_counted() {
    let job = job("lists");
    let summary = job.run().exits(0);
    assert_eq!(summary["left_out"]["further_images"], 60, "{summary}");
    assert_eq!(job.rows()[14]["key"], "a.parquet!14");
}

#[test]
fn a_path_that_leaves_the_input_is_an_error_row_that_says_so() {
    let job = odd("paths");
    job.run().exits(0);
    let kinds = ["", "unaddressable", "unaddressable", "", "not_found", "unsupported"];
    let kinds = kinds.map(|kind| if kind.is_empty() { Value::Null } else { json!(kind) });
    assert_eq!(column(&job, "error_kind"), kinds);
    for (at, words) in
        [(1, "`..`"), (2, "not below `input.uri`"), (4, "no such object"), (5, "neither bytes")]
    {
        let message = job.rows()[at]["error_message"].to_string();
        assert!(message.contains(words) && !message.contains("secret"), "{message}");
    }
}

#[test]
fn a_file_whose_images_are_not_known_is_66_and_says_which_key_to_set() {
    odd("none")
        .run()
        .fails(66, &["`hash` (FixedSizeBinary(16))", "`number` (Float64)", "`input.image_column`"]);
    odd("gzip").run().fails(66, &["row group 0", "GZIP", "Zstandard"]);
    odd("two").run().fails(66, &["`left`", "`right`", "`input.image_column`"]);
    odd("two").set("input.image_column=middle").run().fails(66, &["`middle`", "`left`"]);
    odd("two").set("input.image_column=number").run().fails(66, &["`number`", "Int64", "binary"]);
    odd("two").set("input.image_column=right").run().exits(0);
    odd("two")
        .set("input.image_column=left")
        .set("input.key_column=left")
        .run()
        .fails(66, &["`input.key_column`", "texts or whole numbers"]);
}

#[test]
fn keys_of_tables_are_refused_for_other_formats() {
    for key in ["image_column", "key_column"] {
        let job = Job::own().set(format!("input.{key}=x"));
        job.run().fails(78, &[&format!("`input.{key}`"), "format = \"parquet\""]);
    }
}

#[test]
fn keys_that_come_again_are_counted_and_those_that_are_missing_are_of_the_file() {
    let job = odd("keys").set("input.key_column=name");
    let run = job.run();
    let summary = run.exits(0);
    let keys = ["cat", "dog", "cat", "a.parquet!3", "a.parquet!4", "a\\nb", "cat"];
    assert_eq!(column(&job, "key"), keys.map(|key| json!(key)));
    assert_eq!(summary["repeated_keys"], json!({"rows": 2, "first": "cat", "looked_at": 7}));
    assert!(run.stderr.contains("2 rows have the key of an earlier row"), "{}", run.stderr);
    let verified = ended(program().arg("verify").arg(job.output())).exits(0);
    assert_eq!((&verified["rows"], &verified["defects"]), (&json!(7), &json!([])));
}

#[test]
fn whole_floats_are_classes() {
    let job = odd("floats").set("input.targets=parquet");
    job.run().exits(0);
    assert_eq!(column(&job, "target"), [json!(3), Value::Null, Value::Null]);
    assert!(job.rows()[2]["error_message"].as_str().unwrap().contains("1.5"));
}

#[test]
fn what_is_typed_once_stays_and_a_run_without_it_goes_on() {
    let typed = job("binary").set("input.image_column=picture").set("input.key_column=name");
    typed.run().exits(0);
    let before = typed.rows();
    std::fs::remove_file(typed.output().join("_SUCCESS")).unwrap();
    let last = parts(&typed.output()).into_iter().next_back().unwrap();
    std::fs::remove_file(typed.output().join(last)).unwrap();
    // the same output, and neither key
    let again = job("binary").set(format!("output.uri={}", typed.output().display()));
    again.run().exits(0);
    assert_eq!(typed.rows(), before);
}

#[test]
fn the_report_shows_images_of_a_column_that_the_job_names_and_of_paths() {
    let named = job("view").set("input.image_column=picture").set("input.key_column=name");
    for job in [named, job("paths")] {
        let job = job.set("report.formats=[\"html\"]");
        job.run().exits(0);
        let page = std::fs::read_to_string(job.output().join("_report/report.html")).unwrap();
        let pictures = page.matches("src=\"data:image/jpeg;base64,").count();
        assert!(pictures >= 40 && !page.contains("There are no pictures"), "{pictures}");
    }
}

#[test]
fn row_groups_are_left_out_by_the_plan_whatever_their_keys_are() {
    let input = tempfile::tempdir_in(scratch()).unwrap();
    std::fs::copy(TABLES.join("view/a.parquet"), input.path().join("a.parquet")).unwrap();
    let all = |output: &str| {
        let on = named_classes(Job::on(input.path().to_str().unwrap())).set("input.format=parquet");
        let on =
            on.set("input.targets=parquet").set("input.image_column=picture").set("input.key_column=name");
        on.set(format!("input.exclude_done=[{output}]"))
    };
    let first = all("");
    first.run().exits(0);
    std::fs::copy(TABLES.join("large/a.parquet"), input.path().join("b.parquet")).unwrap();
    let later = all(&format!("\"{}\"", first.output().display()));
    let summary = later.run().exits(0);
    assert_eq!(summary["rows"]["planned"], 90, "{summary}");
    assert_eq!(summary["left_out"]["already_done"], 7, "{summary}");
}

#[test]
fn a_job_of_version_0_1_0_ends_where_it_would_read_an_image_by_its_path() {
    let job = odd("paths");
    job.run().exits(0);
    assert_eq!(components(&job)["rules.tables"], "paths");
    begin_as_0_1_0(&job, &["rules.tables"]);
    job.run().fails(78, &["0.1.0", "a.parquet!0", "output.uri"]);
}

#[test]
fn a_job_of_version_0_1_0_whose_images_are_in_its_files_resumes() {
    let job = job("polars");
    job.run().exits(0);
    let before = job.rows();
    begin_as_0_1_0(&job, &["rules.tables"]);
    job.run().exits(0);
    assert_eq!(job.rows(), before);
    assert_eq!(components(&job)["rules.tables"], Value::Null);
}
