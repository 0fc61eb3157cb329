//! The first images of a part, which is read no further.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use futures::future::BoxFuture;
use tokio::sync::Notify;

use crate::dataset::{Arrival, Intake, ReadError, Stop, Ticket};
use crate::sample::{RowError, Sample};
use crate::store::Reason;

/// Lets the first images of a part through and ends the reading once each of them was delivered.
pub(super) struct FirstImages<I> {
    inner: I,
    most: u32,
    admitted: AtomicU32,
    open: Arc<Undelivered>,
}

#[derive(Default)]
struct Undelivered {
    tickets: AtomicU32,
    fewer: Notify,
}

impl<I: Intake> FirstImages<I> {
    /// The first `most` images.
    pub fn of(inner: I, most: u32) -> Self {
        FirstImages { inner, most, admitted: AtomicU32::new(0), open: Arc::default() }
    }

    /// The number of images, if reading ended because the first ones were delivered, or at the end of the part.
    ///
    /// # Errors
    /// What else ended the reading.
    pub fn end<T>(self, read: Result<T, ReadError>) -> Result<u32, ReadError> {
        let admitted = self.admitted.load(SeqCst);
        match read {
            Err(ReadError::Stopped) if admitted == self.most => Ok(admitted),
            Err(error) => Err(error),
            Ok(_) => Ok(admitted),
        }
    }
}

impl<I: Intake> Intake for FirstImages<I> {
    fn admit(&self, sample: Sample, size_hint: Option<u64>) -> BoxFuture<'_, Result<Box<dyn Ticket>, Stop>> {
        Box::pin(async move {
            if self.admitted.load(SeqCst) == self.most {
                loop {
                    let fewer = self.open.fewer.notified();
                    if self.open.tickets.load(SeqCst) == 0 {
                        return Err(Stop);
                    }
                    fewer.await;
                }
            }
            let ticket = self.inner.admit(sample, size_hint).await?;
            self.admitted.fetch_add(1, SeqCst);
            self.open.tickets.fetch_add(1, SeqCst);
            Ok(Box::new(Counted { ticket: Some(ticket), open: self.open.clone() }) as Box<dyn Ticket>)
        })
    }

    fn unreadable(&self, reason: Reason) {
        self.inner.unreadable(reason);
    }
}

struct Counted {
    ticket: Option<Box<dyn Ticket>>,
    open: Arc<Undelivered>,
}

impl Ticket for Counted {
    fn fit(&mut self, len: u64) -> bool {
        self.ticket.as_mut().is_none_or(|ticket| ticket.fit(len))
    }

    fn refit(&mut self, len: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(ticket) = &mut self.ticket {
                ticket.refit(len).await;
            }
        })
    }

    fn release(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            ticket.release();
        }
    }

    fn deliver(mut self: Box<Self>, image: Result<Arrival, RowError>) {
        if let Some(ticket) = self.ticket.take() {
            ticket.deliver(image);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.tickets.fetch_sub(1, SeqCst);
        self.open.fewer.notify_one();
    }
}
