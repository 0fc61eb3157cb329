//! A dataset that ends after a number of images, also if the plan counts shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use futures::future::BoxFuture;

use crate::dataset::{Dataset, Intake, Part, PartEnd, Pass, ReadAheadLimits, ReadError, Warm};

use super::first_images::FirstImages;

/// The first images of a dataset.
pub(crate) struct SomeImages {
    dataset: Arc<dyn Dataset>,
    most: u64,
    left: AtomicU64,
}

impl SomeImages {
    pub fn new(dataset: Arc<dyn Dataset>, most: u64) -> SomeImages {
        SomeImages { dataset, most, left: AtomicU64::new(most) }
    }

    /// Starts again from the first image.
    pub fn again(&self) {
        self.left.store(self.most, SeqCst);
    }
}

impl Dataset for SomeImages {
    fn read_ahead(&self) -> ReadAheadLimits {
        self.dataset.read_ahead()
    }

    fn warm(&self, part: &Part) -> Warm {
        // of shards no more is read than a few images need
        if part.rows.is_some() { self.dataset.warm(part) } else { Warm::default() }
    }

    fn read<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
        pass: Pass,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>> {
        // a plan of images has the right length already
        if part.rows.is_some() {
            return self.dataset.read(part, intake, pass);
        }
        Box::pin(async move {
            // one part admits at a time, so what is left does not change meanwhile
            let left = u32::try_from(self.left.load(SeqCst)).unwrap_or(u32::MAX);
            let few = FirstImages::of(intake, left);
            let read = self.dataset.read(part, &few, pass).await;
            let end = read.as_ref().map_or_else(|_| PartEnd::default(), PartEnd::clone);
            let rows = few.end(read)?;
            self.left.fetch_sub(u64::from(rows), SeqCst);
            Ok(PartEnd { rows, ..end })
        })
    }
}
