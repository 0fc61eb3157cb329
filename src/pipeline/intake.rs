//! Admission: a place among the images on their way, then room for bytes. The only place where reading waits.

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

use super::admission::{Admission, Place};
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
    admission: Admission,
    queue: Arc<WorkQueue>,
    progress: Arc<Progress>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    filling: Option<Filling>,
    taken: u32,
    /// Released with the part's last row: the next part's first images are fetched while its last ones are.
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
            admission: shared.admission.clone(),
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

    async fn row(&self, sample: Sample) -> Result<(RowSlot, Place), Stop> {
        let mut open = self.open.lock().await;
        let place = self.admission.admit().await;
        if open.filling.is_none() {
            open.filling = Some(self.pool.begin(self.attempt, open.taken).ok_or(Stop)?);
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
        Ok((row, place))
    }
}

impl Intake for PartIntake {
    fn admit(&self, sample: Sample, size_hint: Option<u64>) -> BoxFuture<'_, Result<Box<dyn Ticket>, Stop>> {
        Box::pin(async move {
            let (asked, meters) = (Instant::now(), &self.progress.meters);
            let (row, place) = self.row(sample).await?;
            let admitted = Instant::now();
            meters.wait_row.took(admitted.duration_since(asked));
            let mut ticket = PartTicket {
                image: Some((row, place)),
                admitted,
                lane: self.progress.trace.lane("fetch"),
                queue: self.queue.clone(),
                progress: self.progress.clone(),
            };
            ticket.refit(size_hint.unwrap_or(UNKNOWN)).await;
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
    image: Option<(RowSlot, Place)>,
    admitted: Instant,
    lane: Lane,
    queue: Arc<WorkQueue>,
    progress: Arc<Progress>,
}

impl Ticket for PartTicket {
    fn fit(&mut self, len: u64) -> bool {
        self.image.as_mut().is_none_or(|(_, place)| place.fit(len))
    }

    fn refit(&mut self, len: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some((_, place)) = &mut self.image {
                place.reserve(len).await;
            }
        })
    }

    fn release(&mut self) {
        if let Some((_, place)) = &mut self.image {
            place.release();
        }
    }

    fn deliver(mut self: Box<Self>, image: Result<Arrival, RowError>) {
        let Some((mut row, mut place)) = self.image.take() else { return };
        self.progress.meters.fetch.since(self.admitted);
        if self.progress.trace.is_on()
            && let Some(sample) = row.sample_mut()
        {
            let facts = [("row", Fact::Number(sample.row_id)), ("key", Fact::Text(&sample.key))];
            self.lane.span("fetch", self.admitted, &facts);
        }
        place.come();
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
                let queue = self.queue.clone();
                row.when_bound(move |row| {
                    queue.decode(DecodeJob { row, bytes, place: Some(place), since: Instant::now() });
                });
            }
            Err(error) => {
                place.release();
                row.when_bound(move |row| {
                    row.fail(None, error);
                    drop(place);
                });
            }
        }
    }
}

impl Drop for PartTicket {
    fn drop(&mut self) {
        if let Some((row, place)) = self.image.take() {
            row.abandon();
            drop(place);
        }
    }
}
