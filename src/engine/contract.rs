//! What every engine does: take a batch, compute it, give back its memory with the numbers.

use super::error::EngineError;
use super::slot::{Outputs, Slot};
use super::spec::EngineSpec;

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
