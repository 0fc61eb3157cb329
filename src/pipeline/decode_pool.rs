//! The CPU workers: one pool of threads decodes images and makes rows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use arrow_array::RecordBatch;
use async_channel::Sender;

use crate::engine::Outputs;
use crate::failpoints;
use crate::failure::{Exit, Failure};
use crate::image;
use crate::output::{self, Predictions, content_hash};
use crate::sample::ImageFacts;
use crate::telemetry::trace::Fact;
use crate::tensor::Layout;

use super::canary::Canary;
use super::decode::Decoding;
use super::decode::fault::{Decoded, Fault};
use super::decode::isolate::Isolation;
use super::error_budget;
use super::failed_images::FailedImage;
use super::open_parts::{OpenPart, OpenParts};
use super::progress::Progress;
use super::shutdown::Shutdown;
use super::work_queue::{DecodeJob, Done, Work, WorkQueue, batch_facts};

/// What every worker needs.
pub(crate) struct DecodePool {
    pub queue: Arc<WorkQueue>,
    pub image: image::Options,
    pub isolation: Isolation,
    pub layout: Layout,
    pub output: output::Options,
    pub outputs: Sender<Outputs>,
    pub parts: Arc<OpenParts>,
    pub canary: Arc<Canary>,
    pub progress: Arc<Progress>,
    pub shutdown: Shutdown,
    pub max_error_fraction: f64,
    /// This process alone does the job.
    pub is_whole: bool,
}

impl DecodePool {
    /// Starts the threads, all or none.
    ///
    /// # Errors
    /// A decoder or a thread cannot be started; the queue is closed then.
    pub fn open(self, threads: usize) -> Result<Vec<JoinHandle<()>>, Failure> {
        self.open_with(threads, |pool| {
            Ok(Decoding::new(pool.image, &pool.isolation)?.ending_with(&pool.shutdown))
        })
    }

    fn open_with(
        self,
        threads: usize,
        decoding: impl Fn(&DecodePool) -> Result<Decoding, Failure>,
    ) -> Result<Vec<JoinHandle<()>>, Failure> {
        let pool = Arc::new(self);
        let mut started = Vec::with_capacity(threads);
        for index in 0..threads {
            let worker = pool.clone();
            let thread = decoding(&pool).and_then(|decoding| {
                std::thread::Builder::new()
                    .name(format!("decode-{index}"))
                    .spawn(move || worker.work(decoding))
                    .map_err(|error| {
                        Failure::caused(Exit::Unavailable, "cannot start a decode thread", error)
                    })
            });
            match thread {
                Ok(thread) => started.push(thread),
                Err(failure) => {
                    pool.queue.close();
                    started.into_iter().for_each(|thread| drop(thread.join()));
                    return Err(failure);
                }
            }
        }
        Ok(started)
    }

