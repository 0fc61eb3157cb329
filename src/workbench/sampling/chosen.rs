//! Some rows of an input, as a separate input.

use futures::stream::{self, BoxStream, StreamExt};

use crate::dataset::{DatasetError, LeftOut, PlanPosition, PlanRow, PlanShape, PlanSource};

/// Rows that were chosen, in the order of the plan.
pub(crate) struct Chosen<'a> {
    source: &'a dyn PlanSource,
    rows: Vec<PlanRow>,
}

impl<'a> Chosen<'a> {
    pub fn new(source: &'a dyn PlanSource, rows: Vec<PlanRow>) -> Self {
        Chosen { source, rows }
    }
}

impl PlanSource for Chosen<'_> {
    fn shape(&self) -> PlanShape<'_> {
        self.source.shape()
    }

    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        let is_after =
            |row: &PlanRow| PlanPosition { key: row.key.clone(), group: row.group.map(|group| group.index) };
        let begin = after.and_then(|after| self.rows.iter().position(|row| is_after(row) == *after));
        let begin = begin.map_or(0, |last| last + 1);
        stream::iter(self.rows[begin..].iter().cloned().map(Ok)).boxed()
    }

    fn take_left_out(&self) -> LeftOut {
        self.source.take_left_out()
    }

    fn empty_error(&self) -> DatasetError {
        self.source.empty_error()
    }
}
