//! Admission: a row of a batch, then room for its bytes. The only place where reading waits.

use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use tokio::sync::{Mutex, OwnedSemaphorePermit};

use crate::dataset::{Arrival, Intake, Stop, Ticket};
use crate::engine::{Filling, RowSlot, SlotPool};
use crate::ids::AttemptId;
use crate::sample::{RowError, Sample};
use crate::store::Reason;
use crate::telemetry::trace::{Fact, Lane};

use super::byte_budget::ByteBudget;
use super::progress::Progress;
use super::shared::Shared;
use super::work_queue::{DecodeJob, WorkQueue};

/// Reserved where nothing is known of a size yet.
const UNKNOWN: u64 = 256 * 1024;

/// The intake of one attempt at a part.
pub(crate) struct PartIntake {
    attempt: AttemptId,
    rows: Option<u32>,
    pool: SlotPool,
    budget: ByteBudget,
    queue: Arc<WorkQueue>,
    progress: Arc<Progress>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    filling: Option<Filling>,
    taken: u32,
    /// Given back with the part's last row: the next part's first images are fetched while its last ones are.
    turn: Option<OwnedSemaphorePermit>,
}

impl PartIntake {
    /// The intake of a part of `rows` rows, if that is known, that holds the turn to admit.
    pub fn new(shared: &Shared, attempt: AttemptId, rows: Option<u32>, turn: OwnedSemaphorePermit) -> Self {
        shared.progress.meters.part_opens();
        PartIntake {
            attempt,
            rows,
            pool: shared.pool.clone(),
            budget: shared.budget.clone(),
            queue: shared.queue.clone(),
            progress: shared.progress.clone(),
            open: Mutex::new(Open { turn: Some(turn), ..Open::default() }),
        }
    }

    /// No more rows come: a batch that is not full is ready as it is. Without this, dropping the intake gives
    /// the open batch up.
    pub fn seal(self) {
        let open = self.open.into_inner();
        if open.turn.is_some() {
            self.progress.meters.part_is_full();
        }
        if let Some(filling) = open.filling {
            filling.seal();
        }
    }

    async fn row(&self, sample: Sample) -> Result<RowSlot, Stop> {
        let mut open = self.open.lock().await;
        if open.filling.is_none() {
            open.filling = Some(self.pool.acquire(self.attempt, open.taken).await.ok_or(Stop)?);
        }
        let row = open.filling.as_mut().and_then(|filling| filling.row(sample)).ok_or(Stop)?;
        open.taken += 1;
        if Some(open.taken) == self.rows {
            open.turn = None;
            self.progress.meters.part_is_full();
        }
        if open.filling.as_ref().is_some_and(Filling::is_full)
            && let Some(full) = open.filling.take()
        {
            full.seal();
        }
        Ok(row)
    }
}

impl Intake for PartIntake {
    fn admit(&self, sample: Sample, size_hint: Option<u64>) -> BoxFuture<'_, Result<Box<dyn Ticket>, Stop>> {
        Box::pin(async move {
            let (asked, meters) = (Instant::now(), &self.progress.meters);
            let row = self.row(sample).await?;
            let admitted = Instant::now();
            meters.wait_row.took(admitted.duration_since(asked));
            let mut ticket = PartTicket {
                row: Some(row),
                admitted,
                lane: self.progress.trace.lane("fetch"),
                permit: None,
                reserved: 0,
                budget: self.budget.clone(),
                queue: self.queue.clone(),
                progress: self.progress.clone(),
            };
            ticket.reserve(size_hint.unwrap_or(UNKNOWN)).await;
            meters.wait_bytes.since(admitted);
            Ok(Box::new(ticket) as Box<dyn Ticket>)
        })
    }

    fn unreadable(&self, reason: Reason) {
        self.progress.unreadable(reason);
    }
}

/// One admitted image. Dropped undelivered, it gives its whole batch up, and so its part.
struct PartTicket {
    row: Option<RowSlot>,
    admitted: Instant,
    lane: Lane,
    permit: Option<OwnedSemaphorePermit>,
    reserved: u32,
    budget: ByteBudget,
    queue: Arc<WorkQueue>,
    progress: Arc<Progress>,
}

impl PartTicket {
    async fn reserve(&mut self, bytes: u64) {
        self.permit = None;
        self.permit = self.budget.reserve(bytes).await;
        self.reserved = self.budget.units(bytes);
    }
}

impl Ticket for PartTicket {
    fn fit(&mut self, len: u64) -> bool {
        let wanted = self.budget.units(len);
        let Some(permit) = &mut self.permit else { return false };
        if wanted <= self.reserved {
            drop(permit.split((self.reserved - wanted) as usize));
            self.reserved = wanted;
            return true;
        }
        match self.budget.try_more(wanted - self.reserved) {
            Some(more) => {
                permit.merge(more);
                self.reserved = wanted;
                true
            }
            None => false,
        }
    }

    fn refit(&mut self, len: u64) -> BoxFuture<'_, ()> {
        Box::pin(self.reserve(len))
    }

    fn release(&mut self) {
        self.permit = None;
        self.reserved = 0;
    }

    fn deliver(mut self: Box<Self>, image: Result<Arrival, RowError>) {
        let Some(mut row) = self.row.take() else { return };
        self.progress.meters.fetch.since(self.admitted);
        if self.progress.trace.is_on()
            && let Some(sample) = row.sample_mut()
        {
            let facts = [("row", Fact::Number(sample.row_id)), ("key", Fact::Text(&sample.key))];
            self.lane.span("fetch", self.admitted, &facts);
        }
        match image {
            Ok(Arrival { bytes, etag }) => {
                self.progress.read(bytes.len() as u64);
                if let Some(sample) = row.sample_mut() {
                    // a store may decompress an object on its way: the planned size is that of what it keeps
                    sample.size.get_or_insert(bytes.len() as u64);
                    if etag.is_some() {
                        sample.etag = etag;
                    }
                }
                let (permit, since) = (self.permit.take(), Instant::now());
                self.queue.decode(DecodeJob { row, bytes, permit, since });
            }
            Err(error) => row.fail(None, error),
        }
    }
}

impl Drop for PartTicket {
    fn drop(&mut self) {
        if let Some(row) = self.row.take() {
            row.abandon();
        }
    }
}
