//! Rows 54 to 60: single objects that the store does not return, although it returns all others.

use std::collections::BTreeMap;
use std::process::Child;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::job::{Ended, IMAGES, Job, ended, reaches, rows, wait};
use crate::support::s3::files;
use crate::support::scripted_s3::{Break, Fault, Kind, Refusal, Reply, Rule, ScriptedS3, Seen};
use crate::support::{run_python, scratch};

use super::{UNDISTURBED, download, job, later, parts, serve, server, verify};

/// An image of the last folder, far from the first images of a run.
const POISON: &str = "yam/00.jpg";

/// An image that is not in the input.
const ELSEWHERE: &str = "elsewhere/00.jpg";

fn poisoned(server: &ScriptedS3, fault: Fault) {
    server.rule(Rule::on(Kind::Get, fault).prefix(&format!("images/{POISON}")));
}

/// A job that gives a key up after some seconds.
fn hurried(server: &ScriptedS3) -> Job {
    job(server).set("storage.retry_seconds=3")
}

fn is_whole_read(seen: &Seen) -> bool {
    seen.kind == Kind::Get && seen.range.is_none() && seen.key.starts_with("images/")
}

/// How often each image was read whole, or tried.
fn reads(server: &ScriptedS3) -> BTreeMap<String, usize> {
    let mut reads = BTreeMap::new();
    for seen in server.requests().into_iter().filter(is_whole_read) {
        *reads.entry(seen.key["images/".len()..].to_owned()).or_default() += 1;
    }
    reads
}

fn has_no_unreadable_row(server: &ScriptedS3) {
    let rows = rows(download(server).path());
    assert!(rows.iter().all(|row| row["error_kind"] != "unreadable"));
}

/// Checks that the poison key alone is a row `unreadable`, and every other row is that of an undisturbed run.
#[track_caller]
fn one_row_is_unreadable(server: &ScriptedS3, job: &Job, words: &str) {
    verify(job).exits(0);
    let (rows, undisturbed) = (rows(download(server).path()), UNDISTURBED.rows());
    assert_eq!(rows.len(), undisturbed.len());
    for (row, expected) in rows.iter().zip(&undisturbed) {
        if row["key"] == POISON {
            assert_eq!(row["error_kind"], "unreadable");
            assert!(row["error_message"].as_str().unwrap().contains(words), "{row}");
            continue;
        }
        for column in ["row_id", "key", "size", "status", "error_kind", "target", "index", "prob"] {
            assert_eq!(row[column], expected[column], "{column} of {row}");
        }
    }
}

/// Runs a job with each fault on one key, all at the same time; it must end with one row `unreadable`. The images of
/// other parts are read once, those of the poison key's part `again` times more.
fn each_is_one_row(faults: Vec<(Fault, &'static str, &'static str)>, again: usize) {
    let one = |(fault, reason, words): (Fault, &str, &str)| {
        let server = server();
        server.put(ELSEWHERE, std::fs::read(IMAGES.folder.join("beet-leaf.jpg")).unwrap());
        poisoned(&server, fault);
        let job = hurried(&server).set("limits.max_unreadable=1");
        let summary = job.run().exits(0);
        assert_eq!(summary["errors_by_kind"]["unreadable"], 1, "{words}: {summary}");
        assert_eq!(summary["unreadable"], json!({ reason: 1 }), "{words}: {summary}");
        one_row_is_unreadable(&server, &job, words);
        let part = |rows: &[Value], key: &str| rows.iter().position(|row| row["key"] == key).unwrap() / 8;
        let all = rows(download(&server).path());
        for (key, times) in reads(&server).into_iter().filter(|(key, _)| key != POISON) {
            let repeated = if part(&all, &key) == part(&all, POISON) { again } else { 0 };
            assert_eq!(times, 1 + repeated, "{words}: {key}");
        }
    };
    std::thread::scope(|scope| {
        let runs: Vec<_> = faults.into_iter().map(|fault| scope.spawn(move || one(fault))).collect();
        runs.into_iter().for_each(|run| run.join().unwrap());
    });
}

fn redirected(location: &'static str) -> Fault {
    Fault::Instead(Reply::Refusal(Refusal::new(307, "TemporaryRedirect").leading_to(location)))
}

#[test]
fn row_54_an_object_that_is_answered_with_never_is_one_row_and_its_part_is_not_repeated() {
    let refused = |status, code, words| (Fault::error(status, code), "refused", words);
    each_is_one_row(
        vec![
            refused(400, "InvalidRequest", "status 400"),
            refused(405, "MethodNotAllowed", "status 405"),
            refused(410, "Gone", "status 410"),
            refused(451, "UnavailableForLegalReasons", "status 451"),
            refused(501, "NotImplemented", "status 501"),
            refused(301, "PermanentRedirect", "status 301"),
            // to another image, whose bytes would be taken, and to nothing
            (redirected("/test/elsewhere/00.jpg"), "refused", "status 301"),
            (redirected("/test/elsewhere/nothing.jpg"), "refused", "status 301"),
        ],
        0,
    );
}

