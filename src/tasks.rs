//! Futures that run side by side: as tasks, where the runtime has threads for them.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinHandle, spawn_blocking};

/// True if tasks run beside the one that starts them. On one thread they gain nothing, and a test that steps its
/// processes one by one needs every request in the process that sends it.
pub(crate) fn has_threads() -> bool {
    Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() != RuntimeFlavor::CurrentThread)
}

/// True if the runtime has more threads than on a small machine, so that a task for each small piece of work can pay for
/// itself. On two threads it brings no more images and costs processor time (decision 0059).
pub(crate) fn has_many_threads() -> bool {
    threads() > 2
}

/// Threads of the runtime, at least one.
pub(crate) fn threads() -> usize {
    Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers().max(1))
}

/// A task that is aborted when this is dropped. A panic in it is passed on to the caller that waits for it.
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    pub fn start(work: impl Future<Output = T> + Send + 'static) -> Task<T> {
        Task(tokio::spawn(work))
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match ready!(Pin::new(&mut self.0).poll(context)) {
            Ok(done) => Poll::Ready(done),
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            // the runtime ends, and so does the caller
            Err(_) => Poll::Pending,
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts `work` as a task at once where the runtime has several threads; else it runs where it is awaited.
pub(crate) fn aside<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Pin<Box<dyn Future<Output = T> + Send>> {
    if has_threads() { Box::pin(Task::start(work)) } else { Box::pin(work) }
}

/// Awaits work that computes for long, on a thread for it where the runtime has several; else it is done at once.
pub(crate) async fn computed<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    if !has_threads() {
        return work();
    }
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // the runtime ends, and so does the caller
        Err(_) => std::future::pending().await,
    }
}

/// What a thread for blocking work sends. A panic of it is passed on: what it did not send is never missing in silence.
pub(crate) fn sent<T: Send>(receiver: Receiver<T>, thread: JoinHandle<bool>) -> impl Stream<Item = T> + Send {
    futures::stream::unfold((receiver, Some(thread)), |(mut receiver, mut thread)| async move {
        if let Some(item) = receiver.recv().await {
            return Some((item, (receiver, thread)));
        }
        match thread.take()?.await {
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::StreamExt;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn work_begins_before_it_is_awaited() {
        let (sender, receiver) = oneshot::channel();
        let work = aside(async move { sender.send(7).is_ok() });
        assert_eq!(receiver.await, Ok(7));
        assert!(work.await);
    }

    #[tokio::test]
    async fn on_one_thread_work_runs_where_it_is_awaited() {
        let begun = Arc::new(AtomicBool::new(false));
        let seen = begun.clone();
        let work = aside(async move { seen.store(true, Ordering::Relaxed) });
        tokio::task::yield_now().await;
        assert!(!begun.load(Ordering::Relaxed));
        work.await;
        assert!(begun.load(Ordering::Relaxed));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_task_ends_when_its_handle_is_dropped() {
        let (sender, receiver) = oneshot::channel::<()>();
        let work = aside(async move {
            futures::future::pending::<()>().await;
            drop(sender);
        });
        drop(work);
        assert!(receiver.await.is_err());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn long_work_leaves_the_only_thread_of_the_runtime_to_others() {
        let (sender, receiver) = oneshot::channel();
        let (other, others) = std::sync::mpsc::channel();
        let long = tokio::spawn(computed(move || {
            // without another thread, this would wait for ever
            others.recv().is_ok()
        }));
        let short = tokio::spawn(async move { sender.send(other).is_ok() });
        assert!(short.await.unwrap());
        receiver.await.unwrap().send(()).unwrap();
        assert!(long.await.unwrap());
    }

    #[tokio::test]
    async fn a_thread_that_panics_after_it_sent_something_does_not_look_whole() {
        let (sender, receiver) = tokio::sync::mpsc::channel(2);
        let thread = tokio::task::spawn_blocking(move || {
            let _sent = sender.blocking_send(1);
            panic!("as a fault of the walk would")
        });
        let whole = tokio::spawn(sent(receiver, thread).collect::<Vec<i32>>()).await;
        assert!(whole.unwrap_err().is_panic());
    }

    #[tokio::test]
    async fn all_that_a_thread_sent_comes_in_order() {
        let (sender, receiver) = tokio::sync::mpsc::channel(2);
        let thread = tokio::task::spawn_blocking(move || (0..9).all(|n| sender.blocking_send(n).is_ok()));
        let all: Vec<i32> = sent(receiver, thread).collect().await;
        assert_eq!(all, Vec::from_iter(0..9));
    }
}
