//! Keys and row ids of some rows, read from the parts by row number.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use crate::evaluation::report_input::ReportInput;
use crate::failure::Failure;

use super::damaged::damaged;
use super::needed::read_needed;

/// Bytes of keys that are held.
pub(super) const MOST_BYTES: u64 = 256 << 20;
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

/// What was read of some rows.
#[derive(Debug)]
pub(super) enum ReadKeys {
    /// Their keys.
    All(RowKeys),
    /// How long their keys are, since they do not fit in memory together.
    TooLong(KeyLengths),
}

/// Bytes of the keys of rows that are not held.
#[derive(Debug)]
pub(super) struct KeyLengths {
    /// The rows, ascending.
    pub rows: Vec<u64>,
    pub bytes: Vec<u32>,
}

impl KeyLengths {
    /// The bytes of a row's key, which counts once: 0 from the second time on.
    pub fn take(&mut self, row: u64) -> u64 {
        let place = self.rows.binary_search(&row).ok();
        place.and_then(|at| self.bytes.get_mut(at)).map_or(0, |bytes| u64::from(std::mem::take(bytes)))
    }
}

impl RowKeys {
    /// Reads the keys of `rows`, which ascend.
    ///
    /// # Errors
    /// The output cannot be read, or a part has no such columns.
    pub async fn read(of: ReportInput<'_>, rows: Vec<u64>) -> Result<ReadKeys, Failure> {
        let mut keys = RowKeys::default();
        let mut bytes: Vec<u32> = Vec::new();
        let (mut all, mut last_end) = (0_u64, 0);
        read_needed((of.output, of.parts), &rows, &["row_id", "key"], BATCH, |needed| {
            let ids = needed.batch.column_by_name("row_id");
            let ids = ids.and_then(|column| column.as_primitive_opt::<Int64Type>());
            let texts = needed.batch.column_by_name("key").and_then(|column| column.as_string_opt::<i32>());
            let (Some(ids), Some(texts)) = (ids, texts) else {
                return Err(damaged(of, "has no columns `row_id` and `key`"));
            };
            let text = texts.value(needed.row);
            all += text.len() as u64;
            if all <= MOST_BYTES {
                keys.ids.push(ids.value(needed.row));
                keys.text.push_str(text);
                keys.ends.push(keys.text.len() as u32);
                return Ok(true);
            }
            if bytes.is_empty() {
                // from here on lengths alone are kept
                let ends = std::mem::take(&mut keys).ends;
                bytes.extend(ends.into_iter().map(|end| end - std::mem::replace(&mut last_end, end)));
            }
            bytes.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
            Ok(true)
        })
        .await?;
        if all > MOST_BYTES {
            return Ok(ReadKeys::TooLong(KeyLengths { rows, bytes }));
        }
        keys.rows = rows;
        keys.rows.truncate(keys.ids.len());
        Ok(ReadKeys::All(keys))
    }

    /// The row id and the key of a row; `None` if it was not read.
    pub fn get(&self, row: u64) -> Option<(i64, &str)> {
        let at = self.rows.binary_search(&row).ok()?;
        let begin = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        Some((self.ids[at], self.text.get(begin..self.ends[at] as usize)?))
    }
}
