//! One place that knows whether the run goes on: a signal, or the first failure, ends it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::failure::{Exit, Failure};

/// How far a run is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Running,
    /// No part is opened any more.
    Draining,
    /// What is open is dropped.
    Aborting,
}

/// A handle on the end of a run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown {
    level: watch::Sender<Level>,
    cause: Arc<Mutex<Option<Failure>>>,
    grace: Arc<Mutex<Duration>>,
}

/// Time that open parts have after a signal, until the job is read.
const GRACE: Duration = Duration::from_secs(25);

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown {
            level: watch::Sender::new(Level::Running),
            cause: Arc::default(),
            grace: Arc::new(Mutex::new(GRACE)),
        }
    }
}

impl Shutdown {
    fn raise(&self, to: Level) {
        self.level.send_if_modified(|level| {
            let higher = *level < to;
            *level = (*level).max(to);
            higher
        });
    }

    /// A person or a scheduler asks to stop: finish what is open.
    pub fn interrupt(&self) {
        self.record(Failure::new(
            Exit::TryAgain,
            "interrupted; committed parts are kept, and the same command resumes from them",
        ));
        self.raise(Level::Draining);
    }

    /// Sets the time that open parts have after a signal.
    pub fn set_grace(&self, grace: Duration) {
        *self.grace.lock().unwrap_or_else(PoisonError::into_inner) = grace;
    }

    /// Time that open parts have after a signal.
    pub fn grace(&self) -> Duration {
        *self.grace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Open parts are dropped now.
    pub fn abort(&self) {
        self.raise(Level::Aborting);
    }

    /// Something failed that is no property of one image: no part is opened any more. The first cause counts.
    pub fn fail(&self, failure: Failure) {
        self.record(failure);
        self.raise(Level::Draining);
    }

    /// Something failed that no open part survives.
    pub fn fail_now(&self, failure: Failure) {
        self.record(failure);
        self.raise(Level::Aborting);
    }

    fn record(&self, failure: Failure) {
        let mut cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        if cause.is_none() {
            *cause = Some(failure);
        }
    }

    /// The first cause, if the run is ending.
    pub fn take_cause(&self) -> Option<Failure> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// True once no part may be opened.
    pub fn is_draining(&self) -> bool {
        *self.level.borrow() >= Level::Draining
    }

    /// True once open parts are dropped.
    pub fn is_aborting(&self) -> bool {
        *self.level.borrow() >= Level::Aborting
    }

    /// Waits until no part may be opened.
    pub async fn draining(&self) {
        self.reached(Level::Draining).await;
    }

    /// Waits until open parts must be dropped.
    pub async fn aborting(&self) {
        self.reached(Level::Aborting).await;
    }

    /// Does something that a later run does again if need be; after a signal it may take this much longer.
    ///
    /// # Errors
    /// Those of `work`. If `work` is not done `grace` after the run began to end: the cause of that end, or 75.
    pub async fn until<T>(
        &self,
        grace: Duration,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let late = async {
            self.draining().await;
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            biased;
            done = work => done,
            () = late => Err(self.take_cause().unwrap_or_else(|| {
                Failure::new(Exit::TryAgain, "interrupted; the same command resumes from there")
            })),
        }
    }

    async fn reached(&self, level: Level) {
        let mut levels = self.level.subscribe();
        // the sender lives in `self`, so this can only end by reaching the level
        let _ = levels.wait_for(|now| *now >= level).await;
    }
}
