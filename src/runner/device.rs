//! The devices of a run: chosen, loaded and warmed up, with the batch size that suits them.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::engine::{
    Batch, Choice, CudaEngine, CudaOptions, Engine, EngineError, GraphNames, Options, OrtCpu, OrtOptions,
    Provider, Runtime, Trial, Wish, available_memory, best_size, choose, has_plenty, next_size, room_for,
    try_size, warm_up,
};
use crate::failure::Failure;
use crate::job::{JobError, JobSpec, LoadedModel};
use crate::model::{Form, Precision};

use crate::pipeline::device_summary::{DeviceSummary, Tried};
use crate::pipeline::memory::Memory;

use super::job::Opened;

/// The devices, ready for the first image.
pub(crate) struct Devices {
    /// One or more, all with the same model.
    pub engines: Vec<Box<dyn Engine>>,
    /// What they are.
    pub ran: DeviceSummary,
    /// Time of the batch that each has run, the first one's.
    pub warm_up: Duration,
}

/// What each device computes before the first image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WarmUp {
    /// A full batch: it is measured, or a lack of memory for it is to be told.
    Full,
    /// One image on a processor that surely has memory for a full batch of the network, which takes seconds there; else,
    /// and for a graph that comes as it is, as [`Full`].
    ///
    /// [`Full`]: WarmUp::Full
    Short,
}

/// Bytes that the layers take for a pixel of a batch on a processor, four times what TResNet-M and L were seen to take
/// (docs/performance.md, Memory): other networks are not measured.
const LAYER_BYTES: u64 = 4 * 226;

/// How a provider likes the network drawn.
pub(crate) fn form_for(provider: Provider) -> Form {
    match provider {
        Provider::Cpu => Form::FOR_CPU,
        Provider::Cuda => Form::FOR_CUDA,
    }
}

/// The model on one device, for batches of a size.
///
/// # Errors
/// As the provider's engine.
pub(crate) fn load(
    runtime: &Runtime,
    provider: Provider,
    graph: &[u8],
    names: GraphNames,
    batch_size: usize,
    cpu: OrtOptions,
    cuda: &CudaOptions,
) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match provider {
        Provider::Cpu => Box::new(OrtCpu::load(runtime, graph, names, cpu)?),
        Provider::Cuda => Box::new(CudaEngine::load(runtime, graph, names, batch_size, cuda)?),
    })
}

/// What is needed to load the model once more.
struct Loader<'a> {
    runtime: &'a Runtime,
    provider: Provider,
    options: &'a Options,
    graph: &'a [u8],
    names: GraphNames,
}

impl Loader<'_> {
    fn load(&self, device: u32, batch_size: usize) -> Result<Box<dyn Engine>, EngineError> {
        let device_id = i32::try_from(device).unwrap_or(i32::MAX);
        let cuda = CudaOptions { device_id, ..self.options.cuda.clone() };
        let Loader { runtime, provider, graph, ref names, .. } = *self;
        load(runtime, provider, graph, names.clone(), batch_size, self.options.cpu, &cuda)
    }

    /// Tries batch sizes on one device, each with a session of its own, so that no larger one's memory stays.
    async fn try_sizes(&self, device: u32) -> Result<Vec<Trial>, EngineError> {
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
            // a signal is looked at between two sizes
            tokio::task::yield_now().await;
        }
        Ok(trials)
    }
}

