//! Reads a sample of an input into memory, by the input's own reader.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::dataset::{
    Arrival, FolderTargets, Intake, PlanRow, PlanSource, Planner, Planning, ReadError, Stop, Ticket, Unit,
};
use crate::failure::Failure;
use crate::job::ResolvedJob;
use crate::output::Layout;
use crate::pipeline::inputs::{Input, any_row};
use crate::sample::{RowError, Sample};
use crate::store::Location;

use super::chosen::Chosen;
use super::sample::Evenly;

/// Encoded bytes of a sample, at most; it has fewer images where they are larger.
const MOST_BYTES: u64 = 1 << 30;
/// Shards or row groups that a sample is taken from: each is read whole.
const SHARDS: usize = 8;

/// An image of a sample, encoded.
pub(super) type Image = (Sample, Bytes);

/// How large a sample is, and which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub images: usize,
    pub seed: u64,
}

/// A sample.
pub(super) struct Sampled {
    /// In the order of the plan.
    pub images: Vec<Image>,
    /// Images that could not be read.
    pub left_out: u64,
}

/// Reads a sample of a job's input.
pub(super) async fn read(
    input: &Input,
    job: &ResolvedJob,
    folders: Option<FolderTargets>,
    wanted: Wanted,
) -> Result<Sampled, Failure> {
    let source = input.source(job, folders)?;
    any_row(source.as_ref()).await?;
    let rows = choose(source.as_ref(), job, wanted).await?;
    let chosen = Chosen::new(source.as_ref(), rows);
    let plan = Location::in_memory("sample")?;
    let mut options = job.planner_options(Planning::Make);
    // the sample itself is the limit, and it is in order
    (options.limit, options.sorted) = (None, false);
    let mut planner = Planner::new(&chosen, &plan, Layout::segment, options);
    let dataset = input.dataset(job, &plan).await?;
    let gather = Gather {
        requests: Arc::new(Semaphore::new(job.limits.requests.max(1))),
        begun: AtomicU64::new(0),
        found: Arc::new(Found {
            images: Mutex::new(Evenly::new(wanted.images, MOST_BYTES)),
            left_out: AtomicU64::new(0),
        }),
    };
    while let Some(segment) = planner.next_segment().await? {
        for part in segment.parts() {
            match dataset.read(&part, &gather).await {
                Ok(_) => {}
                // what came of it before it broke is as good as the rest
                Err(ReadError::Damaged { .. }) => {
                    gather.found.left_out.fetch_add(1, SeqCst);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    // a ticket that was dropped without delivery may still be on its way out
    drop(gather.requests);
    let left_out = gather.found.left_out.load(SeqCst);
    let kept = std::mem::replace(&mut *gather.found.lock(), Evenly::new(1, 0));
    Ok(Sampled { images: kept.take(wanted.seed), left_out })
}

/// The rows that are read: images, or the shards in which they are.
async fn choose(source: &dyn PlanSource, job: &ResolvedJob, wanted: Wanted) -> Result<Vec<PlanRow>, Failure> {
    let is_image = source.unit() == Unit::Image;
    let most = if is_image { wanted.images } else { SHARDS };
    let mut evenly = Evenly::new(most, u64::MAX);
    let mut listing = source.rows(None);
    let limit = job.limit.filter(|_| is_image).unwrap_or(u64::MAX);
    let mut number = 0;
    while number < limit
        && let Some(row) = listing.try_next().await?
    {
        evenly.push(number, 1, row);
        number += 1;
    }
    Ok(evenly.take(wanted.seed))
}

/// Takes every image that comes.
struct Gather {
    requests: Arc<Semaphore>,
    begun: AtomicU64,
    found: Arc<Found>,
}

struct Found {
    images: Mutex<Evenly<Image>>,
    left_out: AtomicU64,
}

impl Found {
    fn lock(&self) -> std::sync::MutexGuard<'_, Evenly<Image>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intake for Gather {
    fn admit(&self, sample: Sample, _: Option<u64>) -> BoxFuture<'_, Result<Box<dyn Ticket>, Stop>> {
        Box::pin(async move {
            let permit = self.requests.clone().acquire_owned().await.map_err(|_| Stop)?;
            let number = self.begun.fetch_add(1, SeqCst);
            let found = self.found.clone();
            Ok(Box::new(Taken { number, sample, found, _permit: permit }) as Box<dyn Ticket>)
        })
    }
}

struct Taken {
    number: u64,
    sample: Sample,
    found: Arc<Found>,
    _permit: OwnedSemaphorePermit,
}

impl Ticket for Taken {
    fn fit(&mut self, _: u64) -> bool {
        true
    }

    fn refit(&mut self, _: u64) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn deliver(self: Box<Self>, image: Result<Arrival, RowError>) {
        match image {
            Ok(Arrival { bytes, .. }) => {
                let weight = bytes.len() as u64;
                self.found.lock().push(self.number, weight, (self.sample, bytes));
            }
            Err(error) => {
                tracing::warn!(key = self.sample.key, "left out of the sample: {}", error.message);
                self.found.left_out.fetch_add(1, SeqCst);
            }
        }
    }
}
