//! One row in both outputs.

use super::super::error::ReportError;
use super::super::rows::Row;

/// The rows of one key.
pub(super) struct RowPair<'a> {
    pub key: &'a str,
    pub a: &'a Row<'a>,
    pub b: &'a Row<'a>,
    /// Signs of the two sets of targets; 0 if a row has no set.
    pub sets: [u16; 2],
    /// The slice that both count in.
    pub slice: Option<&'a str>,
}

/// # Errors
/// The row's status is neither `ok` nor `error`.
pub(super) fn is_ok(row: &Row<'_>, number: u64) -> Result<bool, ReportError> {
    match row.status {
        Some("ok") => Ok(true),
        Some("error") => Ok(false),
        other => Err(ReportError::Status { row: number, found: other.map(str::to_owned) }),
    }
}

/// Returns the predicted class.
///
/// # Errors
/// The row has none, or one that the model does not have.
pub(super) fn first(row: &Row<'_>, number: u64, classes: usize) -> Result<i32, ReportError> {
    let first = row.index.first().copied();
    let inside = |&first: &i32| usize::try_from(first).is_ok_and(|first| first < classes);
    first.filter(inside).ok_or(ReportError::Prediction { row: number, classes })
}
