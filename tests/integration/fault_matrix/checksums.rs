//! Row 61: bytes that were changed in transit, under the right length.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum};
use md5::{Digest, Md5};
use serde_json::Value;

use crate::support::ask_python;
use crate::support::job::{Ended, IMAGES, Job};
use crate::support::s3::files;
use crate::support::scripted_s3::{Break, Fault, Kind, Rule, ScriptedS3, Seen};

use super::{download, job, of_images, served_undisturbed_rows, server, verify};

const CRC32C: &str = "x-amz-checksum-crc32c";
const KIND: &str = "x-amz-checksum-type";

fn crc32c(bytes: &[u8]) -> String {
    STANDARD.encode((checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32).to_be_bytes())
}

fn md5_tag(bytes: &[u8]) -> String {
    let digits: String = Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

/// A server with the test images below `images/`, each with the headers of a checksum.
fn server_with(headers: impl Fn(&[u8]) -> Vec<(&'static str, String)>) -> ScriptedS3 {
    let server = ScriptedS3::start();
    for path in files(&IMAGES.folder) {
        let key = path.strip_prefix(&IMAGES.folder).unwrap().to_str().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let headers = headers(&bytes);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        server.put_with(&format!("images/{key}"), bytes, &headers);
    }
    server
}

fn server_with_crc32c() -> ScriptedS3 {
    server_with(|bytes| vec![(CRC32C, crc32c(bytes))])
}

/// Keys of images that become rows with predictions, in order.
fn good_keys() -> Vec<String> {
    let good = IMAGES.expected.iter().filter(|(_, (_, error))| error.is_none());
    good.map(|(key, _)| format!("images/{key}")).collect()
}

fn reads_of(keys: &[String], fault: Fault) -> Rule {
    let keys: BTreeSet<String> = keys.iter().cloned().collect();
    Rule::on(Kind::Get, fault).when(move |seen| keys.contains(&seen.key))
}

/// Keys of the rows that are `corrupt` by their checksums.
fn mismatches(server: &ScriptedS3) -> Vec<String> {
    let rows = ask_python("rows.py", &["dump", download(server).path().to_str().unwrap()]);
    let message = |row: &Value| row["error_message"].as_str().unwrap_or_default().to_owned();
    let rows = rows.as_array().unwrap().iter();
    let rows = rows.filter(|row| row["error_kind"] == "corrupt" && message(row).contains("do not match the"));
    rows.map(|row| format!("images/{}", row["key"].as_str().unwrap())).collect()
}

fn notices(ended: &Ended, words: &str) -> usize {
    ended.stderr.matches(words).count()
}

#[test]
fn row_61_zeroed_bytes_that_come_once_are_read_again_and_give_the_same_rows() {
    let server = server_with_crc32c();
    let zeroed = Fault::Body(Break::Zeroed { from: 0.5 });
    let rule = server.rule(of_images(Rule::on(Kind::Get, zeroed).ranged(false)).times_per_key(1));
    let job = job(&server);
    job.run().exits(0);
    assert!(server.fired(rule) >= 90);
    served_undisturbed_rows(&server, &job);
}

#[test]
fn row_61_forty_objects_that_are_always_zeroed_are_rows_corrupt_and_no_row_is_wrong() {
    let server = server_with_crc32c();
    let keys = good_keys()[..40].to_vec();
    server.rule(reads_of(&keys, Fault::Body(Break::Zeroed { from: 0.5 })));
    let job = job(&server).set("limits.max_error_fraction=0.9");
    let summary = job.run().exits(0);
    assert_eq!(summary["rows"]["error"], 45, "{summary}");
    verify(&job).exits(0);
    assert_eq!(mismatches(&server), keys);
}

#[test]
fn row_61_bytes_that_differ_from_read_to_read_are_a_fault_that_passes() {
    let server = server_with_crc32c();
    let noise = Fault::Body(Break::Noise { from: 0.3 });
    server.rule(of_images(Rule::on(Kind::Get, noise)).chance(0.4));
    let job = job(&server);
    job.run().exits(0);
    served_undisturbed_rows(&server, &job);
}

#[test]
fn row_61_bytes_of_one_object_that_never_settle_are_a_row_unreadable() {
    let server = server_with_crc32c();
    server.rule(reads_of(&good_keys()[..1], Fault::Body(Break::Noise { from: 0.0 })));
    let ended = job(&server).set("storage.retry_seconds=2").run();
    assert_eq!(ended.exits(0)["errors_by_kind"]["unreadable"], 1);
    assert!(ended.stderr.contains("CRC-32C") && ended.stderr.contains("differ from read to read"));
}

#[test]
fn row_61_a_body_that_is_cut_and_resumed_is_checked_as_a_whole() {
    let server = server_with_crc32c();
    server
        .rule(of_images(Rule::on(Kind::Get, Fault::Body(Break::Cut { at: 0.4 })).ranged(false)).chance(0.5));
    // the rest of one is zeroed: its head is right, and the whole is not
    let key = &good_keys()[..1];
    server.rule(reads_of(key, Fault::Body(Break::Cut { at: 0.4 })).ranged(false));
    // not the one byte by which an object is found to be readable
    let resumed = |seen: &Seen| seen.range.as_deref().is_some_and(|range| !range.starts_with("bytes=0-"));
    let zeroed = Rule::on(Kind::Get, Fault::Body(Break::Zeroed { from: 0.0 }));
    let zeroed = zeroed.prefix(&key[0]).when(resumed).times(1);
    let rule = server.rule(zeroed);
    let job = job(&server);
    let ended = job.run();
    ended.exits(0);
    assert_eq!(server.fired(rule), 1);
    assert!(server.count(resumed) > 10);
    served_undisturbed_rows(&server, &job);
}

#[test]
fn row_61_the_header_that_asks_is_signed_and_goes_with_reads_of_whole_objects_only() {
    let server = server_with_crc32c();
    // the server refuses `x-amz-` headers that are not signed
    job(&server).run().exits(0);
    let requests = server.requests();
    let asks: Vec<&Seen> = requests.iter().filter(|seen| seen.asks_for_checksums).collect();
    assert!(asks.len() >= 90);
    for seen in &asks {
        assert!(
            seen.kind == Kind::Get && seen.range.is_none() && seen.key.starts_with("images/"),
            "{seen:?}"
        );
        assert!(seen.signed_headers.split(';').any(|name| name == "x-amz-checksum-mode"), "{seen:?}");
    }
    let lists = requests.iter().filter(|seen| seen.kind == Kind::List).count();
    assert!(
        lists > 0
            && requests.iter().all(|seen| seen.status < 400 || seen.status == 412 || seen.status == 404)
    );
}

#[test]
fn row_61_with_checksums_off_none_is_asked_for() {
    let server = server_with_crc32c();
    let job = job(&server).set("storage.checksums=off");
    job.run().exits(0);
    assert_eq!(server.count(|seen| seen.asks_for_checksums), 0);
    served_undisturbed_rows(&server, &job);
}

fn survives_a_store_that_refuses_the_header(status: u16, code: &str) {
    let server = server_with_crc32c();
    let refused = Rule::on(Kind::Get, Fault::error(status, code)).when(|seen| seen.asks_for_checksums);
    server.rule(refused);
    let job = job(&server).set("limits.requests=4");
    let ended = job.run();
    ended.exits(0);
    assert_eq!(notices(&ended, "x-amz-checksum-mode"), 1, "{}", ended.stderr);
    // those that were under way when the first was refused, each with the client's own tries of a 501
    assert!(server.count(|seen| seen.asks_for_checksums) <= 16);
    served_undisturbed_rows(&server, &job);
}

#[test]
fn row_61_a_store_that_answers_the_header_with_400_is_read_without() {
    survives_a_store_that_refuses_the_header(400, "InvalidArgument");
}

#[test]
fn row_61_a_store_that_answers_the_header_with_403_is_read_without() {
    survives_a_store_that_refuses_the_header(403, "SignatureDoesNotMatch");
}

#[test]
fn row_61_a_store_that_answers_the_header_with_501_is_read_without() {
    survives_a_store_that_refuses_the_header(501, "NotImplemented");
}

#[test]
fn row_61_a_store_whose_tags_are_random_hex_digits_has_no_row_corrupt() {
    // the tags of the scripted server are half a SHA-256
    let server = server();
    let job = job(&server);
    let ended = job.run();
    ended.exits(0);
    assert_eq!(notices(&ended, "the entity tag of this store is not the MD5"), 1, "{}", ended.stderr);
    served_undisturbed_rows(&server, &job);
}

#[test]
fn row_61_a_content_md5_that_clients_made_up_makes_no_row_corrupt() {
    let server = server_with(|_| vec![("content-md5", STANDARD.encode([7; 16]))]);
    let job = job(&server);
    let ended = job.run();
    ended.exits(0);
    assert_eq!(notices(&ended, "the Content-MD5 of this store is not the MD5"), 1, "{}", ended.stderr);
    served_undisturbed_rows(&server, &job);
}

/// One read at a time, in the order of the plan.
fn in_order(job: Job) -> Job {
    job.set("limits.requests=1").set("limits.max_error_fraction=0.2")
}

#[test]
fn row_61_md5s_that_proved_right_find_wrong_bytes() {
    for headers in [
        |bytes: &[u8]| vec![("etag", md5_tag(bytes))],
        |bytes: &[u8]| vec![("content-md5", STANDARD.encode(Md5::digest(bytes)))],
    ] {
        let server = server_with(headers);
        let last = good_keys().split_off(good_keys().len() - 1);
        server.rule(reads_of(&last, Fault::Body(Break::Zeroed { from: 0.5 })));
        let job = in_order(job(&server));
        job.run().exits(0);
        assert_eq!(mismatches(&server), last);
    }
}

#[test]
fn row_61_checksums_of_parts_and_of_other_encodings_are_not_compared() {
    let wrong = crc32c(b"other bytes");
    for headers in [
        vec![(CRC32C, format!("{wrong}-3"))],
        vec![(CRC32C, wrong.clone()), (KIND, "COMPOSITE".to_owned())],
        vec![
            ("x-goog-hash", format!("crc32c={wrong}")),
            ("x-goog-stored-content-encoding", "gzip".to_owned()),
        ],
    ] {
        let server = server_with(|_| headers.clone());
        let job = job(&server);
        job.run().exits(0);
        served_undisturbed_rows(&server, &job);
    }
}
