//! Rounds of a subject in turn with its control.

use std::time::{Duration, Instant};

use crate::engine::{Engine, EngineError, GraphFiles, Provider, Repeated, Runtime, device_memory_in_use};
use crate::failure::{Exit, Failure};
use crate::runner::session::{Network, Settings, load};
use crate::runner::widths::of_trial;
use crate::workbench::bench::report::median;

use super::measured::Measured;
use super::options::EngineBenchOptions;
use super::peak::Peak;
use super::subject::Subject;

/// Batches before anything counts: memory is taken, algorithms are chosen.
const WARM_UP: usize = 2;

/// What every subject is measured with.
pub(super) struct Bench<'a> {
    pub options: &'a EngineBenchOptions,
    pub provider: Provider,
    pub runtime: Runtime,
}

/// A subject whose engine is loaded.
struct Running {
    engine: Box<dyn Engine>,
    batches: Repeated,
    /// Batches of a round.
    count: usize,
    start: Start,
}

/// What a subject takes before it is measured: bytes of memory and seconds.
#[derive(Clone, Copy)]
struct Start {
    peak: Option<u64>,
    device: Option<u64>,
    load: Duration,
    warm_up: Duration,
}

impl Bench<'_> {
    /// Each subject against the first.
    ///
    /// # Errors
    /// The graph of a subject cannot be built or loaded, a batch of it fails, or its numbers are not finite.
    pub fn against_the_first(
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
            let mut row =
                subject.measured(median(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>()), running.start);
            let ratios: Vec<f64> = pairs.iter().map(|(rate, control)| rate / control).collect();
            row.ratio = Some(rounded(median(&ratios), 1e4));
            row.ratio_range = Some(range(&ratios).map(|ratio| rounded(ratio, 1e4)));
            rows.push(row);
        }
        for _ in rates.len()..self.options.rounds {
            tell(&first.name);
            rates.push(self.round(&mut control, first)?);
        }
        rows.insert(0, first.measured(median(&rates), control.start));
        Ok(rows)
    }

    /// Each subject by itself.
    ///
    /// # Errors
    /// Those of [`Bench::against_the_first`].
    pub fn one_by_one(
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
        let (peak, began) = (Peak::begin(), Instant::now());
        let device_before = self.device_memory();
        let graph = subject.graph()?;
        let size = subject.batch_size;
        let within = |error: EngineError| Failure::from(error).within(subject.name.clone());
        let weights = subject.weights();
        let mut names = subject.names();
        if let Some(model) = subject.without_widths() {
            let widths = of_trial(model, &self.runtime, subject.image_size)?;
            (names.free.classes, names.free.dim) = (Some(widths.classes), Some(widths.dim));
        }
        let network = Network { graph: GraphFiles { graph: &graph, weights: &weights }, names };
        let settings = Settings { batch_size: size, cpu: subject.cpu, cuda: &subject.cuda };
        let mut engine = load(&self.runtime, self.provider, network, settings).map_err(within)?;
        drop(graph);
        let loaded = began.elapsed();
        let mut batches = Repeated::new(engine.as_mut(), size).map_err(within)?;
        let warm_up = batches.run(engine.as_mut(), WARM_UP).map_err(within)?;
        if !batches.is_finite() {
            return Err(Failure::new(
                Exit::Config,
                format!("{}: the network gives numbers that are not finite", subject.name),
            ));
        }
        let once = batches.run(engine.as_mut(), WARM_UP).map_err(within)?.as_secs_f64() / WARM_UP as f64;
        let count = (self.options.time.as_secs_f64() / once.max(1e-6)).ceil().clamp(1.0, 1e6) as usize;
        let start = Start {
            peak: peak.and_then(|peak| peak.grown()),
            device: device_before.and_then(|before| Some(self.device_memory()?.saturating_sub(before))),
            load: loaded,
            warm_up,
        };
        Ok(Running { engine, batches, count, start })
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
    fn measured(&self, images_per_s: f64, start: Start) -> Measured {
        Measured {
            name: self.name.clone(),
            precision: self.precision.to_string(),
            image_size: self.image_size,
            batch_size: self.batch_size,
            images_per_s: rounded(images_per_s, 1e3),
            ms_per_batch: rounded(1e3 * self.batch_size as f64 / images_per_s, 1e3),
            gflops: self.operations().map(|operations| rounded(operations * images_per_s / 1e9, 10.0)),
            load_seconds: rounded(start.load.as_secs_f64(), 1e3),
            warm_up_seconds: rounded(start.warm_up.as_secs_f64(), 1e3),
            peak_bytes: start.peak,
            device_bytes: start.device,
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
