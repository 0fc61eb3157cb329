//! The contract of every engine: take a batch, compute it, return its memory with the results.

use super::error::EngineError;
use super::slot::{Outputs, Slot};
use super::spec::EngineSpec;

/// A device that computes batches. Object-safe; `submit` and `finish` are called from one thread.
pub trait Engine: Send {
    /// What it takes and gives.
    fn spec(&self) -> &EngineSpec;
    /// Whether a batch that failed may be run again at once, and fails in the same words where the batch is the reason.
    /// Not on a device, whose context an error may have ended.
    fn repeats(&self) -> bool {
        false
    }
    /// The provider that really runs.
    fn provider(&self) -> &str;
    /// Memory for one batch of `capacity` rows and for its outputs.
    ///
    /// # Errors
    /// [`EngineError::OutOfMemory`] if the driver refuses memory of this size.
    fn allocate(&mut self, capacity: usize) -> Result<(Slot, Outputs), EngineError>;
    /// Starts a batch of the first `rows` rows of the slot.
    ///
    /// # Errors
    /// A batch is refused, and comes back, if it has no rows, more than the slot or the outputs hold, rows of another
    /// size, or comes while [`EngineSpec::depth`] batches are in flight.
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

/// A batch as it is submitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Submission<'a> {
    pub slot: &'a Slot,
    pub outputs: &'a Outputs,
    /// Rows that hold images.
    pub rows: usize,
    /// Rows that are read and computed: more than `rows` where only a fixed batch is.
    pub computed: usize,
}

impl Submission<'_> {
    /// Why the batch cannot be started, whatever the device: what follows would read or write out of bounds.
    pub fn refusal(&self, spec: &EngineSpec, in_flight: usize) -> Option<String> {
        let Submission { slot, outputs, rows, computed } = *self;
        let most = spec.fixed_batch.unwrap_or(slot.capacity());
        if in_flight >= spec.depth {
            Some(format!("{in_flight} batches are in flight already"))
        } else if rows == 0 || rows > most || computed > slot.capacity() {
            Some(format!("{rows} rows of a slot of {} for batches of {most}", slot.capacity()))
        } else if slot.row_bytes() != spec.row_bytes() {
            Some(format!("rows of {} bytes for an input of {}", slot.row_bytes(), spec.row_bytes()))
        } else if outputs.logits.len() < computed * spec.classes
            || outputs.embedding.len() < computed * spec.dim
        {
            Some(format!("no room for the outputs of {computed} rows"))
        } else {
            None
        }
    }
}
