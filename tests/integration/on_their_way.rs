//! Images in flight: how many are allowed, in how many slots, and within how many bytes.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;

use tresnet_batch::dataset::{
    Arrival, Dataset, FolderDataset, FolderSource, Intake, Part, PartEnd, Pass, Planner, PlannerOptions,
    Planning, ReadError, Stop, Ticket,
};
use tresnet_batch::engine::{Engine, EngineError, EngineSpec, Failed, NoiseEngine, Outputs, Slot};
use tresnet_batch::image;
use tresnet_batch::job::Limits;
use tresnet_batch::output::{self, Activation, Embedding, Layout, PartContext};
use tresnet_batch::pipeline::decode::isolate::Isolation;
use tresnet_batch::pipeline::opening::Opening;
use tresnet_batch::pipeline::progress::{Progress, Snapshot};
use tresnet_batch::pipeline::run::{Stages, execute};
use tresnet_batch::pipeline::share::Share;
use tresnet_batch::pipeline::shutdown::Shutdown;
use tresnet_batch::sample::{RowError, Sample};
use tresnet_batch::store::{Location, Settings};
use tresnet_batch::tensor::{self, Dtype};

use crate::fault_matrix::{job, served_undisturbed_rows, server};
use crate::support::virtual_bucket::VirtualBucket;

/// A run that takes longer waits without end.
const FOR_EVER: Duration = Duration::from_secs(600);
/// The first images of a run go alone.
const ALONE: usize = 16;

/// The requests of a run to its device.
#[derive(Default)]
struct Asked {
    slot_bytes: AtomicUsize,
    /// Rows of each batch.
    batches: Mutex<Vec<usize>>,
}

/// The do-nothing engine, watched.
struct Watched {
    inner: NoiseEngine,
    asked: Arc<Asked>,
}

impl Engine for Watched {
    fn spec(&self) -> &EngineSpec {
        self.inner.spec()
    }

    fn provider(&self) -> &str {
        self.inner.provider()
    }

    fn allocate(&mut self, capacity: usize) -> Result<(Slot, Outputs), EngineError> {
        self.asked.slot_bytes.fetch_add(capacity * self.spec().row_bytes(), SeqCst);
        self.inner.allocate(capacity)
    }

    fn submit(&mut self, slot: Slot, outputs: Outputs, rows: usize) -> Result<(), Box<Failed>> {
        self.asked.batches.lock().unwrap().push(rows);
        self.inner.submit(slot, outputs, rows)
    }

    fn finish(&mut self) -> Option<(Slot, Outputs, Result<(), EngineError>)> {
        self.inner.finish()
    }
}

/// Where a ticket of [`Between`] comes in between.
trait Between: Send + Sync + 'static {
    fn size_hint(&self, planned: Option<u64>) -> Option<u64> {
        planned
    }

    /// Whether the bytes of a row may fit without waiting.
    fn fits(&self, _row: i64) -> bool {
        true
    }

    fn deliver(&self, ticket: Box<dyn Ticket>, image: Result<Arrival, RowError>) {
        ticket.deliver(image);
    }
}

/// A folder whose admission and tickets go through a test.
struct Through<B> {
    folder: FolderDataset,
    between: Arc<B>,
}

impl<B: Between> Dataset for Through<B> {
    fn read<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
        pass: Pass,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>> {
        Box::pin(async move {
            let intake = ThroughIntake { intake, between: self.between.clone() };
            self.folder.read(part, &intake, pass).await
        })
    }
}

struct ThroughIntake<'a, B> {
    intake: &'a dyn Intake,
    between: Arc<B>,
}

impl<B: Between> Intake for ThroughIntake<'_, B> {
    fn admit(&self, sample: Sample, size: Option<u64>) -> BoxFuture<'_, Result<Box<dyn Ticket>, Stop>> {
        Box::pin(async move {
            let (row, between) = (sample.row_id, self.between.clone());
            let ticket = self.intake.admit(sample, between.size_hint(size)).await?;
            Ok(Box::new(ThroughTicket { ticket, row, between }) as Box<dyn Ticket>)
        })
    }
}

