//! One stage at a time: its input is always ready and its output is taken at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

use crate::dataset::{Part, PartEnd, Pass};
use crate::engine::{Engine, EngineError, Outputs, Ready, Slot, SlotPool};
use crate::failure::{Exit, Failure};
use crate::ids::AttemptId;
use crate::output::{self, PartFooter};
use crate::sample::{ImageFacts, Sample};
use crate::store::{Location, ParquetObject};

use crate::pipeline::admission::Admission;
use crate::pipeline::decode::isolate::Isolation;
use crate::pipeline::decode_pool::DecodePool;
use crate::pipeline::demand;
use crate::pipeline::memory::Memory;
use crate::pipeline::open_parts::OpenParts;
use crate::pipeline::part::{ReadPart, read_part};
use crate::pipeline::progress::Progress;
use crate::pipeline::shared::Shared;
use crate::pipeline::shutdown::Shutdown;
use crate::pipeline::work_queue::{DecodeJob, Work, WorkQueue};
use crate::runner::opened::context;

use super::report::{Encoded, Measured};
use super::scratch::File;
use super::stages::{Bench, is_over};
use crate::workbench::sampling::some_images::SomeImages;

/// What one stage leaves for the next.
#[derive(Default)]
pub(super) struct KeptImages {
    /// The images that were read first, for the decoders.
    pub images: Vec<(Sample, Bytes)>,
    /// Decoded batches, for the engine.
    slots: Vec<(Slot, usize)>,
}

impl KeptImages {
    pub fn mean_bytes(&self) -> f64 {
        let bytes: usize = self.images.iter().map(|(_, bytes)| bytes.len()).sum();
        bytes as f64 / self.images.len().max(1) as f64
    }
}

/// Measures stages alone.
pub(super) struct StageBench<'a> {
    bench: &'a Bench,
    plan: &'a Location,
    memory: Memory,
}

impl<'a> StageBench<'a> {
    /// Allocates the memory that a run would have.
    ///
    /// # Errors
    /// Those of [`Memory::allocate`].
    pub fn new(bench: &'a Bench, plan: &'a Location) -> Result<Self, Failure> {
        let mut engine = bench.engine.clone();
        Ok(StageBench { bench, plan, memory: Memory::allocate(&mut [&mut engine], &bench.job.limits)? })
    }

    fn beside(&self) -> usize {
        demand::beside(self.bench.job.limits.decode_threads, self.bench.job.limits.batch_size)
    }

    fn shared(&self, dataset: &Arc<SomeImages>, queue: &Arc<WorkQueue>, progress: &Arc<Progress>) -> Shared {
        let job = &self.bench.job;
        Shared {
            dataset: dataset.clone(),
            pool: self.memory.pool.clone(),
            admission: Admission::new(
                job.limits.requests + self.beside(),
                job.limits.in_flight_bytes,
                job.image.limits.max_encoded_bytes,
            ),
            admitting: Arc::new(Semaphore::new(1)),
            queue: queue.clone(),
            parts: Arc::new(OpenParts::default()),
            canary: Arc::default(),
            context: context(job, &self.bench.device),
            output: self.plan.clone(),
            layout: job.layout(),
            progress: progress.clone(),
            shutdown: Shutdown::default(),
            grace: job.limits.grace,
            attempts: AtomicU32::new(0),
            max_damaged_inputs: u64::MAX,
        }
    }

