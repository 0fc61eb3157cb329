//! Threads that do work ahead of one that needs it in order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use async_channel::Sender;

/// Threads of one walk. A disk answers several questions at a time, and one on the network many.
const THREADS: usize = 8;

type Job = Box<dyn FnOnce() + Send>;

/// The threads, which start with the first work and end when this is dropped.
#[derive(Default)]
pub(super) struct Helpers {
    jobs: Option<Sender<Job>>,
}

/// What a thread does.
pub(super) struct Ahead<T>(Receiver<T>);

impl<T> Ahead<T> {
    /// Waits for the result; `None` if the work panicked.
    pub fn wait(self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl Helpers {
    /// Gives work to a thread. If none can be started, it is done here.
    pub fn ahead<T: Send + 'static>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Ahead<T> {
        let (sender, receiver) = sync_channel(1);
        // the walk may be over
        let job: Job = Box::new(move || drop(sender.send(work())));
        let jobs = self.jobs.get_or_insert_with(start);
        if let Err(refused) = jobs.try_send(job) {
            refused.into_inner()();
        }
        Ahead(receiver)
    }
}

fn start() -> Sender<Job> {
    let (sender, receiver) = async_channel::unbounded::<Job>();
    for _ in 0..THREADS {
        let receiver = receiver.clone();
        let work = move || {
            while let Ok(job) = receiver.recv_blocking() {
                // its result is missing, and the thread goes on
                drop(catch_unwind(AssertUnwindSafe(job)));
            }
        };
        // fewer threads do the same work; the queue is closed if there are none
        if thread::Builder::new().name("walk".into()).spawn(work).is_err() {
            break;
        }
    }
    sender
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_whatever_the_order_in_which_they_are_waited_for() {
        let mut helpers = Helpers::default();
        let ahead: Vec<Ahead<u32>> = (0..100).map(|number| helpers.ahead(move || number * 2)).collect();
        let mut found: Vec<Option<u32>> = ahead.into_iter().rev().map(Ahead::wait).collect();
        found.reverse();
        assert_eq!(found, Vec::from_iter((0..100).map(|number| Some(number * 2))));
    }

    #[test]
    fn work_that_panics_has_no_result_and_others_do() {
        let mut helpers = Helpers::default();
        assert_eq!(helpers.ahead(|| -> u32 { std::panic::resume_unwind(Box::new("quiet")) }).wait(), None);
        assert_eq!(helpers.ahead(|| 7).wait(), Some(7));
    }
}
