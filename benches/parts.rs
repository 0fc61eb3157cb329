//! `status` over many parts of an S3 server on loopback that adds a latency to each request, and of the same server
//! without latency. Prints one table; no test.
//!
//! `cargo bench --bench parts -- [--count N] [--latency MS] [--runs N]`
//!
//! The server has a thread of this process. One after another, the footers alone would take count × latency.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "../tests/support/scripted_s3/mod.rs"]
mod scripted_s3;
mod support;

use std::time::{Duration, Instant};

use scripted_s3::ScriptedS3;
use tresnet_batch::dataset::PartEnd;
use tresnet_batch::ids::PartId;
use tresnet_batch::output::{
    Activation, Embedding, Layout, Options, PartContext, PartFooter, PartTime, Predictions, Status, encode,
};
use tresnet_batch::sample::{RowOutcome, Sample};
use tresnet_batch::store::{Location, Role, Settings};

use support::{Arguments, median};

const FINGERPRINT: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Puts parts of one row each.
fn fill(server: &ScriptedS3, layout: &Layout, count: u32) {
    let rows = Options {
        top_k: 5,
        embedding: Embedding::None,
        normalize_embedding: false,
        logits: false,
        content_hash: false,
        activation: Activation::Softmax,
        classes: 5,
        dim: 0,
        labels: None,
        sets: false,
        carried: Vec::new(),
    };
    let pairs = vec![("tresnet.fingerprint".to_owned(), FINGERPRINT.to_owned())];
    let context = PartContext { schema: rows.schema(), pairs, compress: true };
    for id in 0..count {
        let (row_id, key) = (i64::from(id), format!("in/{id:08}.jpg"));
        let sample = Sample { row_id, key, etag: None, size: None, target: None, carried: Vec::new() };
        let logits = [0.0, 1.0, 2.0, 3.0, 4.0];
        let predictions = Predictions { logits: &logits, embedding: &[] };
        let outcome = RowOutcome { sample, facts: None, error: None, content_hash: None };
        let batch = rows.record_batch(vec![outcome], predictions).unwrap();
        let footer = PartFooter {
            id: PartId(id),
            first_row: i64::from(id),
            plan: "0123456789abcdef",
            end: PartEnd { rows: 1, ..PartEnd::default() },
            time: PartTime::default(),
        };
        let part = encode(&context, footer, &[batch]).unwrap();
        server.put(&format!("out/{}", layout.part(PartId(id))), part.bytes);
    }
}

fn main() {
    let arguments = Arguments::read(&["count", "latency", "runs"]);
    let count = arguments.number("count", 30_000) as u32;
    let added = Duration::from_millis(arguments.number("latency", 50));
    let runs = arguments.number("runs", 3);
    let server = ScriptedS3::start();
    server.keep_log(false);
    for (name, value) in server.environment() {
        // SAFETY: the server's thread reads no environment, and no other thread is there yet.
        unsafe { std::env::set_var(name, value) };
    }
    fill(&server, &Layout::new(FINGERPRINT), count);
    let runtime = support::runtime();
    let look = |latency: Duration| {
        server.latency(latency);
        // a new location: connections begin anew
        let output = Location::open_with("s3://test/out", Role::Output, Settings::default()).unwrap();
        let began = Instant::now();
        let status = runtime.block_on(Status::of(&output, FINGERPRINT)).unwrap();
        assert_eq!((status.parts, status.rows, status.strange_files), (count.into(), count.into(), 0));
        began.elapsed().as_secs_f64()
    };
    let (mut near, mut far) = (vec![], vec![]);
    for _ in 0..runs {
        near.push(look(Duration::ZERO));
        far.push(look(added));
    }
    println!("`status` over {count} parts, medians of {runs} runs");
    println!("| what | seconds |\n|---|---|");
    println!("| 0 ms added | {:.1} |", median(near));
    println!("| {} ms added | {:.1} |", added.as_millis(), median(far));
    println!(
        "| the same, one footer after another, computed | {:.0} |",
        f64::from(count) * added.as_secs_f64()
    );
}
