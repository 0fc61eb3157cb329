//! The devices of a run: chosen, loaded and warmed up, with the batch size that suits them.

use std::time::{Duration, Instant};

use crate::engine::{
    Batch, Choice, CudaOptions, Engine, EngineError, GraphFiles, GraphNames, Options, Provider, Runtime,
    Trial, available_memory, best_size, choose, has_plenty, next_size, room_for, try_size, warm_up,
};
use crate::failpoints;
use crate::failure::Failure;
use crate::job::{JobError, LoadedModel, ResolvedJob};

use crate::pipeline::aside::aside;
use crate::pipeline::device_summary::{DeviceSummary, Tried};
use crate::pipeline::memory::Memory;

use super::opened::Opened;
use super::session::{Network, Settings, form_for, load};

/// The devices, ready for the first image.
pub(crate) struct Devices {
    /// One or more, all with the same model.
    pub engines: Vec<Box<dyn Engine>>,
    /// What they are.
    pub device: DeviceSummary,
    /// Time of the batch that each has run, the first one's.
    pub warm_up: Duration,
}

/// What each device computes before the first image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WarmUp {
    /// A full batch: its speed is measured, or running out of memory for it must be detected.
    Full,
    /// One image on a processor that certainly has memory for a full batch of the network, which takes seconds there;
    /// otherwise, and for a graph that is used unchanged, the same as [`Full`].
    ///
    /// [`Full`]: WarmUp::Full
    Short,
}

/// Bytes that the layers take for a pixel of a batch on a processor, five times what TResNet-M and L were seen to take
/// (docs/performance.md, Memory): other networks are not measured.
const LAYER_BYTES: u64 = 5 * 180;

/// What is needed to load the model once more.
struct Loader<'a> {
    runtime: &'a Runtime,
    provider: Provider,
    options: &'a Options,
    graph: GraphFiles<'a>,
    names: GraphNames,
}

impl Loader<'_> {
    fn load(&self, device: u32, batch_size: usize) -> Result<Box<dyn Engine>, EngineError> {
        let device_id = i32::try_from(device).unwrap_or(i32::MAX);
        let cuda = CudaOptions { device_id, ..self.options.cuda.clone() };
        let network = Network { graph: self.graph, names: self.names.clone() };
        let settings = Settings { batch_size, cpu: self.options.cpu, cuda: &cuda };
        load(self.runtime, self.provider, network, settings)
    }

    /// Tries batch sizes on one device, each with a separate session, so that no larger one's memory stays.
    fn try_sizes(&self, device: u32) -> Result<Vec<Trial>, EngineError> {
        let mut trials = Vec::new();
        while let Some(size) = next_size(self.provider, &trials, available_memory()) {
            let tried = self.load(device, size).and_then(|mut engine| try_size(engine.as_mut(), size));
            match tried {
                Ok(trial) => {
                    tracing::info!(batch_size = size, images_per_s = trial.images_per_s, "tried");
                    trials.push(trial);
                }
                // what came before it fits
                Err(error @ EngineError::OutOfMemory { .. }) if !trials.is_empty() => {
                    tracing::info!("{error}");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(trials)
    }
}

impl Devices {
    /// Loads the model on the devices and warms it up, on a blocking thread: libraries, sessions and batches block.
    pub(crate) async fn load(opened: &Opened, warm: WarmUp) -> Result<Devices, Failure> {
        let (job, model, onnxruntime) =
            (opened.job.clone(), opened.model.clone(), opened.onnxruntime.clone());
        let choice = opened.choice.as_ref().ok().cloned();
        aside(move || {
            let choice = match choice {
                Some(choice) => choice,
                // errors cannot be cloned, and what was missing may be installed by now
                None => choose(job.engine.device, onnxruntime.as_deref())?,
            };
            Self::load_here(&job, &model, choice, warm)
        })
        .await
    }

    fn load_here(
        job: &ResolvedJob,
        model: &LoadedModel,
        choice: Choice,
        warm: WarmUp,
    ) -> Result<Devices, Failure> {
        failpoints::reach("load", "runtime");
        match &choice.why {
            Some(why) if choice.surprising => {
                tracing::warn!("`engine.device = \"auto\"` takes the CPU: {why}")
            }
            Some(why) => tracing::info!("`engine.device = \"auto\"` takes the CPU: {why}"),
            None => {}
        }
        let options = &job.engine;
        let ids = match choice.provider {
            Provider::Cpu => vec![0],
            Provider::Cuda => options.device_ids.clone(),
        };
        let devices = choice.names(&ids)?;
        let runtime = Runtime::for_choice(&choice)?;
        let form = form_for(choice.provider);
        let graph = model.graph(job.precision, job.image.image_size, form, &job.metadata())?;
        let weights = model.weights();
        let loader = Loader {
            runtime: &runtime,
            provider: choice.provider,
            options,
            graph: GraphFiles { graph: &graph, weights: &weights },
            names: model.names().at(job.image.image_size),
        };
        let (size, trials) = match options.batch {
            Batch::Fixed(size) => (size, Vec::new()),
            Batch::Auto => {
                let trials = loader.try_sizes(ids[0])?;
                (best_size(&trials).unwrap_or(job.limits.batch_size), trials)
            }
        };
        failpoints::reach("load", "session");
        let mut engines = Vec::with_capacity(ids.len());
        for id in &ids {
            engines.push(loader.load(*id, size)?);
        }
        for engine in &engines {
            check_shapes(job, engine.as_ref())?;
        }
        let bytes =
            Memory::slots(&engines, job.limits.decode_threads, size) * size * engines[0].spec().row_bytes();
        room_for(bytes, size)?;
        let layers = LAYER_BYTES * size as u64 * u64::from(job.image.image_size).pow(2);
        // the memory need of a graph that was made elsewhere is not known
        let is_ours = model.fixed_precision().is_none();
        let rows = match (warm, choice.provider) {
            (WarmUp::Short, Provider::Cpu) if is_ours && has_plenty(layers) => 1,
            _ => size,
        };
        failpoints::reach("load", "warm_up");
        let mut times = Vec::with_capacity(engines.len());
        for engine in &mut engines {
            let (rows, began) = (engine.spec().fixed_batch.unwrap_or(rows), Instant::now());
            warm_up(engine.as_mut(), rows)?;
            times.push(began.elapsed());
        }
        let device = DeviceSummary {
            provider: choice.provider.as_str(),
            devices,
            batch_size: size,
            precision: job.model.precision.clone(),
            options: options.describe(choice.provider),
            onnxruntime: runtime.version().to_owned(),
            why: choice.why,
            is_surprising: choice.surprising,
            tried: trials
                .iter()
                .map(|trial| Tried {
                    batch_size: trial.batch_size,
                    images_per_s: (trial.images_per_s * 100.0).round() / 100.0,
                })
                .collect(),
        };
        Ok(Devices { engines, device, warm_up: times.first().copied().unwrap_or_default() })
    }
}

/// Checks that the inputs and outputs of a session fit the job.
fn check_shapes(job: &ResolvedJob, engine: &dyn Engine) -> Result<(), Failure> {
    let spec = engine.spec();
    let size = job.image.image_size as usize;
    if (spec.height, spec.width, spec.classes, spec.dim) != (size, size, job.rows.classes, job.rows.dim) {
        return Err(JobError::Mismatch(format!(
                "the graph takes {}×{} pixels and gives {} classes and {} features; the job has {size}×{size}, {} and {}",
                spec.height, spec.width, spec.classes, spec.dim, job.rows.classes, job.rows.dim
            ))
            .into());
    }
    Ok(())
}
