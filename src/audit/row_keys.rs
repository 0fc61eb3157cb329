//! Keys and row ids of some rows, read from the parts by row number.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use crate::failure::Failure;
use crate::output::{CommittedPart, OutputError};
use crate::store::Location;

use super::needed::read_needed;

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
    /// Reads the keys of `rows`, which ascend. Keys beyond the bound on memory are not read.
    ///
    /// # Errors
    /// The output cannot be read, or a part has no such columns.
    pub async fn read(
        output: &Location,
        parts: &[CommittedPart],
        rows: Vec<u64>,
    ) -> Result<RowKeys, Failure> {
        let mut keys = RowKeys::default();
        read_needed((output, parts), &rows, &["row_id", "key"], BATCH, |needed| {
            let ids = needed.batch.column_by_name("row_id");
            let ids = ids.and_then(|column| column.as_primitive_opt::<Int64Type>());
            let texts = needed.batch.column_by_name("key").and_then(|column| column.as_string_opt::<i32>());
            let (Some(ids), Some(texts)) = (ids, texts) else {
                let why = "has no columns `row_id` and `key`".into();
                return Err(OutputError::Inconsistent { name: output.uri(), why }.into());
            };
            let text = texts.value(needed.row);
            if keys.text.len() + text.len() > MOST_BYTES {
                return Ok(false);
            }
            keys.ids.push(ids.value(needed.row));
            keys.text.push_str(text);
            keys.ends.push(keys.text.len() as u32);
            Ok(true)
        })
        .await?;
        keys.rows = rows;
        keys.rows.truncate(keys.ids.len());
        Ok(keys)
    }

    /// The row id and the key of a row; `None` if it was not read.
    pub fn get(&self, row: u64) -> Option<(i64, &str)> {
        let at = self.rows.binary_search(&row).ok()?;
        let begin = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        Some((self.ids[at], self.text.get(begin..self.ends[at] as usize)?))
    }
}
