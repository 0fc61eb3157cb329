//! The first images of a run go the whole way alone, before the long loop: faults that are no row's end the run
//! while little is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use futures::future::BoxFuture;
use tokio::sync::Notify;

use crate::dataset::{Arrival, Intake, ReadError, Stop, Ticket};
use crate::failure::{Exit, Failure};
use crate::sample::{ErrorKind, RowError, Sample};
use crate::store::Reason;

/// Images of the canary. A part with fewer is its own canary.
pub(super) const IMAGES: u32 = 16;

/// Lets the first images of a part through and ends the reading once each of them was delivered.
pub(crate) struct FirstImages<I> {
    inner: I,
    most: u32,
    is_trial: bool,
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
        FirstImages { inner, most, is_trial: false, admitted: AtomicU32::new(0), open: Arc::default() }
    }

    /// The first `most` images of a part that is read once more afterwards.
    pub fn trial(inner: I, most: u32) -> Self {
        FirstImages { is_trial: true, ..Self::of(inner, most) }
    }

    /// How the reading ended: well where the first images came, or all there are; how many, then.
    pub fn end<T>(self, read: Result<T, ReadError>) -> Result<(I, u32), ReadError> {
        let admitted = self.admitted.load(SeqCst);
        match read {
            Err(ReadError::Stopped) if admitted == self.most => Ok((self.inner, admitted)),
            Err(error) => Err(error),
            Ok(_) => Ok((self.inner, admitted)),
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

    fn is_trial(&self) -> bool {
        self.is_trial || self.inner.is_trial()
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

/// Kinds of errors, with their numbers if they are several.
fn listed(by_kind: &BTreeMap<&str, usize>) -> String {
    let kinds = by_kind.iter().map(|(kind, count)| match by_kind.len() {
        1 => (*kind).to_owned(),
        _ => format!("{count} {kind}"),
    });
    kinds.collect::<Vec<_>>().join(", ")
}

/// Looks at the canary's rows. Errors of single images only inform: the budget of the run judges them.
pub(super) fn judge(batches: &[RecordBatch]) -> Result<(), Failure> {
    let kinds: Vec<String> = batches
        .iter()
        .filter_map(|batch| batch.column_by_name("error_kind")?.as_string_opt::<i32>())
        .flat_map(|column| column.iter().flatten().map(str::to_owned))
        .collect();
    let infinite = kinds.iter().filter(|kind| *kind == ErrorKind::NonFinite.as_str()).count();
    if infinite == IMAGES as usize {
        return Err(Failure::new(
            Exit::Config,
            format!(
                "the model gives no finite numbers for any of the first {IMAGES} images; are the weights whole, and does \
                 the network bear `model.precision`?"
            ),
        ));
    }
    if !kinds.is_empty() {
        let mut by_kind = BTreeMap::new();
        kinds.iter().for_each(|kind| *by_kind.entry(kind.as_str()).or_default() += 1);
        let images: usize = batches.iter().map(RecordBatch::num_rows).sum();
        tracing::warn!("{} of the first {images} images: {}", kinds.len(), listed(&by_kind));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_is_named_and_several_are_counted() {
        assert_eq!(listed(&BTreeMap::from([("unsupported", 16)])), "unsupported");
        let several = BTreeMap::from([("truncated", 1), ("unsupported", 3)]);
        assert_eq!(listed(&several), "1 truncated, 3 unsupported");
    }
}
