//! Correct answers of the server.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
};

use super::{client, kind};
use crate::support::scripted_s3::{Kind, ScriptedS3};

fn options(mode: PutMode) -> PutOptions {
    PutOptions { mode, ..PutOptions::default() }
}

async fn listed(store: &impl ObjectStore, prefix: &str) -> Vec<String> {
    let prefix = Path::parse(prefix).unwrap();
    store.list(Some(&prefix)).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap()
}

#[tokio::test]
async fn what_was_put_is_got_whole_in_ranges_and_by_etag() {
    let server = ScriptedS3::start();
    let store = client(&server);
    let key = Path::parse("a b/ü+%&'\"<>#?.bin").unwrap();
    let bytes: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    let put = store.put(&key, bytes.clone().into()).await.unwrap();
    assert_eq!(server.get(key.as_ref()).unwrap(), bytes);
    let got = store.get(&key).await.unwrap();
    assert_eq!(got.meta.e_tag, put.e_tag);
    assert_eq!(got.bytes().await.unwrap(), bytes);
    for (range, wanted) in [
        (GetRange::Bounded(7..1000), &bytes[7..1000]),
        (GetRange::Offset(399_000), &bytes[399_000..]),
        (GetRange::Suffix(10), &bytes[bytes.len() - 10..]),
    ] {
        let range = GetOptions { range: Some(range), ..GetOptions::default() };
        assert_eq!(store.get_opts(&key, range).await.unwrap().bytes().await.unwrap(), wanted);
    }
    let head = store.head(&key).await.unwrap();
    assert_eq!((head.size, head.e_tag), (400_000, put.e_tag.clone()));
    assert!(head.last_modified.timestamp() > 1_700_000_000);
    let if_match = |tag: Option<String>| GetOptions { if_match: tag, ..GetOptions::default() };
    assert!(store.get_opts(&key, if_match(put.e_tag)).await.is_ok());
    let other = store.get_opts(&key, if_match(Some("\"other\"".into()))).await;
    assert_eq!(kind("GET, If-Match of another", other), "Precondition");
    let outside = GetOptions { range: Some(GetRange::Bounded(500_000..500_001)), ..GetOptions::default() };
    assert_eq!(kind("GET, range outside", store.get_opts(&key, outside).await), "Generic");
    assert_eq!(kind("GET, absent", store.get(&Path::from("absent")).await), "NotFound");
    assert_eq!(kind("HEAD, absent", store.head(&Path::from("absent")).await), "NotFound");
    assert_eq!(server.count(|seen| seen.kind == Kind::Get && seen.status == 206), 3);
    assert_eq!(server.count(|seen| seen.conditional && seen.status == 412), 1);
    server.reset_log();
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn one_of_sixteen_racing_creates_wins_and_its_bytes_stand() {
    let server = ScriptedS3::start();
    let store = client(&server);
    for round in 0..20 {
        let key = Path::from(format!("race/{round}"));
        let create = |body: usize| {
            let (store, key) = (&store, &key);
            async move {
                let payload = PutPayload::from(body.to_string());
                (body, store.put_opts(key, payload, options(PutMode::Create)).await)
            }
        };
        let ended: Vec<_> = stream::iter((0..16).map(create)).buffer_unordered(16).collect().await;
        let winners: Vec<usize> =
            ended.iter().filter(|(_, result)| result.is_ok()).map(|(body, _)| *body).collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(server.get(key.as_ref()).unwrap(), winners[0].to_string());
        for (_, result) in ended.into_iter().filter(|(_, result)| result.is_err()) {
            assert!(matches!(result, Err(object_store::Error::AlreadyExists { .. })));
        }
    }
}

/// What the server answers to these bytes.
fn raw(server: &ScriptedS3, sent: &str) -> String {
    let mut stream = TcpStream::connect(server.endpoint().trim_start_matches("http://")).unwrap();
    stream.write_all(sent.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn other_clients_may_send_chunks_and_ask_for_encoded_keys() {
    let server = ScriptedS3::start();
    let head = "PUT /test/in/a%20%26b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert!(raw(&server, &format!("{head}{chunks}")).starts_with("HTTP/1.1 200"));
    assert_eq!(server.get("in/a &b").unwrap(), "abcde");
    let signed = "3;chunk-signature=0\r\nxyz\r\n0;chunk-signature=0\r\n\r\n";
    let length = signed.len();
    let streamed = format!(
        "Content-Encoding: aws-chunked\r\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\n\
         Content-Length: {length}\r\n\r\n{signed}"
    );
    assert!(raw(&server, &format!("{head}{streamed}")).starts_with("HTTP/1.1 200"));
    assert_eq!(server.get("in/a &b").unwrap(), "xyz");
    let torn = streamed.replace("3;chunk", "7;chunk").replace("xyz", "no");
    assert_eq!(
        raw(&server, &format!("{head}{torn}").replace(&length.to_string(), &(length - 1).to_string())),
        ""
    );
    assert_eq!(server.get("in/a &b").unwrap(), "xyz");
    server.put("in/b", "");
    let page = |query: &str| {
        raw(
            &server,
            &format!("GET /test?list-type=2&{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        )
    };
    assert!(page("prefix=in/").contains("<Key>in/a &amp;b</Key>"));
    assert!(page("prefix=in%2Fa+&encoding-type=url").contains("<Key>in/a%20%26b</Key>"));
    let first = page("max-keys=1");
    assert!(first.contains("<KeyCount>1</KeyCount>") && first.contains("<IsTruncated>true</IsTruncated>"));
    assert!(page("max-keys=none").starts_with("HTTP/1.1 400"));
    assert!(page("start-after=in/a&delimiter=/").contains("<Prefix>in/</Prefix>"));
}

#[tokio::test]
async fn updates_need_the_standing_etag() {
    let server = ScriptedS3::start();
    let store = client(&server);
    let key = Path::from("updated");
    let first = store.put(&key, "one".into()).await.unwrap();
    let mode = PutMode::Update(UpdateVersion::from(first));
    store.put_opts(&key, "two".into(), options(mode.clone())).await.unwrap();
    let again = store.put_opts(&key, "three".into(), options(mode)).await;
    assert_eq!(kind("PUT, If-Match of the old", again), "Precondition");
    assert_eq!(server.get("updated").unwrap(), "two");
}

#[tokio::test]
async fn deletes_one_by_one_and_in_bulk() {
    let server = ScriptedS3::start();
    let store = client(&server);
    let keys: Vec<Path> = ["a", "b & <c>", "d\"'e"].map(|key| Path::parse(key).unwrap()).into();
    for key in &keys {
        server.put(key.as_ref(), "x");
    }
    server.put("kept", "x");
    store.delete(&keys[0]).await.unwrap();
    let doomed = stream::iter(keys[1..].to_vec()).map(Ok).boxed();
    store.delete_stream(doomed).try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(server.keys(""), ["kept"]);
    println!("DELETE goes as {:?}", server.requests()[0].method);
    let sent = "DELETE /test/kept HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(raw(&server, sent).starts_with("HTTP/1.1 204"));
    assert!(server.keys("").is_empty());
}

#[tokio::test]
async fn pages_hold_every_key_once_in_byte_order_whatever_their_size() {
    let server = ScriptedS3::start();
    let store = client(&server);
    let odd = ["in/A", "in/a.b", "in/a/b", "in/a&b", "in/ü", "in/z<", "in/'", "in/~", "in/%41", "in/a b+c"];
    let mut wanted: Vec<String> = odd.map(str::to_owned).into();
    wanted.extend((0..2500).map(|index| format!("in/x/{index:05}")));
    wanted.sort();
    for key in &wanted {
        server.put(key, key.clone());
    }
    server.put("in.", "beside");
    server.put("io", "behind");
    assert_eq!(listed(&store, "in").await, wanted);
    assert_eq!(server.count(|seen| seen.kind == Kind::List), 3);
    for size in [1, 2, 7, 999] {
        server.page_size(size);
        if size > 2 {
            assert_eq!(listed(&store, "in").await, wanted);
        }
        let level = store.list_with_delimiter(Some(&Path::from("in"))).await.unwrap();
        let below: Vec<String> = level.common_prefixes.iter().map(Path::to_string).collect();
        assert_eq!(below, ["in/a", "in/x"]);
        assert_eq!(level.objects.len(), odd.len() - 1);
    }
    let offset = Path::from("in/x/02489");
    let rest: Vec<_> = store.list_with_offset(Some(&Path::from("in")), &offset).try_collect().await.unwrap();
    let behind = wanted.iter().filter(|key| key.as_str() > "in/x/02489").count();
    assert_eq!(rest.len(), behind);
    assert_eq!(rest[0].size, rest[0].location.as_ref().len() as u64);
}

#[tokio::test]
async fn a_bucket_of_millions_is_listed_and_read_without_being_held() {
    let server = ScriptedS3::start();
    let store = client(&server);
    let bytes: Vec<Bytes> = (0..3).map(|index| Bytes::from(vec![index; 10 + index as usize])).collect();
    server.virtual_keys("big/", 3_000_000, |index| format!("{:04}/{index:08}.jpg", index / 1000), bytes);
    server.put("big/0001/00001500.jpg", "overwritten");
    server.put("big/0001/00001500.jpg+", "between");
    assert!(server.delete("big/0001/00001501.jpg"));
    assert!(!server.delete("big/0001/00001501.jpg"));
    let started = std::time::Instant::now();
    let metas: Vec<_> = store.list(Some(&Path::from("big"))).take(50_000).try_collect().await.unwrap();
    println!("50,000 of 3,000,000 computed keys listed in {:?}", started.elapsed());
    let started = std::time::Instant::now();
    for page in 0..50 {
        let sent = format!(
            "GET /test?list-type=2&prefix=big/&start-after=big/{page:04} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        );
        assert!(raw(&server, &sent).contains("<KeyCount>1000</KeyCount>"));
    }
    println!("50 pages of it by a client that does not read them: {:?}", started.elapsed());
    let keys: BTreeSet<&str> = metas.iter().map(|meta| meta.location.as_ref()).collect();
    assert_eq!(keys.len(), 50_000);
    assert!(metas.is_sorted_by(|one, other| one.location < other.location));
    assert!(!keys.contains("big/0001/00001501.jpg"));
    let got = |key: &'static str| {
        let store = &store;
        async move { store.get(&Path::from(key)).await.unwrap().bytes().await.unwrap() }
    };
    assert_eq!(got("big/0001/00001500.jpg").await, "overwritten");
    assert_eq!(got("big/2999/02999999.jpg").await.len(), 10 + 2999999 % 3);
    let absent = store.get(&Path::from("big/2999/03000000.jpg")).await;
    assert_eq!(kind("GET, computed key past the end", absent), "NotFound");
    let level = store.list_with_delimiter(Some(&Path::from("big"))).await.unwrap();
    assert_eq!(level.common_prefixes.len(), 3000);
}

#[tokio::test]
async fn the_access_key_is_looked_at_when_asked_for_and_other_buckets_do_not_exist() {
    let server = ScriptedS3::start();
    let store = client(&server);
    server.put("key", "x");
    server.accept_only(Some("another"));
    assert_eq!(kind("access key refused", store.get(&Path::from("key")).await), "PermissionDenied");
    server.accept_only(Some("testing"));
    assert!(store.get(&Path::from("key")).await.is_ok());
    let elsewhere = object_store::aws::AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_skip_signature(true)
        .with_bucket_name("other")
        .build()
        .unwrap();
    server.accept_only(None);
    assert_eq!(kind("another bucket", elsewhere.get(&Path::from("key")).await), "NotFound");
    let page = elsewhere.list(None).try_collect::<Vec<_>>().await;
    assert_eq!(kind("another bucket's listing", page), "Generic");
}

#[tokio::test]
async fn reads_are_quick() {
    let server = ScriptedS3::start();
    let store = client(&server);
    server.keep_log(false);
    server.put("photo", vec![7; 100_000]);
    let key = Path::from("photo");
    let read = |_| async { store.get(&key).await.unwrap().bytes().await.unwrap().len() };
    let started = std::time::Instant::now();
    let sizes: Vec<usize> = stream::iter(0..2000).map(read).buffer_unordered(16).collect().await;
    println!("2000 GETs of 100 kB, 16 at once: {:?}", started.elapsed());
    assert!(sizes.iter().all(|size| *size == 100_000));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_body_takes_as_long_as_the_bandwidth_of_its_connection_says() {
    let server = ScriptedS3::start();
    server.put("a", vec![7; 1 << 20]);
    server.bandwidth(Some(4 << 20));
    let (store, key, began) = (client(&server), Path::from("a"), Instant::now());
    let reads = (0..4).map(|_| async { store.get(&key).await.unwrap().bytes().await.unwrap().len() });
    assert_eq!(futures::future::join_all(reads).await, [1 << 20; 4]);
    let took = began.elapsed();
    // a quarter of a second each; whether they share it is not checked, since a busy machine may take longer
    assert!(took >= Duration::from_millis(250), "{took:?}");
    server.bandwidth(None);
    assert_eq!(store.get(&key).await.unwrap().bytes().await.unwrap().len(), 1 << 20);
}