#[test]
fn row_55_an_object_that_fails_for_longer_than_the_patience_is_one_row_and_its_part_is_repeated_once() {
    each_is_one_row(
        vec![
            (Fault::error(500, "InternalError"), "status", "status 500"),
            (Fault::error(503, "SlowDown"), "status", "status 503"),
            (Fault::Body(Break::Short { at: 0.5 }), "incomplete", "other bytes"),
            (Fault::Body(Break::Reset { at: 0.5 }), "connection", "connection"),
        ],
        1,
    );
}

#[test]
fn row_55_an_object_that_never_comes_in_time_is_one_row() {
    let server = server();
    poisoned(&server, Fault::Instead(Reply::Stall(Duration::from_secs(60))));
    let job = hurried(&server).set("storage.read_timeout_seconds=3");
    let summary = job.run().exits(0);
    assert_eq!(summary["unreadable"], json!({ "timeout": 1 }), "{summary}");
    one_row_is_unreadable(&server, &job, "in time");
}

#[test]
fn row_55_the_refusals_of_one_object_do_not_slow_down_the_requests_for_others() {
    let server = server();
    poisoned(&server, Fault::error(503, "SlowDown"));
    let job = hurried(&server).set("storage.retry_seconds=8").set("limits.requests=64");
    let summary = job.run().exits(0);
    let input = &summary["requests"]["input"];
    assert!(input["throttled"].as_u64().unwrap() > 12, "{input}");
    // the client's own tries of the first request
    assert!(input["fewest_in_flight"].as_u64().unwrap() >= 8, "{input}");
}

#[test]
fn row_56_keys_that_fail_in_numbers_are_the_store_s_fault_and_no_row() {
    let server = ScriptedS3::start();
    let image = std::fs::read(IMAGES.folder.join("yam/00.jpg")).unwrap();
    server.virtual_keys("many/", 400, |key| format!("{key:06}.jpg"), vec![image.into()]);
    let fails = |seen: &Seen| {
        let number: Option<u64> = seen.key.get("many/".len()..).and_then(|name| name[..6].parse().ok());
        number.is_some_and(|number| number % 20 == 13)
    };
    server.rule(Rule::on(Kind::Get, Fault::error(503, "SlowDown")).when(fails));
    let job = serve(&server, Job::on("s3://test/many").set("output.uri=s3://test/out"))
        .set("input.targets=none")
        .set("output.rows_per_part=20")
        .set("storage.retry_seconds=2");
    job.run().fails(69, &["`limits.max_unreadable` = 10", "other objects can"]);
    // each part has such a key
    assert_eq!(parts(&server), 0);
    assert!(server.get("out/_SUCCESS").is_none());
    server.clear_rules();
    let summary = job.run().exits(0);
    assert_eq!(summary["rows"], json!({ "planned": 400, "ok": 400, "error": 0 }));
    verify(&job).exits(0);
}

#[test]
fn row_57_an_outage_while_a_key_waits_is_69_and_no_row() {
    let server = server();
    let key = "images/leek/00.jpg";
    server.rule(Rule::on(Kind::Get, Fault::error(503, "SlowDown")).prefix(key));
    let job = serve(&server, Job::slow("s3://test/images").set("output.uri=s3://test/out"));
    let job = job.set("storage.retry_seconds=6");
    let mut child = job.start();
    let tries = || server.count(|seen| seen.key == key);
    assert!(reaches(&mut child, 5, tries));
    server.close();
    wait(child).fails(69, &["does not answer"]);
    server.open();
    has_no_unreadable_row(&server);
    server.clear_rules();
    let summary = job.run().exits(0);
    assert_eq!(summary["errors_by_kind"]["unreadable"], Value::Null, "{summary}");
    verify(&job).exits(0);
}

#[test]
fn row_57_an_object_without_another_that_can_be_read_is_69() {
    for status in [405, 500] {
        let server = ScriptedS3::start();
        server.put("images/yam/00.jpg", std::fs::read(IMAGES.folder.join(POISON)).unwrap());
        poisoned(&server, Fault::error(status, "Whatever"));
        let job = hurried(&server).set("input.targets=none");
        job.run().fails(69, &["does not answer"]);
        assert_eq!(parts(&server), 0);
    }
}

