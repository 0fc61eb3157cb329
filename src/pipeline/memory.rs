//! What the batches of a run are filled in, for one device or several.

use crate::engine::{Engine, EngineError, EngineSpec, Outputs, SlotPool};
use crate::failure::{Exit, Failure};
use crate::job::Limits;

/// The batches of a run: what they are filled in, and what comes back.
pub(super) struct Memory {
    pub pool: SlotPool,
    pub outputs: Vec<Outputs>,
    /// Batches that are being filled at the same time.
    pub filling: usize,
}

impl Memory {
    /// How many slots there will be.
    pub fn slots(engines: &[Box<dyn Engine>], requests: usize, batch_size: usize) -> usize {
        let depth: usize = engines.iter().map(|engine| engine.spec().depth).sum();
        depth + engines.len() + filling(requests, batch_size)
    }

    /// For engines that run side by side. What one of them allocates, another may run.
    pub fn allocate(engines: &mut [&mut dyn Engine], limits: &Limits) -> Result<Memory, EngineError> {
        assert!(!engines.is_empty(), "a run without a device");
        let fixed = engines.first().and_then(|engine| engine.spec().fixed_batch);
        let batch_size = fixed.unwrap_or(limits.batch_size).max(1);
        let filling = filling(limits.requests, batch_size);
        let depth: usize = engines.iter().map(|engine| engine.spec().depth).sum();
        let wanted = depth + engines.len() + filling;
        let (mut slots, mut outputs) = (Vec::with_capacity(wanted), Vec::with_capacity(wanted));
        for number in 0..wanted {
            let device = number % engines.len();
            let (slot, numbers) = engines[device].allocate(batch_size)?;
            slots.push(slot);
            outputs.push(numbers);
        }
        // outputs in flight, one whose rows are being made, one in hand of each device's thread
        outputs.truncate(depth + 1 + engines.len());
        Ok(Memory { pool: SlotPool::new(slots), outputs, filling })
    }
}

/// Enough batches being filled that one slow image idles nobody. Beside them there is one for each that a device has in
/// flight, and one that waits for it.
fn filling(requests: usize, batch_size: usize) -> usize {
    2.max(requests.div_ceil(batch_size))
}

/// What the rows of all engines look like.
pub(super) fn common_spec(engines: &[Box<dyn Engine>]) -> Result<EngineSpec, Failure> {
    let mut specs = engines.iter().map(|engine| EngineSpec { depth: 1, ..engine.spec().clone() });
    match specs.next() {
        Some(first) if specs.all(|spec| spec == first) => Ok(first),
        Some(_) => Err(Failure::new(Exit::Bug, "the devices' sessions take different rows")),
        None => Err(Failure::new(Exit::Bug, "a run without a device")),
    }
}
