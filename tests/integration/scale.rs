//! Many images: time, requests and memory of a whole run with the do-nothing engine over a bucket in memory, and of
//! planning alone. Each size runs in a separate process, so that its peak of memory is known.
//!
//! The sizes are small here; `make test-long` sets `TRESNET_BATCH_SCALE=50000,1000000,10000000`: two runs and a
//! plan.

mod growth;
mod requests;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use tresnet_batch::dataset::{FolderDataset, FolderSource, Planner, PlannerOptions, Planning};
use tresnet_batch::engine::{EngineSpec, NoiseEngine};
use tresnet_batch::image;
use tresnet_batch::job::{Components, Frozen, Limits};
use tresnet_batch::output::{self, Activation, Embedding, Layout, PartContext, Success};
use tresnet_batch::pipeline::decode::isolate::Isolation;
use tresnet_batch::pipeline::opening::Opening;
use tresnet_batch::pipeline::progress::Progress;
use tresnet_batch::pipeline::run::{Stages, execute};
use tresnet_batch::pipeline::share::Share;
use tresnet_batch::pipeline::shutdown::Shutdown;
use tresnet_batch::runner::finish::{FinishOptions, Outcome, finish};
use tresnet_batch::runner::preflight::preflight;
use tresnet_batch::store::{Location, Settings};
use tresnet_batch::tensor::{self, Dtype};

use crate::support::frozen::frozen;
use crate::support::run_python;
use crate::support::scratch;
use crate::support::virtual_bucket::VirtualBucket;

const SIZE: u32 = 32;
const DIM: usize = 8;
const ROWS_PER_PART: u32 = 4096;

fn small_images() -> Vec<Bytes> {
    let folder = scratch().join("small-images");
    run_python("small_images.py", &[folder.to_str().unwrap(), "64"]);
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|item| item.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap().into()).collect()
}

struct Places {
    bucket: Arc<VirtualBucket>,
    rows_per_part: u32,
    input: Location,
    output: Location,
    frozen: Frozen,
}

impl Places {
    fn new(keys: u64, images: Vec<Bytes>, rows_per_part: u32) -> Places {
        let bucket = Arc::new(VirtualBucket::new(keys, images));
        let open = |uri| Location::over(bucket.clone(), uri, Settings::default()).unwrap();
        let components = Components::from([("rows_per_part".to_owned(), rows_per_part.into())]);
        let (input, output) = (open("s3://sim/in"), open("s3://sim/out"));
        Places { bucket, rows_per_part, input, output, frozen: frozen(components, DIM) }
    }

    fn planner_options(&self, planning: Planning) -> PlannerOptions {
        PlannerOptions {
            fingerprint: self.frozen.fingerprint.clone(),
            rows_per_part: self.rows_per_part,
            limit: None,
            planning,
            sorted: false,
            disorder: Layout::DISORDER,
        }
    }
}

/// Runs a share through all stages: plan, read, decode, noise, rows, parts; if it is the last, report and `_SUCCESS`.
async fn run(places: &Places, share: Share) -> Outcome {
    let Places { input, output, frozen, .. } = places;
    frozen.create(output).await.unwrap();
    preflight(output, frozen).await.unwrap();
    let source = FolderSource::new(input.clone(), false, None);
    let planning = if share.plans() { Planning::Make } else { Planning::Follow(Duration::ZERO) };
    let planner = Planner::new(&source, output, Layout::segment, places.planner_options(planning));
    let rows = output::Options {
        top_k: 1,
        embedding: Embedding::F32,
        normalize_embedding: false,
        content_hash: false,
        logits: false,
        activation: Activation::Softmax,
        classes: 2,
        dim: DIM,
        labels: None,
        sets: false,
        carried: Vec::new(),
    };
    let spec = EngineSpec {
        dtype: Dtype::F32,
        layout: tensor::Layout::Nchw,
        channels: 3,
        height: SIZE as usize,
        width: SIZE as usize,
        classes: 2,
        dim: DIM,
        fixed_batch: None,
        depth: 1,
    };
    let image = image::Options {
        image_size: SIZE,
        crop_pct: 1.0,
        resize_side: None,
        mode: image::Mode::Crop,
        interpolation: image::Interpolation::Bilinear,
        exif: image::Exif::Ignore,
        decode: image::Decode::Exact,
        rules: image::Rules::Current,
        mean: [0.0; 3],
        std: [1.0; 3],
        limits: image::Limits::default(),
    };
    let limits = Limits {
        batch_size: 256,
        requests: 64,
        most_requests: 64,
        in_flight_bytes: 64 << 20,
        decode_threads: std::thread::available_parallelism().unwrap().get(),
        max_error_fraction: 0.0,
        max_damaged_inputs: 0,
        max_unreadable: 0,
        grace: Duration::ZERO,
    };
    let layout = Layout::new(&frozen.fingerprint);
    let pairs = vec![("tresnet.fingerprint".to_owned(), frozen.fingerprint.clone())];
    let stages = Stages {
        dataset: Arc::new(FolderDataset::new(input.clone(), output.clone(), 1 << 20)),
        planner,
        share,
        engines: vec![Box::new(NoiseEngine::new(spec, 1))],
        image,
        isolation: Isolation::Off,
        context: PartContext { schema: rows.schema(), pairs, compress: true },
        rows,
        output: output.clone(),
        layout: layout.clone(),
    };
    let opening = Opening::begin(share, output.clone(), layout.clone()).await.unwrap();
    let progress = Arc::new(Progress::default());
    let executed = execute(stages, &limits, opening, progress, Shutdown::default()).await.unwrap();
    let wishes = FinishOptions {
        formats: &[],
        gates: &[],
        max_error_fraction: 0.0,
        max_damaged_inputs: 0,
        storage: Settings::default(),
    };
    finish(output, &layout, frozen, executed.plan, &wishes).await.unwrap()
}

