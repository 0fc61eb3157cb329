//! The plan of a job that version 0.1.0 began: hidden files, which it took for images, end it.

use futures::future::ready;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use crate::dataset::DatasetError;
use crate::dataset::hidden::is_hidden;
use crate::store::escaped;

use super::left_out::LeftOut;
use super::row::{PlanPosition, PlanRow};
use super::source::{PlanShape, PlanSource};

/// A source of which no row that is still to be planned may be hidden.
pub struct VisibleKeys<'a>(pub Box<dyn PlanSource + 'a>);

impl PlanSource for VisibleKeys<'_> {
    fn shape(&self) -> PlanShape<'_> {
        self.0.shape()
    }

    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        let checked = |row: PlanRow| match is_hidden(&row.key) {
            false => Ok(row),
            true => Err(DatasetError::EarlierHidden { key: escaped(&row.key) }),
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
