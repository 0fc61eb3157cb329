//! One pass over the files of an inventory.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use crate::dataset::DatasetError;
use crate::dataset::carried::cast;
use crate::store::{FetchError, ParquetObject, ParquetReadError, guard_parquet_result};

use super::csv::CsvRecords;
use super::description::{Columns, Form};
use super::files::{Inventory, OpenFile};
use super::record::Record;

/// The columns that are read of a Parquet file; the first two have to be there.
const COLUMNS: [&str; 6] = ["bucket", "key", "is_latest", "is_delete_marker", "size", "e_tag"];

/// Reads the records of all files in their order.
pub struct InventoryReader {
    inventory: Inventory,
    /// The next file.
    next: usize,
    open: Option<Open>,
}

/// The file that is being read.
enum Open {
    Csv {
        file: OpenFile,
        columns: Columns,
        records: Box<CsvRecords>,
        at: u64,
        has_ended: bool,
    },
    Parquet {
        file: OpenFile,
        object: ParquetObject,
        group: usize,
        records: std::vec::IntoIter<Record>,
        row: u64,
    },
}

impl InventoryReader {
    pub fn new(inventory: &Inventory) -> Self {
        InventoryReader { inventory: inventory.clone(), next: 0, open: None }
    }

    /// The next record, and what to call its place in an error.
    ///
    /// # Errors
    /// If a file cannot be read, or is not the one that is described.
    pub async fn next(&mut self) -> Result<Option<(Record, String)>, DatasetError> {
        loop {
            let number = self.next.saturating_sub(1);
            if let Some(open) = &mut self.open {
                let found = open.next(&self.inventory, number).await?;
                if let Some((at, record)) = found {
                    let name = &self.inventory.description().files[number].key;
                    return Ok(Some((record, format!("`{name}`, {at}"))));
                }
                self.open = None;
            }
            let Some(file) = self.inventory.description().files.get(self.next) else { return Ok(None) };
            let opened = self.inventory.open(self.next, file).await?;
            self.open = Some(Open::begin(&self.inventory, self.next, opened).await?);
            self.next += 1;
        }
    }
}

impl Open {
    async fn begin(inventory: &Inventory, number: usize, file: OpenFile) -> Result<Open, DatasetError> {
        Ok(match &inventory.description().form {
            Form::Csv(columns) => {
                let (columns, records) = (columns.clone(), Box::new(CsvRecords::new()));
                Open::Csv { file, columns, records, at: 0, has_ended: false }
            }
            Form::Parquet => {
                let opened =
                    ParquetObject::open_tagged(file.location(), file.name(), file.size(), file.etag()).await;
                let object = opened.map_err(|error| refused(inventory, number, error))?;
                Open::Parquet { file, object, group: 0, records: Vec::new().into_iter(), row: 0 }
            }
        })
    }

    async fn next(
        &mut self,
        inventory: &Inventory,
        number: usize,
    ) -> Result<Option<(String, Record)>, DatasetError> {
        let wrong = |why: String| inventory.wrong_file(number, &why);
        match self {
            Open::Csv { file, columns, records, at, has_ended } => loop {
                if let Some((line, record)) = records.next(columns).map_err(wrong)? {
                    return Ok(Some((format!("line {line}"), record)));
                }
                if *has_ended {
                    return Ok(None);
                }
                if *at < file.size() {
                    let window = inventory.window(number, file, *at).await?;
                    *at += window.bytes.len() as u64;
                    records.push(window.bytes);
                } else {
                    records.end().map_err(wrong)?;
                    *has_ended = true;
                }
            },
            Open::Parquet { file, object, group, records, row } => loop {
                if let Some(record) = records.next() {
                    *row += 1;
                    return Ok(Some((format!("row {row}"), record)));
                }
                if *group == object.groups() {
                    return Ok(None);
                }
                if let Some(why) = object.unread_compression(*group, |leaf| COLUMNS.contains(&leaf.column)) {
                    return Err(inventory.wrong_file(number, &why));
                }
                let batches = object.read_group(file.location(), *group, Some(&COLUMNS)).await;
                let mut found = Vec::new();
                for batch in batches.map_err(|error| refused(inventory, number, error))? {
                    found.extend(guard_parquet_result(|| of_batch(&batch)).map_err(wrong)?);
                }
                *records = found.into_iter();
                *group += 1;
            },
        }
    }
}

