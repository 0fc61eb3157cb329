//! The network alone, on numbers that are in memory already: no image is read, no row is made.
//!
//! The first row of a table is its control. Every other row is measured in turn with it, so that its ratio holds on a
//! machine that is busy with something else, too.

mod peak;
mod subject;
mod tables;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::engine::{
    CudaOptions, Engine, EngineError, OrtOptions, Provider, Repeated, Runtime, Wish, choose,
    device_memory_in_use,
};
use crate::failure::{Exit, Failure};
use crate::model::Precision;

use super::report::median;
use crate::runner::device;
use peak::Peak;
use subject::Subject;
pub use tables::Table;

/// Batches before anything counts: memory is taken, algorithms are chosen.
const WARM_UP: usize = 2;

/// What is measured, and how long.
#[derive(Debug, Clone)]
pub struct EngineBenchOptions {
    /// The provider.
    pub wish: Wish,
    /// `--onnxruntime`.
    pub onnxruntime: Option<PathBuf>,
    /// Models to measure, the first being the control of the others; none: random weights of `archs`.
    pub models: Vec<PathBuf>,
    /// A model that takes the control's place in tables of forms and optimisations, such as another exporter's graph.
    pub against: Option<PathBuf>,
    /// Networks with random weights.
    pub archs: Vec<String>,
    /// Pixels a side; none: the model's own, or 224.
    pub image_sizes: Vec<u32>,
    /// Rows of a batch; none: 32 on a CPU, 128 on CUDA.
    pub batch_sizes: Vec<usize>,
    /// Arithmetic; none: what a job on this provider takes.
    pub precision: Option<Precision>,
    /// What is compared.
    pub table: Table,
    /// Rounds; the median counts.
    pub rounds: usize,
    /// The least time of a round.
    pub time: Duration,
    /// Options of a CPU session.
    pub cpu: OrtOptions,
    /// Options of a CUDA session.
    pub cuda: CudaOptions,
}

/// One line of a table.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// What was measured.
    pub name: String,
    /// Arithmetic of the graph.
    pub precision: String,
    /// Pixels a side.
    pub image_size: u32,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Median over the rounds.
    pub images_per_s: f64,
    /// Time of a batch; with several in flight, of one after another.
    pub ms_per_batch: f64,
    /// 10⁹ floating-point operations a second, where the network's are known.
    pub gflops: Option<f64>,
    /// Bytes of host memory that came on top while it was loaded and ran its first batches, at the most. On a CUDA
    /// device weights and maps lie elsewhere.
    pub peak_bytes: Option<u64>,
    /// Bytes of a CUDA device that came on top after its first batches: ONNX Runtime's arena does not shrink. Other
    /// programs on that device disturb it.
    pub device_bytes: Option<u64>,
    /// Median of the rounds' ratios to the control measured in turn with it.
    pub ratio: Option<f64>,
    /// The least and the largest of these ratios.
    pub ratio_range: Option<[f64; 2]>,
    /// What the paper reports for it on one V100 in mixed precision at 224, images a second.
    pub paper_images_per_s: Option<f64>,
    /// What a reader must know of it.
    pub note: Option<&'static str>,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct EngineReport {
    /// The table.
    pub table: Table,
    /// The provider that ran.
    pub provider: &'static str,
    /// Its device.
    pub device: String,
    /// Version of ONNX Runtime.
    pub onnxruntime: String,
    /// Threads that the machine has.
    pub cores: usize,
    /// Rounds.
    pub rounds: usize,
    /// In the order of the table; the first is the control where there are ratios.
    pub rows: Vec<Measured>,
}

/// Measures the network. `tell` hears what is being done.
///
/// # Errors
/// Models that cannot be read or loaded, a provider that is not there, outputs that are no numbers.
pub fn bench_engine(
    options: &EngineBenchOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<EngineReport, Failure> {
    let choice = choose(options.wish, options.onnxruntime.as_deref())?;
    let device_id = u32::try_from(options.cuda.device_id).unwrap_or(0);
    let device = match choice.provider {
        Provider::Cpu => crate::engine::processor(),
        Provider::Cuda => choice.names(&[device_id])?.remove(0),
    };
    let runtime = Runtime::for_choice(&choice)?;
    let bench = Bench { options, provider: choice.provider, runtime };
    let rows = bench.table(tell)?;
    Ok(EngineReport {
        table: options.table,
        provider: choice.provider.as_str(),
        device,
        onnxruntime: bench.runtime.version().to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        rounds: options.rounds,
        rows,
    })
}

struct Bench<'a> {
    options: &'a EngineBenchOptions,
    provider: Provider,
    runtime: Runtime,
}

/// A subject at work.
struct Running {
    engine: Box<dyn Engine>,
    batches: Repeated,
    /// Batches of a round.
    count: usize,
    memory: Memory,
}

