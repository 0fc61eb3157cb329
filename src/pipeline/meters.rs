//! What each stage did and waited for, counted as it goes: a clock read and two additions an event, no lock.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Ticks of the kernel's processor clock a second, which it shows to programs (`USER_HZ`).
const TICKS: f64 = 100.0;

/// How often something happened and how long it took, summed over all threads.
#[derive(Debug, Default)]
pub(super) struct Meter {
    nanos: AtomicU64,
    times: AtomicU64,
}

impl Meter {
    /// It began then and ends now.
    pub fn since(&self, began: Instant) {
        self.took(began.elapsed());
    }

    pub fn took(&self, time: Duration) {
        self.nanos.fetch_add(time.as_nanos() as u64, Relaxed);
        self.times.fetch_add(1, Relaxed);
    }

    fn read(&self) -> Metered {
        Metered { seconds: self.nanos.load(Relaxed) as f64 / 1e9, times: self.times.load(Relaxed) }
    }
}

/// A [`Meter`] at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Metered {
    /// Summed over all threads.
    pub seconds: f64,
    /// How often.
    pub times: u64,
}

/// The resources of the stages, which their utilisation is computed from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Setup {
    /// Threads that decode and make rows.
    pub workers: usize,
    /// Requests that may be in flight; they may follow what is needed.
    pub requests: usize,
    /// Devices.
    pub engines: usize,
    /// The network computes on the cores that also decode.
    pub shares_cores: bool,
}

/// The meters of one run.
#[derive(Debug, Default)]
pub(super) struct Meters {
    workers: AtomicUsize,
    requests: AtomicUsize,
    engines: AtomicUsize,
    shares_cores: AtomicBool,
    /// From an image's admission until its bytes are there.
    pub fetch: Meter,
    /// Admission waits until fewer images are on their way.
    pub wait_row: Meter,
    /// Admission waits for room for bytes.
    pub wait_bytes: Meter,
    /// No part takes rows, since none is open or planned.
    pub wait_part: Meter,
    /// An image's bytes wait for a worker.
    pub queue: Meter,
    pub decode: Meter,
    /// The engine's thread waits for a batch.
    pub wait_batch: Meter,
    /// The engine's thread waits for outputs, which the making of rows holds.
    pub wait_outputs: Meter,
    /// Submitting and finishing.
    pub engine: Meter,
    pub batches: AtomicU64,
    pub batch_rows: AtomicU64,
    pub rows: Meter,
    pub encode: Meter,
    pub commit: Meter,
    pub commit_bytes: AtomicU64,
    /// Since when no part takes rows.
    idle: Mutex<Option<Instant>>,
    cpu_before: OnceLock<f64>,
}

/// The meters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Stages {
    pub setup: Setup,
    /// From an image's admission until its bytes are there.
    pub fetch: Metered,
    /// Admission waits until fewer images are on their way.
    pub wait_row: Metered,
    /// Admission waits for room for bytes.
    pub wait_bytes: Metered,
    /// No part takes rows.
    pub wait_part: Metered,
    /// An image's bytes wait for a worker.
    pub queue: Metered,
    pub decode: Metered,
    /// The engine's thread waits for a batch.
    pub wait_batch: Metered,
    /// The engine's thread waits for outputs.
    pub wait_outputs: Metered,
    pub engine: Metered,
    pub batches: u64,
    /// Rows in them, those of attempts that were given up included.
    pub batch_rows: u64,
    pub rows: Metered,
    pub encode: Metered,
    pub commit: Metered,
    pub commit_bytes: u64,
    /// Processor seconds of the whole process since everything was loaded, where the system reports them.
    pub cpu: Option<f64>,
}

impl Meters {
    pub fn set_up(&self, setup: Setup) {
        self.workers.store(setup.workers, Relaxed);
        self.requests.store(setup.requests, Relaxed);
        self.engines.store(setup.engines, Relaxed);
        self.shares_cores.store(setup.shares_cores, Relaxed);
    }

    /// Notes how many requests may be in flight from now on.
    pub fn allow(&self, requests: usize) {
        self.requests.store(requests, Relaxed);
    }

    pub fn begin(&self) {
        if let Some(now) = cpu_seconds() {
            self.cpu_before.get_or_init(|| now);
        }
    }

    /// A part begins to take rows.
    pub fn part_opens(&self) {
        if let Some(since) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.wait_part.since(since);
        }
    }

    /// The part that took rows has all of them.
    pub fn part_is_full(&self) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub fn read(&self) -> Stages {
        let number = |counter: &AtomicU64| counter.load(Relaxed);
        Stages {
            setup: Setup {
                workers: self.workers.load(Relaxed),
                requests: self.requests.load(Relaxed),
                engines: self.engines.load(Relaxed),
                shares_cores: self.shares_cores.load(Relaxed),
            },
            fetch: self.fetch.read(),
            wait_row: self.wait_row.read(),
            wait_bytes: self.wait_bytes.read(),
            wait_part: self.wait_part.read(),
            queue: self.queue.read(),
            decode: self.decode.read(),
            wait_batch: self.wait_batch.read(),
            wait_outputs: self.wait_outputs.read(),
            engine: self.engine.read(),
            batches: number(&self.batches),
            batch_rows: number(&self.batch_rows),
            rows: self.rows.read(),
            encode: self.encode.read(),
            commit: self.commit.read(),
            commit_bytes: number(&self.commit_bytes),
            cpu: self.cpu_before.get().and_then(|before| Some(cpu_seconds()? - before)),
        }
    }
}

/// Returns the processor time of this process so far in seconds, user and system, as Linux reports it.
pub(super) fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // the name in front may hold anything, but no later parenthesis follows it
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_grows_with_work() {
        let Some(before) = cpu_seconds() else { return };
        let began = Instant::now();
        let mut sum = 0_u64;
        while began.elapsed() < Duration::from_millis(120) || cpu_seconds().unwrap() <= before {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
            assert!(began.elapsed() < Duration::from_secs(60), "no tick within a minute of work");
        }
        assert!(cpu_seconds().unwrap() - before < 60.0);
    }

    #[test]
    fn time_without_an_open_part_counts_from_one_to_the_next() {
        let meters = Meters::default();
        meters.part_opens();
        meters.part_is_full();
        std::thread::sleep(Duration::from_millis(5));
        meters.part_opens();
        let waited = meters.read().wait_part;
        assert_eq!(waited.times, 1);
        assert!(waited.seconds >= 0.005);
    }
}
