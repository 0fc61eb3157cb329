//! Work on a thread for blocking work, which is asked to end when nothing waits for it any longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Exit, Failure};

/// Asks work to end between two of its steps.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

/// The work ended early, because nothing waits for its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl Stop {
    /// Ends the work, if it is asked to end.
    ///
    /// # Errors
    /// [`Stopped`] if it is.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.0.load(Ordering::Relaxed) { Err(Stopped) } else { Ok(()) }
    }

    /// The flag itself, for threads that share it.
    pub fn flag(&self) -> &AtomicBool {
        &self.0
    }
}

struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Does `work` on another thread, so that a signal is noticed meanwhile. Dropped before its end, it asks the work to stop.
///
/// # Errors
/// The work panicked (70), or was stopped (75).
pub(super) async fn computing<T: Send + 'static>(
    what: &str,
    work: impl FnOnce(&Stop) -> Result<T, Stopped> + Send + 'static,
) -> Result<T, Failure> {
    let stop = Stop::default();
    let guard = StopOnDrop(stop.clone());
    let done = tokio::task::spawn_blocking(move || work(&stop)).await;
    drop(guard);
    let done = done.map_err(|error| Failure::caused(Exit::Bug, format!("{what} failed"), error))?;
    done.map_err(|Stopped| Failure::new(Exit::TryAgain, "the audit was interrupted"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_that_nothing_waits_for_is_asked_to_stop() {
        let (began, begun) = tokio::sync::oneshot::channel();
        let (ended, end) = mpsc::channel();
        let work = computing("a long step", move |stop| {
            let _ = began.send(());
            while stop.check().is_ok() {
                std::thread::yield_now();
            }
            let _ = ended.send(());
            Err::<(), _>(Stopped)
        });
        tokio::select! {
            _ = work => panic!("the work ended by itself"),
            _ = begun => {}
        }
        end.recv().unwrap();
    }

    #[tokio::test]
    async fn the_result_of_work_that_ends_is_returned() {
        assert_eq!(computing("a step", |stop| stop.check().map(|()| 7)).await.unwrap(), 7);
    }
}
