//! Rows 25 and 31 to 33: listings in many pages, out of order, and from stores that break the protocol.

use std::process::Command;

use crate::support::job::{Ended, IMAGES, Job, ended, program};
use crate::support::scripted_s3::{Fault, Kind, Paging, Reply, Rule, ScriptedS3};

use super::{job, serve, served_undisturbed_rows, server, verify};

/// A job over 2,500 keys that are all the same few images.
fn many(server: &ScriptedS3) -> Job {
    let image = std::fs::read(IMAGES.folder.join("yam/00.jpg")).unwrap();
    server.virtual_keys("many/", 2_500, |key| format!("{key:06}.jpg"), vec![image.into()]);
    serve(server, Job::on("s3://test/many").set("output.uri=s3://test/out"))
        .set("input.targets=none")
        .set("output.rows_per_part=500")
        .set("output.logits=false")
        .set("engine.batch_size=32")
}

fn stderr_and_rows(ended: &Ended) -> (String, u64) {
    let summary = ended.exits(0);
    (ended.stderr.clone(), summary["rows"]["planned"].as_u64().unwrap())
}

#[test]
fn row_25_more_than_a_page_of_keys_in_short_pages_are_all_listed() {
    let server = ScriptedS3::start();
    let job = many(&server);
    server.rule(Rule::on(Kind::List, Fault::Listing(Paging::Short(37))).prefix("many"));
    assert_eq!(stderr_and_rows(&job.run()).1, 2_500);
    assert!(server.count(|seen| seen.kind == Kind::List && seen.key.starts_with("many")) > 60);
    verify(&job).exits(0);
}

#[test]
fn row_25_a_listing_out_of_order_from_the_start_is_sorted_with_a_notice() {
    let server = server();
    server.rule(Rule::on(Kind::List, Fault::Listing(Paging::ReversedFrom(0))).prefix("images"));
    let job = job(&server);
    let (stderr, _) = stderr_and_rows(&job.run());
    assert!(stderr.contains("out of order"), "{stderr}");
    served_undisturbed_rows(&server, &job);
}

#[test]
fn row_25_a_listing_that_loses_its_order_later_is_78_and_can_be_sorted_on_request() {
    let server = ScriptedS3::start();
    let job = many(&server);
    server.rule(Rule::on(Kind::List, Fault::Listing(Paging::ReversedFrom(2_100))).prefix("many"));
    job.run().fails(78, &["out of order", "listing = \"sort\""]);
    // a listing that begins after the last planned key hides keys that are out of order: no run may end there
    job.run().fails(78, &["out of order"]);
    server.clear_rules();
    job.run().fails(78, &["out of order"]);
    ended(job.command("run").args(["--set", "input.listing=sort"])).fails(78, &["out of order"]);
    let job = job.set("input.listing=sort").set("output.uri=s3://test/sorted");
    assert_eq!(stderr_and_rows(&job.run()).1, 2_500);
    verify(&job).exits(0);
}

/// The job with little time for retries.
fn hurried(job: Job) -> Job {
    job.set("storage.retry_seconds=1")
}

fn list_rule(fault: Fault) -> Rule {
    Rule::on(Kind::List, fault).prefix("many")
}

/// Checks that there is no plan and no row: no row was lost without an error.
#[track_caller]
fn ends_with_69(server: &ScriptedS3, job: &Job, words: &[&str]) {
    job.run().fails(69, words);
    assert!(server.get("out/_SUCCESS").is_none());
    ended(job.command("run").args(["--set", "input.listing=sort"])).fails(69, words);
    assert!(server.get("out/_SUCCESS").is_none());
}

/// `init` over the same keys.
fn init(server: &ScriptedS3, folder: &std::path::Path) -> Command {
    let mut command = program();
    command.args(["init", "s3://test/many", "--output", "s3://test/rows", "--model"]);
    command.arg(crate::support::root().join("models/demo")).current_dir(folder);
    command.envs(server.environment());
    command
}

#[test]
fn row_31_a_listing_that_goes_on_without_saying_where_is_69_and_no_row_is_lost() {
    for way_on in
        ["", "<NextContinuationToken></NextContinuationToken>", "<NextMarker>many/001000.jpg</NextMarker>"]
    {
        let server = ScriptedS3::start();
        let job = hurried(many(&server));
        server.rule(list_rule(Fault::Listing(Paging::WayOn(way_on))));
        ends_with_69(&server, &job, &["IsTruncated", "NextContinuationToken", "many"]);
    }
}

#[test]
fn row_31_doctor_and_init_say_so_too() {
    let server = ScriptedS3::start();
    let job = hurried(many(&server));
    server.rule(list_rule(Fault::Listing(Paging::WayOn(""))));
    let doctor = ended(&mut job.command("doctor"));
    assert_eq!(doctor.code, Some(69), "{}", doctor.stderr);
    assert!(doctor.stderr.contains("IsTruncated"), "{}", doctor.stderr);
    let folder = tempfile::tempdir().unwrap();
    ended(&mut init(&server, folder.path())).fails(69, &["IsTruncated"]);
}

#[test]
fn row_31_a_listing_that_finds_its_way_again_is_whole() {
    let server = ScriptedS3::start();
    let job = many(&server);
    server.rule(list_rule(Fault::Listing(Paging::WayOn(""))).times(5));
    assert_eq!(stderr_and_rows(&job.run()).1, 2_500);
    verify(&job).exits(0);
}

#[test]
fn row_32_another_document_in_place_of_a_page_is_69_and_named() {
    for (document, name) in [
        ("<html><body>busy</body></html>", "`html`"),
        ("<ErrorResponse><Error><Code>Busy</Code></Error></ErrorResponse>", "`Busy`"),
        ("<s3:Error xmlns:s3=\"x\"><s3:Code>Busy</s3:Code></s3:Error>", "`Error`"),
        ("<!-- proxy --><Error><Code>Busy</Code></Error>", "`Busy`"),
        ("", "empty document"),
        ("<ListBucketResult><IsTruncated>false</IsTruncated>", "cut off"),
        ("<ListBucketResult><Name>test</Name></ListBucketResult>", "neither true nor false"),
        ("<ListBucketResult><IsTruncated>1</IsTruncated></ListBucketResult>", "NextContinuationToken"),
        (
            "<ListBucketResult><IsTruncated>false</IsTruncated><Error><Code>Busy</Code></Error></ListBucketResult>",
            "`Busy`",
        ),
    ] {
        let server = ScriptedS3::start();
        let job = hurried(many(&server));
        server.rule(list_rule(Fault::Instead(Reply::Document(document))).after(1));
        ends_with_69(&server, &job, &[name]);
    }
}

#[test]
fn row_33_a_store_that_ignores_the_continuation_token_is_69_and_ends() {
    for counts in [false, true] {
        let server = ScriptedS3::start();
        let job = hurried(many(&server));
        server.rule(list_rule(Fault::Listing(Paging::IgnoresToken(counts))));
        ends_with_69(&server, &job, &["ignores the continuation token"]);
    }
}

#[test]
fn row_33_empty_pages_with_new_tokens_are_followed() {
    let server = ScriptedS3::start();
    let job = many(&server);
    server.rule(list_rule(Fault::Listing(Paging::Short(0))).times(300));
    assert_eq!(stderr_and_rows(&job.run()).1, 2_500);
    verify(&job).exits(0);
}
