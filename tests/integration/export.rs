//! `export`: its files, read by other tools' own readers.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::support::job::{Ended, IMAGES, Job, ended, program};
use crate::support::{ask_python, scratch};

/// A finished run with class names, three classes a row and embeddings in single precision.
static DONE: LazyLock<Job> = LazyLock::new(|| {
    let job = Job::own()
        .set(format!("input.classes={}", IMAGES.classes.display()))
        .set("output.top_k=3")
        .set("output.embedding=f32");
    job.run().exits(0);
    job
});

fn export(of: &Path, format: &str, to: &Path, arguments: &[&str]) -> Ended {
    let mut command = program();
    command.arg("export").arg(of).args(["--format", format, "--to"]).arg(to).args(arguments);
    ended(&mut command)
}

fn folder() -> PathBuf {
    tempfile::tempdir_in(scratch()).unwrap().keep()
}

fn names(folder: &Path) -> Vec<String> {
    let items = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn read(command: &str, to: &Path, more: &[&str]) -> Value {
    let paths = [command, DONE.output().to_str().unwrap(), to.to_str().unwrap()].map(str::to_owned);
    let arguments: Vec<&str> = paths.iter().map(String::as_str).chain(more.iter().copied()).collect();
    ask_python("exports.py", &arguments)
}

#[test]
fn timm_files_hold_every_row_once() {
    for (format, command) in [("timm-csv", "csv"), ("timm-json", "json")] {
        for (k, per_file, files) in [("3", "1000", 1), ("2", "9", 10), ("1", "90", 1)] {
            let to = folder();
            let ended = export(&DONE.output(), format, &to, &["--top-k", k, "--rows-per-file", per_file]);
            let summary = ended.exits(0);
            assert_eq!((&summary["files"], &summary["rows"]), (&json!(files), &json!(90)));
            assert_eq!(read(command, &to, &[k]), json!({ "files": files, "rows": 90 }));
            let first =
                if files == 1 { format!("results.{command}") } else { format!("results_00.{command}") };
            assert_eq!(names(&to)[0], first);
        }
    }
    export(&DONE.output(), "timm-csv", &folder(), &["--top-k", "4"]).fails(64, &["more than the 3 classes"]);
}

#[test]
fn clip_retrieval_files_hold_the_embeddings_of_every_row_that_has_one() {
    for (arguments, kind, length, files) in [
        (vec![], "float16", "unit", 1),
        (vec!["--rows-per-file", "8"], "float16", "unit", 11),
        (vec!["--float32", "--keep-length", "--rows-per-file", "17"], "float32", "own", 5),
        (vec!["--float32"], "float32", "unit", 1),
    ] {
        let to = folder();
        let summary = export(&DONE.output(), "clip-retrieval", &to, &arguments).exits(0);
        assert_eq!((&summary["rows"], &summary["left_out"]), (&json!(85), &json!(5)));
        assert_eq!(read("clip", &to, &[kind, length]), json!({ "files": files, "rows": 85 }));
        assert_eq!(names(&to), ["img_emb", "metadata"]);
        assert_eq!(names(&to.join("img_emb")).len(), files);
    }
}

#[test]
fn parquet_files_hold_every_row_with_all_columns_and_half_precision_made_single() {
    let half = Job::own().set("output.embedding=f16").set("output.top_k=3");
    half.run().exits(0);
    for (arguments, element, files) in [
        (vec!["--float32"], "float", 1),
        (vec!["--float32", "--rows-per-file", "40"], "float", 3),
        (vec![], "halffloat", 1),
    ] {
        let to = folder();
        let summary = export(&half.output(), "parquet", &to, &arguments).exits(0);
        assert_eq!((&summary["files"], &summary["rows"]), (&json!(files), &json!(90)));
        let (rows, copy) = (half.output(), to.to_str().unwrap().to_owned());
        let read = ask_python("exports.py", &["parquet", rows.to_str().unwrap(), &copy]);
        assert_eq!(read, json!({ "files": files, "rows": 90, "element": element }));
    }
}

#[test]
fn nothing_is_written_over_and_no_two_exports_are_mixed() {
    let to = folder();
    let out = DONE.output();
    export(&out, "clip-retrieval", &to, &["--rows-per-file", "30"]).exits(0);
    let first = names(&to.join("img_emb"));
    assert_eq!(first, ["img_emb_0.npy", "img_emb_1.npy", "img_emb_2.npy"]);
    export(&out, "clip-retrieval", &to, &[])
        .fails(73, &["img_emb/img_emb_0.npy", "already exists", "--overwrite"]);
    export(&out, "clip-retrieval", &to, &["--overwrite", "--rows-per-file", "30"]).exits(0);
    // fewer files than before: the others would count as embeddings of this export
    export(&out, "clip-retrieval", &to, &["--overwrite"]).fails(73, &["img_emb_1.npy", "delete it first"]);
    assert_eq!(names(&to.join("img_emb")), first);
    read("clip", &to, &["float16", "unit"]);

    export(&out, "timm-csv", &to, &[]).exits(0);
    export(&out, "timm-csv", &to, &["--rows-per-file", "50"]).fails(73, &["results.csv", "already exists"]);
    export(&out, "timm-csv", &to, &["--rows-per-file", "50", "--overwrite"])
        .fails(73, &["results.csv", "delete it first"]);
    export(&out, "timm-csv", &to, &["--overwrite"]).exits(0);
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let out = DONE.output();
    export(&out, "timm-csv", &out.join("inside"), &[]).fails(73, &["is in the output"]);
    export(&scratch().join("nothing"), "timm-csv", &folder(), &[]).fails(66, &["no job has begun"]);
    let plain = Job::own().set("output.embedding=none");
    plain.run().exits(0);
    export(&plain.output(), "clip-retrieval", &folder(), &[]).fails(78, &["has no embeddings"]);
    let begun = Job::own();
    ended(begun.command("plan").arg("--write")).exits(0);
    export(&begun.output(), "timm-csv", &folder(), &[]).fails(75, &["is not finished", "--partial"]);
    let to = folder();
    export(&begun.output(), "timm-csv", &to, &["--partial"]).exits(0);
    assert_eq!(std::fs::read_to_string(to.join("results.csv")).unwrap().lines().count(), 1);
}
