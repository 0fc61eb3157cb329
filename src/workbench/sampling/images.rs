//! Reads some images of an input into memory, by the input's own reader: a sample spread over all, or the first.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::some_images::SomeImages;
use crate::dataset::{
    Arrival, Dataset, FolderTargets, Intake, Pass, PlanRow, PlanSource, Planner, PlannerOptions, Planning,
    ReadError, Stop, Ticket, Unit,
};
use crate::failure::Failure;
use crate::job::ResolvedJob;
use crate::output::Layout;
use crate::runner::inputs::{Input, any_row};
use crate::sample::{RowError, Sample};
use crate::store::Location;

use super::chosen::Chosen;
use super::evenly::Evenly;

/// Encoded bytes of a sample, at most; it has fewer images if they are larger.
const MOST_BYTES: u64 = 1 << 30;
/// Shards or row groups that a sample is taken from: each is read whole.
const SHARDS: usize = 8;

/// An image of a sample, encoded.
pub(crate) type Image = (Sample, Bytes);

/// How large a sample is, and which.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SampleSize {
    pub images: usize,
    pub seed: u64,
}

/// A sample.
pub(crate) struct Sampled {
    /// In the order of the plan.
    pub images: Vec<Image>,
    /// Images that could not be read.
    pub left_out: u64,
}

/// The first images of an input.
pub(crate) struct First {
    /// In the order of the plan.
    pub images: Vec<Image>,
    /// The keys of those that could not be read, and why.
    pub refused: Vec<(String, RowError)>,
}

/// Reads a sample of a job's input.
pub(crate) async fn read(
    input: &Input,
    job: &ResolvedJob,
    folders: Option<FolderTargets>,
    wanted: SampleSize,
) -> Result<Sampled, Failure> {
    let source = input.source(job, folders)?;
    any_row(source.as_ref()).await?;
    let rows = choose(source.as_ref(), job, wanted).await?;
    let chosen = Chosen::new(source.as_ref(), rows);
    let plan = Location::in_memory("sample")?;
    let mut options = job.planner_options(Planning::Make);
    // the sample itself is the limit, and it is in order
    (options.limit, options.sorted) = (None, false);
    let dataset = input.dataset(job, &plan).await?;
    let read = gather(&chosen, options, &plan, dataset.as_ref(), wanted, job.limits.requests).await?;
    for (key, error) in &read.refused {
        tracing::warn!(key, "left out of the sample: {}", error.message);
    }
    Ok(Sampled { images: read.images, left_out: read.refused.len() as u64 })
}

/// Reads the first images of a job's input; of shards, of the first one only.
pub(crate) async fn first(input: &Input, job: &ResolvedJob, images: usize) -> Result<First, Failure> {
    let source = input.source(job, None)?;
    let plan = Location::in_memory("first")?;
    let mut options = job.planner_options(Planning::Make);
    let most = if source.shape().unit == Unit::Shard { 1 } else { images as u64 };
    options.limit = Some(options.limit.map_or(most, |limit| limit.min(most)));
    let dataset = SomeImages::new(input.dataset(job, &plan).await?, images as u64);
    let wanted = SampleSize { images, seed: 0 };
    gather(source.as_ref(), options, &plan, &dataset, wanted, job.limits.requests).await
}

/// Reads everything that is planned and keeps as much as is wanted.
async fn gather(
    source: &dyn PlanSource,
    options: PlannerOptions,
    plan: &Location,
    dataset: &dyn Dataset,
    wanted: SampleSize,
    requests: usize,
) -> Result<First, Failure> {
    let mut planner = Planner::new(source, plan, Layout::segment, options);
    let gather = Gather {
        requests: Arc::new(Semaphore::new(requests.max(1))),
        begun: AtomicU64::new(0),
        found: Arc::new(Found {
            images: Mutex::new(Evenly::new(wanted.images, MOST_BYTES)),
            refused: Mutex::default(),
        }),
    };
    while let Some(segment) = planner.next_segment().await? {
        for part in segment.parts() {
            match dataset.read(&part, &gather, Pass::First).await {
                // the images read before it broke are as good as the others
                Ok(_) | Err(ReadError::GivenUp) => {}
                Err(ReadError::Damaged { row, error }) => lock(&gather.found.refused).push((row.key, error)),
                Err(error) => return Err(error.into()),
            }
        }
    }
    // a ticket that was dropped without delivery may still be on its way out
    drop(gather.requests);
    let refused = std::mem::take(&mut *lock(&gather.found.refused));
    let kept = std::mem::replace(&mut *lock(&gather.found.images), Evenly::new(1, 0));
    Ok(First { images: kept.take(wanted.seed), refused })
}

/// The rows that are read: images, or the shards in which they are.
async fn choose(
    source: &dyn PlanSource,
    job: &ResolvedJob,
    wanted: SampleSize,
) -> Result<Vec<PlanRow>, Failure> {
    let is_image = source.shape().unit == Unit::Image;
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
    refused: Mutex<Vec<(String, RowError)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
                lock(&self.found.images).push(self.number, weight, (self.sample, bytes));
            }
            Err(error) => lock(&self.found.refused).push((self.sample.key, error)),
        }
    }
}
