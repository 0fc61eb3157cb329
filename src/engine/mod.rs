//! Batches on a device. One thread owns one session; everybody else holds slots.
//!
//! Knows nothing of images, jobs or storage: pixels come in through [`RowSlot`]s, numbers leave in
//! [`Outputs`]. The only room that names `ort`.

mod noise;
mod observe;
mod ort_cpu;
#[allow(clippy::duplicate_mod)]
mod owners;
mod pool;
mod runtime;
mod slot;

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

pub use noise::NoiseEngine;
pub use observe::Observer;
pub use ort_cpu::{GraphNames, OrtCpu, OrtOptions};
pub use pool::{Filling, Ready, RowSlot, SlotPool};
pub use runtime::{Runtime, RuntimeError, exit_at_once};
pub use slot::{Outputs, Slot};

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
    /// A batch failed.
    #[error("inference failed: {0}")]
    Run(String),
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        let exit = match &error {
            EngineError::Runtime(_) | EngineError::Load(_) | EngineError::Model(_) => Exit::Config,
            EngineError::Run(_) => Exit::TryAgain,
        };
        Failure::new(exit, error.to_string())
    }
}
