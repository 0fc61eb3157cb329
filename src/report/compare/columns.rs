//! The columns of one batch of one output, as a comparison needs them.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type};
use arrow_array::{Array, FixedSizeListArray, Int32Array, ListArray, RecordBatch, StringArray};
use half::slice::HalfFloatSliceExt;

use super::super::error::ReportError;
use super::super::extras::Extras;
use super::super::rows::{Columns, Lists, optional};
use super::super::slice_by::{Cell, SliceBy};
use super::error::CompareError;

/// The slice of a row that has no value.
const NULL: &str = "(null)";
const LIST: &str = "List(Int32)";

/// One output's columns of a batch.
pub(super) struct SideColumns<'a> {
    pub rows: Columns<'a>,
    pub key: &'a StringArray,
    by: Option<&'a SliceBy>,
    vectors: Option<&'a FixedSizeListArray>,
    sets: Option<Lists<'a, Int32Array>>,
}

impl<'a> SideColumns<'a> {
    /// `side` is `A` or `B`; the model has this many `classes`. A carried column may be one that only the other side
    /// has.
    ///
    /// # Errors
    /// [`CompareError::Rows`] if a column is missing or of another type.
    pub fn of(
        batch: &'a RecordBatch,
        side: char,
        classes: usize,
        by: Option<&'a SliceBy>,
    ) -> Result<Self, CompareError> {
        let wrong = |error| CompareError::Rows { side, error };
        let has = |by: &&SliceBy| by.column().is_none_or(|name| batch.column_by_name(name).is_some());
        let by = by.filter(has);
        let extras = Extras { slices: by.cloned().into_iter().collect(), logits: false };
        let rows = Columns::of(batch, classes, &extras).map_err(wrong)?;
        let key = batch.column_by_name("key").and_then(|column| column.as_string_opt::<i32>());
        let key = key.ok_or_else(|| {
            let found = batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect();
            wrong(ReportError::MissingColumn { column: "key".into(), found })
        })?;
        let vectors = batch.column_by_name("embedding").and_then(|column| column.as_fixed_size_list_opt());
        let sets = optional::<ListArray>(batch, "targets", LIST).map_err(wrong)?;
        let sets = sets.map(|sets| Lists::of(sets, "targets", LIST)).transpose().map_err(wrong)?;
        Ok(SideColumns { rows, key, by, vectors, sets })
    }

    /// The classes of which any is right; `None` if a row has no target, or one target and no set.
    pub fn set(&self, row: usize) -> Option<&[i32]> {
        let sets = self.sets.as_ref().filter(|sets| sets.list.is_valid(row))?;
        Some(&sets.items.values()[sets.range(row)])
    }

    /// The slice of a row; `None` if this side has no such column.
    pub fn slice(&self, row: usize) -> Option<&str> {
        let (by, column) = self.by.zip(self.rows.slices.first())?;
        Some(match column.cell(row) {
            Cell::Null => NULL,
            Cell::Text(text) => text,
            Cell::Bucket(at) => by.buckets().get(at).map_or(NULL, |(_, name)| name),
        })
    }

    pub fn has_vectors(&self) -> bool {
        self.vectors.is_some()
    }

    /// Puts the embedding of a row into `into`; false if it has none.
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
