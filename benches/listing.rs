//! Listing an S3 bucket on loopback that adds a latency to each page: in pieces and in one piece, in turn.
//! Prints one table; no test.
//!
//! `cargo bench --bench listing -- [--latency MS] [--runs N]`
//!
//! The server has one thread of this process, which makes keys as it lists them: a store has many. "Without the server" is
//! the same ratio after that thread's time is taken from both listings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "../tests/support/scripted_s3/mod.rs"]
mod scripted_s3;
mod support;

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use scripted_s3::ScriptedS3;
use tresnet_batch::store::{Location, PiecePlan, Role, Settings};

use support::threads::{STORE, nanos_of};
use support::{Arguments, median};

/// Keys of each bucket.
const KEYS: u64 = 200_000;
const PAGE: u64 = 1000;

type Name = fn(u64) -> String;

const BUCKETS: [(&str, Name); 4] = [
    ("40 folders of 5000 keys", |key| format!("{:02}/{:06}.jpg", key / 5_000, key % 5_000)),
    ("2000 folders of 100 keys", |key| format!("{:04}/{:06}.jpg", key / 100, key % 100)),
    ("one folder, numbers", |key| format!("{key:08}.jpg")),
    // spread over all 32 bits, in order
    ("one folder, hashes", |key| format!("{:08x}.jpg", key * 21_474 + key * 7_919 % 21_474)),
];

fn main() {
    let arguments = Arguments::read(&["latency", "runs"]);
    let latency = Duration::from_millis(arguments.number("latency", 50));
    let runs = arguments.number("runs", 3);
    let runtime = support::runtime();
    println!("{KEYS} keys, {} ms a page, medians of {runs} runs", latency.as_millis());
    println!(
        "| bucket | one piece, s | pieces, s | times faster | server, s | without the server | requests | of the pages |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (what, name) in BUCKETS {
        let server = ScriptedS3::start();
        server.virtual_keys("in/", KEYS, name, vec![bytes::Bytes::from_static(b"x")]);
        for (name, value) in server.environment() {
            // SAFETY: no other thread reads the environment now.
            unsafe { std::env::set_var(name, value) };
        }
        server.latency(latency);
        let list = |pieces: PiecePlan| {
            server.reset_log();
            let settings = Settings { pieces, ..Settings::default() };
            let input = Location::open_with("s3://test/in", Role::Input, settings).unwrap();
            let (began, server_began) = (Instant::now(), nanos_of(STORE));
            let keys =
                input.entries(None, Box::new(|_| {})).try_fold(0, |keys, _| async move { Ok(keys + 1) });
            assert_eq!(runtime.block_on(keys).unwrap(), KEYS);
            let of_server = (nanos_of(STORE) - server_began) as f64 / 1e9;
            (began.elapsed().as_secs_f64(), of_server, server.count(|_| true))
        };
        let (mut alone, mut many, mut times, mut of_server, mut requests) =
            (vec![], vec![], vec![], vec![], 0);
        for _ in 0..runs {
            let (one, one_server, _) = list(PiecePlan { open: 1, ..PiecePlan::default() });
            let (several, several_server, asked) = list(PiecePlan::default());
            times.push((one - one_server) / (several - several_server));
            alone.push(one);
            many.push(several);
            of_server.push(several_server);
            requests = requests.max(asked);
        }
        let (alone, many) = (median(alone), median(many));
        println!(
            "| {what} | {alone:.2} | {many:.2} | {:.1} | {:.2} | {:.1} | {requests} | {:.2} |",
            alone / many,
            median(of_server),
            median(times),
            requests as f64 / (KEYS / PAGE) as f64
        );
    }
}
