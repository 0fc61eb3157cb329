//! Keys and row ids of some rows, read from the parts by row number.

use std::ops::Range;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use crate::failure::Failure;
use crate::output::{CommittedPart, OutputError};
use crate::store::{Location, ParquetObject};

/// Bytes of keys that are held.
const MOST_BYTES: usize = 256 << 20;
/// Rows decoded at a time.
const BATCH: usize = 8192;

/// Keys by row number.
#[derive(Debug, Default)]
pub(super) struct RowKeys {
    /// Rows whose keys are held, ascending.
    rows: Vec<u64>,
    ids: Vec<i64>,
    /// Where the key of a row ends in `text`; it begins where that of the row before ends.
    ends: Vec<u32>,
    text: String,
}

impl RowKeys {
    /// Reads the keys of `rows`, which ascend. Each part that has one of them is opened once. Keys beyond the bound on
    /// memory are not read.
    ///
    /// # Errors
    /// The output cannot be read, or a part has no such columns.
    pub async fn read(
        output: &Location,
        parts: &[CommittedPart],
        rows: Vec<u64>,
    ) -> Result<RowKeys, Failure> {
        let mut keys = RowKeys { rows, ..RowKeys::default() };
        let mut first = 0;
        for part in parts {
            let next = first + part.rows;
            if !keys.among(first..next).is_empty() {
                keys.read_part(output, part, first).await?;
            }
            first = next;
            if keys.text.len() > MOST_BYTES {
                break;
            }
        }
        keys.rows.truncate(keys.ids.len());
        Ok(keys)
    }

    /// The positions of rows that are in a range.
    fn among(&self, range: Range<u64>) -> Range<usize> {
        self.rows.partition_point(|row| *row < range.start)..self.rows.partition_point(|row| *row < range.end)
    }

    async fn read_part(
        &mut self,
        output: &Location,
        part: &CommittedPart,
        first: u64,
    ) -> Result<(), Failure> {
        let object =
            ParquetObject::open_sized(output, &part.name, part.size).await.map_err(OutputError::from)?;
        let damaged = |why: &str| OutputError::Inconsistent { name: part.name.clone(), why: why.to_owned() };
        let mut start = first;
        for group in 0..object.groups() {
            let rows = object.group_rows(group);
            if self.among(start..start + rows).is_empty() {
                start += rows;
                continue;
            }
            let batches = object.group_batches(output, group, Some(&["row_id", "key"]), BATCH).await;
            for batch in batches.map_err(OutputError::from)? {
                let batch = batch.map_err(|why| damaged(&format!("is damaged: {why}")))?;
                let ids = batch.column_by_name("row_id");
                let ids = ids.and_then(|column| column.as_primitive_opt::<Int64Type>());
                let keys = batch.column_by_name("key").and_then(|column| column.as_string_opt::<i32>());
                let (Some(ids), Some(keys)) = (ids, keys) else {
                    return Err(damaged("has no columns `row_id` and `key`").into());
                };
                for at in self.among(start..start + batch.num_rows() as u64) {
                    if self.text.len() > MOST_BYTES {
                        return Ok(());
                    }
                    let row = (self.rows[at] - start) as usize;
                    self.ids.push(ids.value(row));
                    self.text.push_str(keys.value(row));
                    self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
                }
                start += batch.num_rows() as u64;
            }
        }
        if start != first + part.rows {
            return Err(
                damaged(&format!("holds {} rows where {} are counted", start - first, part.rows)).into()
            );
        }
        Ok(())
    }

    /// The row id and the key of a row; `None` if it was not read.
    pub fn get(&self, row: u64) -> Option<(i64, &str)> {
        let at = self.rows.binary_search(&row).ok()?;
        let begin = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        Some((self.ids[at], self.text.get(begin..self.ends[at] as usize)?))
    }
}