struct ThroughTicket<B> {
    ticket: Box<dyn Ticket>,
    row: i64,
    between: Arc<B>,
}

impl<B: Between> Ticket for ThroughTicket<B> {
    fn fit(&mut self, len: u64) -> bool {
        self.between.fits(self.row) && self.ticket.fit(len)
    }

    fn refit(&mut self, len: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.ticket.release();
            // later images come meanwhile
            for _ in 0..7 * (self.row % 13) {
                tokio::task::yield_now().await;
            }
            self.ticket.refit(len).await;
        })
    }

    fn deliver(self: Box<Self>, image: Result<Arrival, RowError>) {
        let ThroughTicket { ticket, between, .. } = *self;
        between.deliver(ticket, image);
    }
}

/// A run over images that are all the same.
struct Run {
    images: u64,
    image: Bytes,
    rows_per_part: u32,
    side: u32,
    limits: Limits,
}

fn limits(batch_size: usize, requests: usize, in_flight_bytes: u64) -> Limits {
    Limits {
        batch_size,
        requests,
        most_requests: requests,
        in_flight_bytes,
        decode_threads: 2,
        max_error_fraction: 1.0,
        max_damaged_inputs: 0,
        max_unreadable: 0,
        grace: Duration::ZERO,
    }
}

impl Run {
    async fn through<B: Between>(&self, between: B) -> (Snapshot, Arc<Asked>) {
        let bucket = Arc::new(VirtualBucket::new(self.images, vec![self.image.clone()]));
        let open =
            |uri| Location::over(bucket.clone(), uri, Settings { requests: 4096, ..Settings::default() });
        let (input, output) = (open("s3://sim/in").unwrap(), open("s3://sim/out").unwrap());
        let source = FolderSource::new(input.clone(), false, None);
        let options = PlannerOptions {
            fingerprint: "way".into(),
            rows_per_part: self.rows_per_part,
            limit: None,
            planning: Planning::Make,
            sorted: false,
            disorder: Layout::DISORDER,
        };
        let rows = output::Options {
            top_k: 1,
            embedding: Embedding::None,
            normalize_embedding: false,
            content_hash: false,
            logits: false,
            activation: Activation::Softmax,
            classes: 2,
            dim: 2,
            labels: None,
            sets: false,
            carried: Vec::new(),
        };
        let spec = EngineSpec {
            dtype: Dtype::F32,
            layout: tensor::Layout::Nchw,
            channels: 3,
            height: self.side as usize,
            width: self.side as usize,
            classes: 2,
            dim: 2,
            fixed_batch: None,
            depth: 1,
        };
        let largest = self.image.len() as u64;
        let mut image = image::Options::new(self.side);
        image.limits.max_encoded_bytes = largest;
        let layout = Layout::new("way");
        let folder = FolderDataset::new(input, output.clone(), largest);
        let asked = Arc::<Asked>::default();
        let stages = Stages {
            dataset: Arc::new(Through { folder, between: Arc::new(between) }),
            planner: Planner::new(&source, &output, Layout::segment, options),
            share: Share::WHOLE,
            engines: vec![Box::new(Watched { inner: NoiseEngine::new(spec, 1), asked: asked.clone() })],
            image,
            isolation: Isolation::Off,
            context: PartContext { schema: rows.schema(), pairs: Vec::new(), compress: true },
            rows,
            output: output.clone(),
            layout: layout.clone(),
        };
        let opening = Opening::begin(Share::WHOLE, output.clone(), layout).await.unwrap();
        let progress = Arc::new(Progress::default());
        let run = execute(stages, &self.limits, opening, progress.clone(), Shutdown::default());
        let ended = tokio::time::timeout(FOR_EVER, run).await;
        ended.expect("an image waits for ever").unwrap();
        (progress.snapshot(), asked)
    }
}

