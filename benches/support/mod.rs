//! What the benches share: photographs, a run of the whole pipeline with the do-nothing engine, decoding alone,
//! medians.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, missing_docs)]

pub mod threads;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tresnet_batch::dataset::{
    Dataset, FolderDataset, FolderSource, PlanSource, Planner, PlannerOptions, Planning,
};
use tresnet_batch::engine::{Engine, EngineSpec, NoiseEngine, share_heaps};
use tresnet_batch::image::{Decoder, Options};
use tresnet_batch::job::Limits;
use tresnet_batch::output::{self, Activation, Embedding, Layout as Names, PartContext};
use tresnet_batch::pipeline::decode::isolate::Isolation;
use tresnet_batch::pipeline::opening::Opening;
use tresnet_batch::pipeline::progress::{Progress, Snapshot};
use tresnet_batch::pipeline::run::{Stages, execute};
use tresnet_batch::pipeline::share::Share;
use tresnet_batch::pipeline::shutdown::Shutdown;
use tresnet_batch::store::Location;
use tresnet_batch::tensor::{Dtype, Layout, RowMut};

/// Options of a bench: `--name value`, with defaults.
pub struct Arguments(Vec<(String, String)>);

impl Arguments {
    /// Reads the command line; a name that is not in `known` ends the bench. Memory is set up as in the program.
    pub fn read(known: &[&str]) -> Arguments {
        share_heaps();
        let mut given = std::env::args().skip(1).filter(|argument| argument != "--bench");
        let mut pairs = Vec::new();
        while let Some(name) = given.next() {
            let plain = name.trim_start_matches("--").to_owned();
            assert!(known.contains(&plain.as_str()), "unknown option {name}; there are: {known:?}");
            pairs.push((plain, given.next().unwrap_or_else(|| panic!("{name} needs a value"))));
        }
        Arguments(pairs)
    }

    pub fn text(&self, name: &str, default: &str) -> String {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map_or_else(|| default.to_owned(), |(_, value)| value.clone())
    }

    pub fn number(&self, name: &str, default: u64) -> u64 {
        self.text(name, &default.to_string()).parse().unwrap_or_else(|_| panic!("--{name} is a number"))
    }

    /// A folder of class folders with images.
    pub fn images(&self) -> PathBuf {
        let default = Path::new(env!("CARGO_MANIFEST_DIR")).join(".demo/images");
        self.text("images", default.to_str().unwrap()).into()
    }
}

/// Every JPEG two levels below a folder.
pub fn photographs(folder: &Path) -> Vec<Bytes> {
    let mut paths = Vec::new();
    for class in std::fs::read_dir(folder).unwrap_or_else(|_| panic!("no images at {}", folder.display())) {
        let class = class.unwrap().path();
        if class.is_dir() {
            paths.extend(std::fs::read_dir(class).unwrap().map(|item| item.unwrap().path()));
        }
    }
    paths.retain(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        matches!(extension.to_ascii_lowercase().as_str(), "jpg" | "jpeg")
    });
    paths.sort();
    assert!(!paths.is_empty(), "no JPEG below {}", folder.display());
    paths.iter().map(|path| std::fs::read(path).unwrap().into()).collect()
}

/// Writes `count` files of one class below a folder, the photographs over and over.
pub fn link_photographs(images: &[Bytes], folder: &Path, count: usize) {
    std::fs::create_dir(folder.join("all")).unwrap();
    for index in 0..count {
        let file = folder.join(format!("all/{index:07}.jpg"));
        let first = folder.join(format!("all/{:07}.jpg", index % images.len()));
        if index < images.len() {
            std::fs::write(file, &images[index]).unwrap();
        } else {
            std::fs::hard_link(first, file).unwrap();
        }
    }
}

pub fn mean_kilobytes(images: &[Bytes]) -> f64 {
    images.iter().map(Bytes::len).sum::<usize>() as f64 / images.len() as f64 / 1000.0
}

pub fn cores() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}

/// How a run of the pipeline is set up.
#[derive(Debug, Clone, Copy)]
pub struct Knobs {
    pub size: u32,
    pub batch: usize,
    pub workers: usize,
    pub requests: usize,
    /// As many where the number is fixed.
    pub most_requests: usize,
    pub in_flight_bytes: u64,
    pub dim: usize,
    pub rows_per_part: u32,
    /// Images of the input, at most.
    pub limit: u64,
}

impl Knobs {
    /// A job's own defaults with TResNet-M's widths.
    pub fn new(limit: u64) -> Knobs {
        Knobs {
            size: 224,
            batch: 32,
            workers: cores(),
            requests: (64 * cores()).min(512),
            most_requests: 4096,
            in_flight_bytes: 512 << 20,
            dim: 2048,
            rows_per_part: 1024,
            limit,
        }
    }
}

