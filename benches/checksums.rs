//! Reading images from an S3 server on loopback whose bytes are compared with checksums of each kind, against reading
//! them with `storage.checksums = "off"`, in turn. Nothing is decoded. Prints one table; no test.
//!
//! `cargo bench --bench checksums -- [--images FOLDER] [--count N] [--runs N] [--requests N]`
//!
//! The processor time is that of the process, the server's thread included, so the ratio is lower than that of a
//! reader alone; the difference is what the comparison costs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "../tests/support/scripted_s3/mod.rs"]
mod scripted_s3;
mod support;

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum};
use futures::StreamExt;
use sha2::Digest;
use tresnet_batch::store::{Location, Planned, Role, Settings};

use scripted_s3::ScriptedS3;
use support::threads::process_nanos;
use support::{Arguments, cores, mean_kilobytes, median, photographs};

/// Header and value of an object.
type Header = fn(&[u8]) -> (&'static str, String);

const KINDS: [(&str, Header); 7] = [
    // the server's own tags, which are no MD5s
    ("none", |_| ("x-none", String::new())),
    ("CRC-64/NVME", |bytes| {
        let value = checksum(CrcAlgorithm::Crc64Nvme, bytes).to_be_bytes();
        ("x-amz-checksum-crc64nvme", STANDARD.encode(value))
    }),
    ("CRC-32C", |bytes| {
        let value = checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32;
        ("x-amz-checksum-crc32c", STANDARD.encode(value.to_be_bytes()))
    }),
    ("CRC-32", |bytes| {
        let value = checksum(CrcAlgorithm::Crc32IsoHdlc, bytes) as u32;
        ("x-amz-checksum-crc32", STANDARD.encode(value.to_be_bytes()))
    }),
    ("SHA-256", |bytes| ("x-amz-checksum-sha256", STANDARD.encode(sha2::Sha256::digest(bytes)))),
    ("SHA-1", |bytes| ("x-amz-checksum-sha1", STANDARD.encode(sha1::Sha1::digest(bytes)))),
    ("MD5", |bytes| {
        let digits: String = md5::Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        ("etag", format!("\"{digits}\""))
    }),
];

fn main() {
    let arguments = Arguments::read(&["images", "count", "runs", "requests"]);
    let (count, runs) = (arguments.number("count", 5000), arguments.number("runs", 7));
    let requests = arguments.number("requests", 64) as usize;
    let images = photographs(&arguments.images());
    let server = ScriptedS3::start();
    server.keep_log(false);
    for (kind, (_, header)) in KINDS.iter().enumerate() {
        for (index, bytes) in images.iter().enumerate() {
            let (name, value) = header(bytes);
            server.put_with(&format!("in/{kind}/{index}"), bytes.clone(), &[(name, &value)]);
        }
    }
    for (name, value) in server.environment() {
        // SAFETY: the server's thread reads no environment, and no other thread is there yet.
        unsafe { std::env::set_var(name, value) };
    }
    let runtime = support::runtime();
    // seconds of the clock and of the processor
    let read = |kind: usize, checksums: bool| {
        let settings = Settings { requests, checksums, ..Settings::default() };
        let input = Location::open_with(&format!("s3://test/in/{kind}"), Role::Input, settings).unwrap();
        let (began, used) = (Instant::now(), process_nanos());
        let fetches = futures::stream::iter(0..count).map(|number| {
            let (input, key) = (&input, (number % images.len() as u64).to_string());
            async move { input.fetch(&key, Planned::default(), 1 << 30).await.unwrap().bytes.len() }
        });
        runtime.block_on(fetches.buffer_unordered(requests).for_each(|_| std::future::ready(())));
        (began.elapsed().as_secs_f64(), (process_nanos() - used) as f64 / 1e9)
    };
    println!(
        "{count} reads of images of {:.0} kB, {requests} in flight, {} cores, medians of {runs} pairs",
        mean_kilobytes(&images),
        cores()
    );
    println!(
        "| checksum | µs of the processor an image | more than off | time against off | processor against off |"
    );
    println!("|---|---|---|---|---|");
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        let (mut used, mut more, mut clock, mut ratio) = (vec![], vec![], vec![], vec![]);
        read(kind, true);
        for _ in 0..runs {
            let (off, on) = (read(kind, false), read(kind, true));
            used.push(1e6 * on.1 / count as f64);
            more.push(1e6 * (on.1 - off.1) / count as f64);
            clock.push(on.0 / off.0);
            ratio.push(on.1 / off.1);
        }
        println!(
            "| {name} | {:.0} | {:.0} | {:.3} | {:.3} |",
            median(used),
            median(more),
            median(clock),
            median(ratio)
        );
    }
}
