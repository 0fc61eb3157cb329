//! Progress is data: counters that the stages increment, and that the progress bar, logs and metrics read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::store::{Location, Reason};
use crate::telemetry::trace::Tracer;

use super::device_summary::DeviceSummary;
use super::failed_images::{FailedImage, NAMED};
use super::meters::{Meters, Stages};

/// Counters of one run.
#[derive(Debug)]
pub struct Progress {
    pub(super) trace: Tracer,
    pub(super) meters: Meters,
    started: Instant,
    working: OnceLock<Instant>,
    planned: AtomicU64,
    plan_rows: AtomicU64,
    plan_is_whole: AtomicBool,
    planned_parts: AtomicU64,
    resumed_parts: AtomicU64,
    parts_are_known: AtomicBool,
    resumed: AtomicU64,
    rows: AtomicU64,
    errors: AtomicU64,
    damaged: AtomicU64,
    parts: AtomicU64,
    bytes: AtomicU64,
    /// When the last rows left the network, in nanoseconds since everything was loaded.
    last_rows: AtomicU64,
    by_kind: Mutex<BTreeMap<String, u64>>,
    unreadable: Mutex<BTreeMap<Reason, u64>>,
    failed: Mutex<Vec<FailedImage>>,
    places: OnceLock<(Location, Location)>,
    ran: OnceLock<DeviceSummary>,
    last: OnceLock<Snapshot>,
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Since the command began.
    pub elapsed: Duration,
    /// Since everything was loaded.
    pub working: Duration,
    /// Rows that are this process's to do, as far as the plan is known.
    pub planned: u64,
    /// Rows of the whole plan so far.
    pub plan_rows: u64,
    /// True once the whole plan is known.
    pub plan_is_whole: bool,
    /// Parts that are this process's to do, as far as the plan is known.
    pub planned_parts: u64,
    /// Parts that were committed before this run, or by another process during it.
    pub resumed_parts: u64,
    /// True once the last of the own parts is known.
    pub parts_are_known: bool,
    /// Rows that were committed before this run.
    pub resumed: u64,
    /// Rows that left the network in this run.
    pub rows: u64,
    /// Error rows among them.
    pub errors: u64,
    /// Parts committed in this run.
    pub parts: u64,
    /// Encoded bytes read.
    pub bytes: u64,
    /// Since everything was loaded, up to the last rows that left the network.
    pub until_last_rows: Duration,
    /// What each stage did and waited for.
    pub stages: Stages,
    /// Error rows by kind.
    pub by_kind: BTreeMap<String, u64>,
    /// Objects that the store did not give, although it gave others, by reason.
    pub unreadable: BTreeMap<Reason, u64>,
    /// The first images that failed.
    pub failed: Vec<FailedImage>,
}

impl Default for Progress {
    fn default() -> Self {
        Progress {
            trace: Tracer::default(),
            meters: Meters::default(),
            started: Instant::now(),
            working: OnceLock::new(),
            planned: AtomicU64::new(0),
            plan_rows: AtomicU64::new(0),
            plan_is_whole: AtomicBool::new(false),
            planned_parts: AtomicU64::new(0),
            resumed_parts: AtomicU64::new(0),
            parts_are_known: AtomicBool::new(false),
            resumed: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            parts: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            last_rows: AtomicU64::new(0),
            by_kind: Mutex::default(),
            unreadable: Mutex::default(),
            failed: Mutex::default(),
            places: OnceLock::new(),
            ran: OnceLock::new(),
            last: OnceLock::new(),
        }
    }
}

impl Progress {
    /// Counters of a run whose spans are written down.
    pub fn traced(trace: Tracer) -> Self {
        Progress { trace, ..Progress::default() }
    }

    /// Where the images are and where the rows go.
    pub(crate) fn opened(&self, input: &Location, output: &Location) {
        self.places.get_or_init(|| (input.clone(), output.clone()));
    }

    /// What computes.
    pub(crate) fn loaded(&self, ran: &DeviceSummary) {
        self.ran.get_or_init(|| ran.clone());
    }

    /// Input and output, once they are opened.
    pub(crate) fn places(&self) -> Option<&(Location, Location)> {
        self.places.get()
    }

    /// What computes, once it is loaded.
    pub(crate) fn device(&self) -> Option<&DeviceSummary> {
        self.ran.get()
    }

    /// Everything is loaded: from here on images a second are counted.
    pub fn begin(&self) {
        self.meters.begin();
        self.working.get_or_init(Instant::now);
    }

    /// True once everything is loaded.
    pub(crate) fn has_begun(&self) -> bool {
        self.working.get().is_some()
    }

    /// Adds `rows` planned rows, `own` of which are this process's.
    pub fn plan(&self, rows: u64, own: u64) {
        self.planned.fetch_add(own, Relaxed);
        self.plan_rows.fetch_add(rows, Relaxed);
    }

    /// The plan's end is known.
    pub fn plan_ends(&self) {
        self.plan_is_whole.store(true, Relaxed);
    }

    /// Adds `own` planned parts of this process; `last` if these are the last of the plan.
    pub(super) fn plan_parts(&self, own: u64, last: bool) {
        self.planned_parts.fetch_add(own, Relaxed);
        if last {
            self.parts_are_known.store(true, Relaxed);
        }
    }