    /// Reading with the run's own admission, by decoders that take no time.
    ///
    /// # Errors
    /// The store does not answer, or refuses access; a task or the thread that takes images panics.
    pub async fn fetch(
        &self,
        dataset: &Arc<SomeImages>,
        parts: &[Part],
        kept: &mut KeptImages,
    ) -> Result<Measured, Failure> {
        dataset.again();
        let (queue, progress) = (Arc::new(WorkQueue::default()), Arc::new(Progress::default()));
        let shared = Arc::new(self.shared(dataset, &queue, &progress));
        let first = kept.images.is_empty();
        let (arrived, mut arrivals) = mpsc::unbounded_channel();
        let taken = queue.clone();
        let arrived = first.then_some(arrived);
        let taker = std::thread::spawn(move || {
            take(&taken, |image| {
                if let Some(arrived) = &arrived {
                    drop(arrived.send(image));
                }
            });
        });
        let emptier = tokio::spawn(empty(self.memory.pool.clone()));
        let began = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for part in parts {
            let (shared, part) = (shared.clone(), part.clone());
            tasks.spawn(async move {
                let read = read_part(&shared, &part, Pass::First).await?;
                Ok::<_, Failure>(match read {
                    ReadPart::Whole(attempt) => attempt.end,
                    ReadPart::Damaged(_) | ReadPart::GivenUp => PartEnd::default(),
                })
            });
        }
        let reading = async {
            while let Some(ended) = tasks.join_next().await {
                ended.map_err(|error| Failure::caused(Exit::Bug, "reading a part panicked", error))??;
            }
            Ok::<_, Failure>(())
        };
        let limits = &self.bench.job.limits;
        let ended = tokio::select! {
            ended = reading => ended,
            never = demand::follow(&shared.progress, &shared.admission, limits, self.beside()) => match never {},
            () = tokio::time::sleep(self.bench.options.time) => Ok(()),
        };
        let seconds = began.elapsed().as_secs_f64();
        let run = progress.snapshot();
        tasks.shutdown().await;
        self.memory.pool.forget_waiting();
        queue.close();
        let joined = tokio::task::spawn_blocking(move || taker.join().is_ok()).await.unwrap_or(false);
        emptier.abort();
        drop(emptier.await);
        // what is left here would be taken for decoded batches
        while let Ok(batch) = self.memory.pool.ready().try_recv() {
            self.memory.pool.give_back(batch.slot);
        }
        ended?;
        if !joined {
            return Err(Failure::new(Exit::Bug, "the bench's reader panicked"));
        }
        if first {
            let mut room = self.bench.job.limits.in_flight_bytes;
            while let Some((sample, bytes)) = arrivals.recv().await {
                let more = room.checked_sub(bytes.len() as u64);
                room = more.unwrap_or(room);
                // the first one in any case
                if more.is_some() || kept.images.is_empty() {
                    kept.images.push((sample, bytes));
                }
            }
            kept.images.sort_by_key(|(sample, _)| sample.row_id);
        }
        Ok(Measured {
            images: run.stages.fetch.times,
            bytes: run.bytes,
            seconds,
            busy: run.stages.fetch.seconds,
        })
    }

    /// Decoding on the run's own workers, of images that are in memory. Those that fail are not counted: most of them
    /// take no time.
    ///
    /// # Errors
    /// A decoder or a thread does not start, or a thread panics; the rows of a batch cannot be made.
    pub async fn decode(&self, kept: &mut KeptImages) -> Result<Measured, Failure> {
        let (job, options) = (&self.bench.job, &self.bench.options);
        let (queue, progress) = (Arc::new(WorkQueue::default()), Arc::new(Progress::default()));
        let shutdown = Shutdown::default();
        let (outputs, _none) = async_channel::bounded(1);
        let workers = DecodePool {
            queue: queue.clone(),
            image: job.image,
            isolation: Isolation::Off,
            layout: self.bench.engine.spec().layout,
            output: job.rows.clone(),
            outputs,
            parts: Arc::new(OpenParts::default()),
            canary: Arc::default(),
            progress: progress.clone(),
            shutdown: shutdown.clone(),
            max_error_fraction: 1.0,
            is_whole: false,
        }
        .open(job.limits.decode_threads)?;
        let (pool, ready) = (&self.memory.pool, self.memory.pool.ready());
        let KeptImages { images, slots } = kept;
        // an input of few images is decoded several times
        let (depth, most) = (self.bench.engine.spec().depth, options.images as usize);
        let (mut decoded, mut good, mut seconds) = (0, 0, 0.0);
        let began = Instant::now();
        // as many batches as there are slots left: each has one at once
        let begun = Semaphore::new(self.memory.slots - slots.len());
        let feed = async {
            let mut images = images.iter().cycle().take(most).peekable();
            while images.peek().is_some() && !is_over(began, options.time) {
                let Ok(slot) = begun.acquire().await else { break };
                slot.forget();
                let Some(mut filling) = pool.begin(AttemptId::default(), 0) else { break };
                while let Some((sample, bytes)) = images.next_if(|_| !filling.is_full()) {
                    let Some(row) = filling.row(sample.clone()) else { break };
                    let (queue, bytes) = (queue.clone(), bytes.clone());
                    row.when_bound(move |row| {
                        queue.decode(DecodeJob { row, bytes, place: None, since: Instant::now() });
                    });
                }
                filling.seal();
            }
            queue.close();
        };
        let drain = async {
            while decoded < most {
                let waiting = tokio::time::timeout(std::time::Duration::from_millis(200), ready.recv());
                match waiting.await {
                    Ok(Ok(Ready { slot, rows, .. })) => {
                        decoded += rows.len();
                        good += rows.iter().filter(|row| row.error.is_none()).count();
                        seconds = began.elapsed().as_secs_f64();
                        // the first batches stay for the engine
                        if slots.len() < depth {
                            slots.push((slot, rows.len()));
                        } else {
                            pool.give_back(slot);
                            begun.add_permits(1);
                        }
                    }
                    Ok(Err(_)) => break,
                    // fed no more, and nothing is under way
                    Err(_)
                        if workers.iter().all(std::thread::JoinHandle::is_finished) && ready.is_empty() =>
                    {
                        break;
                    }
                    Err(_) => {}
                }
            }
        };
        tokio::join!(feed, drain);
        let join = move || workers.into_iter().all(|worker| worker.join().is_ok());
        if !tokio::task::spawn_blocking(join).await.unwrap_or(false) {
            return Err(Failure::new(Exit::Bug, "a worker thread panicked"));
        }
        if let Some(failure) = shutdown.take_cause() {
            return Err(failure);
        }
        let run = progress.snapshot();
        Ok(Measured { images: good as u64, bytes: 0, seconds, busy: run.stages.decode.seconds })
    }

