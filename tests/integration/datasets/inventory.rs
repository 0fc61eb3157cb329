//! S3 Inventories as manifests, written by Python in the form that Amazon documents.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::job::{IMAGES, Job, ended, parts};
use crate::support::remote::Remote;
use crate::support::scripted_s3::ScriptedS3;
use crate::support::{ask_python, scratch};

/// Keys below `in/` that are missed if they are decoded in another way, in byte order.
const KEYS: [&str; 5] = ["%41.jpg", "a b+c.jpg", "plain/d.jpg", "plain/e&=.jpg", "rübe/f\"g.jpg"];

fn image(number: usize) -> Vec<u8> {
    let names = ["yam/00.jpg", "yam/01.jpg", "okra/00.jpg", "leek/00.jpg", "leek/01.jpg"];
    std::fs::read(IMAGES.folder.join(names[number])).unwrap()
}

fn version(key: &str, size: Option<usize>, etag: Option<&str>) -> Value {
    json!({
        "bucket": "test",
        "key": key,
        "is_latest": true,
        "is_delete_marker": false,
        "size": size,
        "etag": etag.map(|etag| etag.trim_matches('"')),
    })
}

/// A bucket, and every version of its objects: five images below `in/`, an older version of one of them, a deleted
/// one with its last version, a folder marker, and two objects elsewhere.
fn bucket() -> (ScriptedS3, Vec<Value>) {
    let server = ScriptedS3::start();
    let mut versions = vec![version("first.jpg", Some(7), Some("x"))];
    for (number, key) in KEYS.iter().enumerate() {
        let (key, bytes) = (format!("in/{key}"), image(number));
        let (size, etag) = (bytes.len(), server.put(&key, bytes));
        versions.push(version(&key, Some(size), Some(&etag)));
    }
    let mut old = version("in/a b+c.jpg", Some(7), Some("0123456789abcdef0123456789abcdef"));
    old["is_latest"] = json!(false);
    let mut deleted = version("in/gone.jpg", None, None);
    deleted["is_delete_marker"] = json!(true);
    let mut before = version("in/gone.jpg", Some(7), Some("0123456789abcdef0123456789abcdef"));
    before["is_latest"] = json!(false);
    versions.extend([
        old,
        deleted,
        before,
        version("in/plain/", Some(0), Some("d41d8cd98f00b204e9800998ecf8427e")),
    ]);
    versions.push(version("inner/x.jpg", Some(7), Some("x")));
    (server, versions)
}

/// Writes an inventory of these versions, delivers it to the bucket, and returns where both copies of its
/// `manifest.json` are: below the bucket's `lists`, and on disk.
fn delivered(server: &ScriptedS3, versions: &[Value], form: &str, folder: &Path) -> (String, String) {
    let objects = folder.join("objects.json");
    std::fs::write(&objects, json!(versions).to_string()).unwrap();
    let out = folder.join("out");
    let arguments = [objects.to_str().unwrap(), form, out.to_str().unwrap(), "lists"];
    let manifest = ask_python("inventory.py", &arguments);
    server.put_files(&out.join("lists"), "lists");
    let manifest = manifest.as_str().unwrap();
    (format!("s3://test/{manifest}"), out.join(manifest).to_str().unwrap().to_owned())
}

fn over(server: &ScriptedS3, manifest: &str) -> Job {
    server
        .serve(Job::on("s3://test/in"))
        .set("input.targets=none")
        .set("input.format=manifest")
        .set(format!("input.manifest={manifest}"))
}

#[test]
fn an_inventory_in_either_format_gives_the_rows_of_the_listing() {
    let (server, versions) = bucket();
    let listed = server.serve(Job::on("s3://test/in")).set("input.targets=none");
    listed.run().exits(0);
    let expected = listed.rows();
    assert_eq!(expected.iter().map(|row| &row["key"]).collect::<Vec<_>>(), KEYS);
    for form in ["CSV", "Parquet"] {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let (in_bucket, on_disk) = delivered(&server, &versions, form, folder.path());
        for manifest in [in_bucket, on_disk] {
            let job = over(&server, &manifest);
            let summary = job.run().exits(0);
            assert_eq!(job.rows(), expected, "{manifest}");
            let left_out = &summary["left_out"];
            let counts = ["old_versions", "delete_markers", "outside", "markers"].map(|name| &left_out[name]);
            assert_eq!(counts, [&json!(2), &json!(1), &json!(2), &json!(1)], "{manifest}: {summary}");
            ended(&mut job.command("verify")).exits(0);
        }
    }
}

