//! The outer retry: what `object_store` gives up on is tried again with jitter until a budget of time is spent.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};

use tokio::time::{Duration, Instant};

use super::{Location, Settings, StoreError};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Pauses between tries of one operation: longer each time, and never quite the same.
#[derive(Debug)]
pub struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Pauses(FIRST_PAUSE)
    }
}

impl Pauses {
    /// The next pause, from 0.1 to 10 s.
    pub fn next_pause(&mut self) -> Duration {
        let pause = jittered(self.0);
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// The pauses of one operation, and when it has had enough of them.
#[derive(Debug)]
pub(super) struct RetryBudget {
    started: Instant,
    budget: Duration,
    pauses: Pauses,
}

impl RetryBudget {
    pub fn new(budget: Duration) -> Self {
        RetryBudget { started: Instant::now(), budget, pauses: Pauses::default() }
    }

    /// Time since the first try.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Pauses, longer each time; false (at once) where the budget is spent.
    pub async fn wait(&mut self) -> bool {
        if self.elapsed() + self.pauses.0 >= self.budget {
            return false;
        }
        tokio::time::sleep(self.pauses.next_pause()).await;
        true
    }
}

impl Location {
    /// The same location, whose operations are tried once (by the client up to four times). The caller retries.
    pub fn without_retries(&self) -> Location {
        Location { settings: Settings { retry: Duration::ZERO, ..self.settings }, ..self.clone() }
    }

    /// The same location, for an object that failed before: when the store answers for it with "slow down", the
    /// requests for others are not slowed down.
    pub fn for_failing_object(&self) -> Location {
        Location { is_for_failing_object: true, ..self.without_retries() }
    }

    /// How long one operation is tried.
    pub fn patience(&self) -> Duration {
        self.settings.retry
    }

    /// Counts a try that the caller repeats.
    pub fn count_retry(&self) {
        self.traffic.retried();
    }

    /// Runs one read of `bytes` bytes within its time limit: a connection may stay open without an answer.
    pub(super) async fn in_time<T>(
        &self,
        what: &str,
        bytes: u64,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let within = self.settings.read_timeout + Duration::from_secs(bytes >> 20);
        tokio::time::timeout(within, read).await.unwrap_or_else(|_| {
            Err(StoreError::unavailable(what, format!("no answer within {} s", within.as_secs())))
        })
    }

    /// Repeats an operation while its error is transient and the budget lasts.
    pub(super) async fn retry<T, F, Fut>(&self, operation: F) -> Result<T, StoreError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let mut budget = RetryBudget::new(self.settings.retry);
        loop {
            match operation().await {
                Err(error) if error.is_transient() => {
                    if !budget.wait().await {
                        return Err(error);
                    }
                    self.traffic.retried();
                    tracing::warn!(%error, "storage: trying again");
                }
                done => return done,
            }
        }
    }
}

/// Between half and the whole of the pause, so that workers that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(Instant::now()) as f64 / u64::MAX as f64;
    pause.mul_f64(0.5 + random / 2.0)
}
