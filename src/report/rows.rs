//! The columns of the output that a report needs, as typed views of one batch.

use arrow::array::{Array, ArrayRef, Float32Array, Int32Array, ListArray, RecordBatch, StringArray};

use super::error::ReportError;

const INDEX: &str = "List(Int32)";
const PROB: &str = "List(Float32)";

/// The columns of one batch. Columns that only add to what `index` says may be absent and then read as null.
pub(super) struct Columns<'a> {
    status: &'a StringArray,
    error_kind: &'a StringArray,
    target: &'a Int32Array,
    index: Lists<'a, Int32Array>,
    prob: Option<Lists<'a, Float32Array>>,
    target_prob: Option<&'a Float32Array>,
    target_rank: Option<&'a Int32Array>,
    width: &'a Int32Array,
    height: &'a Int32Array,
    format: &'a StringArray,
}

/// One row, borrowed from its batch.
pub(super) struct Row<'a> {
    pub status: Option<&'a str>,
    pub error_kind: Option<&'a str>,
    pub target: Option<i32>,
    /// Best classes first; empty where null.
    pub index: &'a [i32],
    /// Probability of the first of `index`.
    pub first_prob: Option<f32>,
    pub target_prob: Option<f32>,
    pub target_rank: Option<i32>,
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub format: Option<&'a str>,
}

impl<'a> Columns<'a> {
    pub fn of(batch: &'a RecordBatch) -> Result<Self, ReportError> {
        let index: Lists<'a, Int32Array> = Lists::of(needed(batch, "index", INDEX)?, "index", INDEX)?;
        if index.items.null_count() > 0 {
            let found = "List(Int32) with null items".to_owned();
            return Err(ReportError::ColumnType { column: "index", wanted: INDEX, found });
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
        })
    }

    pub fn row(&self, i: usize) -> Row<'a> {
        Row {
            status: text(self.status, i),
            error_kind: text(self.error_kind, i),
            target: int(self.target, i),
            index: &self.index.items.values()[self.index.range(i)],
            first_prob: self.prob.as_ref().and_then(|prob| {
                let first = prob.range(i).next()?;
                float(prob.items, first)
            }),
            target_prob: self.target_prob.and_then(|column| float(column, i)),
            target_rank: self.target_rank.and_then(|column| int(column, i)),
            width: int(self.width, i),
            height: int(self.height, i),
            format: text(self.format, i),
        }
    }
}

/// A list column with its items' type told.
struct Lists<'a, T> {
    list: &'a ListArray,
    items: &'a T,
}

impl<'a, T: Array + 'static> Lists<'a, T> {
    fn of(list: &'a ListArray, column: &'static str, wanted: &'static str) -> Result<Self, ReportError> {
        let items = list.values().as_any().downcast_ref::<T>();
        let items = items.ok_or_else(|| wrong_type(list, column, wanted))?;
        Ok(Self { list, items })
    }

    /// Where the items of a row lie; a null list has none, whatever its offsets say.
    fn range(&self, row: usize) -> std::ops::Range<usize> {
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

fn needed<'a, T: Array + 'static>(
    batch: &'a RecordBatch,
    column: &'static str,
    wanted: &'static str,
) -> Result<&'a T, ReportError> {
    optional(batch, column, wanted)?.ok_or_else(|| ReportError::MissingColumn {
        column,
        found: batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect(),
    })
}

fn optional<'a, T: Array + 'static>(
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
    ReportError::ColumnType { column, wanted, found: array.data_type().to_string() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::types::Int32Type;
    use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
    use arrow::datatypes::{DataType, Field};

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
        let columns = Columns::of(&batch).unwrap();
        assert_eq!(columns.row(0).index, [0_i32; 0]);
        assert_eq!(columns.row(1).index, [9, 6]);
    }

    #[test]
    fn a_list_with_null_items_is_refused_and_not_read_as_class_0() {
        let index = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None])]);
        let batch = with_index(&[TestRow::ok(0, &[0])], index);
        let text = Columns::of(&batch).err().unwrap().to_string();
        assert_eq!(
            text,
            "column `index` has type `List(Int32) with null items` where `List(Int32)` is needed"
        );
    }
}
