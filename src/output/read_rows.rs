//! The rows of many parts, read side by side and handed on in plan order.
//!
//! A dispatcher opens parts ahead of the caller and starts a task for each, which reads and decodes it. What is read
//! ahead is bounded in bytes, and bytes are granted in plan order, so the part whose turn it is always has its own.

use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::stream::StreamExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::store::{Location, ParquetObject};
use crate::tasks::{Task, has_threads, threads};

use super::{CommittedPart, OutputError};

/// Bytes that may be read ahead for each thread that decodes, in KiB: encoded columns and decoded batches. A part that
/// needs more than those of all threads is read alone.
const KIB_OF_A_THREAD: u32 = 5 << 10;
/// Parts that may be read ahead, however small they are.
const PARTS_AHEAD: usize = 32;
/// Footers that are read ahead of those.
const FOOTERS_AHEAD: usize = 16;
/// Rows of a batch, at most.
const BATCH_ROWS: u64 = 8192;
/// Bytes of a batch, as far as the footer reports them.
const BATCH_BYTES: u64 = 1 << 20;
/// Decoded batches of a part that wait for the caller.
const BATCHES_AHEAD: usize = 2;

type Item = Result<Read, OutputError>;

/// What reading a part sends.
enum Read {
    Batch(RecordBatch),
    /// There are no more: without this the part was not read to its end. It holds the bytes of the part until its last
    /// batch was taken.
    End(OwnedSemaphorePermit),
}

