//! What a planner asks of an input.

use futures::stream::BoxStream;

use crate::dataset::{CarriedColumn, DatasetError};
use crate::store::ListingOrder;

use super::left_out::LeftOut;
use super::row::{PlanPosition, PlanRow, Unit};

/// What all rows of a source have in common.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlanShape<'a> {
    /// What a row is.
    pub unit: Unit,
    /// Columns whose values the rows bring along.
    pub carried: &'a [CarriedColumn],
    /// Whether the targets are sets of classes.
    pub sets: bool,
}

/// What a planner asks of an input: its rows in their one order, from anywhere on.
pub trait PlanSource: Send + Sync {
    /// What its rows have in common. A source that wraps another one passes the other's shape on.
    fn shape(&self) -> PlanShape<'_> {
        PlanShape::default()
    }
    /// Lists the rows after `after`, in order.
    ///
    /// # Errors
    /// An item is an error if the input cannot be listed, or if a row of a manifest or file cannot be planned.
    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>>;
    /// What was left out since the last call.
    fn take_left_out(&self) -> LeftOut;
    /// Whether its rows come from listings that are sorted; `None` if they come from elsewhere.
    fn order(&self) -> Option<&ListingOrder> {
        None
    }
    /// The error for an input without a single row, saying what was seen instead.
    fn empty_error(&self) -> DatasetError;
}
