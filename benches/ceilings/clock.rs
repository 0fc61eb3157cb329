//! Processor time: of the thread that asks, and of the polls of one future.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

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
