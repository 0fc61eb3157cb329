//! One row group that is being read: its rows so far, and the objects of paths that are on their way.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::dataset::ReadError;
use crate::dataset::ahead::Turn;
use crate::dataset::intake::{Arrival, Intake, Pass, Ticket};
use crate::dataset::plan::{Part, PlanRow, RowGroup};
use crate::sample::{ErrorKind, RowError, Sample};
use crate::store::escaped;

use super::opened::Opened;

/// One row group that is being read.
pub(super) struct Reading<'a> {
    pub part: &'a Part,
    pub file: &'a PlanRow,
    pub group: RowGroup,
    pub intake: &'a dyn Intake,
    pub pass: Pass,
    pub turn: &'a Turn<Arc<Opened>, Bytes>,
    pub rows: u32,
    /// Images that were not read, since a row has a list of them.
    pub further: u32,
    /// Objects of paths that are on their way.
    pub fetches: FuturesUnordered<BoxFuture<'a, Result<bool, ReadError>>>,
    /// Whether no such object was given up.
    pub is_whole: bool,
}

/// What is asked of the store for a group: of which file, in which pass, for whom.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub file: &'a PlanRow,
    pub pass: Pass,
    pub intake: &'a dyn Intake,
    pub turn: &'a Turn<Arc<Opened>, Bytes>,
}

/// Why a group was not read to its end: its own fault, or not.
pub(super) enum Fault {
    Group(RowError),
    Read(ReadError),
}

impl<E: Into<ReadError>> From<E> for Fault {
    fn from(error: E) -> Fault {
        Fault::Read(error.into())
    }
}

pub(super) fn corrupt(why: impl std::fmt::Display) -> Fault {
    Fault::Group(RowError::new(ErrorKind::Corrupt, format!("the Parquet file: {why}")))
}

impl<'a> Reading<'a> {
    pub fn asking(&self) -> Asking<'a> {
        Asking { file: self.file, pass: self.pass, intake: self.intake, turn: self.turn }
    }

    pub fn is_complete(&self) -> bool {
        self.rows == self.group.rows
    }

    pub fn sample(&self) -> Sample {
        Sample {
            row_id: self.part.first_row + i64::from(self.rows),
            key: format!("{}!{}", escaped(&self.file.key), self.group.first + u64::from(self.rows)),
            etag: self.file.etag.clone(),
            size: None,
            target: None,
            carried: Vec::new(),
        }
    }

    /// Waits for `wanted`. Objects that are on their way come meanwhile, since they may hold the requests that it waits
    /// for.
    ///
    /// # Errors
    /// The error of an object that was on its way.
    pub async fn meanwhile<T>(&mut self, wanted: impl Future<Output = T>) -> Result<T, ReadError> {
        let mut wanted = pin!(wanted);
        loop {
            tokio::select! {
                biased;
                Some(done) = self.fetches.next(), if !self.fetches.is_empty() => self.is_whole &= done?,
                found = &mut wanted => return Ok(found),
            }
        }
    }

    /// Waits for a row.
    ///
    /// # Errors
    /// [`ReadError::Stopped`]: the intake takes no more rows. [`ReadError::GivenUp`]: it takes none, and an object
    /// was given up. Also those of [`Reading::meanwhile`].
    pub async fn admit(&mut self, sample: Sample, size: Option<u64>) -> Result<Box<dyn Ticket>, Fault> {
        let intake = self.intake;
        let ticket = self.meanwhile(intake.admit(sample, size)).await?;
        self.rows += 1;
        ticket.map_err(|_| match self.is_whole {
            true => ReadError::Stopped.into(),
            false => ReadError::GivenUp.into(),
        })
    }

    /// Admits a row and delivers its image, or why there is none.
    ///
    /// # Errors
    /// Those of [`Reading::admit`].
    pub async fn row(&mut self, sample: Sample, bytes: Result<Vec<u8>, RowError>) -> Result<(), Fault> {
        let size = bytes.as_ref().map_or(0, Vec::len) as u64;
        let ticket = self.admit(sample, Some(size)).await?;
        ticket.deliver(bytes.map(|bytes| Arrival { bytes: bytes.into(), etag: None }));
        Ok(())
    }

    /// Waits for the objects that are still on their way, also in a part that is given up: what else cannot be read is to
    /// be known before it is read again.
    ///
    /// # Errors
    /// The error of such an object. [`ReadError::GivenUp`]: an object was given up.
    pub async fn rest(&mut self) -> Result<(), ReadError> {
        while let Some(done) = self.fetches.next().await {
            self.is_whole &= done?;
        }
        if self.is_whole { Ok(()) } else { Err(ReadError::GivenUp) }
    }
}