async fn plan(places: &Places) -> u64 {
    places.frozen.create(&places.output).await.unwrap();
    let source = FolderSource::new(places.input.clone(), false, None);
    let mut planner =
        Planner::new(&source, &places.output, Layout::segment, places.planner_options(Planning::Make));
    let mut rows = 0;
    while let Some(segment) = planner.next_segment().await.unwrap() {
        rows += segment.head().rows();
    }
    rows
}

/// The highest resident memory of this process, MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// The work of the child process; run as a separate test, it does nothing.
#[test]
fn a_child_of_the_tests_of_scale() {
    let Ok(what) = std::env::var("TRESNET_BATCH_SCALE_CHILD") else { return };
    let (kind, keys) = what.split_once(' ').unwrap();
    let keys: u64 = keys.parse().unwrap();
    let places = Places::new(keys, small_images(), ROWS_PER_PART);
    let runtime = runtime();
    let before = peak();
    let started = Instant::now();
    let mut facts = json!({ "keys": keys, "base_mib": before });
    match kind {
        "plan" => assert_eq!(runtime.block_on(plan(&places)), keys),
        _ => assert!(matches!(runtime.block_on(run(&places, Share::WHOLE)), Outcome::Finished(_))),
    }
    facts["seconds"] = started.elapsed().as_secs_f64().into();
    facts["peak_mib"] = peak().into();
    facts["requests"] = json!(places.bucket.requests());
    // the control data and rows are held by the bucket itself; they are not the program's memory
    facts["stored_mib"] = (stored(&runtime, &places) as f64 / 1048576.0).into();
    if kind == "run" {
        places.bucket.requests();
        let started = Instant::now();
        let success = runtime.block_on(Success::read(&places.output)).unwrap().unwrap();
        assert_eq!((success.totals.ok, success.totals.error), (keys, 0));
        facts["again_ms"] = (started.elapsed().as_secs_f64() * 1e3).into();
        facts["again_requests"] = json!(places.bucket.requests());
    }
    println!("\nFACTS {facts}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn stored(runtime: &tokio::runtime::Runtime, places: &Places) -> u64 {
    let files = |folder: &'static str| places.output.files(folder);
    let all = async {
        let mut bytes = 0;
        for folder in ["", "_tresnet/plan"] {
            bytes += files(folder).await.unwrap().iter().map(|entry| entry.size).sum::<u64>();
        }
        bytes
    };
    runtime.block_on(all)
}

fn child(kind: &str, keys: u64) -> Value {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "scale::a_child_of_the_tests_of_scale", "--nocapture", "--test-threads=1"])
        .env("TRESNET_BATCH_SCALE_CHILD", format!("{kind} {keys}"))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let facts = printed.lines().find_map(|line| line.strip_prefix("FACTS "));
    let facts = facts.unwrap_or_else(|| panic!("{printed}{}", String::from_utf8_lossy(&output.stderr)));
    println!("{kind}: {facts}");
    serde_json::from_str(facts).unwrap()
}

fn sizes() -> [u64; 3] {
    let text = std::env::var("TRESNET_BATCH_SCALE").unwrap_or_else(|_| "5000,20000,100000".into());
    let sizes: Vec<u64> = text.split(',').map(|size| size.parse().unwrap()).collect();
    sizes.try_into().unwrap()
}

/// Memory that the program itself needed: the peak, less what the process had before and what the bucket holds.
fn own(facts: &Value) -> f64 {
    let number = |name: &str| facts[name].as_f64().unwrap();
    number("peak_mib") - number("base_mib") - number("stored_mib")
}

#[test]
fn memory_does_not_grow_with_the_number_of_images_and_a_finished_job_asks_for_one_object() {
    let [few, many, planned] = sizes();
    let (small, large) = (child("run", few), child("run", many));
    assert_eq!(large["again_requests"], json!([0, 0, 1]), "{large}");
    let growth = own(&large) - own(&small);
    println!("{few} images: {:.0} MiB, {many}: {:.0} MiB", own(&small), own(&large));
    // a planner holds the rows of the segment that it cuts, never more than 2^20, at about 200 bytes each
    let segment = |keys: u64| keys.min(1 << 20) as f64 * 200.0 / 1048576.0;
    assert!(growth < 48.0 + segment(many), "memory grew by {growth:.0} MiB from {few} to {many} images");
    let plan = child("plan", planned);
    assert!(own(&plan) < 512.0, "a plan of {planned} keys took {:.0} MiB", own(&plan));
}
