//! Committing a part: one write that makes its rows count or does nothing, against a plain write of the same bytes
//! (on a disk, one that is synced as ours), which is the control. The size of the part varies, on a local disk and on
//! an S3 server on loopback. Prints one table; nothing here is a test.
//!
//! `cargo bench --bench commit -- [--folder FOLDER] [--runs N]`
//!
//! FOLDER is on the disk to be measured; the system's folder for temporary files without it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "../tests/support/scripted_s3/mod.rs"]
mod scripted_s3;
mod support;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use scripted_s3::ScriptedS3;
use tresnet_batch::dataset::PartEnd;
use tresnet_batch::ids::PartId;
use tresnet_batch::output::{EncodedPart, Layout, commit};
use tresnet_batch::store::{Location, Role};

use support::{Arguments, median};

/// Bytes of the parts: a small job's, that of 2000 rows with vectors of TResNet-M, that of 16,000.
const SIZES: [usize; 3] = [1 << 20, 16 << 20, 128 << 20];

fn milliseconds(began: Instant) -> f64 {
    1000.0 * began.elapsed().as_secs_f64()
}

/// Bytes that do not compress.
fn bytes(size: usize) -> Bytes {
    let mut state = 1_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    (0..size / 4).flat_map(|_| next()).collect::<Vec<u8>>().into()
}

/// Commits one part as a run does, and removes it.
async fn committed(output: &Location, layout: &Layout, id: u32, bytes: &Bytes) -> f64 {
    let end = PartEnd { rows: 1, ..PartEnd::default() };
    let part = EncodedPart { id: PartId(id), bytes: bytes.clone(), ok: 1, errors: BTreeMap::new(), end };
    let began = Instant::now();
    let receipt = commit(output, layout, part).await.unwrap();
    let took = milliseconds(began);
    assert!(receipt.written, "the part stood before");
    took
}

/// Writes a file that outlives a loss of power, as a part does.
fn plain_file(path: &Path, bytes: &Bytes) -> f64 {
    let began = Instant::now();
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).and_then(|()| file.sync_all()).unwrap();
    milliseconds(began)
}

fn row(place: &str, size: usize, times: &[(f64, f64)]) {
    let mut ratios: Vec<f64> = times.iter().map(|(commit, plain)| commit / plain).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "| {place} | {} | {:.1} | {:.1} | {:.2} ({:.2}–{:.2}) |",
        size >> 20,
        median(times.iter().map(|(commit, _)| *commit).collect()),
        median(times.iter().map(|(_, plain)| *plain).collect()),
        median(ratios.clone()),
        ratios[0],
        ratios[ratios.len() - 1]
    );
}

fn main() {
    let arguments = Arguments::read(&["folder", "runs"]);
    let runs = arguments.number("runs", 9);
    let folder = arguments.text("folder", std::env::temp_dir().to_str().unwrap());
    let folder = tempfile::tempdir_in(folder).unwrap();
    let server = ScriptedS3::start();
    for (name, value) in server.environment() {
        // SAFETY: the server's thread reads no environment, and no other thread is there yet.
        unsafe { std::env::set_var(name, value) };
    }
    let disk = Location::open(folder.path().to_str().unwrap(), Role::Output).unwrap();
    let bucket = Location::open("s3://test/out", Role::Output).unwrap();
    let (layout, runtime) = (Layout::new("bench"), support::runtime());
    println!("commits of one part after the other, medians of {runs} interleaved runs");
    println!("| where | MiB | commit, ms | plain write, ms | ratio (least–most) |\n|---|---|---|---|---|");
    for size in SIZES {
        let bytes = bytes(size);
        let (mut on_disk, mut on_s3) = (vec![], vec![]);
        for id in 0..runs as u32 {
            let commit = runtime.block_on(committed(&disk, &layout, id, &bytes));
            std::fs::remove_file(folder.path().join(layout.part(PartId(id)))).unwrap();
            let other = folder.path().join("plain");
            let plain = plain_file(&other, &bytes);
            std::fs::remove_file(other).unwrap();
            on_disk.push((commit, plain));

            let commit = runtime.block_on(committed(&bucket, &layout, id, &bytes));
            server.delete(&format!("out/{}", layout.part(PartId(id))));
            let began = Instant::now();
            runtime.block_on(bucket.overwrite("plain", bytes.clone())).unwrap();
            on_s3.push((commit, milliseconds(began)));
        }
        row("local disk, beside a write and `fsync`", size, &on_disk);
        row("S3 on loopback, beside a plain PUT", size, &on_s3);
    }
}
