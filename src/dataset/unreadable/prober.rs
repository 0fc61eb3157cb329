//! One task that asks the store for an object that was read before, while any key waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::store::Location;

/// How long one probe may take.
const PROBE_TIME: Duration = Duration::from_secs(10);
/// Between two probes, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the latest probes found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct News {
    /// When the latest good probe began.
    pub good: Option<Instant>,
    /// When the latest failed probe ended.
    pub failed: Option<Instant>,
    /// No probe was good for as long as one operation is tried.
    pub is_outage: bool,
}

/// Learns whether the store answers while keys wait for it. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Prober(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Without retries.
    input: Location,
    patience: Duration,
    /// Objects that were read well, latest first.
    seen: watch::Sender<Vec<String>>,
    /// Objects that are asked where no other answers.
    others: Vec<String>,
    state: Mutex<State>,
    news: watch::Sender<News>,
}

#[derive(Debug, Default)]
struct State {
    /// Keys that wait; a key that waits is no witness.
    waiting: Vec<String>,
    is_running: bool,
    /// Witnesses that failed, which are asked last.
    doubtful: VecDeque<String>,
}

impl Prober {
    /// `input` has the time that one operation is tried.
    pub fn new(input: &Location, seen: watch::Sender<Vec<String>>, others: Vec<String>) -> Self {
        Prober(Arc::new(Shared {
            input: input.without_retries(),
            patience: input.patience(),
            seen,
            others,
            state: Mutex::default(),
            news: watch::Sender::new(News::default()),
        }))
    }

    /// How long one operation is tried.
    pub fn patience(&self) -> Duration {
        self.0.patience
    }

    /// What the probes find from now on.
    pub fn news(&self) -> watch::Receiver<News> {
        self.0.news.subscribe()
    }

    /// Probes as long as the guard lives, or that of any other key.
    pub fn wait_for(&self, key: &str) -> WaitingKey {
        let mut state = self.0.state();
        state.waiting.push(key.to_owned());
        if !state.is_running {
            state.is_running = true;
            tokio::spawn(self.0.clone().probe_while_keys_wait());
        }
        WaitingKey { prober: self.0.clone(), key: key.to_owned() }
    }
}

/// A key that waits.
#[derive(Debug)]
pub(super) struct WaitingKey {
    prober: Arc<Shared>,
    key: String,
}

impl Drop for WaitingKey {
    fn drop(&mut self) {
        let mut state = self.prober.state();
        if let Some(at) = state.waiting.iter().position(|key| *key == self.key) {
            state.waiting.swap_remove(at);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn probe_while_keys_wait(self: Arc<Self>) {
        let mut last_good = Instant::now();
        loop {
            {
                let mut state = self.state();
                if state.waiting.is_empty() {
                    state.is_running = false;
                    return;
                }
            }
            let began = Instant::now();
            if self.probe().await {
                last_good = began;
                self.news.send_modify(|news| news.good = Some(began));
            } else {
                let is_outage = last_good.elapsed() >= self.patience;
                self.news.send_modify(|news| {
                    news.failed = Some(Instant::now());
                    news.is_outage |= is_outage;
                });
            }
            sleep(LONGEST_PAUSE.min(self.patience / 4)).await;
        }
    }

    /// Reads witnesses, one after another, until one can be read or one gets no answer. A witness that is refused or
    /// gone is no evidence about the store.
    async fn probe(&self) -> bool {
        for witness in self.witnesses() {
            match timeout(PROBE_TIME, self.input.answers(&witness)).await {
                Ok(Ok(true)) => return true,
                Ok(Ok(false)) => {}
                Ok(Err(_)) | Err(_) => {
                    let mut state = self.state();
                    state.doubtful.retain(|other| *other != witness);
                    state.doubtful.push_back(witness);
                    return false;
                }
            }
        }
        false
    }

    fn witnesses(&self) -> Vec<String> {
        let mut witnesses = self.seen.borrow().clone();
        witnesses.extend_from_slice(&self.others);
        let state = self.state();
        witnesses.retain(|key| !state.waiting.contains(key));
        // one that failed may be the next that cannot be read
        witnesses
            .sort_by_key(|key| state.doubtful.iter().position(|other| other == key).map_or(0, |at| at + 1));
        witnesses
    }
}
