//! Row groups read in order. The plan knows how many rows a group has, so a group that cannot be read is that
//! many error rows, and what was read of it before stands.

use std::time::Instant;

use arrow::array::RecordBatch;
use futures::future::{BoxFuture, try_join};
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::dataset::error::ARCHIVED;
use crate::dataset::intake::{Intake, Pass};
use crate::dataset::plan::{Part, PlanRow, RowGroup};
use crate::dataset::unreadable::{Patience, Verdict, Waiting};
use crate::dataset::{Dataset, DatasetError, PartEnd, ReadError};
use crate::sample::{ErrorKind, RowError, Sample};
use crate::store::{
    FetchError, Location, ParquetObject, ParquetReadError, PieceRequest, StoreError, WindowedGroup,
};

use super::images::{ImageBytes, Images, ParquetImage};
use super::options::ParquetOptions;
use super::paths::{PathReader, keys_of};
use super::reading::{Asking, Fault, Reading, corrupt};

/// The reading side of Parquet files whose plan stands.
pub struct ParquetDataset {
    input: Location,
    output: Location,
    options: ParquetOptions,
    others: Vec<String>,
    patience: Patience,
}

/// A group whose columns are known.
struct Group<'a> {
    object: ParquetObject,
    images: Images<'a>,
    batches: Batches,
}

/// The decoded rows of a group as they are taken.
enum Batches {
    /// From its encoded bytes in memory.
    Held(Box<dyn Iterator<Item = Result<RecordBatch, String>> + Send>),
    /// From windows of them.
    Windowed(WindowedGroup),
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

    /// Opens a group as soon as the store gives its bytes, or those of its footer.
    async fn group(&self, asking: Asking<'_>, group: RowGroup) -> Result<Group<'_>, Fault> {
        let mut waiting = None;
        loop {
            let input = self.waits(asking, waiting.as_ref())?;
            match self.group_from(input, asking.file, group).await {
                Err(Fault::Read(ReadError::Store(error))) => self.wait(asking, &mut waiting, error).await?,
                done => return done,
            }
        }
    }

    /// Where a file is read from, unless it was given up.
    fn waits(&self, asking: Asking<'_>, waiting: Option<&Waiting>) -> Result<&Location, Fault> {
        match self.patience.skips(&asking.file.key, asking.pass) {
            true => Err(ReadError::GivenUp.into()),
            false => Ok(self.patience.input(waiting)),
        }
    }

    /// Waits after a try that failed, if there is another one.
    async fn wait(
        &self,
        asking: Asking<'_>,
        waiting: &mut Option<Waiting>,
        error: StoreError,
    ) -> Result<(), Fault> {
        match self.patience.after(waiting, &asking.file.key, error, (asking.pass, asking.intake)).await? {
            Verdict::Again => Ok(()),
            Verdict::Row(error) => Err(Fault::Group(error)),
            Verdict::GivenUp => Err(ReadError::GivenUp.into()),
        }
    }

    async fn group_from(
        &self,
        input: &Location,
        file: &PlanRow,
        group: RowGroup,
    ) -> Result<Group<'_>, Fault> {
        let (key, since) = (&file.key, Instant::now());
        if let Some(error) = refusal(input, file).await {
            return Err(self.fault(key, ParquetReadError::Refused { name: key.clone(), error }, since).await);
        }
        let size = file.size.unwrap_or_default();
        let opened = ParquetObject::open_tagged(input, key, size, file.etag.as_deref()).await;
        let object = match opened {
            Ok(object) => object,
            Err(error) => return Err(self.fault(key, error, since).await),
        };
        self.patience.probe.record_read(key, 1);
        let images = Images::of(&object, &self.options).map_err(corrupt)?;
        let index = group.index as usize;
        if index >= object.groups() {
            return Err(corrupt("it has fewer row groups than were planned"));
        }
        let read = match images.group(&object, index) {
            Ok(read) => read,
            Err(error) => return Err(self.fault(key, error, since).await),
        };
        let batches = if read.bytes() > self.options.most_held {
            Batches::Windowed(object.windowed(read))
        } else {
            match object.batches(input, read).await {
                Ok(batches) => Batches::Held(Box::new(batches)),
                Err(error) => return Err(self.fault(key, error, since).await),
            }
        };
        Ok(Group { object, images, batches })
    }

