//! `[engine]`, resolved: what computes, and how. None of it decides a row.

use crate::engine::{Batch, ConvSearch, CudaOptions, DeviceRequest, Options, OrtOptions, Provider};
use crate::model::Precision;

use super::error::JobError;
use super::model::LoadedModel;
use super::spec::{self, BatchSize, JobSpec};

/// Images a batch, if neither job nor graph sets a number.
const BATCH: u32 = 32;
/// The most that may be typed.
const LARGEST_BATCH: u32 = 65_536;
/// A device's arena holds the weights and one batch's maps.
const SMALLEST_ARENA: u64 = 16 << 20;

impl JobSpec {
    /// What is asked to compute.
    pub fn device(&self) -> DeviceRequest {
        match self.engine.device {
            spec::Device::Auto => DeviceRequest::Auto,
            spec::Device::Cpu => DeviceRequest::Only(Provider::Cpu),
            spec::Device::Cuda => DeviceRequest::Only(Provider::Cuda),
        }
    }
}

/// The options of `[engine]`, which must fit the model and its precision.
pub(super) fn resolve(
    spec: &JobSpec,
    model: &LoadedModel,
    precision: Precision,
) -> Result<Options, JobError> {
    let typed = &spec.engine;
    let defaults = CudaOptions::default();
    let memory_limit = typed.memory_limit.map(|limit| limit.0);
    if memory_limit.is_some_and(|limit| limit < SMALLEST_ARENA) {
        return Err(JobError::Mismatch(format!(
            "`engine.memory_limit` is {}; it is at least {} bytes: weights and a batch's maps go there",
            memory_limit.unwrap_or_default(),
            SMALLEST_ARENA
        )));
    }
    let tf32 = typed.tf32.unwrap_or(defaults.tf32);
    let cuda = CudaOptions {
        memory_limit: memory_limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        prefer_nhwc: typed.nhwc.unwrap_or(defaults.prefer_nhwc),
        tf32,
        conv_search: conv_search(typed.conv_search, tf32, precision)?,
        cuda_graph: typed.cuda_graph.unwrap_or(defaults.cuda_graph),
        fuse_conv_bias: typed.fuse_conv_bias.unwrap_or(defaults.fuse_conv_bias),
        ..defaults
    };
    if cuda.fuse_conv_bias && !cuda.prefer_nhwc {
        return Err(JobError::Mismatch(
            "`engine.fuse_conv_bias` is true, but `engine.nhwc` is false: in that layout ONNX Runtime adds old outputs \
             to new ones; leave one of the two out"
                .into(),
        ));
    }
    let cpu = OrtOptions {
        threads: typed.threads.unwrap_or(0),
        spinning: typed.spinning.unwrap_or(OrtOptions::default().spinning),
        ..OrtOptions::default()
    };
    let device_ids = device_ids(typed.device_ids.as_deref())?;
    Ok(Options { device: spec.device(), device_ids, batch: batch(spec, model)?, cpu, cuda })
}

/// The typed search, or the one that computes what `engine.tf32` promises.
fn conv_search(
    typed: Option<spec::ConvSearch>,
    tf32: bool,
    precision: Precision,
) -> Result<ConvSearch, JobError> {
    let untyped = ConvSearch::untyped(tf32, precision == Precision::Fp32);
    match typed {
        None => Ok(untyped),
        Some(spec::ConvSearch::Default) => Ok(ConvSearch::Default),
        Some(_) if untyped == ConvSearch::Default => Err(JobError::Mismatch(
            "`engine.tf32` is false, but with this `engine.conv_search` ONNX Runtime takes TF32 where cuDNN has no \
             other plan, and does not report it; leave `engine.conv_search` out"
                .into(),
        )),
        Some(spec::ConvSearch::Exhaustive) => Ok(ConvSearch::Exhaustive),
        Some(spec::ConvSearch::Heuristic) => Ok(ConvSearch::Heuristic),
    }
}

fn device_ids(typed: Option<&[u32]>) -> Result<Vec<u32>, JobError> {
    let ids = typed.unwrap_or(&[0]);
    if ids.is_empty() {
        return Err(JobError::Mismatch(
            "`engine.device_ids` is empty; leave the key out for device 0".into(),
        ));
    }
    if let Some(again) = ids.iter().enumerate().find(|(at, id)| ids[..*at].contains(id)) {
        return Err(JobError::Mismatch(format!("`engine.device_ids` names device {} twice", again.1)));
    }
    Ok(ids.to_vec())
}

fn batch(spec: &JobSpec, model: &LoadedModel) -> Result<Batch, JobError> {
    let fixed = model.fixed_batch();
    let size = match &spec.engine.batch_size {
        Some(BatchSize::Named(name)) if name == "auto" => {
            return Ok(fixed.map_or(Batch::Auto, Batch::Fixed));
        }
        Some(BatchSize::Named(name)) => {
            return Err(JobError::Mismatch(format!(
                "`engine.batch_size` is \"{name}\"; give a number or \"auto\""
            )));
        }
        Some(BatchSize::Fixed(size)) if !(1..=LARGEST_BATCH).contains(size) => {
            return Err(JobError::Mismatch(format!(
                "`engine.batch_size` is {size}; it goes from 1 to {LARGEST_BATCH}"
            )));
        }
        Some(BatchSize::Fixed(size)) => *size as usize,
        None => return Ok(Batch::Fixed(fixed.unwrap_or(BATCH as usize))),
    };
    match fixed {
        Some(fixed) if fixed != size => Err(JobError::Mismatch(format!(
            "`engine.batch_size` is {size}, but the ONNX graph takes batches of {fixed} only; leave the key out, or \
             export the graph with a free batch"
        ))),
        _ => Ok(Batch::Fixed(size)),
    }
}

impl Batch {
    /// Returns the size to assume before sizes were tried.
    pub(super) fn size_before_tuning(self) -> usize {
        match self {
            Batch::Fixed(size) => size,
            Batch::Auto => BATCH as usize,
        }
    }
}

/// Returns the default arithmetic: the one that the provider is fast in.
pub(super) fn default_precision(provider: Provider) -> Precision {
    match provider {
        Provider::Cpu => Precision::Fp32,
        Provider::Cuda => Precision::Fp16,
    }
}

/// Returns the default number of rows of a part: on a CPU, 1024 take half a minute on two cores, which is what a stop
/// can lose; `wide` rows hold vectors.
pub(super) fn default_rows_per_part(provider: Provider, wide: bool) -> u32 {
    match provider {
        Provider::Cpu => 1024,
        Provider::Cuda if wide => 4096,
        Provider::Cuda => 32_768,
    }
}
