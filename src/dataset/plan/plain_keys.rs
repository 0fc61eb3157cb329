//! The plan of a job that version 0.1.0 began: keys that it read as those of other objects end it.

use futures::future::ready;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use crate::dataset::DatasetError;
use crate::store::{escaped, is_plain};

use super::left_out::LeftOut;
use super::row::{PlanPosition, PlanRow};
use super::source::{PlanShape, PlanSource};

/// A source whose rows must all have plain keys.
pub struct PlainKeys<'a>(pub Box<dyn PlanSource + 'a>);

impl PlanSource for PlainKeys<'_> {
    fn shape(&self) -> PlanShape<'_> {
        self.0.shape()
    }

    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        let checked = |row: PlanRow| match is_plain(&row.key) {
            true => Ok(row),
            false => Err(DatasetError::EarlierKeys { key: escaped(&row.key) }),
        };
        self.0.rows(after).and_then(move |row| ready(checked(row))).boxed()
    }

    fn take_left_out(&self) -> LeftOut {
        self.0.take_left_out()
    }

    fn empty_error(&self) -> DatasetError {
        self.0.empty_error()
    }
}
