//! Processor time: of the thread that asks, of the polls of one future, and of all threads by name.

use std::collections::BTreeMap;
use std::fs;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::median;

/// Nanoseconds that this thread has computed.
pub fn thread_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: plain numbers, filled by the kernel.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Nanoseconds between two readings of the clock with nothing between them.
pub fn clock_cost() -> f64 {
    let between = || {
        let before = thread_nanos();
        (thread_nanos() - before) as f64
    };
    median((0..2001).map(|_| between()).collect())
}

/// Processor time of one piece of work that is done bit by bit, without the time of reading the clock.
#[derive(Debug, Default)]
pub struct Spent {
    nanos: AtomicU64,
    times: AtomicU64,
    longest: AtomicU64,
}

impl Spent {
    pub fn add(&self, nanos: u64) {
        self.nanos.fetch_add(nanos, Relaxed);
        self.times.fetch_add(1, Relaxed);
        self.longest.fetch_max(nanos, Relaxed);
    }

    /// The longest that a thread was kept at one time.
    pub fn longest(&self) -> u64 {
        self.longest.load(Relaxed)
    }

    pub fn nanos(&self, clock_cost: f64) -> f64 {
        (self.nanos.load(Relaxed) as f64 - self.times.load(Relaxed) as f64 * clock_cost).max(0.0)
    }
}

/// A future whose polls are timed: its own computation, on whichever thread, without its waits.
pub struct Timed<F> {
    work: F,
    spent: Arc<Spent>,
}

impl<F: Future + Unpin> Timed<F> {
    pub fn new(work: F, spent: Arc<Spent>) -> Self {
        Timed { work, spent }
    }
}

impl<F: Future + Unpin> Future for Timed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let before = thread_nanos();
        let polled = Pin::new(&mut self.work).poll(context);
        self.spent.add(thread_nanos() - before);
        polled
    }
}

/// Calls that are timed one by one, by the clock on the wall, which is cheaper to read.
#[derive(Debug, Default)]
pub struct Calls(Mutex<Vec<u32>>);

impl Calls {
    pub fn since(&self, began: Instant) {
        let nanos = u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX);
        self.0.lock().unwrap().push(nanos);
    }

    /// Nanoseconds of a call without the slowest hundredth, in which other threads had the core.
    pub fn mean(&self) -> f64 {
        let mut calls = self.0.lock().unwrap().clone();
        calls.sort_unstable();
        calls.truncate((calls.len() * 99).div_ceil(100));
        calls.iter().map(|nanos| f64::from(*nanos)).sum::<f64>() / calls.len().max(1) as f64
    }
}

/// Samples the processor time of all threads of this process, until the result is requested.
pub struct Watch {
    stop: Arc<AtomicBool>,
    looks: JoinHandle<BTreeMap<u64, (String, u64)>>,
}

/// A thread that ends is missed by this much.
const LOOK_EVERY: Duration = Duration::from_millis(4);

impl Watch {
    pub fn start() -> Watch {
        let stop = Arc::new(AtomicBool::new(false));
        let before = threads();
        let looks = std::thread::Builder::new().name("watch".into()).spawn({
            let stop = stop.clone();
            move || {
                let mut last = BTreeMap::new();
                while !stop.load(Relaxed) {
                    last.extend(threads());
                    std::thread::sleep(LOOK_EVERY);
                }
                last.extend(threads());
                for (id, (_, nanos)) in &mut last {
                    *nanos -= before.get(id).map_or(0, |(_, before)| *before);
                }
                last
            }
        });
        Watch { stop, looks: looks.unwrap() }
    }

    /// Nanoseconds of the threads of each name, since the beginning.
    pub fn end(self) -> Vec<(String, f64)> {
        self.stop.store(true, Relaxed);
        self.looks.join().unwrap().into_values().map(|(name, nanos)| (name, nanos as f64)).collect()
    }
}

/// Name and nanoseconds of each thread, as Linux reports them.
fn threads() -> BTreeMap<u64, (String, u64)> {
    let tasks = fs::read_dir("/proc/self/task").expect("needs Linux: /proc/self/task");
    let mut found = BTreeMap::new();
    for task in tasks {
        let folder = task.unwrap().path();
        // a thread may end between two reads
        let (Ok(name), Ok(times)) =
            (fs::read_to_string(folder.join("comm")), fs::read_to_string(folder.join("schedstat")))
        else {
            continue;
        };
        let id = folder.file_name().and_then(|id| id.to_str()).and_then(|id| id.parse().ok());
        let nanos = times.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
        if let (Some(id), Some(nanos)) = (id, nanos) {
            found.insert(id, (name.trim().to_owned(), nanos));
        }
    }
    found
}