    /// Reads what the decoding of a group asks for, until it ends.
    async fn serve(
        &self,
        object: &ParquetObject,
        mut requests: mpsc::Receiver<PieceRequest>,
        asking: Asking<'_>,
    ) -> Result<(), Fault> {
        while let Some(request) = requests.recv().await {
            let mut waiting = None;
            let bytes = loop {
                let (input, since) = (self.waits(asking, waiting.as_ref())?, Instant::now());
                let error = match object.piece(input, request.range.clone()).await {
                    Ok(bytes) => break bytes,
                    Err(error) => self.fault(&asking.file.key, error, since).await,
                };
                match error {
                    Fault::Read(ReadError::Store(error)) => self.wait(asking, &mut waiting, error).await?,
                    fault => return Err(fault),
                }
            };
            request.answer(bytes);
        }
        Ok(())
    }

    async fn images<'a>(&'a self, reading: &mut Reading<'a>) -> Result<(), Fault> {
        let Group { object, images, batches } = self.group(reading.asking(), reading.group).await?;
        match batches {
            Batches::Held(batches) => {
                for batch in batches {
                    self.batch(reading, &images, batch).await?;
                    if reading.is_complete() {
                        return Ok(());
                    }
                }
            }
            Batches::Windowed(WindowedGroup { mut batches, requests }) => {
                let asking = reading.asking();
                let (reading, images) = (&mut *reading, &images);
                // owns the batches, so that the decoding ends with it
                let rows = async move {
                    while let Some(batch) = batches.recv().await {
                        self.batch(reading, images, batch).await?;
                        if reading.is_complete() {
                            break;
                        }
                    }
                    Ok(())
                };
                // pieces are read while rows are admitted
                try_join(rows, self.serve(&object, requests, asking)).await?;
            }
        }
        match reading.is_complete() {
            true => Ok(()),
            false => Err(corrupt("its row group has fewer rows than were planned")),
        }
    }

    /// Admits the rows of a batch, as far as they are planned.
    async fn batch<'a>(
        &'a self,
        reading: &mut Reading<'a>,
        images: &Images<'_>,
        batch: Result<RecordBatch, String>,
    ) -> Result<(), Fault> {
        let batch = batch.map_err(corrupt)?;
        let found = images.batch(&batch).map_err(corrupt)?;
        let left = (reading.group.rows - reading.rows) as usize;
        for row in 0..found.rows.min(left) {
            let ParquetImage { bytes, size, key, target, carried, further } =
                found.row(row).map_err(corrupt)?;
            let mut sample = Sample { size, target, carried, ..reading.sample() };
            reading.further = reading.further.saturating_add(further);
            if let Some(key) = key {
                sample.key = key;
            }
            let keys = match bytes {
                Ok(ImageBytes::Here(bytes)) => {
                    reading.row(sample, Ok(bytes)).await?;
                    continue;
                }
                Ok(ImageBytes::At(_)) if self.options.has_earlier_rules => {
                    return Err(DatasetError::EarlierPath { key: sample.key }.into());
                }
                Ok(ImageBytes::At(path)) => keys_of(&path, &reading.file.key, &self.input.uri()),
                Err(error) => Err(error),
            };
            match keys {
                Ok(keys) => {
                    let ticket = reading.admit(sample, None).await?;
                    let reader = PathReader {
                        input: &self.input,
                        patience: &self.patience,
                        max_encoded_bytes: self.options.max_encoded_bytes,
                    };
                    let fetch = reader.fetch(keys, ticket, (reading.pass, reading.intake));
                    reading.fetches.push(Box::pin(fetch));
                }
                Err(error) => reading.row(sample, Err(error)).await?,
            }
        }
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
            let mut reading = Reading {
                part,
                file: &file,
                group,
                intake,
                pass,
                rows: 0,
                further: 0,
                fetches: FuturesUnordered::new(),
                is_whole: true,
            };
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
            reading.rest().await?;
            let (rows, further) = (reading.rows, reading.further);
            Ok(PartEnd { rows, damaged, further, ..PartEnd::default() })
        })
    }
}

/// Why a file that was planned without a look into it cannot be asked for.
async fn refusal(input: &Location, file: &PlanRow) -> Option<FetchError> {
    if file.size.is_some() && input.unaddressable(&file.key).is_none() {
        return None;
    }
    let asked = input.window(&file.key, 0..1, file.etag.as_deref()).await;
    Some(asked.err().unwrap_or(FetchError::Changed))
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