    /// Works until the queue is closed. A panic here is no image's fault: without a worker the run would wait for ever.
    fn work(&self, mut decoding: Decoding) {
        let work = || {
            while let Some(work) = self.queue.next() {
                match work {
                    Work::Decode(job) => self.decode(&mut decoding, job),
                    Work::Rows(done) => self.make_rows(done),
                }
            }
        };
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            self.fail_by_panic();
        }
    }

    fn fail_by_panic(&self) {
        self.shutdown.fail_now(Failure::new(Exit::Bug, "a decode thread panicked"));
    }

    fn decode(&self, decoding: &mut Decoding, job: DecodeJob) {
        let began = Instant::now();
        let DecodeJob { mut row, bytes, place, since } = job;
        let progress = &self.progress;
        progress.meters.queue.took(began.duration_since(since));
        // the sample leaves with its row
        let traced = progress
            .trace
            .is_on()
            .then(|| row.sample_mut().map(|sample| (sample.row_id, sample.key.clone())));
        if self.output.content_hash {
            row.set_content_hash(content_hash(&bytes));
        }
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            // never on in a release build
            if failpoints::on("decode.worker_panics") {
                panic!("a failpoint");
            }
            row.write(|pixels| decoding.decode(&bytes, self.layout, pixels))
        }));
        let Ok(decoded) = decoded else {
            // dropped, the row would blame its image
            row.abandon();
            return self.fail_by_panic();
        };
        match decoded {
            Some(Ok(Decoded::Pixels(source))) => row.done(facts(source)),
            Some(Ok(Decoded::Fault(Fault { source, error }))) => row.fail(source.map(facts), error),
            Some(Err(failure)) => {
                row.abandon();
                self.shutdown.fail_now(failure);
            }
            None => {}
        }
        drop(bytes);
        drop(place);
        progress.meters.decode.since(began);
        if let Some(Some((row, key))) = traced {
            let facts = [("row", Fact::Number(row)), ("key", Fact::Text(&key))];
            progress.trace.span("decode", began, &facts);
        }
    }

    fn make_rows(&self, done: Done) {
        let began = Instant::now();
        let Done { attempt, first_offset, rows, outputs } = done;
        let (mut part, count) = (None, rows.len());
        if let Some(open) = self.parts.get(attempt) {
            part = Some(open.part());
            let predictions = Predictions {
                logits: &outputs.logits[..rows.len() * self.output.classes],
                embedding: &outputs.embedding[..rows.len() * self.output.dim],
            };
            let made = catch_unwind(AssertUnwindSafe(|| self.output.record_batch(rows, predictions)));
            match made {
                // a part is whole with its last row, and by then its first ones are judged
                Ok(Ok(batch)) => match self.canary.rows(attempt, first_offset, &batch) {
                    Ok(()) => self.count(&open, first_offset, batch),
                    Err(failure) => self.shutdown.fail_now(failure),
                },
                Ok(Err(error)) => self.shutdown.fail_now(error.into()),
                Err(_) => self.shutdown.fail_now(Failure::new(Exit::Bug, "making rows panicked")),
            }
        }
        // the pool has room for every `Outputs`; it is closed only when they are no longer needed
        drop(self.outputs.try_send(outputs));
        self.progress.meters.rows.since(began);
        self.progress.trace.span("rows", began, &batch_facts(part, count));
    }

    /// Counts rows for the run, and for their part.
    fn count(&self, open: &OpenPart, first_offset: u32, batch: RecordBatch) {
        let (rows, errors) = (batch.num_rows() as u64, output::error_rows(&batch));
        self.progress.failed(FailedImage::of(&batch));
        self.progress.batch(rows, &errors);
        // a share of the parts says nothing of the whole, and errors that the canary explains are not the images'; a
        // snapshot asks the kernel, so not for nothing
        if self.is_whole
            && self.progress.errors() > 0
            && self.canary.has_passed()
            && let Err(failure) = error_budget::judge(&self.progress.snapshot(), self.max_error_fraction)
        {
            self.shutdown.fail(failure);
        }
        if !open.add(first_offset, batch) {
            self.progress.take_back(rows, &errors);
        }
    }
}

fn facts(source: image::Source) -> ImageFacts {
    ImageFacts { width: source.width, height: source.height, format: source.format.as_str() }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_decoder_that_cannot_be_had_ends_the_threads_that_were_started() {
        let queue = Arc::new(WorkQueue::default());
        let (outputs, _kept) = async_channel::bounded(1);
        let pool = DecodePool {
            queue: queue.clone(),
            image: image::Options::new(8),
            isolation: Isolation::Off,
            layout: Layout::Nchw,
            output: output::Options {
                top_k: 1,
                embedding: output::Embedding::None,
                normalize_embedding: false,
                content_hash: false,
                logits: false,
                activation: output::Activation::Softmax,
                classes: 2,
                dim: 2,
                labels: None,
                sets: false,
                carried: Vec::new(),
            },
            outputs,
            parts: Arc::default(),
            canary: Arc::default(),
            progress: Arc::default(),
            shutdown: Shutdown::default(),
            max_error_fraction: 1.0,
            is_whole: false,
        };
        let asked = AtomicUsize::new(0);
        let failed = pool.open_with(3, |pool| match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Decoding::new(pool.image, &pool.isolation),
            _ => Err(Failure::new(Exit::Unavailable, "no decoder")),
        });
        assert!(failed.is_err());
        // the thread that was started has ended, and with it the last owner but this one
        assert_eq!(Arc::strong_count(&queue), 1);
    }
}
