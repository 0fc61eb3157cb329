//! The plan of shards: their listing.

use futures::stream::BoxStream;

use crate::dataset::DatasetError;
use crate::dataset::objects::Objects;
use crate::dataset::plan::{LeftOut, PlanPosition, PlanRow, PlanShape, PlanSource, Unit};
use crate::store::{ListingOrder, Location};

/// The planning side of shards: one row of the plan, and one part, is a shard.
pub struct ShardSource(Objects);

impl ShardSource {
    /// The shards below a folder, or those of it that `pattern` names.
    ///
    /// # Errors
    /// Where the pattern means nothing, or one shard twice.
    pub fn new(input: Location, pattern: Option<&str>) -> Result<Self, DatasetError> {
        Objects::new(input, "tar", pattern).map(ShardSource)
    }

    /// Takes hidden files as well, as version 0.1.0 did.
    pub fn with_hidden(self, takes_hidden: bool) -> Self {
        ShardSource(self.0.with_hidden(takes_hidden))
    }

    /// Leaves out what a local disk lists and cannot give, as version 0.1.0 did.
    pub fn without_obstacles(self, leaves_out: bool) -> Self {
        ShardSource(self.0.without_obstacles(leaves_out))
    }

    /// Names of some shards, to check whether the input still exists.
    ///
    /// # Errors
    /// The listing fails. With names instead of a listing, there is no error.
    pub async fn some_keys(&self, count: usize) -> Result<Vec<String>, DatasetError> {
        self.0.some_keys(count).await
    }
}

impl PlanSource for ShardSource {
    fn shape(&self) -> PlanShape<'_> {
        PlanShape { unit: Unit::Shard, ..PlanShape::default() }
    }

    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        self.0.rows(after.map(|row| row.key.as_str()))
    }

    fn take_left_out(&self) -> LeftOut {
        self.0.take_left_out()
    }

    fn order(&self) -> Option<&ListingOrder> {
        self.0.order()
    }

    fn empty_error(&self) -> DatasetError {
        self.0.empty_error()
    }
}
