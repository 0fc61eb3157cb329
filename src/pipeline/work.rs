//! The CPU workers: one pool of threads decodes images and makes rows, rows first.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use async_channel::Sender;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::engine::{Outputs, RowSlot};
use crate::failure::{Exit, Failure};
use crate::image;
use crate::output::{self, Predictions};
use crate::sample::{ImageFacts, RowOutcome};
use crate::telemetry::trace::Fact;
use crate::tensor::Layout;

use super::budget;
use super::decode::Decoding;
use super::decode::fault::Fault;
use super::decode::isolate::Isolation;
use super::failed::FailedImage;
use super::open_parts::OpenParts;
use super::progress::Progress;
use super::shutdown::Shutdown;

/// An image to decode into its row. The byte permit dies with it.
pub(crate) struct DecodeJob {
    pub row: RowSlot,
    pub bytes: Bytes,
    pub permit: Option<OwnedSemaphorePermit>,
    /// Since when it waits for a worker.
    pub since: Instant,
}

/// A batch whose numbers are there.
pub(crate) struct Done {
    pub part: u32,
    pub first_offset: u32,
    pub rows: Vec<RowOutcome>,
    pub outputs: Outputs,
}

/// Work for the pool. It needs no bound of its own: a decode job holds a row of a slot and a finished batch
/// holds outputs of a pool, so both lists are as short as those pools are small.
#[derive(Default)]
pub(crate) struct WorkQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    rows: VecDeque<Done>,
    decode: VecDeque<DecodeJob>,
    closed: bool,
}

pub(crate) enum Work {
    Rows(Done),
    Decode(DecodeJob),
}

impl WorkQueue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn decode(&self, job: DecodeJob) {
        self.state().decode.push_back(job);
        self.changed.notify_one();
    }

    pub fn rows(&self, done: Done) {
        self.state().rows.push_back(done);
        self.changed.notify_one();
    }

    /// Drops the images that wait: their parts are given up.
    pub fn forget_images(&self) {
        let images = std::mem::take(&mut self.state().decode);
        drop(images);
    }

    /// No more work comes; what is queued is still done.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Waits for the next piece of work; `None` once there is none and the queue is closed.
    pub fn next(&self) -> Option<Work> {
        let mut state = self.state();
        loop {
            if let Some(done) = state.rows.pop_front() {
                return Some(Work::Rows(done));
            }
            if let Some(job) = state.decode.pop_front() {
                return Some(Work::Decode(job));
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What every worker needs.
pub(crate) struct Workshop {
    pub queue: Arc<WorkQueue>,
    pub image: image::Options,
    pub isolation: Isolation,
    pub layout: Layout,
    pub output: output::Options,
    pub outputs: Sender<Outputs>,
    pub parts: Arc<OpenParts>,
    pub progress: Arc<Progress>,
    pub shutdown: Shutdown,
    pub max_error_fraction: f64,
    /// This process alone does the job.
    pub is_whole: bool,
}

impl Workshop {
    /// Starts the threads.
    pub fn open(self, threads: usize) -> Result<Vec<JoinHandle<()>>, Failure> {
        let workshop = Arc::new(self);
        let start = |index| {
            let workshop = workshop.clone();
            let decoding = Decoding::new(workshop.image, &workshop.isolation)?;
            std::thread::Builder::new()
                .name(format!("decode-{index}"))
                .spawn(move || workshop.work(decoding))
                .map_err(|error| Failure::caused(Exit::Unavailable, "cannot start a decode thread", error))
        };
        (0..threads).map(start).collect()
    }

    fn work(&self, mut decoding: Decoding) {
        while let Some(work) = self.queue.next() {
            match work {
                Work::Decode(job) => self.decode(&mut decoding, job),
                Work::Rows(done) => self.make_rows(done),
            }
        }
    }

    fn decode(&self, decoding: &mut Decoding, job: DecodeJob) {
        let began = Instant::now();
        let DecodeJob { mut row, bytes, permit, since } = job;
        let progress = &self.progress;
        progress.meters.queue.took(began.duration_since(since));
        // the sample leaves with its row
        let traced = progress
            .trace
            .is_on()
            .then(|| row.sample_mut().map(|sample| (sample.row_id, sample.key.clone())));
        match row.write(|pixels| decoding.decode(&bytes, self.layout, pixels)) {
            Some(Ok(Ok(source))) => row.done(facts(source)),
            Some(Ok(Err(Fault { source, error }))) => row.fail(source.map(facts), error),
            Some(Err(failure)) => {
                row.abandon();
                self.shutdown.fail_now(failure);
            }
            None => {}
        }
        drop(bytes);
        drop(permit);
        progress.meters.decode.since(began);
        if let Some(Some((row, key))) = traced {
            let facts = [("row", Fact::Number(row)), ("key", Fact::Text(&key))];
            progress.trace.span("decode", began, &facts);
        }
    }

    fn make_rows(&self, done: Done) {
        let began = Instant::now();
        let Done { part, first_offset, rows, outputs } = done;
        let (mut id, count) = (None, rows.len());
        if let Some(open) = self.parts.get(part) {
            id = open.id();
            let predictions = Predictions {
                logits: &outputs.logits[..rows.len() * self.output.classes],
                embedding: &outputs.embedding[..rows.len() * self.output.dim],
            };
            let made = catch_unwind(AssertUnwindSafe(|| self.output.record_batch(rows, predictions)));
            match made {
                Ok(Ok(batch)) => {
                    let (rows, errors) = (batch.num_rows() as u64, output::error_rows(&batch));
                    if open.counts() {
                        self.progress.failed(FailedImage::of(&batch));
                        self.progress.batch(rows, &errors);
                        // a share of the parts says nothing of the whole; a snapshot asks the kernel, so not for nothing
                        if self.is_whole
                            && self.progress.errors() > 0
                            && let Err(failure) =
                                budget::judge(&self.progress.snapshot(), self.max_error_fraction)
                        {
                            self.shutdown.fail(failure);
                        }
                    }
                    if !open.add(first_offset, batch) {
                        self.progress.take_back(rows, &errors);
                    }
                }
                Ok(Err(error)) => self.shutdown.fail_now(error.into()),
                Err(_) => self.shutdown.fail_now(Failure::new(Exit::Bug, "making rows panicked")),
            }
        }
        // the pool has room for every `Outputs`; it is closed only when nobody needs them any more
        drop(self.outputs.try_send(outputs));
        self.progress.meters.rows.since(began);
        self.progress.trace.span("rows", began, &batch_facts(id, count));
    }
}

/// What a span says of a batch; that of the first images belongs to no part.
pub(super) fn batch_facts(part: Option<u32>, rows: usize) -> [(&'static str, Fact<'static>); 2] {
    [("part", Fact::Number(part.map_or(-1, i64::from))), ("rows", Fact::Number(rows as i64))]
}

fn facts(source: image::Source) -> ImageFacts {
    ImageFacts { width: source.width, height: source.height, format: source.format.as_str() }
}
