//! Batches on a device. One thread owns one session; everybody else holds slots.
//!
//! Knows nothing of images, jobs or storage: pixels come in through [`RowSlot`]s, numbers leave in
//! [`Outputs`]. The only room that names `ort`.

mod cuda;
mod machine;
mod noise;
mod nvidia;
mod observe;
mod options;
mod ort_cpu;
#[allow(clippy::duplicate_mod)]
mod owners;
mod pool;
mod provider;
mod runtime;
mod session;
mod slot;
mod trial;

/// What `owners.rs` is built from, here the standard library's.
mod sync {
    pub use std::cell::UnsafeCell;
    pub use std::sync::Arc;
    pub use std::sync::atomic::{AtomicUsize, Ordering, fence};

    pub fn peek<T, R>(cell: &UnsafeCell<T>, look: impl FnOnce(*const T) -> R) -> R {
        look(cell.get())
    }

    pub fn take<T, R>(cell: &UnsafeCell<T>, take: impl FnOnce(*mut T) -> R) -> R {
        take(cell.get())
    }
}

/// The same file against `loom`, which tries every interleaving of the owners.
#[cfg(test)]
#[allow(clippy::duplicate_mod)]
mod owners_model;

pub use cuda::{ConvSearch, CudaEngine, CudaOptions, Operators, device_memory_in_use};
pub use machine::{
    available_memory, free_disk, give_back_memory, has_int8_dot, has_plenty, processor, resident_memory,
    room_for, share_heaps,
};
pub use noise::NoiseEngine;
pub use nvidia::{Driver, Gpu};
pub use observe::Observer;
pub use options::{Batch, Options};
pub use ort_cpu::{OrtCpu, OrtOptions};
pub use pool::{Filling, Ready, RowSlot, SlotPool};
pub use provider::{Choice, Provider, Survey, Wish, choose};
pub use runtime::{Runtime, RuntimeError, exit_at_once};
pub use session::GraphNames;
pub use slot::{Outputs, Slot};
pub use trial::{Repeated, Trial, best_size, next_size, try_size, warm_up};

use crate::failure::{Exit, Failure};
use crate::tensor::{Dtype, Layout};

/// What an engine takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSpec {
    /// Element type of the input.
    pub dtype: Dtype,
    /// How a row is packed.
    pub layout: Layout,
    /// Channels of the input.
    pub channels: usize,
    /// Height of the input in pixels.
    pub height: usize,
    /// Width of the input in pixels.
    pub width: usize,
    /// Columns of the output `logits`.
    pub classes: usize,
    /// Columns of the output `embedding`.
    pub dim: usize,
    /// The one batch size that the device takes, where it takes only one.
    pub fixed_batch: Option<usize>,
    /// Batches in flight: 1 where submitting computes.
    pub depth: usize,
}

impl EngineSpec {
    /// Bytes of one input row.
    pub fn row_bytes(&self) -> usize {
        self.channels * self.height * self.width * self.dtype.size()
    }
}

/// A device at work. Object-safe; `submit` and `finish` are called from one thread.
pub trait Engine: Send {
    /// What it takes and gives.
    fn spec(&self) -> &EngineSpec;
    /// The provider that really runs.
    fn provider(&self) -> &str;
    /// Memory for one batch of `capacity` rows and for its outputs.
    fn allocate(&mut self, capacity: usize) -> Result<(Slot, Outputs), EngineError>;
    /// Starts a batch of the first `rows` rows of the slot.
    fn submit(&mut self, slot: Slot, outputs: Outputs, rows: usize) -> Result<(), Box<Failed>>;
    /// Waits for the oldest batch in flight; `None` where nothing is in flight.
    fn finish(&mut self) -> Option<(Slot, Outputs, Result<(), EngineError>)>;
}

/// A batch that could not be started: everything that was handed over comes back.
#[derive(Debug)]
pub struct Failed {
    /// The slot.
    pub slot: Slot,
    /// The outputs.
    pub outputs: Outputs,
    /// Why.
    pub error: EngineError,
}

/// What can go wrong with an engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// ONNX Runtime is missing or does not fit.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The graph was refused.
    #[error("ONNX Runtime does not take the model: {0}")]
    Load(String),
    /// The graph takes or gives something else than was announced.
    #[error("the model {0}")]
    Model(String),
    /// A provider that was asked for cannot be used.
    #[error("the provider `{provider}` is not there: {why}")]
    Provider {
        /// Which.
        provider: &'static str,
        /// What is missing, and what to install.
        why: String,
    },
    /// No device answers.
    #[error("no CUDA device answers: {0}")]
    NoDevice(String),
    /// Settings that do not fit this machine.
    #[error("{0}")]
    Options(String),
    /// The device, or the memory held in place for it, is too small for a batch.
    #[error(
        "a batch of {batch_size} does not fit into the device's memory: {why}; lower `engine.batch_size`"
    )]
    OutOfMemory {
        /// Rows of the batch that was tried.
        batch_size: usize,
        /// Words of the runtime or the driver.
        why: String,
    },
    /// A batch failed.
    #[error("inference failed: {0}")]
    Run(String),
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        let exit = match &error {
            EngineError::Runtime(_)
            | EngineError::Load(_)
            | EngineError::Model(_)
            | EngineError::Provider { .. }
            | EngineError::Options(_)
            | EngineError::OutOfMemory { .. } => Exit::Config,
            EngineError::NoDevice(_) => Exit::Unavailable,
            EngineError::Run(_) => Exit::TryAgain,
        };
        Failure::new(exit, error.to_string())
    }
}
