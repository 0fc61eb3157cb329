//! Locks and queues, each used as a run uses it: by one thread alone, and by all cores at the same time.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use futures::FutureExt;
use tresnet_batch::ids::{AttemptId, PartId};
use tresnet_batch::output::{Activation, Embedding, Options, Predictions};
use tresnet_batch::pipeline::progress::Progress;
use tresnet_batch::sample::{RowOutcome, Sample};
use tresnet_batch::store::Location;

use crate::real::Counters;
use crate::real::open_parts::OpenParts;
use crate::support::{cores, median};
use crate::table::{Row, Scales};

/// Images of a batch, which some costs are shared by.
pub const BATCH: usize = 32;

/// Nanoseconds an image of `threads` threads that do the same together; `work` does that many images.
fn nanos(threads: usize, images: usize, work: &(impl Fn(usize) + Sync)) -> f64 {
    let barrier = Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    work(images);
                })
            })
            .collect();
        barrier.wait();
        let began = Instant::now();
        started.into_iter().for_each(|thread| thread.join().unwrap());
        began.elapsed().as_nanos() as f64 / (threads * images) as f64
    })
}

fn row(what: &'static str, runs: usize, images: usize, work: impl Fn(usize) + Sync) -> Row {
    let runs = |threads| median((0..runs).map(|_| nanos(threads, images, &work)).collect());
    Row { what, nanos: runs(1), together: Some(runs(cores())), scales: Scales::No }
}

pub fn sample() -> Sample {
    let key = "n01491361/ILSVRC2012_val_00000001.jpg".to_owned();
    Sample { row_id: 0, key, etag: None, size: Some(105_000), target: None, carried: Vec::new() }
}

/// The locks and counters that can be used without a run; `hollow` measures the others inside one. Each thread does `images`
/// of them, `runs` times.
pub fn measure(runs: usize, images: usize) -> Vec<Row> {
    let input = Location::in_memory("in").unwrap();
    let requests = row("requests: one taken and released", runs, images, |images| {
        for _ in 0..images {
            drop(input.permit().now_or_never().unwrap());
        }
    });
    let counters = Counters::default();
    let counted = row("counters of an image", runs, images, |images| {
        for _ in 0..images {
            counters.image();
        }
    });
    let (parts, progress) = (Arc::new(OpenParts::default()), Progress::default());
    let rows = Options {
        top_k: 1,
        embedding: Embedding::None,
        normalize_embedding: false,
        logits: false,
        content_hash: false,
        activation: Activation::Softmax,
        classes: 2,
        dim: 0,
        labels: None,
        sets: false,
        carried: Vec::new(),
    };
    let outcome = || RowOutcome { sample: sample(), facts: None, error: None, content_hash: None };
    let predictions = Predictions { logits: &[0.0, 1.0].repeat(BATCH), embedding: &[] };
    let batch = rows.record_batch((0..BATCH).map(|_| outcome()).collect(), predictions).unwrap();
    let open = parts.open(AttemptId(0), (PartId(0), None));
    let offsets = AtomicU32::new(0);
    let opened = row("open parts: a batch of rows added, and counted", runs, images, |images| {
        for _ in 0..images / BATCH {
            let offset = offsets.fetch_add(BATCH as u32, Relaxed);
            assert!(parts.get(AttemptId(0)).unwrap().add(offset, batch.clone()));
            progress.batch(BATCH as u64, &Default::default());
        }
    });
    drop(open);
    vec![requests, counted, opened]
}
