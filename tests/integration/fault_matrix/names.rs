//! Row 78: names of files on a local disk that are not UTF-8 or have a line end in them, and links to no file.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use tresnet_batch::job::{Frozen, fingerprint};

use crate::compare::compare;
use crate::datasets::{PACKED, parquet_job, shard_job};
use crate::support::job::{IMAGES, Job, ended};
use crate::support::scratch;

use super::verify;

fn folder() -> TempDir {
    tempfile::tempdir_in(scratch()).unwrap()
}

/// A path below a folder by the bytes of its name.
fn named(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(name))
}

fn image() -> PathBuf {
    IMAGES.folder.join("yam/00.jpg")
}

/// Nine files and links, of which two can be read.
fn odd_names() -> TempDir {
    let folder = folder();
    let path = |name| named(folder.path(), name);
    fs::create_dir(path(b"caf\xe9")).unwrap();
    for name in
        [&b"a.jpg"[..], b"b\n.jpg", b"caf\xe9/1.jpg", b"caf\xe9/2.jpg", b"c\xff.jpg", b"z.jpg", b"\xfe.txt"]
    {
        fs::copy(image(), path(name)).unwrap();
    }
    symlink("nowhere.jpg", path(b"d.jpg")).unwrap();
    symlink("a.jpg/x", path(b"e.jpg")).unwrap();
    symlink("f.jpg", path(b"f.jpg")).unwrap();
    symlink("nowhere.txt", path(b"g.txt")).unwrap();
    folder
}

fn over(folder: &Path) -> Job {
    Job::on(folder.to_str().unwrap())
        .set("input.targets=none")
        .set("limits.max_error_fraction=1")
        .set("output.rows_per_part=2")
}

/// Key and error kind of each row.
fn kinds(job: &Job) -> Vec<(String, Value)> {
    let row = |row: &Value| (row["key"].as_str().unwrap().to_owned(), row["error_kind"].clone());
    job.rows().iter().map(row).collect()
}

fn refused(key: &str) -> (String, Value) {
    (key.to_owned(), "unaddressable".into())
}

fn good(key: &str) -> (String, Value) {
    (key.to_owned(), Value::Null)
}

#[test]
fn row_78_each_odd_name_and_each_link_to_nothing_is_one_row_and_every_other_file_is_read() {
    let folder = odd_names();
    let job = over(folder.path());
    let summary = job.run().exits(0);
    let expected = [
        good("a.jpg"),
        refused("b\\n.jpg"),
        refused("c\\xff.jpg"),
        refused("caf\\xe9/1.jpg"),
        refused("caf\\xe9/2.jpg"),
        refused("d.jpg"),
        refused("e.jpg"),
        refused("f.jpg"),
        good("z.jpg"),
    ];
    assert_eq!(kinds(&job), expected);
    assert_eq!(summary["left_out"]["extensions"], json!({ ".txt": 2 }), "{summary}");
    assert_eq!(summary["left_out"]["unreadable"], 0, "{summary}");
    let messages: Vec<Value> = job.rows().iter().map(|row| row["error_message"].clone()).collect();
    for (at, words) in [
        (1, "a control character"),
        (2, "not UTF-8"),
        (3, "not UTF-8"),
        (5, "a link to nothing"),
        (6, "a link to nothing"),
        (7, "a link to itself"),
    ] {
        assert!(messages[at].as_str().unwrap().contains(words), "{words}: {messages:?}");
    }
    verify(&job).exits(0);
    ended(&mut job.command("report")).exits(0);
}

#[test]
fn row_78_exclude_done_tries_them_again() {
    let folder = odd_names();
    let first = over(folder.path());
    first.run().exits(0);
    let next = over(folder.path()).set(format!("input.exclude_done=[\"{}\"]", first.output().display()));
    assert_eq!(next.run().exits(0)["left_out"]["already_done"], 2);
    let refused: Vec<_> = kinds(&first).into_iter().filter(|(_, kind)| !kind.is_null()).collect();
    assert_eq!(kinds(&next), refused);
}

#[test]
fn row_78_outputs_are_compared_although_escapes_put_their_keys_out_of_order() {
    let folder = folder();
    for name in [&b"c\xff.jpg"[..], b"c1.jpg", b"d.jpg"] {
        fs::copy(image(), named(folder.path(), name)).unwrap();
    }
    let [all, few] = [over(folder.path()), over(folder.path()).set("input.limit=2")];
    for job in [&all, &few] {
        job.run().exits(0);
    }
    assert_eq!(kinds(&all), [refused("c\\xff.jpg"), good("c1.jpg"), good("d.jpg")]);
    let file = all.output().with_extension("json");
    let arguments = ["--json-file", file.to_str().unwrap()];
    let summary = compare(&all.output(), &few.output(), &arguments).exits(0);
    assert_eq!(summary["join"], "key_table");
    let compared: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!((&compared["counts"]["only_a"], &compared["counts"]["only_b"]), (&json!(1), &json!(0)));
}

