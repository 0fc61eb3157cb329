//! One operation of every view of rows: a batch with some columns replaced.

use arrow_array::{ArrayRef, RecordBatch};

use super::error::ReportError;

/// Returns the batch with `columns` in place of those of the same names, or after the others if it has none.
pub(super) fn with_columns(
    batch: &RecordBatch,
    columns: &[(&str, ArrayRef)],
) -> Result<RecordBatch, ReportError> {
    let schema = batch.schema_ref();
    let old = schema.fields().iter().zip(batch.columns()).map(|(field, array)| {
        let new = columns.iter().find(|(name, _)| name == field.name());
        (field.name().clone(), new.map_or_else(|| array.clone(), |(_, array)| array.clone()), true)
    });
    let absent = columns.iter().filter(|(name, _)| schema.field_with_name(name).is_err());
    let absent = absent.map(|(name, array)| ((*name).to_owned(), array.clone(), true));
    Ok(RecordBatch::try_from_iter_with_nullable(old.chain(absent))?)
}