/// An image of 16 × 16 grey pixels.
fn bmp() -> Bytes {
    let pixels = 16 * 16 * 3;
    let mut bytes = b"BM".to_vec();
    for field in [54 + pixels, 0, 54, 40, 16, 16, 1 | (24 << 16), 0, pixels, 0, 0, 0, 0] {
        bytes.extend_from_slice(&u32::to_le_bytes(field));
    }
    bytes.resize(bytes.len() + pixels as usize, 128);
    bytes.into()
}

/// Holds images back until a number of them are on their way.
struct Together {
    wanted: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    came: usize,
    images: Vec<(Box<dyn Ticket>, Result<Arrival, RowError>)>,
}

impl Between for Together {
    fn deliver(&self, ticket: Box<dyn Ticket>, image: Result<Arrival, RowError>) {
        let ready = {
            let mut held = self.held.lock().unwrap();
            held.came += 1;
            held.images.push((ticket, image));
            match held.came <= ALONE || held.images.len() == self.wanted || held.came > ALONE + self.wanted {
                true => std::mem::take(&mut held.images),
                false => Vec::new(),
            }
        };
        ready.into_iter().for_each(|(ticket, image)| ticket.deliver(image));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_thousand_requests_of_448_pixels_take_the_slots_of_decoders_and_device_alone() {
    let run = Run {
        images: 4200,
        // a row of zeros is made at once
        image: Bytes::from_static(b"no image"),
        rows_per_part: 8192,
        side: 448,
        limits: limits(8, 4096, 512 << 20),
    };
    // the run continues only when 4096 images are in flight at the same time
    let (done, asked) = run.through(Together { wanted: 4096, held: Mutex::default() }).await;
    assert_eq!((done.rows, done.errors), (4200, 4200));
    // one batch on the device, one that waits for it, and two that are being filled
    assert_eq!(asked.slot_bytes.load(SeqCst), 4 * 8 * 3 * 448 * 448 * 4);
}

/// Has no sizes before an image has arrived, and then waits for the bytes of every second one.
struct Refits;

impl Between for Refits {
    fn size_hint(&self, _: Option<u64>) -> Option<u64> {
        None
    }

    fn fits(&self, row: i64) -> bool {
        row % 2 == 0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_of_three_images_is_enough_for_every_row_and_no_batch_crosses_a_part() {
    let image = bmp();
    let budget = 3 * image.len() as u64;
    let run = Run { images: 300, image, rows_per_part: 10, side: 32, limits: limits(4, 64, budget) };
    let (done, asked) = run.through(Refits).await;
    assert_eq!((done.rows, done.errors, done.parts), (300, 0, 30));
    let mut batches = std::mem::take(&mut *asked.batches.lock().unwrap());
    batches.sort_unstable();
    assert_eq!(batches, [vec![2; 30], vec![4; 60]].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_of_one_image_is_enough_for_every_row() {
    let image = bmp();
    let budget = image.len() as u64;
    let run = Run { images: 50, image, rows_per_part: 10, side: 32, limits: limits(4, 64, budget) };
    let (done, _) = run.through(Refits).await;
    assert_eq!((done.rows, done.errors), (50, 0));
}

#[test]
fn little_room_and_many_requests_change_no_row() {
    for requests in [1, 500] {
        let server = server();
        let sizes = server.keys("images/").into_iter().map(|key| server.get(&key).unwrap().len());
        let largest = sizes.max().unwrap();
        let job = job(&server)
            .set(format!("limits.requests={requests}"))
            .set(format!("limits.max_encoded_bytes={largest}"))
            .set(format!("limits.in_flight_bytes={}", 3 * largest));
        job.run().exits(0);
        served_undisturbed_rows(&server, &job);
    }
}
