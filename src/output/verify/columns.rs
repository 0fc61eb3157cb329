//! The columns of a part's rows that are compared with its plan.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow_schema::DataType;

use crate::sample::Target;

/// Columns that are read: all that the plan knows, and how each row ended.
pub(super) const COLUMNS: [&str; 8] =
    ["row_id", "key", "etag", "size", "target", "targets", "status", "error_kind"];

/// Typed views of one batch.
pub(super) struct Columns<'a> {
    pub row_id: &'a Int64Array,
    pub key: &'a StringArray,
    pub etag: &'a StringArray,
    pub size: &'a Int64Array,
    target: Option<&'a Int32Array>,
    /// Present if targets are sets, with the classes of all of them.
    targets: Option<(&'a ListArray, &'a Int32Array)>,
    pub status: &'a StringArray,
    pub error_kind: &'a StringArray,
}

impl<'a> Columns<'a> {
    /// The columns, or the name of one that is absent or of another type.
    ///
    /// # Errors
    /// The name of the first such column.
    pub fn of(batch: &'a RecordBatch) -> Result<Self, &'static str> {
        let text = |name: &'static str| {
            batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>()).ok_or(name)
        };
        let int64 = |name: &'static str| {
            batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>()).ok_or(name)
        };
        let target = match batch.column_by_name("target") {
            None => None,
            Some(column) if *column.data_type() == DataType::Null => None,
            Some(column) => Some(column.as_primitive_opt::<Int32Type>().ok_or("target")?),
        };
        let targets = match batch.column_by_name("targets") {
            None => None,
            Some(column) => {
                let lists = column.as_list_opt::<i32>().ok_or("targets")?;
                Some((lists, lists.values().as_primitive_opt::<Int32Type>().ok_or("targets")?))
            }
        };
        Ok(Columns {
            row_id: int64("row_id")?,
            key: text("key")?,
            etag: text("etag")?,
            size: int64("size")?,
            target,
            targets,
            status: text("status")?,
            error_kind: text("error_kind")?,
        })
    }
}

impl Columns<'_> {
    /// Returns the target of a row: a class or a set.
    pub fn target(&self, row: usize) -> Option<Target> {
        if let Some(class) = self.target.and_then(|column| int32(column, row)) {
            return Some(Target::Class(class));
        }
        let (lists, classes) = self.targets.filter(|(lists, _)| lists.is_valid(row))?;
        let offsets = lists.value_offsets();
        Some(Target::Set(classes.values()[offsets[row] as usize..offsets[row + 1] as usize].into()))
    }
}

pub(super) fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

pub(super) fn int64(column: &Int64Array, row: usize) -> Option<i64> {
    column.is_valid(row).then(|| column.value(row))
}

fn int32(column: &Int32Array, row: usize) -> Option<i32> {
    column.is_valid(row).then(|| column.value(row))
}