    /// Parts that need not be done any more.
    pub(super) fn resume_parts(&self, parts: u64) {
        self.resumed_parts.fetch_add(parts, Relaxed);
    }

    /// Rows of a part that an earlier run committed.
    pub fn resume(&self, rows: u64) {
        self.resumed.fetch_add(rows, Relaxed);
    }

    /// Adds `rows` rows that are done, `errors` of which are error rows.
    pub fn rows(&self, rows: u64, errors: u64) {
        self.rows.fetch_add(rows, Relaxed);
        self.errors.fetch_add(errors, Relaxed);
    }

    /// Counts a finished batch; `errors` is the number of error rows by kind.
    pub fn batch(&self, rows: u64, errors: &BTreeMap<String, u64>) {
        self.rows(rows, errors.values().sum());
        let since = self.working.get().map_or(Duration::ZERO, Instant::elapsed);
        self.last_rows.fetch_max(since.as_nanos() as u64, Relaxed);
        if let Ok(mut by_kind) = self.by_kind.lock() {
            for (kind, count) in errors {
                *by_kind.entry(kind.clone()).or_default() += count;
            }
        }
    }

    /// The store does not give an object, although it gives others.
    pub(super) fn unreadable(&self, reason: Reason) {
        if let Ok(mut unreadable) = self.unreadable.lock() {
            *unreadable.entry(reason).or_default() += 1;
        }
    }

    /// Images that failed, of which the first are remembered.
    pub(super) fn failed(&self, images: impl Iterator<Item = FailedImage>) {
        if let Ok(mut failed) = self.failed.lock() {
            let room = NAMED.saturating_sub(failed.len());
            failed.extend(images.take(room));
        }
    }

    /// Rows that were counted belong to an attempt that was given up.
    pub(crate) fn take_back(&self, rows: u64, errors: &BTreeMap<String, u64>) {
        self.rows.fetch_sub(rows, Relaxed);
        self.errors.fetch_sub(errors.values().sum(), Relaxed);
        if let Ok(mut by_kind) = self.by_kind.lock() {
            for (kind, count) in errors {
                if let Some(counted) = by_kind.get_mut(kind) {
                    *counted = counted.saturating_sub(*count);
                }
            }
            by_kind.retain(|_, count| *count > 0);
        }
    }

    /// Inputs that became one error row, or were cut.
    pub(super) fn damage(&self, inputs: u32) -> u64 {
        self.damaged.fetch_add(u64::from(inputs), Relaxed) + u64::from(inputs)
    }

    /// A part was committed.
    pub fn part(&self) {
        self.parts.fetch_add(1, Relaxed);
    }

    /// An image's bytes came.
    pub fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// The device has ended a batch, which was waited for since then.
    pub(super) fn ran(&self, since: Instant, rows: usize) {
        self.meters.engine.since(since);
        self.meters.batches.fetch_add(1, Relaxed);
        self.meters.batch_rows.fetch_add(rows as u64, Relaxed);
    }

    /// Counts a part of `bytes` bytes whose commit began at `since`.
    pub(super) fn committed(&self, since: Instant, bytes: u64) {
        self.meters.commit.since(since);
        self.meters.commit_bytes.fetch_add(bytes, Relaxed);
    }

    /// Error rows so far.
    pub fn errors(&self) -> u64 {
        self.errors.load(Relaxed)
    }

    /// Freezes and returns the figures when the last part is committed: what follows does not count as work, however
    /// long it takes.
    pub(crate) fn end(&self) -> Snapshot {
        self.last.get_or_init(|| self.snapshot()).clone()
    }

    /// All counters, those of the end once it has come.
    pub(crate) fn latest(&self) -> Snapshot {
        self.last.get().cloned().unwrap_or_else(|| self.snapshot())
    }

    /// All counters.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            elapsed: self.started.elapsed(),
            working: self.working.get().map_or(Duration::ZERO, Instant::elapsed),
            planned: self.planned.load(Relaxed),
            plan_rows: self.plan_rows.load(Relaxed),
            plan_is_whole: self.plan_is_whole.load(Relaxed),
            planned_parts: self.planned_parts.load(Relaxed),
            resumed_parts: self.resumed_parts.load(Relaxed),
            parts_are_known: self.parts_are_known.load(Relaxed),
            resumed: self.resumed.load(Relaxed),
            rows: self.rows.load(Relaxed),
            errors: self.errors.load(Relaxed),
            parts: self.parts.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            until_last_rows: Duration::from_nanos(self.last_rows.load(Relaxed)),
            stages: self.meters.read(),
            by_kind: self.by_kind.lock().map(|map| map.clone()).unwrap_or_default(),
            unreadable: self.unreadable.lock().map(|map| map.clone()).unwrap_or_default(),
            failed: self.failed.lock().map(|failed| failed.clone()).unwrap_or_default(),
        }
    }
}

impl Snapshot {
    /// Rows a second since everything was loaded.
    pub fn rate(&self) -> f64 {
        self.rows as f64 / self.working.as_secs_f64().max(1e-9)
    }

    /// Time left, once the plan's end and a rate are known.
    pub fn left(&self) -> Option<Duration> {
        if !self.plan_is_whole || self.rows == 0 {
            return None;
        }
        let rows = self.planned.saturating_sub(self.resumed + self.rows);
        Duration::try_from_secs_f64(rows as f64 / self.rate()).ok()
    }
}
