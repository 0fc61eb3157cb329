//! The outer retry: what `object_store` gives up on is tried again with jitter until a budget of time is spent.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::StoreError;

/// How long one operation may be retried. Longer than the slowest single request (an upload's timeout).
const BUDGET: Duration = Duration::from_secs(150);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Repeats an operation while its error is transient and the budget lasts.
pub(super) async fn retry<T, F, Fut>(operation: F) -> Result<T, StoreError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, StoreError>>,
{
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match operation().await {
            Err(error) if error.is_transient() && started.elapsed() + pause < BUDGET => {
                tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "storage: trying again");
                tokio::time::sleep(jittered(pause)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            done => return done,
        }
    }
}

/// Between half and the whole of the pause, so that workers that failed together do not come back together.
pub(super) fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(Instant::now()) as f64 / u64::MAX as f64;
    pause.mul_f64(0.5 + random / 2.0)
}
