//! The columns of the output that a report needs, as typed views of one batch.

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, Float32Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use arrow_cast::cast;
use arrow_schema::DataType;

use super::error::ReportError;
use super::extras::Extras;
use super::slice_by::{Cell, SliceBy, bytes_bucket, pixels_bucket};

const INDEX: &str = "List(Int32)";
const PROB: &str = "List(Float32)";
const LOGITS: &str = "FixedSizeList(Float32) of a value a class";

/// The columns of one batch. Columns that only add to `index` may be absent and then read as null.
pub(super) struct Columns<'a> {
    status: &'a StringArray,
    error_kind: &'a StringArray,
    target: &'a Int32Array,
    /// `None` if the model has no classes.
    index: Option<Lists<'a, Int32Array>>,
    prob: Option<Lists<'a, Float32Array>>,
    target_prob: Option<&'a Float32Array>,
    target_rank: Option<&'a Int32Array>,
    width: &'a Int32Array,
    height: &'a Int32Array,
    format: &'a StringArray,
    logits: Option<Logits<'a>>,
    /// In the order of [`Extras::slices`].
    pub slices: Vec<SliceColumn<'a>>,
}

/// One row, borrowed from its batch.
pub(super) struct Row<'a> {
    pub status: Option<&'a str>,
    pub error_kind: Option<&'a str>,
    pub target: Option<i32>,
    /// Best classes first; empty if null, and without classes.
    pub index: &'a [i32],
    /// Probability of the first of `index`.
    pub first_prob: Option<f32>,
    pub target_prob: Option<f32>,
    pub target_rank: Option<i32>,
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub format: Option<&'a str>,
    /// A value a class, if the rows keep them and the caller requested them.
    pub logits: Option<&'a [f32]>,
}

impl<'a> Columns<'a> {
    /// Finds the columns of a batch. A model without classes needs no `index`.
    ///
    /// # Errors
    /// A column is missing or of another type, or `index` has null items.
    pub fn of(batch: &'a RecordBatch, classes: usize, extras: &Extras) -> Result<Self, ReportError> {
        let index: Option<Lists<'a, Int32Array>> = match classes {
            0 => None,
            _ => Some(Lists::of(needed(batch, "index", INDEX)?, "index", INDEX)?),
        };
        if index.as_ref().is_some_and(|index| index.items.null_count() > 0) {
            let found = "List(Int32) with null items".to_owned();
            return Err(ReportError::ColumnType { column: "index".into(), wanted: INDEX, found });
        }
        Ok(Self {
            status: needed(batch, "status", "Utf8")?,
            error_kind: needed(batch, "error_kind", "Utf8")?,
            target: needed(batch, "target", "Int32")?,
            index,
            prob: optional(batch, "prob", PROB)?.map(|list| Lists::of(list, "prob", PROB)).transpose()?,
            target_prob: optional(batch, "target_prob", "Float32")?,
            target_rank: optional(batch, "target_rank", "Int32")?,
            width: needed(batch, "width", "Int32")?,
            height: needed(batch, "height", "Int32")?,
            format: needed(batch, "format", "Utf8")?,
            logits: if extras.logits { Some(Logits::of(batch, classes)?) } else { None },
            slices: extras.slices.iter().map(|by| SliceColumn::of(batch, by)).collect::<Result<_, _>>()?,
        })
    }

    pub fn row(&self, i: usize) -> Row<'a> {
        Row {
            status: text(self.status, i),
            error_kind: text(self.error_kind, i),
            target: int(self.target, i),
            index: self.index.as_ref().map_or(&[][..], |index| &index.items.values()[index.range(i)]),
            first_prob: self.prob.as_ref().and_then(|prob| {
                let first = prob.range(i).next()?;
                float(prob.items, first)
            }),
            target_prob: self.target_prob.and_then(|column| float(column, i)),
            target_rank: self.target_rank.and_then(|column| int(column, i)),
            width: int(self.width, i),
            height: int(self.height, i),
            format: text(self.format, i),
            logits: self.logits.as_ref().and_then(|logits| logits.row(i)),
        }
    }
}

/// The column `logits`, one value a class in every row that has them.
pub(super) struct Logits<'a> {
    list: &'a FixedSizeListArray,
    items: &'a [f32],
    classes: usize,
}

impl<'a> Logits<'a> {
    /// Finds the column of a batch.
    ///
    /// # Errors
    /// It is missing, or no list of `classes` values of type Float32.
    pub fn of(batch: &'a RecordBatch, classes: usize) -> Result<Self, ReportError> {
        let list: &FixedSizeListArray = needed(batch, "logits", LOGITS)?;
        let items = list.values().as_primitive_opt::<Float32Type>();
        let items = items.filter(|_| list.value_length() as usize == classes);
        let items = items.ok_or_else(|| wrong_type(list, "logits", LOGITS))?;
        Ok(Self { list, items: items.values(), classes })
    }

    pub fn row(&self, row: usize) -> Option<&'a [f32]> {
        // the child of a sliced array begins with the slice
        self.list.is_valid(row).then(|| &self.items[row * self.classes..(row + 1) * self.classes])
    }
}

