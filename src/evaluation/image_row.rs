//! Rows that are shown as pictures: what finds their images again, read from the output by row number.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};

use crate::failure::Failure;
use crate::ids::PartId;
use crate::output::{CommittedPart, OutputError};
use crate::store::{Location, ParquetObject};

/// A row that is to be shown.
#[derive(Debug, Clone)]
pub(crate) struct ImageRow {
    pub number: u64,
    pub row_id: i64,
    pub part: PartId,
    pub key: String,
    pub etag: Option<String>,
    pub size: Option<u64>,
    pub message: Option<String>,
    pub kind: Option<String>,
}

/// Reads the rows of `numbers` from the output. The report itself reads no keys, so the parts that hold one of these rows
/// are opened again.
///
/// # Errors
/// The output cannot be read.
pub(super) async fn image_rows(
    output: &Location,
    parts: &[CommittedPart],
    numbers: &[u64],
) -> Result<HashMap<u64, ImageRow>, Failure> {
    const COLUMNS: [&str; 6] = ["row_id", "key", "etag", "size", "error_kind", "error_message"];
    let mut found = HashMap::new();
    let mut first = 0;
    for part in parts {
        let mut here: Vec<u64> =
            numbers.iter().copied().filter(|n| (first..first + part.rows).contains(n)).collect();
        here.sort_unstable();
        if !here.is_empty() {
            let object =
                ParquetObject::open_sized(output, &part.name, part.size).await.map_err(OutputError::from)?;
            let mut start = first;
            for group in 0..object.groups() {
                let batches =
                    object.read_group(output, group, Some(&COLUMNS)).await.map_err(OutputError::from)?;
                for batch in batches {
                    let end = start + batch.num_rows() as u64;
                    for &number in here.iter().filter(|number| (start..end).contains(*number)) {
                        let row = wanted(&batch, (number - start) as usize, number, part);
                        let row = row.ok_or_else(|| OutputError::Inconsistent {
                            name: part.name.clone(),
                            why:
                                "is missing one of the columns row_id, key, etag, size, error_kind, error_message"
                                    .into(),
                        });
                        found.insert(number, row?);
                    }
                    start = end;
                }
            }
        }
        first += part.rows;
    }
    Ok(found)
}

fn wanted(batch: &RecordBatch, at: usize, number: u64, part: &CommittedPart) -> Option<ImageRow> {
    let text = |name: &str| {
        let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
        Some(column.is_valid(at).then(|| column.value(at).to_owned()))
    };
    let int = |name: &str| {
        let column = batch.column_by_name(name)?.as_primitive_opt::<Int64Type>()?;
        Some(column.is_valid(at).then(|| column.value(at)))
    };
    Some(ImageRow {
        number,
        row_id: int("row_id")??,
        part: part.id,
        key: text("key")??,
        etag: text("etag")?,
        size: int("size")?.and_then(|size| u64::try_from(size).ok()),
        kind: text("error_kind")?,
        message: text("error_message")?,
    })
}
