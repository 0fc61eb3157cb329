//! The columns of one batch of one output, as a comparison needs them.

use arrow::array::{Array, AsArray, FixedSizeListArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float16Type, Float32Type};
use half::slice::HalfFloatSliceExt;

use super::super::ReportError;
use super::super::rows::Columns;
use super::CompareError;

/// One side of a batch.
pub(super) struct Side<'a> {
    pub rows: Columns<'a>,
    pub key: &'a StringArray,
    /// What tells slices apart, as text.
    by: Option<StringArray>,
    vectors: Option<&'a FixedSizeListArray>,
}

impl<'a> Side<'a> {
    /// `side` is `A` or `B`.
    pub fn of(batch: &'a RecordBatch, side: char, by: Option<&str>) -> Result<Self, CompareError> {
        let wrong = |error| CompareError::Rows { side, error };
        let rows = Columns::of(batch).map_err(wrong)?;
        let key = batch.column_by_name("key").and_then(|column| column.as_string_opt::<i32>());
        let key = key.ok_or_else(|| {
            let found = batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect();
            wrong(ReportError::MissingColumn { column: "key", found })
        })?;
        let by = by.and_then(|name| Some((name, batch.column_by_name(name)?)));
        let by = by.map(|(name, column)| as_text(name, column)).transpose()?;
        let vectors = batch.column_by_name("embedding").and_then(|column| column.as_fixed_size_list_opt());
        Ok(Side { rows, key, by, vectors })
    }

    /// The slice of a row; `None` where this side has no such column.
    pub fn slice(&self, row: usize) -> Option<&str> {
        let by = self.by.as_ref()?;
        Some(if by.is_valid(row) { by.value(row) } else { "(null)" })
    }

    pub fn has_vectors(&self) -> bool {
        self.vectors.is_some()
    }

    /// Puts the embedding of a row into `into`; false where it has none.
    pub fn vector(&self, row: usize, into: &mut Vec<f32>) -> bool {
        let Some(vectors) = self.vectors.filter(|vectors| vectors.is_valid(row)) else { return false };
        let width = vectors.value_length() as usize;
        let range = row * width..(row + 1) * width;
        into.clear();
        let values = vectors.values();
        if let Some(values) = values.as_primitive_opt::<Float32Type>() {
            into.extend_from_slice(&values.values()[range]);
        } else if let Some(values) = values.as_primitive_opt::<Float16Type>() {
            into.resize(width, 0.0);
            values.values()[range].convert_to_f32_slice(into);
        } else {
            return false;
        }
        true
    }
}

fn as_text(name: &str, column: &dyn Array) -> Result<StringArray, CompareError> {
    let refuse =
        || CompareError::SliceType { column: name.to_owned(), found: column.data_type().to_string() };
    if column.data_type().is_nested() {
        return Err(refuse());
    }
    let text = cast(column, &DataType::Utf8).map_err(|_| refuse())?;
    text.as_string_opt::<i32>().cloned().ok_or_else(refuse)
}
