//! Where a run stops growing: for each lock, queue and single thread that images go through, the nanoseconds of an image
//! and the images a second that follow from them. Prints tables; nothing here is a test.
//!
//! `cargo bench --bench ceilings -- [--runs N] [--count N] [--keys N]`
//!
//! Times of single threads are processor time, so another process on the machine changes them little. Locks are used by
//! one thread alone and by all cores at once; their whole operation is measured, which is longer than the lock is held.
//! The S3 server has a thread of this process. Needs Linux.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod clock;
mod hollow;
mod locks;
mod planning;
mod real;
mod rows;
#[path = "../../tests/support/scripted_s3/mod.rs"]
mod scripted_s3;
#[path = "../support/mod.rs"]
mod support;
mod table;

// `real` takes these from the crate that it is part of
use tresnet_batch::{ids, output};

use bytes::Bytes;
use scripted_s3::ScriptedS3;

use hollow::{BYTES, Input, image};
use support::{Arguments, cores, link_photographs};
use table::{name_walls, show};

/// Images of a shard.
const SHARD: u64 = 1000;

/// An archive of images.
fn tar(image: &Bytes, count: u64) -> Bytes {
    let mut tar = Vec::new();
    for number in 0..count {
        let mut header = [0; 512];
        let name = format!("{number:06}.bmp");
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", image.len()).as_bytes());
        header[156] = b'0';
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(image);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar.into()
}

fn main() {
    let arguments = Arguments::read(&["runs", "count", "keys"]);
    let runs = arguments.number("runs", 5) as usize;
    let count = arguments.number("count", 20_000).next_multiple_of(SHARD);
    let keys = arguments.number("keys", 200_000);
    let server = ScriptedS3::start();
    server.keep_log(false);
    let image = image();
    server.virtual_keys("in/", count, |number| format!("{number:08}.bmp"), vec![image.clone()]);
    server.virtual_keys("tar/", count / SHARD, |number| format!("{number:06}.tar"), vec![tar(&image, SHARD)]);
    server.virtual_keys(
        "list/",
        keys,
        |number| format!("{:04}/{number:08}.jpg", number / 1000),
        vec![Bytes::from_static(b"x")],
    );
    let folder = tempfile::tempdir().unwrap();
    link_photographs(&[image], folder.path(), count as usize);
    let folder = folder.path().to_str().unwrap().to_owned();
    for (name, value) in server.environment() {
        // SAFETY: the server's thread reads no environment, and no other thread is there yet.
        unsafe { std::env::set_var(name, value) };
    }
    println!(
        "{} cores, batches of {}, images of {} kB, medians of {runs} runs of {count} images and {keys} keys",
        cores(),
        locks::BATCH,
        BYTES / 1000
    );
    let locks = locks::measure(runs, 200_000);
    show("locks and queues", &locks, cores());
    let (single, reached) = hollow::measure(
        runs,
        count,
        &[Input::Nowhere, Input::Disk(&folder), Input::S3, Input::S3InTask, Input::Shards],
    );
    show("threads of a run", &single, cores());
    let (planning, longest) = planning::measure(runs, keys);
    show("planning", &planning, cores());
    let rows = rows::measure(runs, 1024);
    show("rows and parts", &rows, cores());
    name_walls(locks.iter().chain(&single).chain(&planning).chain(&rows));
    println!(
        "\nthe planner of {keys} keys keeps a thread of the runtime for {:.0} ms at most; control, on the only \
         thread: {:.0} ms",
        longest.0 as f64 / 1e6,
        longest.1 as f64 / 1e6
    );
    println!("with nothing to decode and a device that takes no time: {}", reached.join("; "));
}
