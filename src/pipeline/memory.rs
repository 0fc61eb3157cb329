//! What the batches of a run are filled in, for one device or several.

use crate::engine::{Engine, EngineError, EngineSpec, Outputs, SlotPool};
use crate::failure::{Exit, Failure};
use crate::job::Limits;

/// The batches of a run: what they are filled in, and what comes back.
pub(crate) struct Memory {
    pub pool: SlotPool,
    pub outputs: Vec<Outputs>,
    /// How many slots the pool has.
    pub slots: usize,
}

impl Memory {
    /// How many slots there will be: one for each batch that a device has in flight, one that waits for each device, and
    /// those that are being filled. Requests take none.
    pub fn slots(engines: &[Box<dyn Engine>], workers: usize, batch_size: usize) -> usize {
        let depth: usize = engines.iter().map(|engine| engine.spec().depth).sum();
        depth + engines.len() + filling(workers, batch_size)
    }

    /// For engines that run side by side. What one of them allocates, another may run.
    ///
    /// # Errors
    /// Those of [`Engine::allocate`].
    ///
    /// # Panics
    /// `engines` is empty.
    pub fn allocate(engines: &mut [&mut dyn Engine], limits: &Limits) -> Result<Memory, EngineError> {
        assert!(!engines.is_empty(), "a run without a device");
        let fixed = engines.first().and_then(|engine| engine.spec().fixed_batch);
        let batch_size = fixed.unwrap_or(limits.batch_size).max(1);
        let filling = filling(limits.decode_threads, batch_size);
        let depth: usize = engines.iter().map(|engine| engine.spec().depth).sum();
        let wanted = depth + engines.len() + filling;
        let (mut slots, mut outputs) = (Vec::with_capacity(wanted), Vec::with_capacity(wanted));
        for number in 0..wanted {
            let device = number % engines.len();
            let (slot, numbers) = engines[device].allocate(batch_size)?;
            slots.push(slot);
            outputs.push(numbers);
        }
        // outputs in flight, one whose rows are being made, one held by each device's thread
        outputs.truncate(depth + 1 + engines.len());
        Ok(Memory { pool: SlotPool::new(slots, filling), outputs, slots: wanted })
    }
}

/// Batches that are being filled: as many as all decode threads write to, and one more, so that one slow image keeps no
/// thread idle.
fn filling(workers: usize, batch_size: usize) -> usize {
    1 + workers.div_ceil(batch_size).max(1)
}

/// Parts that may be open: enough that the rows of small ones fill the first batches, and two whose rows are made or
/// written.
pub(crate) fn open_parts(limits: &Limits) -> usize {
    2 + limits.requests.div_ceil(limits.batch_size.max(1)).max(2)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::NoiseEngine;
    use crate::tensor::{Dtype, Layout};

    fn engine(classes: usize) -> NoiseEngine {
        let spec = EngineSpec {
            dtype: Dtype::F32,
            layout: Layout::Nchw,
            channels: 3,
            height: 1,
            width: 1,
            classes,
            dim: 1,
            fixed_batch: None,
            depth: 1,
        };
        NoiseEngine::new(spec, 1)
    }

    #[test]
    fn every_device_has_a_batch_and_another_one_waits_for_it() {
        let limits = Limits {
            batch_size: 4,
            requests: 12,
            most_requests: 4096,
            in_flight_bytes: 1,
            decode_threads: 9,
            max_error_fraction: 0.0,
            max_damaged_inputs: 0,
            max_unreadable: 0,
            grace: Duration::ZERO,
        };
        for (engines, slots, outputs) in [(1, 6, 3), (3, 10, 7)] {
            let mut engines: Vec<NoiseEngine> = (0..engines).map(|_| engine(2)).collect();
            let mut devices: Vec<&mut dyn Engine> =
                engines.iter_mut().map(|engine| engine as &mut dyn Engine).collect();
            let memory = Memory::allocate(&mut devices, &limits).unwrap();
            assert_eq!((memory.slots, memory.outputs.len()), (slots, outputs));
            let boxed: Vec<Box<dyn Engine>> =
                engines.into_iter().map(|engine| Box::new(engine) as Box<dyn Engine>).collect();
            assert_eq!(Memory::slots(&boxed, limits.decode_threads, limits.batch_size), slots);
        }
    }

    #[test]
    fn devices_must_agree_on_the_rows() {
        let boxed = |classes| Box::new(engine(classes)) as Box<dyn Engine>;
        assert!(common_spec(&[boxed(2), boxed(2)]).is_ok());
        assert!(common_spec(&[boxed(2), boxed(3)]).is_err());
        assert!(common_spec(&[]).is_err());
    }
}
