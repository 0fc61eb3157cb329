//! Runs before the first image: one batch, so that memory is taken and out of memory is reported, and, on request, a
//! comparison of a few batch sizes.

use std::time::{Duration, Instant};

use crate::tensor::RowMut;

use super::{Engine, EngineError, Outputs, Provider, Slot};

/// A size with at least this share of the best rate is as good: smaller batches hold less memory and lose less when a
/// run is stopped.
const AS_GOOD: f64 = 0.97;
/// Time of a trial after its first batches.
const TIME: Duration = Duration::from_secs(1);
/// Batches of a trial after the first, at most.
const MOST_BATCHES: usize = 50;
/// After a trial that took this long no larger one is begun.
const LONGEST: Duration = Duration::from_secs(20);

/// How fast a batch size is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial {
    /// Rows of a batch.
    pub batch_size: usize,
    /// Images a second of the network alone.
    pub images_per_s: f64,
    /// Time of the whole trial.
    pub took: Duration,
    /// Bytes that the process held more at its end.
    pub grown: u64,
}

/// The sizes that are tried, each twice its predecessor.
fn sizes(provider: Provider) -> &'static [usize] {
    match provider {
        Provider::Cpu => &[8, 16, 32, 64, 128],
        Provider::Cuda => &[32, 64, 128, 256, 512],
    }
}

/// The size to try next, if another one may be faster; `available` bytes can still be taken from the machine.
pub fn next_size(provider: Provider, trials: &[Trial], available: Option<u64>) -> Option<usize> {
    let next = *sizes(provider).get(trials.len())?;
    let Some(last) = trials.last() else { return Some(next) };
    let slower = trials.len() >= 2 && last.images_per_s < trials[trials.len() - 2].images_per_s;
    // twice the rows take twice the memory, and half of what is there stays for images and rows
    let too_large = available.is_some_and(|available| last.grown.saturating_mul(2) > available / 2);
    (!slower && !too_large && last.took < LONGEST).then_some(next)
}

/// The smallest size that is as good as the fastest.
pub fn best_size(trials: &[Trial]) -> Option<usize> {
    let fastest = trials.iter().map(|trial| trial.images_per_s).fold(0.0, f64::max);
    trials.iter().find(|trial| trial.images_per_s >= fastest * AS_GOOD).map(|trial| trial.batch_size)
}

/// Runs one full batch.
///
/// # Errors
/// [`EngineError::OutOfMemory`] where it does not fit, [`EngineError::Model`] for a network that takes one image and not
/// several, else the engine's own error.
pub fn warm_up(engine: &mut dyn Engine, batch_size: usize) -> Result<(), EngineError> {
    run_one(engine, batch_size).map_err(|error| one_image_only(engine, batch_size, error))
}

fn run_one(engine: &mut dyn Engine, batch_size: usize) -> Result<(), EngineError> {
    let mut free = batches(engine, batch_size, 1)?;
    run(engine, &mut free, batch_size, 1)
}

/// An exporter that saw one image can write that number into a shape although the batch axis is free. No run would help
/// there, so this is no passing fault.
fn one_image_only(engine: &mut dyn Engine, batch_size: usize, error: EngineError) -> EngineError {
    while engine.finish().is_some() {}
    // an engine of one size runs that size whatever is asked for
    let may_be_fixed = batch_size > 1 && engine.spec().fixed_batch.is_none() && !error.is_about_memory();
    match error {
        EngineError::Run(why)
            if may_be_fixed && run_one(engine, 1).is_ok() && run_one(engine, batch_size).is_err() =>
        {
            while engine.finish().is_some() {}
            EngineError::Model(format!(
                "runs on one image and not on a batch of {batch_size}, so one image was fixed somewhere in it when it \
                 was exported; set `engine.batch_size = 1`, or export it with an example of two images: {why}"
            ))
        }
        other => other,
    }
}

