//! How many requests are sent ahead at the same time: on a slow network, many would all take longer than a read may.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::{Duration, Instant};

/// Requests at first. Each window that comes in time allows one more, so that they double with each round.
const AT_FIRST: usize = 8;
/// Far more than windows that there is room for.
const MOST: usize = 4096;
/// A window takes longer than this if too many are in flight. A read may take 60 s by default.
const SLOW: Duration = Duration::from_secs(10);

/// How many requests are sent ahead at the same time.
pub(super) struct Pace {
    on_their_way: AtomicUsize,
    allowed: AtomicUsize,
    /// When the number was halved last.
    cut: Mutex<Option<Instant>>,
}

impl Default for Pace {
    fn default() -> Self {
        let (on_their_way, allowed) = (AtomicUsize::new(0), AtomicUsize::new(AT_FIRST));
        Pace { on_their_way, allowed, cut: Mutex::default() }
    }
}

impl Pace {
    /// How many more may be sent.
    pub fn more(&self) -> usize {
        self.allowed.load(Relaxed).saturating_sub(self.on_their_way.load(Relaxed))
    }

    /// A request is sent.
    pub fn begin(self: &Arc<Self>) -> OnItsWay {
        self.on_their_way.fetch_add(1, Relaxed);
        OnItsWay { pace: self.clone(), began: Instant::now() }
    }

    fn ended(&self, began: Instant, came: bool) {
        if came && began.elapsed() < SLOW {
            // several that end at the same time may exceed it
            if self.allowed.load(Relaxed) < MOST {
                self.allowed.fetch_add(1, Relaxed);
            }
            return;
        }
        let mut cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        // requests that were sent before the last cut are no measure of the number since
        if cut.is_none_or(|cut| cut <= began) {
            *cut = Some(Instant::now());
            self.allowed.store((self.allowed.load(Relaxed) / 2).max(1), Relaxed);
        }
    }
}

/// A request that is on its way until this is dropped.
pub(super) struct OnItsWay {
    pace: Arc<Pace>,
    began: Instant,
}

impl OnItsWay {
    /// It has ended, with a window or without.
    pub fn end(self, came: bool) {
        self.pace.ended(self.began, came);
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.pace.on_their_way.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn windows_in_time_allow_more_and_a_round_of_late_ones_halves_them_once() {
        let pace = Arc::new(Pace::default());
        assert_eq!(pace.more(), 8);
        let quick: Vec<OnItsWay> = (0..8).map(|_| pace.begin()).collect();
        assert_eq!(pace.more(), 0);
        quick.into_iter().for_each(|request| request.end(true));
        assert_eq!(pace.more(), 16);
        let late: Vec<OnItsWay> = (0..16).map(|_| pace.begin()).collect();
        tokio::time::advance(Duration::from_secs(11)).await;
        late.into_iter().for_each(|request| request.end(true));
        assert_eq!(pace.more(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_is_always_allowed_and_one_that_is_dropped_counts_for_nothing() {
        let pace = Arc::new(Pace::default());
        for _ in 0..20 {
            tokio::time::advance(Duration::from_secs(1)).await;
            pace.begin().end(false);
        }
        assert_eq!(pace.more(), 1);
        drop(pace.begin());
        assert_eq!(pace.more(), 1);
    }
}