#[test]
fn row_58_what_could_not_be_read_is_classified_by_a_later_job_that_leaves_out_the_rest() {
    let server = server();
    poisoned(&server, Fault::error(500, "InternalError"));
    hurried(&server).run().exits(0);
    server.clear_rules();
    let summary = later(&server).run().exits(0);
    assert_eq!(summary["rows"], json!({ "planned": 1, "ok": 1, "error": 0 }), "{summary}");
}

#[test]
fn row_59_several_workers_make_one_row_of_it() {
    let server = server();
    poisoned(&server, Fault::error(503, "SlowDown"));
    let job = hurried(&server);
    let worker = |share: String| job.command("run").args(["--worker", &share]).spawn().unwrap();
    let workers: Vec<Child> = (0..3).map(|index| worker(format!("{index}/3"))).collect();
    let ended: Vec<Ended> = workers.into_iter().map(wait).collect();
    let summaries: Vec<Value> = ended.iter().map(|ended| ended.exits(0)).collect();
    assert!(summaries.iter().any(|summary| summary["complete"] == true), "{summaries:?}");
    one_row_is_unreadable(&server, &job, "status 503");
}

#[test]
fn row_59_workers_that_each_think_they_are_alone_make_one_row_of_it() {
    let server = server();
    poisoned(&server, Fault::error(405, "MethodNotAllowed"));
    let job = hurried(&server);
    let racers: Vec<Child> = (0..2).map(|_| job.start()).collect();
    racers.into_iter().map(wait).for_each(|ended| drop(ended.exits(0)));
    one_row_is_unreadable(&server, &job, "status 405");
}

/// What `datasets.py` packs of the test images, on a server below `packed/`.
fn packed() -> ScriptedS3 {
    let folder = scratch().join("packed-to-be-poisoned");
    static PACKED: std::sync::Once = std::sync::Once::new();
    PACKED.call_once(|| {
        let images = IMAGES.folder.parent().unwrap();
        run_python("datasets.py", &["pack", images.to_str().unwrap(), folder.to_str().unwrap()]);
    });
    let server = ScriptedS3::start();
    for path in files(&folder) {
        let key = path.strip_prefix(&folder).unwrap().to_str().unwrap();
        server.put(&format!("packed/{key}"), std::fs::read(&path).unwrap());
    }
    server
}

fn over_packed(server: &ScriptedS3, input: &str, format: &str) -> Job {
    serve(server, Job::on(&format!("s3://test/packed/{input}")))
        .set("output.uri=s3://test/out")
        .set(format!("input.format={format}"))
        .set("input.targets=none")
        .set("storage.retry_seconds=3")
        .set("limits.max_error_fraction=0.9")
}

#[test]
fn row_60_a_shard_that_cannot_be_read_is_a_damaged_input() {
    for (address, fault) in [
        ("shards", Fault::error(500, "InternalError")),
        ("shards", Fault::error(405, "MethodNotAllowed")),
        // requested while the job is planned
        ("shards/train-{000..008}.tar", Fault::error(405, "MethodNotAllowed")),
    ] {
        let server = packed();
        server.rule(Rule::any(fault).prefix("packed/shards/train-004.tar"));
        let job = over_packed(&server, address, "webdataset");
        job.run().fails(65, &["1 inputs could not be read to their end"]);
        let summary = job.set("limits.max_damaged_inputs=1").run().exits(0);
        assert_eq!((&summary["rows"]["planned"], &summary["damaged_inputs"]), (&json!(81), &json!(1)));
        let rows = rows(download(&server).path());
        let unreadable: Vec<&Value> = rows.iter().filter(|row| row["error_kind"] == "unreadable").collect();
        assert_eq!(unreadable.len(), 1, "{unreadable:?}");
        assert_eq!(unreadable[0]["key"], "train-004.tar");
    }
}

#[test]
fn row_60_a_parquet_file_that_cannot_be_read_is_a_damaged_input() {
    for (status, code) in [(500, "InternalError"), (405, "MethodNotAllowed")] {
        let server = packed();
        let job = over_packed(&server, "parquet", "parquet");
        ended(job.command("plan").arg("--write")).exits(0);
        let file = "packed/parquet/train-00001-of-00002.parquet";
        // the job requests the first file again before it reads
        server.rule(Rule::any(Fault::error(status, code)).prefix(file));
        job.run().fails(65, &["inputs could not be read to their end"]);
        let summary = job.set("limits.max_damaged_inputs=4").run().exits(0);
        assert_eq!(summary["errors_by_kind"]["unreadable"], 45, "{summary}");
        let rows = rows(download(&server).path());
        assert!(rows.iter().all(|row| {
            (row["error_kind"] == "unreadable") == row["key"].as_str().unwrap().starts_with("train-00001")
        }));
    }
}
