//! The clock of one key that the store does not give.

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, sleep_until};

use crate::store::{Pauses, StoreError, Unanswered};

use super::prober::{News, Prober, WaitingKey};

/// Answers that mean "never" before they are believed.
const TRIES: u32 = 3;
/// Between two of them.
const SPACING: Duration = Duration::from_secs(5);
/// The longest wait of one key, restarts of its clock included, in multiples of the time that one operation is tried.
const MOST_WAITS: u32 = 10;
/// Or this long, if that is longer.
const SHORTEST_LIMIT: Duration = Duration::from_secs(60);

/// What becomes of a key after a try that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dataset) enum Next {
    /// It is tried again, now.
    Again,
    /// The store does not give it, and will not.
    Unreadable,
    /// The store does not give it for as long as one operation is tried.
    TooLong,
    /// The store does not give anything.
    Outage,
}

/// A key that waits. While it lives, the store is probed.
#[derive(Debug)]
pub(in crate::dataset) struct Waiting {
    news: watch::Receiver<News>,
    patience: Duration,
    began: Instant,
    /// Since when the store answers for others and not for this key.
    clock: Instant,
    /// Failures in a row that count, and when the first of them was.
    tries: u32,
    first_try: Instant,
    pauses: Pauses,
    /// A failure of any kind counts as an answer that means "never".
    is_noted: bool,
    _key: WaitingKey,
}

impl Waiting {
    /// Begins to wait; `is_noted` where the key was waited for before.
    pub(super) fn new(prober: &Prober, key: &str, is_noted: bool) -> Self {
        let now = Instant::now();
        Waiting {
            news: prober.news(),
            patience: prober.patience(),
            began: now,
            clock: now,
            tries: 0,
            first_try: now,
            pauses: Pauses::default(),
            is_noted,
            _key: prober.wait_for(key),
        }
    }

    /// Waits after a try that failed just now, and returns what to do with the key.
    pub async fn after(&mut self, error: &StoreError) -> Next {
        let failed = Instant::now();
        if self.news.borrow().is_outage || self.began.elapsed() >= self.limit() {
            return Next::Outage;
        }
        self.restart_if_a_probe_failed();
        if self.is_noted || error.unanswered().is_some_and(Unanswered::is_definite) {
            return self.counted(failed).await;
        }
        self.tries = 0;
        let deadline = self.clock + self.patience;
        if failed < deadline {
            let until = (failed + self.pauses.next_pause()).min(deadline);
            return self.pause(until).await;
        }
        match self.probed_after(failed).await {
            Probed::Good => Next::TooLong,
            Probed::Failed => self.short_pause(failed).await,
            Probed::Outage => Next::Outage,
        }
    }

    /// A failure that counts by itself, if a probe after it is good.
    async fn counted(&mut self, failed: Instant) -> Next {
        match self.probed_after(failed).await {
            Probed::Outage => return Next::Outage,
            Probed::Failed => return self.short_pause(failed).await,
            Probed::Good => {}
        }
        if self.tries == 0 {
            self.first_try = failed;
        }
        self.tries += 1;
        match self.tries {
            TRIES => Next::Unreadable,
            tries => self.pause(self.first_try + SPACING * tries).await,
        }
    }

    fn limit(&self) -> Duration {
        SHORTEST_LIMIT.max(self.patience * MOST_WAITS)
    }

    async fn short_pause(&mut self, since: Instant) -> Next {
        let until = since + self.pauses.next_pause();
        self.pause(until).await
    }

    async fn pause(&mut self, until: Instant) -> Next {
        let outage = async {
            // the prober lives as long as this key
            if self.news.wait_for(|news| news.is_outage).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = outage => Next::Outage,
            () = sleep_until(until) => Next::Again,
        }
    }

    /// Waits for a probe that began after a failure, or failed after it.
    async fn probed_after(&mut self, failed: Instant) -> Probed {
        let later = |at: Option<Instant>| at.is_some_and(|at| at >= failed);
        let news = self.news.wait_for(|news| news.is_outage || later(news.good) || later(news.failed)).await;
        let Ok(news) = news.map(|news| *news) else {
            // the prober lives as long as this key
            sleep(self.patience).await;
            return Probed::Outage;
        };
        if news.is_outage {
            return Probed::Outage;
        }
        if self.restart_if_a_probe_failed() { Probed::Failed } else { Probed::Good }
    }

    /// Restarts the clock at the latest failed probe; true if it was restarted.
    fn restart_if_a_probe_failed(&mut self) -> bool {
        let failed = self.news.borrow().failed;
        let restarts = failed.filter(|failed| *failed > self.clock);
        if let Some(failed) = restarts {
            self.clock = failed;
            self.tries = 0;
        }
        restarts.is_some()
    }
}

enum Probed {
    Good,
    Failed,
    Outage,
}
