//! Faults of reads and listings, and the client's result of each.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt};

use super::{client, client_with, kind};
use crate::support::scripted_s3::{Break, Fault, Kind, Paging, Refusal, Reply, Rule, ScriptedS3, Tag};

const KEY: &str = "in/object";

/// Much longer than anything here takes, also on a busy machine, and much shorter than the waits that never end.
const LONG: Duration = Duration::from_secs(300);

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, work).await.expect("the client waits without end")
}

fn bytes() -> Bytes {
    (0..50_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>().into()
}

async fn get(store: &impl ObjectStore, range: Option<GetRange>) -> Result<Bytes, Error> {
    let options = GetOptions { range, ..GetOptions::default() };
    store.get_opts(&Path::from(KEY), options).await?.bytes().await
}

async fn list(store: &impl ObjectStore) -> Result<Vec<ObjectMeta>, Error> {
    store.list(Some(&Path::from("in"))).try_collect().await
}

fn keys(metas: &[ObjectMeta]) -> Vec<&str> {
    metas.iter().map(|meta| meta.location.as_ref()).collect()
}

/// A server with one object, and one with ten keys to list.
fn with_object() -> ScriptedS3 {
    let server = ScriptedS3::start();
    server.put(KEY, bytes());
    server
}

fn with_ten_keys() -> ScriptedS3 {
    let server = ScriptedS3::start();
    (0..10).for_each(|index| drop(server.put(&format!("in/{index}"), "x")));
    server.page_size(4);
    server
}

const IN_ORDER: [&str; 10] = ["in/0", "in/1", "in/2", "in/3", "in/4", "in/5", "in/6", "in/7", "in/8", "in/9"];

#[tokio::test]
async fn a_read_that_failed_once_is_tried_again() {
    for (what, fault) in [
        ("503 SlowDown", Fault::error(503, "SlowDown")),
        ("429", Fault::error(429, "TooManyRequests")),
        ("500", Fault::error(500, "InternalError")),
        ("closed before the answer", Fault::Instead(Reply::Close)),
        ("reset before the answer", Fault::Instead(Reply::Reset)),
        ("cut in mid-body", Fault::Body(Break::Cut { at: 0.3 })),
        ("reset in mid-body", Fault::Body(Break::Reset { at: 0.3 })),
    ] {
        let server = with_object();
        server.rule(Rule::on(Kind::Get, fault).times_per_key(2));
        assert_eq!(get(&client(&server), None).await.unwrap(), bytes());
        let seen = server.requests();
        let ranges: Vec<_> = seen.iter().filter_map(|seen| seen.range.as_deref()).collect();
        println!("GET, {what} twice: whole after {} requests, ranges {ranges:?}", seen.len());
        assert_eq!(seen.len(), 3);
    }
}

#[tokio::test]
async fn a_read_that_always_fails_is_an_error_of_its_kind() {
    for (status, code, wanted, attempts) in [
        (503, "SlowDown", "Generic", 4),
        (403, "AccessDenied", "PermissionDenied", 1),
        (401, "Unauthorized", "Unauthenticated", 1),
        (404, "NoSuchKey", "NotFound", 1),
        (400, "RequestTimeout", "Generic", 1),
        (400, "ExpiredToken", "Generic", 1),
    ] {
        let server = with_object();
        server.rule(Rule::on(Kind::Get, Fault::error(status, code)));
        assert_eq!(kind(&format!("GET, {status} {code}"), get(&client(&server), None).await), wanted);
        assert_eq!(server.count(|seen| seen.status == status), attempts);
    }
}

#[tokio::test]
async fn retry_after_is_sent_and_the_client_does_not_wait() {
    let server = with_object();
    let refusal = Refusal::new(503, "SlowDown").retry_after(3600);
    server.rule(Rule::any(Fault::Instead(Reply::Refusal(refusal))).times(1));
    in_time(get(&client(&server), None)).await.unwrap();
}

#[tokio::test]
async fn an_error_document_under_200_is_delivered_as_the_object_unless_a_range_was_asked_for() {
    let server = with_object();
    server.rule(Rule::on(Kind::Get, Fault::error_in_ok("SlowDown")));
    let got = get(&client(&server), None).await.unwrap();
    println!("GET, 200 with SlowDown: delivered {} bytes", got.len());
    assert!(got.starts_with(b"<?xml"));
    let ranged = get(&client(&server), Some(GetRange::Bounded(0..10))).await;
    assert_eq!(kind("GET of a range, 200 with SlowDown", ranged), "Generic");
}

#[tokio::test]
async fn a_short_body_under_right_headers_is_delivered_short() {
    let server = with_object();
    server.rule(Rule::on(Kind::Get, Fault::Body(Break::Short { at: 0.5 })));
    let whole = get(&client(&server), None).await.unwrap();
    assert_eq!(whole, bytes().slice(..100_000));
    let ranged = get(&client(&server), Some(GetRange::Bounded(10..1010))).await.unwrap();
    println!("GET, short body: {} of 200000, of a range {} of 1000", whole.len(), ranged.len());
    assert_eq!(ranged, bytes().slice(10..510));
}

#[tokio::test]
async fn a_stalled_body_is_resumed_after_the_timeout_or_comes_whole() {
    let server = with_object();
    let pause = Duration::from_secs(3600);
    server.rule(Rule::on(Kind::Get, Fault::Body(Break::Stall { at: 0.5, pause })).times(1));
    let store = client_with(&server, Duration::from_millis(300), 3);
    assert_eq!(in_time(get(&store, None)).await.unwrap(), bytes());
    println!("GET, stalled: whole after {} requests", server.count(|_| true));
    let pause = Duration::from_millis(100);
    server.rule(Rule::on(Kind::Get, Fault::Body(Break::Stall { at: 0.5, pause })));
    server.reset_log();
    assert_eq!(get(&client_with(&server, LONG, 0), None).await.unwrap(), bytes());
    assert_eq!(server.count(|_| true), 1);
}

#[tokio::test]
async fn chunked_answers_are_refused_by_the_client() {
    for way in [Break::ChunksCut { at: 0.5 }, Break::ChunksShort { at: 0.5 }] {
        let server = with_object();
        server.rule(Rule::any(Fault::Body(way)));
        assert_eq!(kind(&format!("GET, {way:?}"), get(&client(&server), None).await), "Generic");
        assert_eq!(kind(&format!("list, {way:?}"), list(&client(&server)).await), "Generic");
    }
}

#[tokio::test]
async fn a_cut_body_is_not_resumed_when_the_etag_changes_or_is_missing() {
    for (tag, wanted) in [
        (Tag::Changing, false),
        (Tag::Missing, false),
        (Tag::Empty, true),
        (Tag::Weak, true),
        (Tag::Fixed("\"always\"".into()), true),
    ] {
        let server = with_object();
        server.rule(Rule::on(Kind::Get, Fault::Tag(tag.clone())));
        server.rule(Rule::on(Kind::Get, Fault::Body(Break::Cut { at: 0.5 })).times(1));
        let got = get(&client(&server), None).await;
        println!("GET, cut, ETag {tag:?}: whole = {}, {} requests", got.is_ok(), server.count(|_| true));
        assert_eq!(got.is_ok(), wanted);
    }
}

#[tokio::test]
async fn if_match_meets_the_etag_that_is_shown() {
    for (tag, wanted) in [(Tag::Changing, false), (Tag::Weak, false), (Tag::Missing, true)] {
        let server = with_object();
        let store = client(&server);
        let planned = store.head(&Path::from(KEY)).await.unwrap().e_tag;
        server.rule(Rule::any(Fault::Tag(tag)));
        let options = GetOptions { if_match: planned, ..GetOptions::default() };
        let got = store.get_opts(&Path::from(KEY), options).await;
        assert_eq!(got.is_ok(), wanted);
    }
}

#[tokio::test]
async fn listings_show_the_etags_they_are_told_to() {
    for (tag, wanted) in [
        (Tag::Weak, Some("W/\"")),
        (Tag::Empty, Some("")),
        (Tag::Missing, None),
        (Tag::Changing, Some("\"c")),
    ] {
        let server = with_object();
        server.rule(Rule::on(Kind::List, Fault::Tag(tag)));
        let listed = list(&client(&server)).await.unwrap();
        println!("list, {wanted:?}: {:?}", listed[0].e_tag);
        assert_eq!(listed[0].e_tag.is_some(), wanted.is_some());
        assert!(listed[0].e_tag.iter().all(|tag| tag.starts_with(wanted.unwrap())));
    }
}

#[tokio::test]
async fn short_pages_are_not_the_last() {
    let server = with_ten_keys();
    server.rule(Rule::on(Kind::List, Fault::Listing(Paging::Short(1))).chance(0.5));
    server.rule(Rule::on(Kind::List, Fault::Listing(Paging::Short(0))).times(2));
    assert_eq!(keys(&list(&client(&server)).await.unwrap()), IN_ORDER);
    let pages = server.count(|seen| seen.kind == Kind::List);
    println!("list, short pages: 10 keys in {pages} pages");
    assert!(pages > 4);
}

#[tokio::test]
async fn listings_out_of_order_repeating_and_changing() {
    let server = with_ten_keys();
    let store = client(&server);
    let paging = |paging| server.rule(Rule::on(Kind::List, Fault::Listing(paging)));
    paging(Paging::ReversedFrom(0));
    let listed = list(&store).await.unwrap();
    assert_eq!(keys(&listed)[..5], ["in/3", "in/2", "in/1", "in/0", "in/7"]);
    server.clear_rules();
    paging(Paging::ReversedFrom(5));
    let listed = list(&store).await.unwrap();
    assert_eq!(keys(&listed)[..9], ["in/0", "in/1", "in/2", "in/3", "in/4", "in/7", "in/6", "in/5", "in/9"]);
    server.clear_rules();
    paging(Paging::RepeatsLast);
    let listed = list(&store).await.unwrap();
    assert_eq!(keys(&listed)[3..6], ["in/3", "in/3", "in/4"]);
    assert_eq!(listed.len(), 12);
    server.clear_rules();
    server.delete("in/4");
    server.put("in/45", "longer");
    let listed = list(&store).await.unwrap();
    assert_eq!((keys(&listed)[4], listed[4].size, listed.len()), ("in/45", 6, 10));
}

#[tokio::test]
async fn a_key_with_two_slashes_fails_the_whole_page() {
    let server = with_ten_keys();
    server.put("in//5", "x");
    assert_eq!(kind("list, a key with //", list(&client(&server)).await), "InvalidPath");
}

#[tokio::test]
async fn an_error_document_in_place_of_a_page() {
    let server = with_ten_keys();
    server.rule(Rule::on(Kind::List, Fault::error_in_ok("InternalError")).after(1));
    let ended = list(&client(&server)).await;
    match &ended {
        Ok(listed) => println!("list, 200 with InternalError as page 2: Ok, {} of 10 keys", listed.len()),
        Err(error) => println!("list, 200 with InternalError as page 2: {error}"),
    }
    assert_eq!(ended.unwrap().len(), 4);
}

#[tokio::test]
async fn chance_follows_the_seed() {
    let run = |seed| async move {
        let server = with_object();
        server.seed(seed);
        let rule = server.rule(Rule::on(Kind::Head, Fault::error(404, "NoSuchKey")).chance(0.3));
        let store = client(&server);
        let mut found = Vec::new();
        for _ in 0..200 {
            found.push(store.head(&Path::from(KEY)).await.is_ok());
        }
        assert_eq!(server.fired(rule), found.iter().filter(|found| !**found).count() as u64);
        assert!((30..90).contains(&server.fired(rule)));
        found
    };
    assert_eq!(run(1).await, run(1).await);
    assert_ne!(run(1).await, run(2).await);
}