#[test]
fn an_object_that_was_written_anew_after_the_inventory_is_a_row_changed() {
    for form in ["CSV", "Parquet"] {
        let (server, versions) = bucket();
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let (manifest, _) = delivered(&server, &versions, form, folder.path());
        server.put("in/plain/d.jpg", image(4));
        let job = over(&server, &manifest).set("limits.max_error_fraction=1");
        let summary = job.run().exits(0);
        assert_eq!(summary["errors_by_kind"], json!({ "changed": 1 }), "{summary}");
    }
}

#[test]
fn a_file_that_is_not_the_one_that_is_described_is_78() {
    for form in ["CSV", "Parquet"] {
        let (server, versions) = bucket();
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let (manifest, _) = delivered(&server, &versions, form, folder.path());
        let key = server.keys("lists/").into_iter().find(|key| key.contains("/data/0")).unwrap();
        let mut bytes = server.get(&key).unwrap().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        server.put(&key, bytes.clone());
        over(&server, &manifest).run().fails(78, &[&key, "`MD5checksum`"]);
        server.put(&key, bytes[..middle].to_vec());
        over(&server, &manifest).run().fails(78, &[&key, "in `manifest.json`"]);
        server.delete(&key);
        over(&server, &manifest).run().fails(78, &[&key, "is not there"]);
    }
}

#[test]
fn an_inventory_of_another_bucket_is_78() {
    let (server, mut versions) = bucket();
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let (manifest, _) = delivered(&server, &versions, "CSV", folder.path());
    let here = Job::on(IMAGES.folder.to_str().unwrap());
    let local = server.serve(here).set("input.targets=none").set("input.format=manifest");
    local.set(format!("input.manifest={manifest}")).run().fails(78, &["the bucket `test`", "`input.uri`"]);
    versions[2]["bucket"] = json!("elsewhere");
    let (manifest, _) = delivered(&server, &versions, "CSV", folder.path());
    over(&server, &manifest).run().fails(78, &["line 3", "the bucket `elsewhere`"]);
    versions.iter_mut().for_each(|version| version["bucket"] = json!("elsewhere"));
    let (manifest, _) = delivered(&server, &versions, "Parquet", folder.path());
    over(&server, &manifest).run().fails(78, &["the bucket `elsewhere`", "s3://elsewhere"]);
}

#[test]
fn what_an_inventory_does_not_have_is_78() {
    let (server, versions) = bucket();
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let (orc, _) = delivered(&server, &versions, "ORC", folder.path());
    over(&server, &orc).run().fails(78, &["ORC", "CSV and Parquet"]);
    let (manifest, _) = delivered(&server, &versions, "CSV", folder.path());
    over(&server, &manifest).set("input.path_column=Key").run().fails(78, &["`input.path_column`", "fixed"]);
    over(&server, &manifest).set("input.targets=manifest").run().fails(78, &["no targets"]);
    let carrying = over(&server, &manifest).set("input.carry_columns=[\"StorageClass\"]");
    carrying.run().fails(78, &["`StorageClass`"]);
}

#[test]
fn a_killed_plan_of_an_inventory_goes_on_after_its_last_key_and_counts_nothing_twice() {
    let (server, versions) = bucket();
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let (manifest, _) = delivered(&server, &versions, "Parquet", folder.path());
    let job = over(&server, &manifest).set("output.rows_per_part=1");
    let whole = job.run().exits(0);
    // the plan's first segment has one part of one row
    let second = job.output().join("_tresnet/plan/000001");
    std::fs::remove_file(second).unwrap();
    for name in parts(&job.output()).iter().skip(1).map(String::as_str).chain(["_SUCCESS"]) {
        std::fs::remove_file(job.output().join(name)).unwrap();
    }
    let again = job.run().exits(0);
    assert_eq!((&again["left_out"], &again["rows"]), (&whole["left_out"], &whole["rows"]));
}