/// Measures a batch size: batches that are not counted, then as many as fit into a second.
///
/// # Errors
/// As [`warm_up`].
pub fn try_size(engine: &mut dyn Engine, batch_size: usize) -> Result<Trial, EngineError> {
    let began = Instant::now();
    let before = super::resident_memory().unwrap_or(0);
    let depth = engine.spec().depth.max(1);
    let mut free = batches(engine, batch_size, depth)?;
    run(engine, &mut free, batch_size, depth).map_err(|error| one_image_only(engine, batch_size, error))?;
    // the first batches also take memory and choose algorithms, so another round measures the time of one
    let first = Instant::now();
    run(engine, &mut free, batch_size, depth)?;
    let (mut counted, mut seconds) = (depth, first.elapsed().as_secs_f64());
    let more = (TIME.as_secs_f64() / (seconds / depth as f64).max(1e-6)) as usize;
    if more > depth {
        counted = more.min(MOST_BATCHES);
        let again = Instant::now();
        run(engine, &mut free, batch_size, counted)?;
        seconds = again.elapsed().as_secs_f64();
    }
    Ok(Trial {
        batch_size,
        images_per_s: (counted * batch_size) as f64 / seconds.max(1e-9),
        took: began.elapsed(),
        grown: super::resident_memory().unwrap_or(0).saturating_sub(before),
    })
}

/// Batches of ordinary numbers that run again and again, as many as the engine has in flight.
#[derive(Debug)]
pub struct Repeated {
    free: Vec<(Slot, Outputs)>,
    batch_size: usize,
}

impl Repeated {
    /// Memory for full batches of a size.
    ///
    /// # Errors
    /// As [`warm_up`].
    pub fn new(engine: &mut dyn Engine, batch_size: usize) -> Result<Repeated, EngineError> {
        let depth = engine.spec().depth.max(1);
        Ok(Repeated { free: batches(engine, batch_size, depth)?, batch_size })
    }

    /// Runs `count` batches and gives their time.
    ///
    /// # Errors
    /// As [`warm_up`].
    pub fn run(&mut self, engine: &mut dyn Engine, count: usize) -> Result<Duration, EngineError> {
        let began = Instant::now();
        run(engine, &mut self.free, self.batch_size, count)?;
        Ok(began.elapsed())
    }

    /// Whether every output of the last batches is a number.
    pub fn is_finite(&self) -> bool {
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        self.free.iter().all(|(_, outputs)| finite(&outputs.logits) && finite(&outputs.embedding))
    }
}

fn batches(
    engine: &mut dyn Engine,
    batch_size: usize,
    count: usize,
) -> Result<Vec<(Slot, Outputs)>, EngineError> {
    let mut made = Vec::with_capacity(count);
    for _ in 0..count {
        let (mut slot, outputs) = engine.allocate(batch_size)?;
        fill(&mut slot);
        made.push((slot, outputs));
    }
    Ok(made)
}

/// Ordinary numbers: a network of zeros draws less power, and one of tiny numbers is slow.
fn fill(slot: &mut Slot) {
    for index in 0..slot.capacity() {
        // SAFETY: the slot is borrowed exclusively, and one row is looked at at a time.
        match unsafe { slot.row(index) } {
            RowMut::F32(row) => {
                row.iter_mut().zip(pattern()).for_each(|(to, byte)| *to = f32::from(byte) / 255.0)
            }
            RowMut::F16(row) => {
                row.iter_mut()
                    .zip(pattern())
                    .for_each(|(to, byte)| *to = half::f16::from_f32(f32::from(byte) / 255.0));
            }
            RowMut::U8(row) => row.iter_mut().zip(pattern()).for_each(|(to, byte)| *to = byte),
        }
    }
}

fn pattern() -> impl Iterator<Item = u8> {
    (0u32..).map(|step| (step.wrapping_mul(2_654_435_761) >> 24) as u8)
}

