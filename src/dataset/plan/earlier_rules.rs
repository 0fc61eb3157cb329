//! The plan of a job that version 0.1.0 began: keys that its rules read otherwise end it.

use futures::future::ready;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};

use crate::dataset::DatasetError;
use crate::dataset::hidden::is_hidden;
use crate::dataset::objects::is_packed_shard;
use crate::store::{ListingOrder, escaped, is_plain};

use super::left_out::LeftOut;
use super::row::{PlanPosition, PlanRow};
use super::source::{PlanShape, PlanSource};

/// A source whose rows that are still to be planned are the same by the rules of version 0.1.0.
pub struct EarlierRules<'a> {
    source: Box<dyn PlanSource + 'a>,
    /// The error for a key that is not.
    refusal: fn(&str) -> Option<DatasetError>,
}

impl<'a> EarlierRules<'a> {
    /// Refuses keys that were read as those of other objects.
    pub fn of_keys(source: Box<dyn PlanSource + 'a>) -> Self {
        let refusal = |key: &str| (!is_plain(key)).then(|| DatasetError::EarlierKeys { key: escaped(key) });
        EarlierRules { source, refusal }
    }

    /// Refuses hidden files, which were taken for images.
    pub fn of_hidden(source: Box<dyn PlanSource + 'a>) -> Self {
        let refusal = |key: &str| is_hidden(key).then(|| DatasetError::EarlierHidden { key: escaped(key) });
        EarlierRules { source, refusal }
    }

    /// Refuses compressed shards, which were left out or became one row.
    pub fn of_shards(source: Box<dyn PlanSource + 'a>) -> Self {
        let refusal = |key: &str| {
            let why = "is compressed".to_owned();
            is_packed_shard(key).then(|| DatasetError::EarlierShard { key: escaped(key), why })
        };
        EarlierRules { source, refusal }
    }
}

impl PlanSource for EarlierRules<'_> {
    fn shape(&self) -> PlanShape<'_> {
        self.source.shape()
    }

    fn rows(&self, after: Option<&PlanPosition>) -> BoxStream<'_, Result<PlanRow, DatasetError>> {
        let checked = |row: PlanRow| match (self.refusal)(&row.key) {
            None => Ok(row),
            Some(error) => Err(error),
        };
        self.source.rows(after).and_then(move |row| ready(checked(row))).boxed()
    }

    fn take_left_out(&self) -> LeftOut {
        self.source.take_left_out()
    }

    fn order(&self) -> Option<&ListingOrder> {
        self.source.order()
    }

    fn empty_error(&self) -> DatasetError {
        self.source.empty_error()
    }
}
