//! Row groups read in order. The plan knows how many rows a group has, so each row that cannot be read is an error row,
//! and the rows that were read before stay.

use std::pin::pin;

use arrow_array::RecordBatch;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use crate::dataset::ahead::Warm;
use crate::dataset::intake::{Intake, Pass, ReadAheadLimits};
use crate::dataset::plan::Part;
use crate::dataset::{Dataset, DatasetError, PartEnd, ReadError};
use crate::sample::Sample;
use crate::store::{Location, WindowedGroup};

use super::group_source::{Batches, Group, GroupSource};
use super::images::{ImageBytes, Images, ParquetImage};
use super::options::ParquetOptions;
use super::paths::{PathReader, keys_of};
use super::reading::{Fault, Reading, corrupt};

/// The reading side of Parquet files whose plan is frozen.
pub struct ParquetDataset {
    output: Location,
    groups: GroupSource,
    /// Bytes of windows, and of a row group in memory.
    window_bytes: u64,
}

impl ParquetDataset {
    /// `output` holds the plan; `others` are files that are asked whether the input as a whole can be read.
    pub fn new(input: Location, output: Location, options: ParquetOptions, others: Vec<String>) -> Self {
        ParquetDataset { output, groups: GroupSource::new(input, options, others), window_bytes: 0 }
    }

    /// With another number of files that may be given up in this process.
    pub fn with_most_unreadable(self, most: usize) -> Self {
        ParquetDataset { groups: self.groups.with_most_unreadable(most), ..self }
    }

    /// With windows of `bytes` together, most of them read ahead of their turn.
    pub fn with_window_bytes(self, bytes: u64) -> Self {
        ParquetDataset { groups: self.groups.with_window_bytes(bytes), window_bytes: bytes, ..self }
    }

    async fn images<'a>(&'a self, reading: &mut Reading<'a>) -> Result<(), Fault> {
        let Group { opened, images, batches } = self.groups.group(reading.asking(), reading.group).await?;
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
                    while let Some(batch) = reading.meanwhile(batches.recv()).await? {
                        self.batch(reading, images, batch).await?;
                        if reading.is_complete() {
                            break;
                        }
                    }
                    Ok::<_, Fault>(())
                };
                let mut rows = pin!(rows);
                // pieces are read while rows are admitted
                let read = tokio::select! {
                    read = &mut rows => read,
                    served = self.groups.serve(&opened, requests, asking) => match served {
                        Ok(()) => rows.await,
                        // the part is not committed, so the row that is being admitted may be dropped
                        Err(Fault::Read(error)) => Err(Fault::Read(error)),
                        // that row must be delivered; without further bytes the decoding ends
                        Err(Fault::Group(error)) => match rows.await {
                            Err(Fault::Group(_)) => Err(Fault::Group(error)),
                            read => read,
                        },
                    },
                };
                read?;
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
                Ok(ImageBytes::At(_)) if self.groups.options.has_earlier_rules => {
                    return Err(DatasetError::EarlierPath { key: sample.key }.into());
                }
                Ok(ImageBytes::At(path)) => keys_of(&path, &reading.file.key, &self.groups.input.uri()),
                Err(error) => Err(error),
            };
            match keys {
                Ok(keys) => {
                    let ticket = reading.admit(sample, None).await?;
                    let reader = PathReader {
                        input: &self.groups.input,
                        patience: &self.groups.patience,
                        max_encoded_bytes: self.groups.options.max_encoded_bytes,
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
            let turn = self.groups.ahead.turn(part.id);
            let file = match turn.known().await {
                Some(opened) => opened.file.clone(),
                None => part.plan_row(&self.output).await?,
            };
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
                turn: &turn,
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

impl Dataset for ParquetDataset {
    fn read_ahead(&self) -> ReadAheadLimits {
        ReadAheadLimits { parts: self.groups.ahead.sizes().parts(), bytes: self.window_bytes }
    }

    fn warm(&self, part: &Part) -> Warm {
        self.groups.warm(part, &self.output)
    }

    fn read<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
        pass: Pass,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>> {
        self.read_part(part, intake, pass)
    }
}
