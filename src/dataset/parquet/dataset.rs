//! Row groups read in order. The plan knows how many rows a group has, so a group that cannot be read is that
//! many error rows, and what was read of it before stands.

use std::time::Instant;

use arrow::array::RecordBatch;
use futures::future::BoxFuture;

use crate::dataset::error::ARCHIVED;
use crate::dataset::intake::{Arrival, Intake, Pass};
use crate::dataset::plan::{Part, PlanRow, RowGroup};
use crate::dataset::unreadable::{Patience, Verdict};
use crate::dataset::{Dataset, DatasetError, PartEnd, ReadError};
use crate::sample::{ErrorKind, RowError, Sample};
use crate::store::{FetchError, Location, ParquetObject, ParquetReadError, escaped};

use super::images::{BATCH, Images, ParquetImage, ParquetOptions};

/// The reading side of Parquet files whose plan stands.
pub struct ParquetDataset {
    input: Location,
    output: Location,
    options: ParquetOptions,
    others: Vec<String>,
    patience: Patience,
}

/// One row group that is being read.
struct Reading<'a> {
    part: &'a Part,
    file: &'a PlanRow,
    group: RowGroup,
    intake: &'a dyn Intake,
    pass: Pass,
    rows: u32,
}

/// The encoded bytes of a group, decoded as they are taken.
struct Group<'a> {
    images: Images<'a>,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, String>> + Send>,
}

/// Why a group was not read to its end: its own fault, or not.
enum Fault {
    Group(RowError),
    Read(ReadError),
}

impl<E: Into<ReadError>> From<E> for Fault {
    fn from(error: E) -> Fault {
        Fault::Read(error.into())
    }
}

fn corrupt(why: impl std::fmt::Display) -> Fault {
    Fault::Group(RowError::new(ErrorKind::Corrupt, format!("the Parquet file: {why}")))
}

impl ParquetDataset {
    /// `output` holds the plan; `others` are files that tell whether the input as a whole can be read.
    pub fn new(input: Location, output: Location, options: ParquetOptions, others: Vec<String>) -> Self {
        let patience = Patience::new(&input, others.clone());
        ParquetDataset { input, output, options, others, patience }
    }

    /// With another number of files that may be given up in this process.
    pub fn with_most_unreadable(self, most: usize) -> Self {
        ParquetDataset { patience: self.patience.with_most(most), ..self }
    }

    async fn fault(&self, key: &str, error: ParquetReadError, since: Instant) -> Fault {
        let error = match error {
            ParquetReadError::Store(error)
            | ParquetReadError::Refused { error: FetchError::Store(error), .. } => {
                return error.into();
            }
            ParquetReadError::Damaged { why, .. } => return corrupt(why),
            ParquetReadError::Refused { error, .. } => error,
        };
        let (kind, why) = match error {
            FetchError::Unaddressable(why) => {
                let why = format!("the file's key cannot be asked for: {why}");
                return Fault::Group(RowError::new(ErrorKind::Unaddressable, why));
            }
            FetchError::Archived => return Fault::Group(RowError::new(ErrorKind::Archived, ARCHIVED)),
            FetchError::NotFound => (ErrorKind::NotFound, "the file is gone"),
            FetchError::Denied => (ErrorKind::Denied, "the store refuses to give this file"),
            _ => (ErrorKind::Changed, "the file is not the one that was planned"),
        };
        if kind != ErrorKind::Changed {
            let denied = kind == ErrorKind::Denied;
            let checked = self.patience.probe.check_input(&self.input, key, &self.others, denied, since);
            if let Err(error) = checked.await {
                return Fault::Read(error);
            }
        }
        Fault::Group(RowError::new(kind, why))
    }

