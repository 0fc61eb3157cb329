//! Whole runs with almost nothing to decode and a device that takes no time: the remaining time is that of ceilings.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use futures::future::BoxFuture;
use tresnet_batch::dataset::webdataset::{ShardDataset, ShardOptions, ShardRules, ShardSource};
use tresnet_batch::dataset::{
    Arrival, Dataset, FolderDataset, FolderSource, ImageNames, Intake, Part, PartEnd, Pass, PlanSource,
    ReadAheadLimits, ReadError, Ticket, Warm,
};
use tresnet_batch::engine::{Engine, EngineError, EngineSpec, Failed, NoiseEngine, Outputs, Slot};
use tresnet_batch::output::Embedding;
use tresnet_batch::pipeline::progress::Progress;
use tresnet_batch::store::{Location, Role, Settings};

use crate::clock::{Calls, Spent, Timed, clock_cost, thread_nanos};
use crate::locks::BATCH;
use crate::planning::Keys;
use crate::rows::options;
use crate::support::threads::Watch;
use crate::support::{self, Knobs, Of, decode_alone, median, rate};
use crate::table::{Row, Scales};

/// Pixels of a side: rows cost almost nothing.
pub const SIDE: u32 = 8;
/// Bytes of an image, most of which no decoder reads.
pub const BYTES: usize = 105_000;
/// Where images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    Nowhere,
    Disk(&'a str),
    S3,
    /// As S3, by a runtime of one thread, which reads each image in the task of its part: the control.
    S3InTask,
    Shards,
}

