//! Latency, outages, dropped connections.

use std::time::{Duration, Instant};

use futures::future::join_all;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::{client, client_with, kind, until};
use crate::support::scripted_s3::{Fault, Kind, Reply, Rule, ScriptedS3};

#[tokio::test]
async fn every_request_waits_for_the_latency_and_overlaps_with_others() {
    let server = ScriptedS3::start();
    let store = client(&server);
    server.put("key", "x");
    server.latency(Duration::from_secs(1));
    server.rule(Rule::on(Kind::Head, Fault::Latency(Duration::from_secs(1))));
    let key = Path::from("key");
    let started = Instant::now();
    join_all((0..20).map(|_| store.head(&key))).await.into_iter().for_each(|head| drop(head.unwrap()));
    println!("20 HEADs at once, 2 s of latency: {:?}", started.elapsed());
    // one after another they would take 40
    assert!((2..20).contains(&started.elapsed().as_secs()));
    assert_eq!(server.requests().iter().map(|seen| seen.in_flight).max(), Some(20));
}

#[tokio::test]
async fn a_closed_server_refuses_and_the_same_port_opens_again() {
    let server = ScriptedS3::start();
    let store = client(&server);
    server.put("key", "x");
    let key = Path::from("key");
    for _ in 0..20 {
        store.get(&key).await.unwrap().bytes().await.unwrap();
        server.close();
        let started = Instant::now();
        assert_eq!(kind("GET, listener closed", store.get(&key).await), "Generic");
        // refused, not timed out
        assert!(started.elapsed() < Duration::from_secs(5));
        server.open();
    }
    store.get(&key).await.unwrap();
}

#[tokio::test]
async fn dropped_connections_end_what_is_in_hand() {
    let server = ScriptedS3::start();
    let store = client_with(&server, Duration::from_secs(20), 0);
    server.rule(Rule::any(Fault::Instead(Reply::Stall(Duration::from_secs(20)))).times(1));
    let key = Path::from("key");
    let dropping = async {
        until("the HEAD arrives", || !server.requests().is_empty()).await;
        server.drop_connections();
    };
    let (head, ()) = tokio::join!(store.head(&key), dropping);
    assert_eq!(kind("HEAD, connection dropped", head), "Generic");
    assert_eq!(kind("HEAD, afterwards", store.head(&key).await), "NotFound");
}

#[tokio::test]
async fn an_effect_outlives_the_outage() {
    let server = ScriptedS3::start();
    let store = client_with(&server, Duration::from_secs(5), 0);
    let late = Duration::from_secs(3);
    server.rule(Rule::on(Kind::Put, Fault::AppliedLater(late, Reply::Stall(Duration::from_secs(60)))));
    let key = Path::from("key");
    let closing = async {
        until("the PUT arrives", || !server.requests().is_empty()).await;
        // its body too
        tokio::time::sleep(Duration::from_millis(500)).await;
        server.close();
    };
    let (put, ()) = tokio::join!(store.put(&key, "mine".into()), closing);
    assert_eq!(kind("PUT, server closed, applied later", put), "Generic");
    assert_eq!(server.get("key"), None);
    until("the PUT takes effect", || server.get("key").is_some()).await;
    server.open();
    assert_eq!(store.get(&key).await.unwrap().bytes().await.unwrap(), "mine");
}

#[test]
fn a_dropped_server_is_gone_and_many_stand_side_by_side() {
    let servers: Vec<ScriptedS3> = (0..20).map(|_| ScriptedS3::start()).collect();
    let address = servers[7].endpoint().trim_start_matches("http://").to_owned();
    std::net::TcpStream::connect(&address).unwrap();
    drop(servers);
    std::net::TcpStream::connect(&address).unwrap_err();
}