/// Hands the named columns of every part to `take`, part by part in plan order.
///
/// # Errors
/// The store's, those of a damaged part, and the first that `take` returns.
pub async fn read_rows(
    output: &Location,
    parts: &[CommittedPart],
    columns: &[&str],
    mut take: impl FnMut(&RecordBatch) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let reader = Arc::new(Reader {
        kib_ahead: KIB_OF_A_THREAD.saturating_mul(u32::try_from(threads()).unwrap_or(u32::MAX)),
        output: output.clone(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
    });
    if !has_threads() || parts.len() < 2 {
        for part in parts {
            let object = reader.open(&part.name, part.size).await?;
            for group in 0..object.groups() {
                for batch in reader.batches(&object, group).await? {
                    take(&batch.map_err(|why| OutputError::from(object.damaged(why)))?)?;
                }
            }
        }
        return Ok(());
    }
    let (sender, mut order) = channel(PARTS_AHEAD);
    let names = parts.iter().map(|part| (part.name.clone(), part.size)).collect();
    // aborted when it is dropped, and with it every part that is being read
    let _dispatcher = Task::start(reader.dispatch(names, sender));
    for part in parts {
        let mut batches: Receiver<Item> = order.recv().await.ok_or_else(|| broken(part))?;
        loop {
            match batches.recv().await.ok_or_else(|| broken(part))?? {
                Read::Batch(batch) => take(&batch)?,
                Read::End(permit) => break drop(permit),
            }
        }
    }
    Ok(())
}

/// Returns the error for a part whose task ended without a result, which only a panic can cause.
fn broken(part: &CommittedPart) -> OutputError {
    OutputError::Encode(format!("reading `{}` ended early", part.name))
}

/// Reads some columns of parts.
struct Reader {
    /// Bytes that may be read ahead, in KiB.
    kib_ahead: u32,
    output: Location,
    columns: Vec<String>,
}

impl Reader {
    fn columns(&self) -> Vec<&str> {
        self.columns.iter().map(String::as_str).collect()
    }

    async fn open(&self, name: &str, size: u64) -> Result<ParquetObject, OutputError> {
        Ok(ParquetObject::open_short(&self.output, name, size).await?)
    }

    /// The batches of a group; a row that is wide makes them short.
    async fn batches(
        &self,
        object: &ParquetObject,
        group: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, String>> + Send + use<>, OutputError> {
        let columns = self.columns();
        let (_, row) = object.group_cost(group, &columns)?;
        let rows = (BATCH_BYTES / row.max(1)).clamp(1, BATCH_ROWS);
        Ok(object.group_batches(&self.output, group, Some(&columns), rows as usize).await?)
    }

    /// Bytes that reading a part holds at most, in KiB.
    fn cost(&self, object: &ParquetObject) -> Result<u32, OutputError> {
        let columns = self.columns();
        let mut most = 0;
        for group in 0..object.groups() {
            let (encoded, row) = object.group_cost(group, &columns)?;
            let batch =
                row.saturating_mul(BATCH_ROWS.min(object.group_rows(group))).min(BATCH_BYTES).max(row);
            // one more is being decoded, and one is at the caller
            let decoded = batch.saturating_mul(BATCHES_AHEAD as u64 + 2);
            most = most.max(encoded.saturating_add(decoded));
        }
        Ok(u32::try_from(most >> 10).unwrap_or(u32::MAX).clamp(1, self.kib_ahead))
    }

    /// Starts reading every part, in plan order, and sends where its batches come.
    async fn dispatch(self: Arc<Self>, parts: Vec<(String, u64)>, order: Sender<Receiver<Item>>) {
        let budget = Arc::new(Semaphore::new(self.kib_ahead as usize));
        let mut tasks = JoinSet::new();
        let opened = parts.into_iter().map(|(name, size)| {
            let reader = self.clone();
            async move { reader.open(&name, size).await }
        });
        let mut opened = futures::stream::iter(opened).buffered(FOOTERS_AHEAD);
        while let Some(object) = opened.next().await {
            let (sender, receiver) = channel(BATCHES_AHEAD);
            if order.send(receiver).await.is_err() {
                return;
            }
            let prepared = object.and_then(|object| Ok((self.cost(&object)?, object)));
            let (cost, object) = match prepared {
                Ok(prepared) => prepared,
                Err(error) => {
                    drop(sender.send(Err(error)).await);
                    break;
                }
            };
            // granted in plan order: those that hold bytes come before this one and do not wait for it
            let Ok(permit) = budget.clone().acquire_many_owned(cost).await else { break };
            while tasks.try_join_next().is_some() {}
            tasks.spawn(self.clone().read(object, sender, permit));
        }
        drop(order);
        while tasks.join_next().await.is_some() {}
    }

    /// Sends the batches of a part.
    async fn read(
        self: Arc<Self>,
        object: ParquetObject,
        sender: Sender<Item>,
        permit: OwnedSemaphorePermit,
    ) {
        let read = async {
            for group in 0..object.groups() {
                for batch in self.batches(&object, group).await? {
                    let batch = batch.map_err(|why| OutputError::from(object.damaged(why)))?;
                    if sender.send(Ok(Read::Batch(batch))).await.is_err() {
                        break;
                    }
                }
            }
            Ok(Read::End(permit))
        };
        let end = read.await;
        drop(sender.send(end).await);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;

    use super::*;
    use crate::failure::Exit;

    /// Parts of growing length that hold the numbers from 0 on, the last ones longer than a batch.
    async fn parts(output: &Location, count: i64) -> (Vec<CommittedPart>, i64) {
        let (mut parts, mut first) = (Vec::new(), 0);
        for id in 0..count {
            let rows = 1 + id * id * 20;
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + rows));
            let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
            let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            let bytes = Bytes::from(writer.into_inner().unwrap());
            let (name, size) = (format!("part-{id}"), bytes.len() as u64);
            output.create_once(&name, bytes).await.unwrap();
            parts.push(CommittedPart { name, size, rows: rows as u64, ..CommittedPart::default() });
            first += rows;
        }
        (parts, first)
    }

    /// The numbers as they were taken.
    async fn taken(output: &Location, parts: &[CommittedPart]) -> Result<Vec<i64>, Failure> {
        let mut numbers = Vec::new();
        read_rows(output, parts, &["n"], |batch| {
            numbers.extend(batch.column(0).as_primitive::<Int64Type>().values());
            Ok(())
        })
        .await?;
        Ok(numbers)
    }

    async fn all_come_in_order() {
        let output = Location::in_memory("out").unwrap();
        let (parts, rows) = parts(&output, 40).await;
        assert_eq!(taken(&output, &parts).await.unwrap(), Vec::from_iter(0..rows));
        assert!(taken(&output, &[]).await.unwrap().is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn rows_come_in_plan_order_from_parts_that_are_read_side_by_side() {
        all_come_in_order().await;
    }

    #[tokio::test]
    async fn rows_come_in_plan_order_on_one_thread() {
        all_come_in_order().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn a_part_that_is_missing_or_damaged_is_an_error_and_not_an_end() {
        let output = Location::in_memory("out").unwrap();
        let (mut parts, _) = parts(&output, 12).await;
        parts[7].size -= 1;
        let failure = taken(&output, &parts).await.unwrap_err();
        assert!(failure.explain().contains("part-7"), "{}", failure.explain());
        parts[7].name = "nothing".to_owned();
        let failure = taken(&output, &parts).await.unwrap_err();
        assert!(failure.explain().contains("nothing"), "{}", failure.explain());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn an_error_of_the_caller_ends_the_reading() {
        let output = Location::in_memory("out").unwrap();
        let (parts, _) = parts(&output, 12).await;
        let mut batches = 0;
        let failure = read_rows(&output, &parts, &["n"], |_| {
            batches += 1;
            if batches < 5 { Ok(()) } else { Err(Failure::new(Exit::Bug, "enough")) }
        });
        assert_eq!(failure.await.unwrap_err().explain(), "enough");
        assert_eq!(batches, 5);
    }
}