impl Opened {
    /// The devices with the model on them, warm.
    pub(crate) async fn devices(&self, warm: WarmUp) -> Result<Devices, Failure> {
        let choice = match &self.choice {
            Ok(choice) => choice.clone(),
            // errors cannot be cloned, and what was missing may be there by now
            Err(_) => choose(self.job.engine.device, self.onnxruntime.as_deref())?,
        };
        match &choice.why {
            Some(why) if choice.surprising => {
                tracing::warn!("`engine.device = \"auto\"` takes the CPU: {why}")
            }
            Some(why) => tracing::info!("`engine.device = \"auto\"` takes the CPU: {why}"),
            None => {}
        }
        let options = &self.job.engine;
        let ids = match choice.provider {
            Provider::Cpu => vec![0],
            Provider::Cuda => options.device_ids.clone(),
        };
        let devices = choice.names(&ids)?;
        let runtime = Runtime::for_choice(&choice)?;
        let job = &self.job;
        let form = form_for(choice.provider);
        let graph = self.model.graph(job.precision, job.image.image_size, form, &job.metadata())?;
        let loader = Loader {
            runtime: &runtime,
            provider: choice.provider,
            options,
            graph: &graph,
            names: self.model.names(),
        };
        let (size, trials) = match options.batch {
            Batch::Fixed(size) => (size, Vec::new()),
            Batch::Auto => {
                let trials = loader.try_sizes(ids[0]).await?;
                (best_size(&trials).unwrap_or(job.limits.batch_size), trials)
            }
        };
        let mut engines = Vec::with_capacity(ids.len());
        for id in &ids {
            engines.push(loader.load(*id, size)?);
        }
        for engine in &engines {
            self.check_shapes(engine.as_ref())?;
        }
        let bytes = Memory::slots(&engines, job.limits.requests, size) * size * engines[0].spec().row_bytes();
        room_for(bytes, size)?;
        let layers = LAYER_BYTES * size as u64 * u64::from(job.image.image_size).pow(2);
        // what a graph of somebody else's takes, nobody knows
        let is_ours = self.model.fixed_precision().is_none();
        let rows = match (warm, choice.provider) {
            (WarmUp::Short, Provider::Cpu) if is_ours && has_plenty(layers) => 1,
            _ => size,
        };
        let mut times = Vec::with_capacity(engines.len());
        for engine in &mut engines {
            let (rows, began) = (engine.spec().fixed_batch.unwrap_or(rows), Instant::now());
            warm_up(engine.as_mut(), rows)?;
            times.push(began.elapsed());
        }
        let ran = DeviceSummary {
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
        Ok(Devices { engines, ran, warm_up: times.first().copied().unwrap_or_default() })
    }

    fn check_shapes(&self, engine: &dyn Engine) -> Result<(), Failure> {
        let (job, spec) = (&self.job, engine.spec());
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
}

/// The provider that decides a job's defaults: the one asked for by name, whether this machine has it or not, or the
/// one that was found.
pub(crate) fn for_defaults(wish: Wish, choice: &Result<Choice, EngineError>) -> Provider {
    match (wish, choice) {
        (Wish::Only(provider), _) => provider,
        (Wish::Auto, Ok(choice)) => choice.provider,
        (Wish::Auto, Err(_)) => Provider::Cpu,
    }
}

/// What will compute a model, as far as this machine can tell.
pub(crate) fn choice_for(
    spec: &JobSpec,
    model: &LoadedModel,
    onnxruntime: Option<&Path>,
) -> Result<Result<Choice, EngineError>, JobError> {
    let wish = spec.device();
    let on_cpu = || choose(Wish::Only(Provider::Cpu), onnxruntime);
    fit(choose(wish, onnxruntime), wish, model.fixed_precision(), on_cpu)
}

/// Holds what was chosen against the model's arithmetic: int8 graphs are made for processors. `auto` takes the processor
/// for one then.
fn fit(
    choice: Result<Choice, EngineError>,
    wish: Wish,
    fixed: Option<Precision>,
    on_cpu: impl FnOnce() -> Result<Choice, EngineError>,
) -> Result<Result<Choice, EngineError>, JobError> {
    const WHY: &str = "the model is int8, which is made for processors";
    match (wish, choice) {
        (_, choice) if fixed != Some(Precision::Int8) => Ok(choice),
        (Wish::Only(provider), _) if provider != Provider::Cpu => Err(JobError::Mismatch(format!(
            "{WHY}, but `engine.device` is \"{}\"; set it to \"cpu\", or let `model.path` name the weights",
            provider.as_str()
        ))),
        (Wish::Auto, Ok(choice)) if choice.provider != Provider::Cpu => {
            Ok(on_cpu().map(|choice| Choice { why: Some(WHY.to_owned()), surprising: true, ..choice }))
        }
        (_, choice) => Ok(choice),
    }
}

/// What is wrong with a model of this arithmetic on this machine's processor.
pub(crate) fn doubt(provider: Provider, precision: Precision, has_int8_dot: bool) -> Option<&'static str> {
    (provider == Provider::Cpu && precision == Precision::Int8 && !has_int8_dot).then_some(
        "this processor cannot add products of bytes in 32 bits (it has no VNNI): sums are cut off at 16 bits, so the \
         int8 model gives other rows here than where it has that, and is slow; take the weights in fp32",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(provider: Provider) -> Result<Choice, EngineError> {
        let library = "libonnxruntime.so".into();
        Ok(Choice { provider, library, devices: Vec::new(), why: None, surprising: false })
    }

    #[test]
    fn an_int8_model_stays_on_the_processor() {
        let (cuda, int8) = (Wish::Only(Provider::Cuda), Some(Precision::Int8));
        let refused = fit(on(Provider::Cuda), cuda, int8, || on(Provider::Cpu)).unwrap_err().to_string();
        assert!(refused.contains("int8") && refused.contains("`engine.device` is \"cuda\""), "{refused}");
        let taken = fit(on(Provider::Cuda), Wish::Auto, int8, || on(Provider::Cpu)).unwrap().unwrap();
        assert_eq!(taken.provider, Provider::Cpu);
        assert!(taken.why.unwrap().contains("int8"));
        for (wish, precision) in [(cuda, Some(Precision::Fp16)), (Wish::Auto, None)] {
            let taken = fit(on(Provider::Cuda), wish, precision, || on(Provider::Cpu)).unwrap().unwrap();
            assert_eq!((taken.provider, taken.why), (Provider::Cuda, None));
        }
    }

    #[test]
    fn int8_on_a_processor_that_cuts_sums_off_is_doubted() {
        assert!(doubt(Provider::Cpu, Precision::Int8, false).unwrap().contains("VNNI"));
        for (provider, precision, dot) in [
            (Provider::Cpu, Precision::Int8, true),
            (Provider::Cpu, Precision::Fp32, false),
            (Provider::Cuda, Precision::Int8, false),
        ] {
            assert_eq!(doubt(provider, precision, dot), None);
        }
    }

    #[test]
    fn devices_of_one_name_are_counted() {
        let mut ran = DeviceSummary {
            provider: "cuda",
            devices: ["a", "b", "a"].map(str::to_owned).to_vec(),
            batch_size: 1,
            precision: String::new(),
            options: String::new(),
            onnxruntime: String::new(),
            why: None,
            is_surprising: false,
            tried: Vec::new(),
        };
        assert_eq!(ran.devices_text(), "2 × a, b");
        ran.devices.truncate(1);
        assert_eq!(ran.devices_text(), "a");
    }
}