    /// The network on batches that are decoded already, as many in flight as it takes.
    ///
    /// # Errors
    /// The engine refuses a batch, a batch fails, or the engine panics.
    pub async fn engine(&self, kept: &mut KeptImages, is_first: bool) -> Result<Measured, Failure> {
        let mut engine = self.bench.engine.clone();
        let outputs = self.memory.outputs.iter().take(kept.slots.len()).cloned();
        let batches: Vec<(Slot, Outputs, usize)> =
            kept.slots.drain(..).zip(outputs).map(|((slot, rows), outputs)| (slot, outputs, rows)).collect();
        let images = self.bench.options.images;
        let time = self.bench.options.time;
        let worked = tokio::task::spawn_blocking(move || {
            let (mut free, mut rows_in_flight) = (batches, VecDeque::new());
            if is_first && let Some((slot, outputs, rows)) = free.pop() {
                // memory and kernels are set up by the first batch
                engine.submit(slot, outputs, rows).map_err(|failed| failed.error)?;
                if let Some((slot, outputs, result)) = engine.finish() {
                    result?;
                    free.push((slot, outputs, rows));
                }
            }
            let (began, mut done) = (Instant::now(), 0_u64);
            loop {
                let more = done < images && !is_over(began, time);
                while more && let Some((slot, outputs, rows)) = free.pop() {
                    engine.submit(slot, outputs, rows).map_err(|failed| failed.error)?;
                    rows_in_flight.push_back(rows);
                }
                let (Some((slot, outputs, result)), Some(rows)) =
                    (engine.finish(), rows_in_flight.pop_front())
                else {
                    break;
                };
                result?;
                done += rows as u64;
                free.push((slot, outputs, rows));
            }
            Ok::<_, EngineError>((done, began.elapsed().as_secs_f64(), free))
        });
        let worked =
            worked.await.map_err(|error| Failure::caused(Exit::Bug, "the engine panicked", error))?;
        let (done, seconds, batches) = worked?;
        kept.slots.extend(batches.into_iter().map(|(slot, _, rows)| (slot, rows)));
        Ok(Measured { images: done, bytes: 0, seconds, busy: seconds })
    }

    /// Encoding the parts that the whole pipeline left in memory, on one thread.
    ///
    /// # Errors
    /// `rows` cannot be listed, or a part of it cannot be read or encoded; the encoding panics.
    pub async fn encode(&self, rows: &Location, runs: &mut Vec<Encoded>) -> Result<Vec<File>, Failure> {
        let layout = self.bench.job.layout();
        let (mut files, mut measured) = (Vec::new(), Encoded::default());
        for entry in rows.files("").await? {
            let Some(id) = layout.part_id(&entry.key) else { continue };
            let object = ParquetObject::open_sized(rows, &entry.key, entry.size).await;
            let object = object.map_err(output::OutputError::from)?;
            let mut batches = Vec::new();
            for group in 0..object.groups() {
                batches
                    .extend(object.read_group(rows, group, None).await.map_err(output::OutputError::from)?);
            }
            let context = context(&self.bench.job, &self.bench.device);
            let end = PartEnd { rows: object.rows() as u32, ..PartEnd::default() };
            let encode = move || {
                let began = Instant::now();
                (
                    output::encode(&context, PartFooter { id, end, ..PartFooter::default() }, &batches),
                    began.elapsed().as_secs_f64(),
                )
            };
            let (encoded, seconds) = tokio::task::spawn_blocking(encode)
                .await
                .map_err(|error| Failure::caused(Exit::Bug, "encoding a part panicked", error))?;
            let bytes = encoded?.bytes;
            measured.parts += 1;
            measured.rows += object.rows();
            measured.bytes += bytes.len() as u64;
            measured.seconds += seconds;
            files.push(File { bytes, rows: object.rows() });
        }
        if measured.rows > 0 {
            runs.push(measured);
        }
        Ok(files)
    }
}

/// Takes images off the decoders' queue as fast as they come.
fn take(queue: &WorkQueue, mut keep: impl FnMut((Sample, Bytes))) {
    while let Some(work) = queue.next() {
        let Work::Decode(DecodeJob { mut row, bytes, .. }) = work else { continue };
        if let Some(sample) = row.sample_mut() {
            keep((sample.clone(), bytes));
        }
        row.done(ImageFacts { width: 0, height: 0, format: "" });
    }
}

/// Returns slots to the pool as fast as they are filled.
async fn empty(pool: SlotPool) {
    let ready = pool.ready();
    while let Ok(batch) = ready.recv().await {
        pool.give_back(batch.slot);
    }
}
