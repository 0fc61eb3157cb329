//! Rows 62 and 63: objects in an archive tier, and objects that are stored compressed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::job::{IMAGES, Job, rows};
use crate::support::remote::Remote;
use crate::support::scripted_s3::{Fault, Kind, Rule, ScriptedS3};

use super::{UNDISTURBED, download, job, later, serve, server, verify};

/// An image of the last folder, far from the first images of a run.
const ARCHIVED: &str = "yam/00.jpg";

fn image() -> Vec<u8> {
    std::fs::read(IMAGES.folder.join("yam/01.jpg")).unwrap()
}

/// What S3 answers for every object below a prefix.
fn archive(server: &ScriptedS3, prefix: &str) {
    server.rule(Rule::on(Kind::Get, Fault::error(403, "InvalidObjectState")).prefix(prefix));
}

/// A job without targets over `in/`, whose error rows are all accepted.
fn over(server: &ScriptedS3) -> Job {
    serve(server, Job::on("s3://test/in").set("output.uri=s3://test/out"))
        .set("input.targets=none")
        .set("limits.max_error_fraction=1")
}

/// Rows by their error kind; `ok` for those without one.
fn kinds(rows: &[Value]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for row in rows {
        *kinds.entry(row["error_kind"].as_str().unwrap_or("ok").to_owned()).or_default() += 1;
    }
    kinds
}

fn counts(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
    pairs.iter().map(|(kind, rows)| ((*kind).to_owned(), *rows)).collect()
}

#[test]
fn row_62_an_object_in_an_archive_tier_is_one_row_and_is_asked_for_once() {
    let server = server();
    let key = format!("images/{ARCHIVED}");
    archive(&server, &key);
    let job = job(&server);
    let summary = job.run().exits(0);
    assert_eq!(summary["errors_by_kind"]["archived"], 1, "{summary}");
    assert_eq!(server.count(|seen| seen.key == key && seen.kind == Kind::Get), 1);
    verify(&job).exits(0);
    let (rows, undisturbed) = (rows(download(&server).path()), UNDISTURBED.rows());
    assert_eq!(rows.len(), undisturbed.len());
    for (row, expected) in rows.iter().zip(&undisturbed) {
        if row["key"] == ARCHIVED {
            assert_eq!(row["error_kind"], "archived");
            assert!(row["error_message"].as_str().unwrap().contains("restore it"), "{row}");
            continue;
        }
        for column in ["row_id", "key", "size", "status", "error_kind", "target", "index", "prob"] {
            assert_eq!(row[column], expected[column], "{column} of {row}");
        }
    }
}

#[test]
fn row_62_an_object_that_was_restored_is_classified_by_a_later_job_that_leaves_out_the_rest() {
    let server = server();
    archive(&server, &format!("images/{ARCHIVED}"));
    job(&server).run().exits(0);
    server.clear_rules();
    let summary = later(&server).run().exits(0);
    assert_eq!(summary["rows"], json!({ "planned": 1, "ok": 1, "error": 0 }), "{summary}");
}

#[test]
fn row_62_a_prefix_whose_first_objects_are_all_archived_is_read_to_its_end() {
    let server = ScriptedS3::start();
    for number in 0..40 {
        server.put(&format!("in/a/{number:02}.jpg"), image());
    }
    server.put("in/b.jpg", image());
    archive(&server, "in/a/");
    let job = over(&server);
    job.run().exits(0);
    assert_eq!(kinds(&rows(download(&server).path())), counts(&[("archived", 40), ("ok", 1)]));
    verify(&job).exits(0);
}

#[test]
fn row_62_among_objects_that_are_all_archived_one_that_is_denied_and_one_that_is_gone_are_rows() {
    let server = ScriptedS3::start();
    for number in 0..20 {
        server.put(&format!("in/{number:02}.jpg"), image());
    }
    server.put("list.txt", (0..21).map(|number| format!("{number:02}.jpg\n")).collect::<String>());
    server.rule(Rule::on(Kind::Get, Fault::error(403, "AccessDenied")).prefix("in/07.jpg"));
    server.rule(
        Rule::on(Kind::Get, Fault::error(403, "InvalidObjectState")).when(|seen| {
            seen.key.starts_with("in/") && !matches!(seen.key.as_str(), "in/07.jpg" | "in/20.jpg")
        }),
    );
    let job = over(&server).set("input.format=manifest").set("input.manifest=s3://test/list.txt");
    job.run().exits(0);
    let expected = counts(&[("archived", 19), ("denied", 1), ("not_found", 1)]);
    assert_eq!(kinds(&rows(download(&server).path())), expected);
}

#[test]
fn row_62_a_bucket_whose_objects_are_all_archived_is_refused_for_its_error_rows() {
    let server = server();
    archive(&server, "images/");
    job(&server).run().fails(65, &["archived"]);
}

/// The bytes of a gzip file; only its head is valid.
fn compressed() -> Vec<u8> {
    [b"\x1f\x8b\x08\0\0\0\0\0\0\x03", &image()[..100]].concat()
}

#[test]
fn row_63_an_object_that_gcs_decompresses_on_its_way_is_read() {
    let server = ScriptedS3::gcs();
    server.put("in/a.jpg", image());
    for number in 0..3 {
        server.put_gzipped(&format!("in/b{number}.jpg"), compressed(), image());
    }
    let job = server.serve(Job::on("gs://test/in")).set("input.targets=none").set("storage.retry_seconds=3");
    let summary = job.run().exits(0);
    assert_eq!(summary["rows"], json!({ "planned": 4, "ok": 4, "error": 0 }), "{summary}");
    let rows = job.rows();
    for row in &rows[1..] {
        assert_eq!(row["index"], rows[0]["index"], "{row}");
        assert_eq!(row["prob"], rows[0]["prob"], "{row}");
    }
    verify(&job).exits(0);
    let reads =
        server.count(|seen| seen.kind == Kind::Get && seen.range.is_none() && seen.key == "in/b0.jpg");
    assert_eq!(reads, 1, "it was read more than once");
}

#[test]
fn row_63_a_bucket_of_such_objects_alone_is_read_and_one_that_is_denied_is_a_row() {
    let server = ScriptedS3::gcs();
    for number in 0..4 {
        server.put_gzipped(&format!("in/{number}.jpg"), compressed(), image());
    }
    server.rule(Rule::on(Kind::Get, Fault::error(403, "AccessDenied")).prefix("in/2.jpg"));
    let job =
        server.serve(Job::on("gs://test/in")).set("input.targets=none").set("limits.max_error_fraction=1");
    job.set("storage.retry_seconds=3").run().exits(0);
}

#[test]
fn row_63_an_object_that_is_stored_compressed_and_sent_so_is_one_row() {
    let server = ScriptedS3::start();
    server.put("in/a.jpg", image());
    server.put_with("in/b.jpg", compressed(), &[("content-encoding", "gzip")]);
    over(&server).run().exits(0);
    let rows = rows(download(&server).path());
    assert_eq!(kinds(&rows), counts(&[("ok", 1), ("unsupported", 1)]));
    assert!(rows[1]["error_message"].as_str().unwrap().contains("GZIP"), "{}", rows[1]);
    let reads = server.count(|seen| seen.kind == Kind::Get && seen.range.is_none() && seen.key == "in/b.jpg");
    assert_eq!(reads, 1, "it was read more than once");
}