    /// Reads a group's bytes as soon as the store gives them.
    async fn group(&self, reading: &Reading<'_>) -> Result<Group<'_>, Fault> {
        let key = &reading.file.key;
        if self.patience.skips(key, reading.pass) {
            return Err(ReadError::GivenUp.into());
        }
        let mut waiting = None;
        loop {
            let input = self.patience.input(waiting.as_ref());
            let error = match self.group_from(input, reading).await {
                Err(Fault::Read(ReadError::Store(error))) => error,
                done => return done,
            };
            let of = (reading.pass, reading.intake);
            match self.patience.after(&mut waiting, key, error, of).await? {
                Verdict::Again => {}
                Verdict::Row(error) => return Err(Fault::Group(error)),
                Verdict::GivenUp => return Err(ReadError::GivenUp.into()),
            }
        }
    }

    async fn group_from(&self, input: &Location, reading: &Reading<'_>) -> Result<Group<'_>, Fault> {
        let (file, since) = (reading.file, Instant::now());
        let key = &file.key;
        let size = file.size.unwrap_or_default();
        let opened = ParquetObject::open_tagged(input, key, size, file.etag.as_deref()).await;
        let object = match opened {
            Ok(object) => object,
            Err(error) => return Err(self.fault(key, error, since).await),
        };
        self.patience.probe.record_read(key, 1);
        let images = Images::of(&object, &self.options).map_err(corrupt)?;
        let index = reading.group.index as usize;
        if index >= object.groups() {
            return Err(corrupt("it has fewer row groups than were planned"));
        }
        let wanted = images.wanted();
        match object.group_batches(input, index, Some(&wanted), BATCH).await {
            Ok(batches) => Ok(Group { images, batches: Box::new(batches) }),
            Err(error) => Err(self.fault(key, error, since).await),
        }
    }

    async fn images(&self, reading: &mut Reading<'_>) -> Result<(), Fault> {
        let Group { images, batches } = self.group(reading).await?;
        for batch in batches {
            let batch = batch.map_err(corrupt)?;
            let found = images.batch(&batch).map_err(corrupt)?;
            let left = (reading.group.rows - reading.rows) as usize;
            for row in 0..found.rows.min(left) {
                let ParquetImage { bytes, size, target, carried } = found.row(row).map_err(corrupt)?;
                let sample = Sample { size, target, carried, ..reading.sample() };
                reading.row(sample, bytes).await?;
            }
            if reading.rows == reading.group.rows {
                return Ok(());
            }
        }
        Err(corrupt("its row group has fewer rows than were planned"))
    }
}

impl Reading<'_> {
    fn sample(&self) -> Sample {
        Sample {
            row_id: self.part.first_row + i64::from(self.rows),
            key: format!("{}!{}", escaped(&self.file.key), self.group.first + u64::from(self.rows)),
            etag: self.file.etag.clone(),
            size: None,
            target: None,
            carried: Vec::new(),
        }
    }

    async fn row(&mut self, sample: Sample, bytes: Result<Vec<u8>, RowError>) -> Result<(), Fault> {
        let size = bytes.as_ref().map_or(0, Vec::len) as u64;
        let ticket = self.intake.admit(sample, Some(size)).await;
        let ticket = ticket.map_err(|_| Fault::Read(ReadError::Stopped))?;
        ticket.deliver(bytes.map(|bytes| Arrival { bytes: bytes.into(), etag: None }));
        self.rows += 1;
        Ok(())
    }
}

impl ParquetDataset {
    fn read_part<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
        pass: Pass,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>> {
        Box::pin(async move {
            let file = part.plan_row(&self.output).await?;
            let group = file.group.ok_or_else(|| DatasetError::BadSegment {
                name: file.key.clone(),
                why: "is planned without its row group".into(),
            })?;
            let mut reading = Reading { part, file: &file, group, intake, pass, rows: 0 };
            let damaged = match self.images(&mut reading).await {
                Ok(()) => 0,
                Err(Fault::Read(error)) => return Err(error),
                Err(Fault::Group(error)) => {
                    tracing::warn!(
                        key = file.key,
                        group = group.index,
                        why = error.message,
                        "a row group is damaged"
                    );
                    while reading.rows < group.rows {
                        let sample = reading.sample();
                        match reading.row(sample, Err(error.clone())).await {
                            Err(Fault::Read(error)) => return Err(error),
                            Ok(()) | Err(Fault::Group(_)) => {}
                        }
                    }
                    1
                }
            };
            Ok(PartEnd { rows: reading.rows, skipped: 0, damaged })
        })
    }
}

impl Dataset for ParquetDataset {
    fn read<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
        pass: Pass,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>> {
        self.read_part(part, intake, pass)
    }
}