/// Runs `count` batches with as many in flight as there are free ones.
fn run(
    engine: &mut dyn Engine,
    free: &mut Vec<(Slot, Outputs)>,
    batch_size: usize,
    mut count: usize,
) -> Result<(), EngineError> {
    loop {
        while count > 0
            && let Some((slot, outputs)) = free.pop()
        {
            let submitted = engine.submit(slot, outputs, batch_size);
            submitted.map_err(|failed| told(failed.error, batch_size))?;
            count -= 1;
        }
        let Some((slot, outputs, result)) = engine.finish() else { return Ok(()) };
        result.map_err(|error| told(error, batch_size))?;
        free.push((slot, outputs));
    }
}

/// Maps an error of ONNX Runtime, in which out of memory has no separate type, only a text.
fn told(error: EngineError, batch_size: usize) -> EngineError {
    const WORDS: [&str; 5] =
        ["bad_alloc", "failed to allocate", "out of memory", "cannot allocate", "alloc_failed"];
    match error {
        EngineError::Run(why) => {
            let found = WORDS.iter().find_map(|word| why.to_lowercase().find(word));
            // the text before it is the place in ONNX Runtime's source
            match found.and_then(|at| why.get(at..)) {
                Some(words) => EngineError::OutOfMemory { batch_size, why: words.trim().to_owned() },
                None => EngineError::Run(why),
            }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineSpec, NoiseEngine};
    use crate::tensor::{Dtype, Layout};

    fn trial(batch_size: usize, images_per_s: f64) -> Trial {
        Trial { batch_size, images_per_s, took: Duration::from_secs(1), grown: 100 }
    }

    #[test]
    fn the_search_ends_behind_a_size_that_is_slower_than_its_predecessor() {
        let mut trials = Vec::new();
        for rate in [10.0, 12.0, 11.9] {
            let size = next_size(Provider::Cpu, &trials, None).unwrap();
            trials.push(trial(size, rate));
        }
        assert_eq!(trials.last().unwrap().batch_size, 32);
        assert_eq!(next_size(Provider::Cpu, &trials, None), None);
        assert_eq!(best_size(&trials), Some(16));
    }

    #[test]
    fn of_sizes_that_are_as_good_the_smallest_is_taken() {
        let trials = [trial(32, 90.0), trial(64, 98.0), trial(128, 100.0), trial(256, 99.0)];
        assert_eq!(best_size(&trials), Some(64));
        assert_eq!(best_size(&[]), None);
    }

    #[test]
    fn no_size_is_tried_that_memory_or_time_do_not_bear() {
        let trials = [trial(32, 90.0)];
        assert_eq!(next_size(Provider::Cuda, &trials, Some(400)), Some(64));
        assert_eq!(next_size(Provider::Cuda, &trials, Some(399)), None);
        let slow = [Trial { took: LONGEST, ..trial(32, 90.0) }];
        assert_eq!(next_size(Provider::Cuda, &slow, None), None);
    }

    #[test]
    fn every_size_is_tried_once_at_most() {
        let mut trials = Vec::new();
        while let Some(size) = next_size(Provider::Cpu, &trials, None) {
            trials.push(trial(size, trials.len() as f64));
        }
        assert_eq!(trials.iter().map(|trial| trial.batch_size).collect::<Vec<_>>(), [8, 16, 32, 64, 128]);
    }

    #[test]
    fn an_engine_is_measured_by_full_batches() {
        let spec = EngineSpec {
            dtype: Dtype::F16,
            layout: Layout::Nchw,
            channels: 3,
            height: 4,
            width: 4,
            classes: 3,
            dim: 2,
            fixed_batch: None,
            depth: 1,
        };
        let mut engine = NoiseEngine::new(spec, 1);
        warm_up(&mut engine, 4).unwrap();
        let trial = try_size(&mut engine, 4).unwrap();
        assert!(trial.batch_size == 4 && trial.images_per_s > 1.0, "{trial:?}");
    }

    #[test]
    fn a_lack_of_memory_is_told_by_the_batch_size() {
        let error = told(EngineError::Run("Non-zero status code … std::bad_alloc".into()), 64);
        assert!(
            error.to_string().contains("a batch of 64") && error.to_string().contains("`engine.batch_size`")
        );
        assert!(matches!(told(EngineError::Run("a bad node".into()), 64), EngineError::Run(_)));
    }
}