#[test]
fn row_78_a_link_that_leads_to_an_image_by_now_is_changed_and_exclude_done_reads_it() {
    let folder = folder();
    fs::copy(image(), folder.path().join("a.jpg")).unwrap();
    symlink("b.png", folder.path().join("b.jpg")).unwrap();
    let job = over(folder.path());
    ended(job.command("plan").arg("--write")).exits(0);
    let first = over(folder.path());
    first.run().exits(0);
    assert_eq!(kinds(&first), [good("a.jpg"), refused("b.jpg")]);

    fs::copy(image(), folder.path().join("b.png")).unwrap();
    job.run().exits(0);
    assert_eq!(kinds(&job), [good("a.jpg"), ("b.jpg".into(), "changed".into())]);
    verify(&job).exits(0);

    let next = over(folder.path())
        .set(format!("input.exclude_done=[\"{}\"]", first.output().display()))
        .set("input.limit=1");
    next.run().exits(0);
    assert_eq!(kinds(&next), [good("b.jpg")]);
}

#[test]
fn row_78_such_shards_are_one_row_each() {
    let folder = folder();
    let shard = PACKED.join("shards/train-000.tar");
    fs::copy(&shard, folder.path().join("a.tar")).unwrap();
    fs::copy(&shard, named(folder.path(), b"b\xff.tar")).unwrap();
    fs::copy(&shard, folder.path().join("c\n.tar")).unwrap();
    symlink("nowhere", folder.path().join("d.tar")).unwrap();
    let job = shard_job(folder.path().to_str().unwrap())
        .set("limits.max_error_fraction=1")
        .set("limits.max_damaged_inputs=3");
    assert_eq!(job.run().exits(0)["damaged_inputs"], 3);
    let found: Vec<_> = kinds(&job).into_iter().filter(|(key, _)| !key.starts_with("a.tar")).collect();
    assert_eq!(found, [refused("b\\xff.tar"), refused("c\\n.tar"), refused("d.tar")]);
    verify(&job).exits(0);
}

#[test]
fn row_78_such_parquet_files_are_one_row_each() {
    let folder = folder();
    let file = PACKED.join("parquet/train-00000-of-00002.parquet");
    symlink("nowhere", folder.path().join("a.parquet")).unwrap();
    fs::copy(&file, folder.path().join("b.parquet")).unwrap();
    fs::copy(&file, named(folder.path(), b"c\xff.parquet")).unwrap();
    fs::copy(&file, folder.path().join("d\n.parquet")).unwrap();
    let job = parquet_job(folder.path().to_str().unwrap())
        .set("limits.max_error_fraction=1")
        .set("limits.max_damaged_inputs=3");
    assert_eq!(job.run().exits(0)["damaged_inputs"], 3);
    let found: Vec<_> = kinds(&job).into_iter().filter(|(key, _)| !key.starts_with("b.parquet")).collect();
    assert_eq!(found, [refused("a.parquet!0"), refused("c\\xff.parquet!0"), refused("d\\n.parquet!0")]);
    verify(&job).exits(0);
}

/// A job that version 0.1.0 froze and has not planned.
fn begun_by_earlier_version(folder: &Path) -> Job {
    let first = over(folder);
    ended(first.command("plan").arg("--write")).exits(0);
    let frozen = fs::read(first.output().join("_tresnet/job.json")).unwrap();
    let mut frozen: Frozen = serde_json::from_slice(&frozen).unwrap();
    assert_eq!(frozen.components["rules.names"], "rows");
    frozen.version = "0.1.0".into();
    frozen.components.retain(|name, _| !name.starts_with("rules."));
    frozen.fingerprint = fingerprint(&frozen.components);
    let job = over(folder);
    let path = job.output().join("_tresnet/job.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, serde_json::to_vec_pretty(&frozen).unwrap()).unwrap();
    job
}

#[test]
fn row_78_a_job_that_version_0_1_0_began_leaves_them_out_and_counts_them_to_its_end() {
    let folder = odd_names();
    let job = begun_by_earlier_version(folder.path());
    let summary = job.run().exits(0);
    assert_eq!(kinds(&job), [good("a.jpg"), refused("b\\n.jpg"), good("z.jpg")]);
    // `caf\xe9/` has two files; links and names were counted whatever their extension
    assert_eq!(summary["left_out"]["unreadable"], 8, "{summary}");
    verify(&job).exits(0);
}

#[test]
fn row_78_jobs_over_lists_have_no_such_rule() {
    let list = folder();
    fs::write(list.path().join("rows.txt"), "yam/00.jpg\n").unwrap();
    let job = Job::own()
        .set("input.format=manifest")
        .set("input.targets=none")
        .set(format!("input.manifest={}", list.path().join("rows.txt").display()));
    job.run().exits(0);
    let frozen = fs::read(job.output().join("_tresnet/job.json")).unwrap();
    let frozen: Frozen = serde_json::from_slice(&frozen).unwrap();
    assert!(!frozen.components.contains_key("rules.names"), "{:?}", frozen.components);
}