/// A bitmap of 8 × 8 pixels, and bytes after it.
pub fn image() -> Bytes {
    let mut image = vec![0; BYTES];
    image[..2].copy_from_slice(b"BM");
    for (at, number) in [(2, BYTES as u32), (10, 54), (14, 40), (18, SIDE), (22, SIDE), (26, 1 | 24 << 16)] {
        image[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    image.into()
}

/// A dataset whose reading is timed: the task of the part, which is one thread at a time.
struct TimedDataset {
    inner: Arc<dyn Dataset>,
    spent: Arc<Spent>,
}

impl Dataset for TimedDataset {
    fn read_ahead(&self) -> ReadAheadLimits {
        self.inner.read_ahead()
    }

    fn warm(&self, part: &Part) -> Warm {
        self.inner.warm(part)
    }

    fn read<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
        pass: Pass,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>> {
        Box::pin(Timed::new(self.inner.read(part, intake, pass), self.spent.clone()))
    }
}

/// The work of the turn for an image: it admits, and it delivers.
#[derive(Debug, Default)]
struct Admissions {
    admit: Calls,
    deliver: Calls,
}

/// Images that arrive at once: admission, and nothing else.
struct Given {
    output: Location,
    image: Bytes,
    calls: Arc<Admissions>,
}

impl Dataset for Given {
    fn read<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
        _pass: Pass,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>> {
        Box::pin(async move {
            let samples = part.samples(&self.output).await?;
            let rows = samples.len() as u32;
            for sample in samples {
                let size = sample.size;
                let began = Instant::now();
                let mut admission = intake.admit(sample, size);
                let at_once = futures::poll!(&mut admission);
                let ticket = match at_once {
                    Poll::Ready(ticket) => {
                        self.calls.admit.since(began);
                        ticket
                    }
                    // one that waits is not timed
                    Poll::Pending => admission.await,
                };
                let mut ticket: Box<dyn Ticket> = ticket.map_err(|_| ReadError::Stopped)?;
                let began = Instant::now();
                if !ticket.fit(self.image.len() as u64) {
                    ticket.refit(self.image.len() as u64).await;
                }
                ticket.deliver(Ok(Arrival { bytes: self.image.clone(), etag: None }));
                self.calls.deliver.since(began);
            }
            Ok(PartEnd { rows, ..PartEnd::default() })
        })
    }
}

/// A device that takes no time; the work of its thread between two batches is counted.
struct TimedEngine {
    inner: NoiseEngine,
    left: Option<u64>,
    spent: Arc<Spent>,
}

impl Engine for TimedEngine {
    fn spec(&self) -> &EngineSpec {
        self.inner.spec()
    }

    fn provider(&self) -> &str {
        self.inner.provider()
    }

    fn allocate(&mut self, capacity: usize) -> Result<(Slot, Outputs), EngineError> {
        self.inner.allocate(capacity)
    }

    fn submit(&mut self, slot: Slot, outputs: Outputs, rows: usize) -> Result<(), Box<Failed>> {
        if let Some(left) = self.left.take() {
            self.spent.add(thread_nanos() - left);
        }
        self.inner.submit(slot, outputs, rows)
    }

    fn finish(&mut self) -> Option<(Slot, Outputs, Result<(), EngineError>)> {
        let ended = self.inner.finish();
        self.left = Some(thread_nanos());
        ended
    }
}

/// Nanoseconds an image of one run.
#[derive(Debug, Default)]
pub struct Figures {
    turn: f64,
    runtime: f64,
    engine: f64,
    workers: f64,
    rate: f64,
    admit: f64,
    deliver: f64,
}

fn source_and_dataset(
    from: Input<'_>,
    count: u64,
    output: &Location,
    calls: &Arc<Admissions>,
) -> (Box<dyn PlanSource>, Arc<dyn Dataset>) {
    // a new location: no connection of the run before
    let settings = Settings { requests: 128, ..Settings::default() };
    let open = |address: &str| Location::open_with(address, Role::Input, settings).unwrap();
    let folder = |input: Location| -> (Box<dyn PlanSource>, Arc<dyn Dataset>) {
        let dataset = FolderDataset::new(input.clone(), output.clone(), 64 << 20);
        (Box::new(FolderSource::new(input, false, None)), Arc::new(dataset))
    };
    match from {
        Input::Nowhere => {
            let given = Given { output: output.clone(), image: image(), calls: calls.clone() };
            (Box::new(Keys(count, BYTES as u64)), Arc::new(given))
        }
        Input::S3 | Input::S3InTask => folder(open("s3://test/in/")),
        Input::Disk(address) => folder(open(address)),
        Input::Shards => {
            let options = ShardOptions {
                max_encoded_bytes: 64 << 20,
                targets: None,
                carried: Vec::new(),
                most_rows: u32::MAX,
                image_names: ImageNames::default(),
                rules: ShardRules::Current,
            };
            let input = open("s3://test/tar/");
            let shards = ShardDataset::new(input.clone(), output.clone(), options, Vec::new());
            (Box::new(ShardSource::new(input, None).unwrap()), Arc::new(shards.with_window_bytes(256 << 20)))
        }
    }
}

/// The runtime of the program, with threads that are found by their names.
fn runtime(from: Input<'_>) -> tokio::runtime::Runtime {
    if from == Input::S3InTask {
        return tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    }
    // threads for what blocks are started after those of the runtime, and have the next numbers
    let number = AtomicUsize::new(0);
    let name = move || match number.fetch_add(1, Ordering::Relaxed) {
        number if number < RUNTIME_THREADS => "runtime".to_owned(),
        _ => "blocking".to_owned(),
    };
    let builder = &mut tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(RUNTIME_THREADS).thread_name_fn(name).enable_all().build().unwrap()
}

/// One run over `count` images.
fn run(from: Input<'_>, count: u64, cost: f64) -> Figures {
    let runtime = runtime(from);
    let output = Location::in_memory("out").unwrap();
    let calls = Arc::<Admissions>::default();
    let (source, dataset) = source_and_dataset(from, count, &output, &calls);
    let (turn, engine) = (Arc::new(Spent::default()), Arc::new(Spent::default()));
    let rows = options(Embedding::None);
    let knobs = Knobs { size: SIDE, batch: BATCH, dim: rows.dim, rows_per_part: 4096, ..Knobs::new(count) };
    let timed = TimedEngine { inner: NoiseEngine::new(knobs.spec(), 1), left: None, spent: engine.clone() };
    let dataset = Arc::new(TimedDataset { inner: dataset, spent: turn.clone() });
    let of = Of { source: &*source, dataset, engine: Box::new(timed), rows, output: &output };
    let progress = Arc::<Progress>::default();
    let watch = Watch::start();
    let end = runtime.block_on(support::run(of, knobs, progress));
    let threads = watch.end();
    assert_eq!((end.rows, end.errors), (count, 0));
    let images = end.stages.batch_rows as f64;
    let of = |name: &str| {
        threads.iter().filter(|thread| thread.0.starts_with(name)).map(|thread| thread.1).sum::<f64>()
    };
    Figures {
        turn: turn.nanos(cost) / images,
        runtime: of("runtime") / images,
        engine: engine.nanos(cost) / images,
        workers: of("decode") / images,
        rate: rate(&end),
        admit: calls.admit.mean(),
        deliver: calls.deliver.mean(),
    }
}

/// Threads of the program's runtime, which plan, admit and read.
pub const RUNTIME_THREADS: usize = 2;

/// The single threads of runs over `count` images from each place, and what they reached.
pub fn measure(runs: usize, count: u64, places: &[Input<'_>]) -> (Vec<Row>, Vec<String>) {
    let cost = clock_cost();
    let (mut rows, mut reached) = (Vec::new(), Vec::new());
    let row = |what, nanos: Vec<f64>, scales| Row { what, nanos: median(nanos), together: None, scales };
    for &from in places {
        let figures: Vec<Figures> = (0..runs).map(|_| run(from, count, cost)).collect();
        let each = |of: fn(&Figures) -> f64| figures.iter().map(of).collect::<Vec<f64>>();
        let (turn, runtime, whole) = match from {
            Input::Nowhere => (
                "the turn: rows admitted and delivered, nothing read",
                "the runtime's threads: the turn, parts",
                "nothing read",
            ),
            Input::S3 => (
                "the turn: reading from S3, an object an image",
                "the runtime's threads: reading from S3, an object an image",
                "from S3, an object an image",
            ),
            Input::S3InTask => ("control, the same on one thread", "", ""),
            Input::Disk(_) => (
                "the turn: reading files",
                "the runtime's threads: reading files, beside readers",
                "files on a disk",
            ),
            Input::Shards => (
                "the turn: reading tar shards from S3",
                "the runtime's threads: reading tar shards from S3",
                "tar shards from S3",
            ),
        };
        rows.push(row(turn, each(|run| run.turn), Scales::No));
        if from == Input::S3InTask {
            continue;
        }
        rows.push(row(runtime, each(|run| run.runtime), Scales::Threads(RUNTIME_THREADS)));
        if from == Input::Nowhere {
            rows.push(row(
                "in it: an image admitted, which takes a row and bytes",
                each(|run| run.admit),
                Scales::No,
            ));
            rows.push(row("in it: its delivery, into the work queue", each(|run| run.deliver), Scales::No));
            rows.push(row(
                "the thread of a device, between its batches",
                each(|run| run.engine),
                Scales::Devices,
            ));
            let decode = 1e9 / decode_alone(&[image()], SIDE, 20_000, 1);
            let rest = each(|run| run.workers).into_iter().map(|nanos| (nanos - decode).max(0.0)).collect();
            rows.push(row(
                "decode workers: queue, rows of the output, all but decoding",
                rest,
                Scales::Cores,
            ));
        }
        reached.push(format!("{whole}: {:.0} images/s", median(each(|run| run.rate))));
    }
    (rows, reached)
}