/// The whole pipeline but the network: listing, reading, decoding, noise of TResNet-M's widths, rows, parts in
/// memory.
pub async fn run_with_noise(input: &Location, knobs: Knobs) -> Snapshot {
    run_with_noise_into(input, &Location::in_memory("out").unwrap(), knobs).await
}

pub async fn run_with_noise_into(input: &Location, output: &Location, knobs: Knobs) -> Snapshot {
    run_with_noise_observed(input, output, knobs, Arc::default()).await
}

/// As the others, with a reader of its progress.
pub async fn run_with_noise_observed(
    input: &Location,
    output: &Location,
    knobs: Knobs,
    progress: Arc<Progress>,
) -> Snapshot {
    let source = FolderSource::new(input.clone(), false, None);
    let dataset = Arc::new(FolderDataset::new(input.clone(), output.clone(), 64 << 20));
    run_dataset_with_noise(&source, dataset, output, knobs, progress).await
}

/// The same over any dataset; `output` holds its plan.
pub async fn run_dataset_with_noise(
    source: &dyn PlanSource,
    dataset: Arc<dyn Dataset>,
    output: &Location,
    knobs: Knobs,
    progress: Arc<Progress>,
) -> Snapshot {
    let engine = Box::new(NoiseEngine::new(knobs.spec(), 1));
    run(Of { source, dataset, engine, rows: knobs.rows(), output }, knobs, progress).await
}

/// What a run is made of beside its knobs; `output` holds its plan, too.
pub struct Of<'a> {
    pub source: &'a dyn PlanSource,
    pub dataset: Arc<dyn Dataset>,
    pub engine: Box<dyn Engine>,
    pub rows: output::Options,
    pub output: &'a Location,
}

/// The whole pipeline around any engine.
pub async fn run(of: Of<'_>, knobs: Knobs, progress: Arc<Progress>) -> Snapshot {
    let Of { source, dataset, engine, rows, output } = of;
    let options = PlannerOptions {
        fingerprint: "bench".into(),
        rows_per_part: knobs.rows_per_part,
        limit: Some(knobs.limit),
        planning: Planning::Make,
        sorted: false,
        disorder: Names::DISORDER,
    };
    let limits = Limits {
        batch_size: knobs.batch,
        requests: knobs.requests,
        most_requests: knobs.most_requests,
        in_flight_bytes: knobs.in_flight_bytes,
        decode_threads: knobs.workers,
        max_error_fraction: 1.0,
        max_damaged_inputs: 0,
        max_unreadable: 0,
        grace: Duration::ZERO,
    };
    let layout = Names::new("bench");
    let stages = Stages {
        dataset,
        planner: Planner::new(source, output, Names::segment, options),
        share: Share::WHOLE,
        engines: vec![engine],
        image: Options::new(knobs.size),
        isolation: Isolation::Off,
        context: PartContext { schema: rows.schema(), pairs: Vec::new(), compress: true },
        rows,
        output: output.clone(),
        layout: layout.clone(),
    };
    let opening = Opening::begin(Share::WHOLE, output.clone(), layout).await.unwrap();
    execute(stages, &limits, opening, progress.clone(), Shutdown::default()).await.unwrap();
    progress.snapshot()
}

/// TResNet-M's.
const CLASSES: usize = 1000;

impl Knobs {
    fn rows(&self) -> output::Options {
        output::Options {
            top_k: 5,
            embedding: Embedding::F32,
            normalize_embedding: false,
            logits: false,
            content_hash: false,
            activation: Activation::Softmax,
            classes: CLASSES,
            dim: self.dim,
            labels: None,
            carried: Vec::new(),
            sets: false,
        }
    }

    /// What a device takes and gives.
    pub fn spec(&self) -> EngineSpec {
        EngineSpec {
            dtype: Dtype::F32,
            layout: Layout::Nchw,
            channels: 3,
            height: self.size as usize,
            width: self.size as usize,
            classes: CLASSES,
            dim: self.dim,
            fixed_batch: None,
            depth: 1,
        }
    }
}

/// Images a second from the first request to the last rows, the canary's images among them.
pub fn rate(run: &Snapshot) -> f64 {
    run.stages.batch_rows as f64 / run.until_last_rows.as_secs_f64()
}

/// Images a second of decoding alone, from memory: `total` of them on `threads` threads.
pub fn decode_alone(images: &[impl AsRef<[u8]> + Sync], size: u32, total: usize, threads: usize) -> f64 {
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut decoder = Decoder::new(Options::new(size)).unwrap();
                let mut row = vec![0.0_f32; (size * size * 3) as usize];
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= total {
                        return;
                    }
                    // a corrupt file costs what it costs in a run, too
                    let image = images[index % images.len()].as_ref();
                    drop(decoder.decode_into(image, Layout::Nchw, RowMut::F32(&mut row)));
                }
            });
        }
    });
    total as f64 / began.elapsed().as_secs_f64()
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
