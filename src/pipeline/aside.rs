//! Work that blocks, done beside the task that waits for it: a task that blocks does not see a signal.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Exit, Failure};

/// A thread still works for a task that does not wait for it any more.
static ABANDONED: AtomicBool = AtomicBool::new(false);

/// True if the process must end without running destructors of libraries: a thread may be inside one of them.
pub(crate) fn is_abandoned() -> bool {
    ABANDONED.load(Ordering::SeqCst)
}

/// Notes that a thread was left running.
pub(crate) fn abandon() {
    ABANDONED.store(true, Ordering::SeqCst);
}

/// Abandons what it watches when it is dropped before the end.
struct Watch {
    has_ended: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.has_ended {
            abandon();
        }
    }
}

/// Runs work that blocks on a thread for blocking work. If the future is dropped, the work continues and its result
/// is lost.
///
/// # Errors
/// As the work; `Bug` if it panicked.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let mut watch = Watch { has_ended: false };
    let done = tokio::task::spawn_blocking(work).await;
    watch.has_ended = true;
    done.unwrap_or_else(|error| Err(Failure::caused(Exit::Bug, "a thread of the run panicked", error)))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_that_is_waited_for_gives_its_result_and_a_panic_is_a_bug() {
        assert_eq!(aside(|| Ok(7)).await.unwrap(), 7);
        let panicked = aside(|| -> Result<(), Failure> { panic!("a test") }).await;
        assert_eq!(panicked.unwrap_err().exit, Exit::Bug);
    }

    #[tokio::test]
    async fn work_that_is_not_waited_for_is_noted() {
        let (finish, finished) = mpsc::channel::<()>();
        let work = aside(move || {
            let _ = finished.recv();
            Ok(())
        });
        let left = tokio::time::timeout(std::time::Duration::from_millis(1), work).await;
        assert!(left.is_err() && is_abandoned());
        drop(finish);
    }
}
