//! The contract between a dataset and the pipeline: rows first, then bytes, one ticket an image.

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::sample::{RowError, Sample};
use crate::store::Reason;

use super::ahead::Warm;
use super::error::ReadError;
use super::plan::Part;

/// The pipeline takes no more rows; its cause is known elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop;

/// What came for one image.
#[derive(Debug)]
pub struct Arrival {
    /// The encoded image.
    pub bytes: Bytes,
    /// Entity tag of the object that it came from.
    pub etag: Option<String>,
}

/// Where a dataset takes its rows from.
pub trait Intake: Send + Sync {
    /// Waits until few enough images are on their way, then for room for `size_hint` bytes. Call it in plan order, from
    /// one task. This is the only place where reading waits for later stages.
    ///
    /// # Errors
    /// [`Stop`]: the pipeline takes no more rows.
    fn admit(&self, sample: Sample, size_hint: Option<u64>) -> BoxFuture<'_, Result<Box<dyn Ticket>, Stop>>;

    /// Counts an object that the store does not give, once for each object of a run.
    fn unreadable(&self, _reason: Reason) {}
}

impl<T: Intake + ?Sized> Intake for &T {
    fn admit(&self, sample: Sample, size_hint: Option<u64>) -> BoxFuture<'_, Result<Box<dyn Ticket>, Stop>> {
        (**self).admit(sample, size_hint)
    }

    fn unreadable(&self, reason: Reason) {
        (**self).unreadable(reason);
    }
}

/// The right and the duty to deliver one image. Dropped without delivery, it takes its whole part with it.
pub trait Ticket: Send {
    /// Adjusts the reserved bytes to `len` if that needs no waiting.
    fn fit(&mut self, len: u64) -> bool;
    /// Gives the reserved bytes back and waits for `len`, keeping the row.
    fn refit(&mut self, len: u64) -> BoxFuture<'_, ()>;
    /// Gives the reserved bytes back, keeping the row. Call [`Ticket::refit`] before bytes are read again.
    fn release(&mut self) {}
    /// Hands the image, or why there is none, to the decoders. Never waits.
    fn deliver(self: Box<Self>, image: Result<Arrival, RowError>);
}

/// The result of reading one part successfully: every ticket was delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartEnd {
    /// Rows admitted, errors among them.
    pub rows: u32,
    /// Items left out on purpose (links and devices of a tar).
    pub skipped: u32,
    /// Inputs that broke half-way and became one error row.
    pub damaged: u32,
    /// Images that are no rows, because only the first one of a list in a row of Parquet is.
    pub further: u32,
}

/// Which reading of a part it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// The first.
    First,
    /// Once more after all other parts of the process, because objects could not be read.
    Again,
}

/// What a dataset holds of parts before their rows are admitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadAheadLimits {
    /// Parts that it reads ahead, at most.
    pub parts: usize,
    /// Bytes of `limits.in_flight_bytes` that its windows take.
    pub bytes: u64,
}

/// A set of images whose plan is frozen.
pub trait Dataset: Send + Sync {
    /// Returns the limits of what is held of parts before their rows are admitted; by default nothing is.
    fn read_ahead(&self) -> ReadAheadLimits {
        ReadAheadLimits::default()
    }

    /// Begins to read a part before its turn to admit rows. Call it in plan order, and drop the result with the task of
    /// the part: that ends what is still on its way. Never waits.
    fn warm(&self, _part: &Part) -> Warm {
        Warm::default()
    }

    /// Reads one part in order, a row of the intake for each of its samples. In [`Pass::Again`], objects that were given
    /// up before may become rows.
    ///
    /// # Errors
    /// A fault that belongs to no single image. The caller must then forget the part: it is not committed. After
    /// [`ReadError::GivenUp`], which only the first pass returns, it reads the part again once no other part is left.
    fn read<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
        pass: Pass,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>>;
}
