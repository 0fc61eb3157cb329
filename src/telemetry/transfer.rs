//! A file that is being fetched, one at a time: the source of a progress bar.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The file that is being fetched, if one is.
static CURRENT: Mutex<Option<Arc<State>>> = Mutex::new(None);

#[derive(Debug)]
struct State {
    name: String,
    bytes: Option<u64>,
    /// Bytes that are there.
    done: AtomicU64,
    /// Bytes that an earlier process left.
    resumed: AtomicU64,
    started: Instant,
}

/// Reports a transfer until it is dropped.
#[derive(Debug)]
pub struct Transfer(Arc<State>);

/// How far a transfer is.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferState {
    /// The file, for a person.
    pub name: String,
    /// Its size in bytes, if it is known.
    pub bytes: Option<u64>,
    /// Bytes that are there.
    pub done: u64,
    /// Bytes a second that came in this process.
    pub rate: f64,
}

impl Transfer {
    /// Begins to report a file. `bytes` is its size, if it is known.
    pub fn begin(name: impl Into<String>, bytes: Option<u64>) -> Transfer {
        let (done, resumed) = (AtomicU64::new(0), AtomicU64::new(0));
        let state = Arc::new(State { name: name.into(), bytes, done, resumed, started: Instant::now() });
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(state.clone());
        Transfer(state)
    }

    /// Begins from the bytes that are there already.
    pub fn resume_at(&self, bytes: u64) {
        self.0.done.store(bytes, Ordering::Relaxed);
        self.0.resumed.store(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that have come.
    pub fn add(&self, bytes: u64) {
        self.0.done.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|state| Arc::ptr_eq(state, &self.0)) {
            *current = None;
        }
    }
}

/// The file that is being fetched now.
pub fn current() -> Option<TransferState> {
    let state = CURRENT.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
    let (done, resumed) = (state.done.load(Ordering::Relaxed), state.resumed.load(Ordering::Relaxed));
    let seconds = state.started.elapsed().as_secs_f64().max(1e-3);
    let rate = done.saturating_sub(resumed) as f64 / seconds;
    Some(TransferState { name: state.name.clone(), bytes: state.bytes, done, rate })
}

impl TransferState {
    /// Time left, once the size and a rate are known.
    pub fn left(&self) -> Option<Duration> {
        let left = self.bytes?.saturating_sub(self.done);
        Duration::try_from_secs_f64(left as f64 / self.rate).ok().filter(|_| self.rate > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_what_came_in_this_process() {
        let state = |done, rate| TransferState { name: "x".into(), bytes: Some(100), done, rate };
        assert_eq!(state(60, 10.0).left(), Some(Duration::from_secs(4)));
        assert_eq!(state(60, 0.0).left(), None);
        assert_eq!(TransferState { bytes: None, ..state(60, 10.0) }.left(), None);
    }
}
