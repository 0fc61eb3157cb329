//! Row groups read in order. The plan knows how many rows a group has, so a group that cannot be read is that
//! many error rows, and what was read of it before stands.

use std::time::Instant;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use futures::future::BoxFuture;

use crate::dataset::carried::{self, CarriedColumn};
use crate::dataset::intake::{Arrival, Intake, Pass};
use crate::dataset::plan::{Part, PlanRow, RowGroup};
use crate::dataset::unreadable::{Patience, Verdict};
use crate::dataset::{Dataset, DatasetError, PartEnd, ReadError, Truth};
use crate::sample::{ErrorKind, RowError, Sample, Target};
use crate::store::{FetchError, Location, ParquetObject, ParquetReadError};

use super::columns::{Columns, FEATURES, Labels};

/// Images decoded from Parquet at a time.
const BATCH: usize = 16;

/// What a reader of Parquet files needs to know of the job.
#[derive(Debug, Clone)]
pub struct ParquetOptions {
    /// The largest image.
    pub max_encoded_bytes: u64,
    /// Where targets come from, if from anywhere.
    pub targets: Option<Truth>,
    /// What is carried.
    pub carried: Vec<CarriedColumn>,
}

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
struct Group {
    columns: Columns,
    labels: Option<Labels>,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
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
    async fn group(&self, reading: &Reading<'_>) -> Result<Group, Fault> {
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

    async fn group_from(&self, input: &Location, reading: &Reading<'_>) -> Result<Group, Fault> {
        let (file, since) = (reading.file, Instant::now());
        let key = &file.key;
        let size = file.size.unwrap_or_default();
        let opened = ParquetObject::open_tagged(input, key, size, file.etag.as_deref()).await;
        let object = match opened {
            Ok(object) => object,
            Err(error) => return Err(self.fault(key, error, since).await),
        };
        self.patience.probe.record_read(key, 1);
        let schema = object.schema().map_err(corrupt)?;
        let names = self.options.targets.as_ref().and_then(Truth::beside);
        let columns = Columns::find(&schema, names.is_some(), &self.options.carried);
        let columns = columns.map_err(corrupt)?;
        let labels = match (names, &columns.target) {
            (Some(names), Some(target)) => {
                Some(Labels::of(object.value(FEATURES), target, names).map_err(corrupt)?)
            }
            _ => None,
        };
        let index = reading.group.index as usize;
        if index >= object.groups() {
            return Err(corrupt("it has fewer row groups than were planned"));
        }
        let wanted = columns.wanted(&self.options.carried);
        match object.group_batches(input, index, Some(&wanted), BATCH).await {
            Ok(batches) => Ok(Group { columns, labels, batches: Box::new(batches) }),
            Err(error) => Err(self.fault(key, error, since).await),
        }
    }

    async fn images(&self, reading: &mut Reading<'_>) -> Result<(), Fault> {
        let Group { columns, labels, batches } = self.group(reading).await?;
        for batch in batches {
            let batch = batch.map_err(corrupt)?;
            self.batch(reading, &batch, &columns, labels.as_ref()).await?;
            if reading.rows == reading.group.rows {
                return Ok(());
            }
        }
        Err(corrupt("its row group has fewer rows than were planned"))
    }

    async fn batch(
        &self,
        reading: &mut Reading<'_>,
        batch: &RecordBatch,
        columns: &Columns,
        labels: Option<&Labels>,
    ) -> Result<(), Fault> {
        let column =
            |name: &str| batch.column_by_name(name).ok_or_else(|| corrupt(format!("no column `{name}`")));
        let image = column(&columns.image)?.as_struct();
        let bytes = image.column_by_name("bytes").ok_or_else(|| corrupt("no `bytes` in its images"))?;
        let bytes = carried::cast(bytes, &DataType::LargeBinary).map_err(corrupt)?;
        let bytes = bytes.as_binary::<i64>();
        let target = columns.target.as_deref().map(column).transpose()?;
        let target = match target {
            Some(column) if matches!(column.data_type(), DataType::List(_) | DataType::LargeList(_)) => {
                Some(Labelled::Lists(carried::lists(column).map_err(corrupt)?))
            }
            Some(column) if column.data_type().is_integer() => {
                Some(Labelled::Numbers(carried::cast(column, &DataType::Int64).map_err(corrupt)?))
            }
            Some(column) => Some(Labelled::Texts(carried::cast(column, &DataType::Utf8).map_err(corrupt)?)),
            None => None,
        };
        let paths = match image.column_by_name("path") {
            Some(paths) => Some(carried::cast(paths, &DataType::Utf8).map_err(corrupt)?),
            None => None,
        };
        let mut values: Vec<ArrayRef> = Vec::new();
        for wanted in &self.options.carried {
            values.push(carried::cast(column(&wanted.name)?, wanted.kind()).map_err(corrupt)?);
        }
        let left = (reading.group.rows - reading.rows) as usize;
        for row in 0..batch.num_rows().min(left) {
            let mut sample = reading.sample();
            let values = values.iter().map(|column| carried::value(column, row));
            sample.carried = values.collect::<Option<_>>().unwrap_or_default();
            let described = match (&self.options.targets, &paths) {
                (Some(truth @ Truth::Named(_)), Some(paths))
                    if image.is_valid(row) && paths.is_valid(row) =>
                {
                    sample.target = truth.named(paths.as_string::<i32>().value(row));
                    Ok(())
                }
                _ => label(target.as_ref(), row, labels).map(|target| sample.target = target),
            };
            let bytes = if image.is_null(row) || bytes.is_null(row) {
                let why = "its bytes are not in the file, only a path at best";
                Err(RowError::new(ErrorKind::Unsupported, why))
            } else {
                let bytes = bytes.value(row);
                sample.size = Some(bytes.len() as u64);
                let most = self.options.max_encoded_bytes;
                if bytes.len() as u64 > most {
                    let size = bytes.len();
                    let why = format!("{size} bytes are more than `limits.max_encoded_bytes` = {most}");
                    Err(RowError::new(ErrorKind::Limit, why))
                } else {
                    described.map(|()| bytes.to_vec())
                }
            };
            reading.row(sample, bytes).await?;
        }
        Ok(())
    }
}

/// The column of labels, as it is read.
enum Labelled {
    Numbers(ArrayRef),
    Texts(ArrayRef),
    /// Each list as its JSON.
    Lists(ArrayRef),
}

fn label(column: Option<&Labelled>, row: usize, labels: Option<&Labels>) -> Result<Option<Target>, RowError> {
    let (Some(column), Some(labels)) = (column, labels) else { return Ok(None) };
    let (Labelled::Numbers(array) | Labelled::Texts(array) | Labelled::Lists(array)) = column;
    if array.is_null(row) {
        return Ok(None);
    }
    let target = match column {
        Labelled::Numbers(numbers) => labels.target_of_number(numbers.as_primitive::<Int64Type>().value(row)),
        Labelled::Texts(texts) => labels.target_of_text(texts.as_string::<i32>().value(row)),
        Labelled::Lists(lists) => labels.target_of_list(lists.as_string::<i32>().value(row)),
    };
    target.map_err(|why| RowError::new(ErrorKind::Corrupt, format!("its label: {why}")))
}

impl Reading<'_> {
    fn sample(&self) -> Sample {
        Sample {
            row_id: self.part.first_row + i64::from(self.rows),
            key: format!("{}!{}", self.file.key, self.group.first + u64::from(self.rows)),
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
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>> {
        self.read_part(part, intake, Pass::First)
    }

    fn read_again<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>> {
        self.read_part(part, intake, Pass::Again)
    }
}
