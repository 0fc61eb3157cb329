//! An intake of tests that keeps what it is given.

use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;

use super::{Arrival, Intake, Stop, Ticket};
use crate::sample::{RowError, Sample};

/// Samples in the order of their admission, and what was delivered for each.
pub(super) type Rows = Arc<Mutex<Vec<(Sample, Option<Result<Vec<u8>, RowError>>)>>>;

/// Keeps what it is given.
#[derive(Default)]
pub(super) struct Kept {
    pub rows: Rows,
}

struct KeptTicket(Rows, usize);

impl Intake for Kept {
    fn admit(&self, sample: Sample, _: Option<u64>) -> BoxFuture<'_, Result<Box<dyn Ticket>, Stop>> {
        let mut rows = self.rows.lock().unwrap();
        rows.push((sample, None));
        let ticket: Box<dyn Ticket> = Box::new(KeptTicket(self.rows.clone(), rows.len() - 1));
        Box::pin(std::future::ready(Ok(ticket)))
    }
}

impl Ticket for KeptTicket {
    fn fit(&mut self, _: u64) -> bool {
        true
    }

    fn refit(&mut self, _: u64) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn deliver(self: Box<Self>, image: Result<Arrival, RowError>) {
        self.0.lock().unwrap()[self.1].1 = Some(image.map(|arrival| arrival.bytes.to_vec()));
    }
}
