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
use crate::image::{self, Decoder};
use crate::output::{self, Predictions};
use crate::sample::{ErrorKind, ImageFacts, RowError, RowOutcome};
use crate::tensor::Layout;

use super::parts::OpenParts;
use super::{Progress, Shutdown};

/// An image to decode into its row. The byte permit dies with it.
pub(super) struct DecodeJob {
    pub row: RowSlot,
    pub bytes: Bytes,
    pub permit: Option<OwnedSemaphorePermit>,
}

/// A batch whose numbers are there.
pub(super) struct Done {
    pub part: u32,
    pub first_offset: u32,
    pub rows: Vec<RowOutcome>,
    pub outputs: Outputs,
}

/// Work for the pool. It needs no bound of its own: a decode job holds a row of a slot and a finished batch
/// holds outputs of a pool, so both lists are as short as those pools are small.
#[derive(Default)]
pub(super) struct WorkQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    rows: VecDeque<Done>,
    decode: VecDeque<DecodeJob>,
    closed: bool,
}

enum Work {
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

    fn next(&self) -> Option<Work> {
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
pub(super) struct Workshop {
    pub queue: Arc<WorkQueue>,
    pub image: image::Options,
    pub layout: Layout,
    pub output: output::Options,
    pub outputs: Sender<Outputs>,
    pub parts: Arc<OpenParts>,
    pub progress: Arc<Progress>,
    pub shutdown: Shutdown,
}

impl Workshop {
    /// Starts the threads.
    pub fn open(self, threads: usize) -> Result<Vec<JoinHandle<()>>, Failure> {
        let workshop = Arc::new(self);
        let start = |index| {
            let workshop = workshop.clone();
            let decoder = Decoder::new(workshop.image).map_err(crate::job::JobError::from)?;
            std::thread::Builder::new()
                .name(format!("decode-{index}"))
                .spawn(move || workshop.work(decoder))
                .map_err(|error| Failure::caused(Exit::Unavailable, "cannot start a decode thread", error))
        };
        (0..threads).map(start).collect()
    }

    fn work(&self, mut decoder: Decoder) {
        while let Some(work) = self.queue.next() {
            match work {
                Work::Decode(job) => self.decode(&mut decoder, job),
                Work::Rows(done) => self.make_rows(done),
            }
        }
    }

    fn decode(&self, decoder: &mut Decoder, job: DecodeJob) {
        let started = Instant::now();
        let DecodeJob { mut row, bytes, permit } = job;
        // a panic drops the row, and a dropped row is an error row `decoder_panic`; the decoder starts afresh
        // with its next image
        let caught = catch_unwind(AssertUnwindSafe(move || {
            match row.write(|pixels| decoder.decode_into(&bytes, self.layout, pixels)) {
                Some(Ok(source)) => row.done(facts(source)),
                Some(Err(error)) => {
                    let source = error.source_info().map(facts);
                    row.fail(source, RowError::new(kind(&error), error.to_string()));
                }
                None => {}
            }
        }));
        if caught.is_err() {
            tracing::error!("the decoder panicked; its image becomes an error row");
        }
        drop(permit);
        self.progress.decoded(started);
    }

    fn make_rows(&self, done: Done) {
        let started = Instant::now();
        let Done { part, first_offset, rows, outputs } = done;
        if let Some(open) = self.parts.get(part) {
            let predictions = Predictions {
                logits: &outputs.logits[..rows.len() * self.output.classes],
                embedding: &outputs.embedding[..rows.len() * self.output.dim],
            };
            let made = catch_unwind(AssertUnwindSafe(|| self.output.record_batch(rows, predictions)));
            match made {
                Ok(Ok(batch)) => {
                    let (rows, errors) = (batch.num_rows() as u64, output::error_rows(&batch));
                    self.progress.batch(rows, errors);
                    if !open.add(first_offset, batch) {
                        self.progress.take_back(rows, errors);
                    }
                }
                Ok(Err(error)) => self.shutdown.fail_now(error.into()),
                Err(_) => self.shutdown.fail_now(Failure::new(Exit::Bug, "making rows panicked")),
            }
        }
        // the pool has room for every `Outputs`; it is closed only when nobody needs them any more
        drop(self.outputs.try_send(outputs));
        self.progress.made_rows(started);
    }
}

fn facts(source: image::Source) -> ImageFacts {
    ImageFacts { width: source.width, height: source.height, format: source.format.as_str() }
}

fn kind(error: &image::Error) -> ErrorKind {
    match error {
        image::Error::Unsupported { .. } => ErrorKind::Unsupported,
        image::Error::Limit { .. } => ErrorKind::Limit,
        image::Error::Truncated { .. } => ErrorKind::Truncated,
        image::Error::Corrupt { .. } => ErrorKind::Corrupt,
    }
}
