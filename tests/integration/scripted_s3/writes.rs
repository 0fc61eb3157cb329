//! Faults of writes: the client's result of each, and the objects that exist afterwards.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutResult};

use super::{client, client_with, kind, until};
use crate::support::scripted_s3::{Fault, Kind, Refusal, Reply, Rule, ScriptedS3};

/// Longer than the steps before it take, also on a busy machine.
const LATE: Duration = Duration::from_secs(3);

async fn create(store: &impl ObjectStore, key: &str, bytes: &'static str) -> Result<PutResult, Error> {
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    store.put_opts(&Path::from(key), bytes.into(), options).await
}

#[tokio::test]
async fn a_create_that_was_applied_and_not_answered_well_is_there() {
    for (what, fault, wanted) in [
        ("create, applied, reply lost", Fault::lost_reply(), "AlreadyExists"),
        ("create, applied, reset", Fault::Applied(Reply::Reset), "Generic"),
        ("create, applied, 500", Fault::applied_but(500, "InternalError"), "AlreadyExists"),
    ] {
        let server = ScriptedS3::start();
        let rule = server.rule(Rule::on(Kind::Put, fault).conditional(true).times(1));
        let ended = create(&client(&server), "key", "mine").await;
        let attempts = server.count(|seen| seen.kind == Kind::Put);
        println!("  {what}: {attempts} attempts");
        assert_eq!(kind(what, ended), wanted);
        assert_eq!(server.get("key").unwrap(), "mine");
        assert_eq!(server.fired(rule), 1);
    }
}

#[tokio::test]
async fn a_create_that_stalls_after_it_was_applied_is_a_timeout() {
    let server = ScriptedS3::start();
    let store = client_with(&server, Duration::from_secs(2), 3);
    server.rule(Rule::on(Kind::Put, Fault::Applied(Reply::Stall(Duration::from_secs(60)))).times(1));
    assert_eq!(kind("create, applied, stalled", create(&store, "key", "mine").await), "Generic");
    assert_eq!(server.get("key").unwrap(), "mine");
    assert_eq!(server.count(|seen| seen.kind == Kind::Put && seen.status == 0), 1);
}

#[tokio::test]
async fn a_create_takes_effect_after_its_connection_was_closed() {
    let server = ScriptedS3::start();
    let store = client_with(&server, Duration::from_secs(5), 0);
    server.rule(Rule::on(Kind::Put, Fault::AppliedLater(LATE, Reply::Close)).times(1));
    assert_eq!(kind("create, closed, applied later", create(&store, "key", "mine").await), "Generic");
    assert_eq!(kind("  HEAD meanwhile", store.head(&Path::from("key")).await), "NotFound");
    until("the create takes effect", || server.get("key").is_some()).await;
    assert_eq!(server.get("key").unwrap(), "mine");
}

#[tokio::test]
async fn a_late_effect_keeps_to_its_condition() {
    let server = ScriptedS3::start();
    server.rule(Rule::on(Kind::Put, Fault::AppliedLater(LATE, Reply::Close)).times(1));
    let store = client_with(&server, Duration::from_secs(5), 0);
    assert_eq!(kind("create, closed, applied later", create(&store, "key", "first").await), "Generic");
    create(&store, "key", "second").await.unwrap();
    tokio::time::sleep(LATE).await;
    assert_eq!(server.get("key").unwrap(), "second");
}

#[tokio::test]
async fn a_create_that_was_refused_is_not_there() {
    for (what, fault, wanted) in [
        ("create, 409", Fault::conflict(), "AlreadyExists"),
        ("create, 412 not applied", Fault::error(412, "PreconditionFailed"), "AlreadyExists"),
        ("create, 501", Fault::not_implemented(), "Generic"),
        ("create, 403", Fault::error(403, "AccessDenied"), "PermissionDenied"),
        ("create, 400 RequestTimeout", Fault::error(400, "RequestTimeout"), "Generic"),
        ("create, 200 with SlowDown", Fault::error_in_ok("SlowDown"), "Generic"),
    ] {
        let server = ScriptedS3::start();
        server.rule(Rule::on(Kind::Put, fault).conditional(true));
        assert_eq!(kind(what, create(&client(&server), "key", "mine").await), wanted);
        println!("  {what}: {} attempts", server.count(|_| true));
        assert_eq!(server.get("key"), None);
        // the same store writes without a condition
        client(&server).put(&Path::from("key"), "plain".into()).await.unwrap();
    }
}

#[tokio::test]
async fn a_create_that_met_an_error_once_is_tried_again() {
    for (what, fault) in [
        ("503", Fault::error(503, "SlowDown")),
        ("429", Fault::error(429, "TooManyRequests")),
        ("500", Fault::error(500, "InternalError")),
    ] {
        let server = ScriptedS3::start();
        server.rule(Rule::on(Kind::Put, fault).times_per_key(2));
        create(&client(&server), "key", "mine").await.unwrap();
        println!("create, {what} twice: Ok after {} attempts", server.count(|_| true));
        assert_eq!(server.count(|_| true), 3);
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_a_create_was_applied() {
    for (what, reply) in [("closed", Reply::Close), ("reset", Reply::Reset)] {
        let server = ScriptedS3::start();
        server.rule(Rule::on(Kind::Put, Fault::Instead(reply)).times(1));
        let ended = create(&client(&server), "key", "mine").await;
        println!("create, {what}, not applied: {ended:?} after {} attempts", server.count(|_| true));
        assert_eq!(ended.is_ok(), server.get("key").is_some());
    }
}

#[tokio::test]
async fn a_store_that_ignores_the_condition_overwrites() {
    let server = ScriptedS3::start();
    let store = client(&server);
    server.rule(Rule::on(Kind::Put, Fault::IgnoreConditions));
    create(&store, "key", "first").await.unwrap();
    create(&store, "key", "second").await.unwrap();
    assert_eq!(server.get("key").unwrap(), "second");
}

#[tokio::test]
async fn an_answer_held_back_comes_in_the_end() {
    let server = ScriptedS3::start();
    let store = client(&server);
    server.rule(Rule::on(Kind::Put, Fault::Held(LATE)));
    let created = AtomicBool::new(false);
    let creating = async {
        create(&store, "key", "mine").await.unwrap();
        created.store(true, Relaxed);
    };
    let looking = async {
        until("the create takes effect", || server.get("key").is_some()).await;
        created.load(Relaxed)
    };
    let ((), answered) = tokio::join!(creating, looking);
    assert!(!answered, "the answer was not held back");
    assert_eq!(server.get("key").unwrap(), "mine");
}

#[tokio::test]
async fn an_error_document_quotes_the_credentials_when_told_to() {
    let server = ScriptedS3::start();
    let leaking = Refusal::new(403, "SignatureDoesNotMatch").leaking().retry_after(7);
    server.rule(Rule::any(Fault::Instead(Reply::Refusal(leaking))));
    let error = create(&client(&server), "key", "mine").await.unwrap_err().to_string();
    for part in [
        "<AWSAccessKeyId>testing</AWSAccessKeyId>",
        "<StringToSign>AWS4-HMAC-SHA256\n20",
        "SignatureProvided",
    ] {
        assert!(error.contains(part), "{error}");
    }
}
