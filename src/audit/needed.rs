//! Some rows of an output, read by row number: each part that has one of them is opened once.

use std::ops::Range;

use arrow_array::RecordBatch;

use crate::failure::Failure;
use crate::output::{CommittedPart, OutputError};
use crate::store::{Location, ParquetObject};

/// One row of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needed<'a> {
    pub batch: &'a RecordBatch,
    pub row: usize,
}

/// Reads the columns of `rows`, which ascend, `batch_rows` of a part at a time, and hands each of them to `take` in order,
/// until it returns false.
///
/// # Errors
/// The output cannot be read, a part holds another number of rows than are counted, or that of `take`.
pub(super) async fn read_needed(
    (output, parts): (&Location, &[CommittedPart]),
    rows: &[u64],
    columns: &[&str],
    batch_rows: usize,
    mut take: impl FnMut(Needed<'_>) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let mut first = 0;
    for part in parts {
        let here = among(rows, first..first + part.rows);
        if here.is_empty() {
            first += part.rows;
            continue;
        }
        let object =
            ParquetObject::open_sized(output, &part.name, part.size).await.map_err(OutputError::from)?;
        let damaged = |why: String| OutputError::Damaged { name: part.name.clone(), why };
        if object.rows() != part.rows {
            let why = format!("holds {} rows where {} are counted", object.rows(), part.rows);
            return Err(damaged(why).into());
        }
        for group in 0..object.groups() {
            let next = first + object.group_rows(group);
            if among(rows, first..next).is_empty() {
                first = next;
                continue;
            }
            let batches = object.group_batches(output, group, Some(columns), batch_rows).await;
            for batch in batches.map_err(OutputError::from)? {
                let batch = batch.map_err(damaged)?;
                let end = first + batch.num_rows() as u64;
                for position in among(rows, first..end) {
                    let row = (rows[position] - first) as usize;
                    if !take(Needed { batch: &batch, row })? {
                        return Ok(());
                    }
                }
                first = end;
            }
            if first != next {
                return Err(damaged("a group has another number of rows than it counts".into()).into());
            }
        }
    }
    Ok(())
}

/// The positions of rows that are in a range.
fn among(rows: &[u64], range: Range<u64>) -> Range<usize> {
    rows.partition_point(|row| *row < range.start)..rows.partition_point(|row| *row < range.end)
}