/// The column that rows are grouped by.
pub(super) enum SliceColumn<'a> {
    Text(StringArray),
    Format(&'a StringArray),
    Pixels(&'a Int32Array, &'a Int32Array),
    Bytes(&'a Int64Array),
}

impl<'a> SliceColumn<'a> {
    fn of(batch: &'a RecordBatch, by: &SliceBy) -> Result<Self, ReportError> {
        Ok(match by {
            SliceBy::Format => Self::Format(needed(batch, "format", "Utf8")?),
            SliceBy::Pixels => {
                Self::Pixels(needed(batch, "width", "Int32")?, needed(batch, "height", "Int32")?)
            }
            SliceBy::Bytes => Self::Bytes(needed(batch, "size", "Int64")?),
            SliceBy::Column(name) => {
                let array = batch.column_by_name(name).ok_or_else(|| missing(batch, name))?;
                let plain = !array.data_type().is_nested();
                let text = plain.then(|| cast(array, &DataType::Utf8).ok()).flatten();
                let text = text.and_then(|text| text.as_string_opt::<i32>().cloned());
                Self::Text(text.ok_or_else(|| ReportError::ColumnType {
                    column: name.clone().into(),
                    wanted: "text, a number or a truth value",
                    found: array.data_type().to_string(),
                })?)
            }
        })
    }

    pub fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Text(column) => text(column, row).map_or(Cell::Null, Cell::Text),
            Self::Format(column) => text(column, row).map_or(Cell::Null, Cell::Text),
            Self::Pixels(width, height) => match (int(width, row), int(height, row)) {
                (Some(width), Some(height)) => Cell::Bucket(pixels_bucket(width, height)),
                _ => Cell::Null,
            },
            Self::Bytes(size) => {
                if size.is_valid(row) {
                    Cell::Bucket(bytes_bucket(size.value(row)))
                } else {
                    Cell::Null
                }
            }
        }
    }
}

/// A list column whose items have a known type.
pub(super) struct Lists<'a, T> {
    pub list: &'a ListArray,
    pub items: &'a T,
}

impl<'a, T: Array + 'static> Lists<'a, T> {
    /// Views a list column; `column` and `wanted` are for the error.
    ///
    /// # Errors
    /// [`ReportError::ColumnType`] if the items are not of type `T`.
    pub fn of(list: &'a ListArray, column: &'static str, wanted: &'static str) -> Result<Self, ReportError> {
        let items = list.values().as_any().downcast_ref::<T>();
        let items = items.ok_or_else(|| wrong_type(list, column, wanted))?;
        Ok(Self { list, items })
    }

    /// Returns the range of the items of a row; a null list has none, whatever its offsets are.
    pub fn range(&self, row: usize) -> std::ops::Range<usize> {
        if self.list.is_null(row) {
            return 0..0;
        }
        let offsets = self.list.value_offsets();
        offsets[row] as usize..offsets[row + 1] as usize
    }
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn int(column: &Int32Array, row: usize) -> Option<i32> {
    column.is_valid(row).then(|| column.value(row))
}

fn float(column: &Float32Array, row: usize) -> Option<f32> {
    column.is_valid(row).then(|| column.value(row))
}

pub(super) fn needed<'a, T: Array + 'static>(
    batch: &'a RecordBatch,
    column: &'static str,
    wanted: &'static str,
) -> Result<&'a T, ReportError> {
    optional(batch, column, wanted)?.ok_or_else(|| missing(batch, column))
}

fn missing(batch: &RecordBatch, column: &str) -> ReportError {
    let found = batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect();
    ReportError::MissingColumn { column: column.to_owned(), found }
}

pub(super) fn optional<'a, T: Array + 'static>(
    batch: &'a RecordBatch,
    column: &'static str,
    wanted: &'static str,
) -> Result<Option<&'a T>, ReportError> {
    let Some(array): Option<&ArrayRef> = batch.column_by_name(column) else { return Ok(None) };
    match array.as_any().downcast_ref::<T>() {
        Some(typed) => Ok(Some(typed)),
        None => Err(wrong_type(array, column, wanted)),
    }
}

fn wrong_type(array: &dyn Array, column: &'static str, wanted: &'static str) -> ReportError {
    ReportError::ColumnType { column: column.into(), wanted, found: array.data_type().to_string() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
    use arrow_schema::{DataType, Field};

    use super::super::testing::{TestRow, batch};
    use super::*;

    fn with_index(rows: &[TestRow], index: ListArray) -> RecordBatch {
        let good = batch(rows);
        let columns = good.schema_ref().fields().iter().zip(good.columns()).map(|(field, array)| {
            let array = if field.name() == "index" { Arc::new(index.clone()) } else { array.clone() };
            (field.name().clone(), array, true)
        });
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    #[test]
    fn a_null_list_is_empty_even_where_items_lie_behind_it() {
        let index = ListArray::new(
            Arc::new(Field::new("item", DataType::Int32, true)),
            OffsetBuffer::new(ScalarBuffer::from(vec![0, 2, 4])),
            Arc::new(Int32Array::from(vec![7, 8, 9, 6])),
            Some(NullBuffer::from(vec![false, true])),
        );
        let batch = with_index(&[TestRow::error("limit"), TestRow::ok(1, &[0])], index);
        let columns = Columns::of(&batch, 10, &Extras::default()).unwrap();
        assert_eq!(columns.row(0).index, [0_i32; 0]);
        assert_eq!(columns.row(1).index, [9, 6]);
    }

    #[test]
    fn a_list_with_null_items_is_refused_and_not_read_as_class_0() {
        let index = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None])]);
        let batch = with_index(&[TestRow::ok(0, &[0])], index);
        let text = Columns::of(&batch, 10, &Extras::default()).err().unwrap().to_string();
        assert_eq!(
            text,
            "column `index` has type `List(Int32) with null items` where `List(Int32)` is needed"
        );
    }
}