fn refused(inventory: &Inventory, number: usize, error: ParquetReadError) -> DatasetError {
    match error {
        ParquetReadError::Damaged { why, .. } => {
            inventory.wrong_file(number, &format!("it is damaged: {why}"))
        }
        ParquetReadError::Refused { error: FetchError::Store(error), .. }
        | ParquetReadError::Store(error) => error.into(),
        ParquetReadError::Refused { error, .. } => inventory.wrong_file(number, &error.to_string()),
    }
}

/// The records of a batch of a Parquet file, whose keys are as the store has them.
fn of_batch(batch: &RecordBatch) -> Result<Vec<Record>, String> {
    let column = |name: &str, kind: &DataType| match batch.column_by_name(name) {
        None => Ok(None),
        Some(column) => cast(column, kind)
            .map(Some)
            .map_err(|_| format!("the column `{name}` is {}, not {kind}", column.data_type())),
    };
    let needed =
        |name: &str| column(name, &DataType::Utf8)?.ok_or_else(|| format!("it has no column `{name}`"));
    let (buckets, keys) = (needed("bucket")?, needed("key")?);
    let (latest, markers) =
        (column("is_latest", &DataType::Boolean)?, column("is_delete_marker", &DataType::Boolean)?);
    let (sizes, etags) = (column("size", &DataType::Int64)?, column("e_tag", &DataType::Utf8)?);
    let text = |column: &dyn Array, row: usize| {
        let column = column.as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let is = |column: &Option<arrow_array::ArrayRef>, row: usize| {
        let column = column.as_ref()?.as_boolean();
        column.is_valid(row).then(|| column.value(row))
    };
    (0..batch.num_rows())
        .map(|row| {
            let needed = |column: &dyn Array, name: &str| {
                text(column, row).ok_or_else(|| format!("the column `{name}` holds a null"))
            };
            let size = sizes.as_ref().map(|sizes| sizes.as_primitive::<Int64Type>());
            let size = size.filter(|sizes| sizes.is_valid(row)).map(|sizes| sizes.value(row));
            Ok(Record {
                bucket: needed(&buckets, "bucket")?,
                key: needed(&keys, "key")?,
                is_latest: is(&latest, row).unwrap_or(true),
                is_delete_marker: is(&markers, row).unwrap_or(false),
                size: size.and_then(|size| u64::try_from(size).ok()),
                etag: etags.as_ref().and_then(|etags| text(etags, row)).filter(|etag| !etag.is_empty()),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BooleanArray, Int64Array, StringArray};

    use super::*;

    #[test]
    fn a_batch_gives_its_keys_as_they_are_and_takes_a_missing_column_for_the_latest_version() {
        let text = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
        let columns = [("bucket", text(["b", "b"])), ("key", text(["a%20b+c.jpg", "d.jpg"]))];
        let plain = of_batch(&RecordBatch::try_from_iter(columns.clone()).unwrap()).unwrap();
        let expected =
            Record { bucket: "b".into(), key: "a%20b+c.jpg".into(), is_latest: true, ..Record::default() };
        assert_eq!((plain.len(), &plain[0]), (2, &expected));
        let more: [(&str, ArrayRef); 4] = [
            ("is_latest", Arc::new(BooleanArray::from(vec![Some(false), None]))),
            ("is_delete_marker", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("size", Arc::new(Int64Array::from(vec![None, Some(7)]))),
            ("e_tag", text(["", "x"])),
        ];
        let batch = RecordBatch::try_from_iter(columns.into_iter().chain(more)).unwrap();
        let found = of_batch(&batch).unwrap();
        assert_eq!((found[0].is_latest, found[0].is_delete_marker), (false, true));
        assert_eq!((found[0].size, found[0].etag.as_deref()), (None, None));
        assert_eq!((found[1].is_latest, found[1].size, found[1].etag.as_deref()), (true, Some(7), Some("x")));
        let without = RecordBatch::try_from_iter([("bucket", text(["b", "b"]))]).unwrap();
        assert!(of_batch(&without).unwrap_err().contains("no column `key`"));
    }
}