/// What a subject takes, in bytes.
#[derive(Clone, Copy)]
struct Memory {
    peak: Option<u64>,
    device: Option<u64>,
}

impl Bench<'_> {
    /// Each subject against the first.
    fn against_the_first(
        &self,
        subjects: &[Subject<'_>],
        tell: &mut dyn FnMut(&str),
    ) -> Result<Vec<Measured>, Failure> {
        let Some((first, others)) = subjects.split_first() else { return Ok(Vec::new()) };
        tell(&format!("{}: loading", first.name));
        let mut control = self.start(first)?;
        let mut rates = Vec::new();
        let mut rows = Vec::new();
        for subject in others {
            tell(&format!("{}: {} rounds in turn with `{}`", subject.name, self.options.rounds, first.name));
            let mut running = self.start(subject)?;
            let mut pairs = Vec::new();
            for _ in 0..self.options.rounds {
                let ours = self.round(&mut control, first)?;
                pairs.push((self.round(&mut running, subject)?, ours));
            }
            rates.extend(pairs.iter().map(|(_, control)| *control));
            let mut row = subject
                .measured(median(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>()), running.memory);
            let ratios: Vec<f64> = pairs.iter().map(|(rate, control)| rate / control).collect();
            row.ratio = Some(rounded(median(&ratios), 1e4));
            row.ratio_range = Some(range(&ratios).map(|ratio| rounded(ratio, 1e4)));
            rows.push(row);
        }
        for _ in rates.len()..self.options.rounds {
            tell(&first.name);
            rates.push(self.round(&mut control, first)?);
        }
        rows.insert(0, first.measured(median(&rates), control.memory));
        Ok(rows)
    }

    /// Each subject by itself.
    fn one_by_one(
        &self,
        subjects: &[Subject<'_>],
        tell: &mut dyn FnMut(&str),
    ) -> Result<Vec<Measured>, Failure> {
        let mut rows = Vec::new();
        for subject in subjects {
            rows.extend(self.against_the_first(std::slice::from_ref(subject), tell)?);
        }
        Ok(rows)
    }

    fn start(&self, subject: &Subject<'_>) -> Result<Running, Failure> {
        let peak = Peak::begin();
        let device_before = self.device_memory();
        let graph = subject.graph()?;
        let size = subject.batch_size;
        let within = |error: EngineError| Failure::from(error).within(subject.name.clone());
        let mut engine = device::load(
            &self.runtime,
            self.provider,
            &graph,
            subject.names(),
            size,
            subject.cpu,
            &subject.cuda,
        )
        .map_err(within)?;
        drop(graph);
        let mut batches = Repeated::new(engine.as_mut(), size).map_err(within)?;
        batches.run(engine.as_mut(), WARM_UP).map_err(within)?;
        if !batches.is_finite() {
            return Err(Failure::new(
                Exit::Config,
                format!("{}: the network gives numbers that are not finite", subject.name),
            ));
        }
        let once = batches.run(engine.as_mut(), WARM_UP).map_err(within)?.as_secs_f64() / WARM_UP as f64;
        let count = (self.options.time.as_secs_f64() / once.max(1e-6)).ceil().clamp(1.0, 1e6) as usize;
        let memory = Memory {
            peak: peak.and_then(|peak| peak.grown()),
            device: device_before.and_then(|before| Some(self.device_memory()?.saturating_sub(before))),
        };
        Ok(Running { engine, batches, count, memory })
    }

    fn device_memory(&self) -> Option<u64> {
        match self.provider {
            Provider::Cpu => None,
            Provider::Cuda => device_memory_in_use(self.options.cuda.device_id),
        }
    }

    /// Images a second of one round.
    fn round(&self, running: &mut Running, subject: &Subject<'_>) -> Result<f64, Failure> {
        let time = running.batches.run(running.engine.as_mut(), running.count);
        let time = time.map_err(|error| Failure::from(error).within(subject.name.clone()))?;
        Ok((running.count * subject.batch_size) as f64 / time.as_secs_f64().max(1e-9))
    }
}

impl Subject<'_> {
    fn measured(&self, images_per_s: f64, memory: Memory) -> Measured {
        Measured {
            name: self.name.clone(),
            precision: self.precision.to_string(),
            image_size: self.image_size,
            batch_size: self.batch_size,
            images_per_s: rounded(images_per_s, 1e3),
            ms_per_batch: rounded(1e3 * self.batch_size as f64 / images_per_s, 1e3),
            gflops: self.operations().map(|operations| rounded(operations * images_per_s / 1e9, 10.0)),
            peak_bytes: memory.peak,
            device_bytes: memory.device,
            ratio: None,
            ratio_range: None,
            paper_images_per_s: self.paper,
            note: self.note,
        }
    }
}

fn range(values: &[f64]) -> [f64; 2] {
    let fold = |start: f64, pick: fn(f64, f64) -> f64| values.iter().copied().fold(start, pick);
    [fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max)]
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}
