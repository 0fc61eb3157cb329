//! The same accuracy for each value of a column: where a model is good and where it is not.

use std::collections::HashMap;

use serde::Serialize;

use super::judged::JudgedRow;
use super::proportion::Proportion;
use super::slice_by::{Cell, SliceBy};

/// The most different values of a column that are counted separately; rows with others are counted together.
pub(super) const VALUES: usize = 1_000;

/// The figures for each value of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slices {
    /// The column, as [`SliceBy::name`] spells it.
    pub by: String,
    /// One entry a value: buckets in their order, other values with the most frequent first.
    pub values: Vec<Slice>,
    /// Rows with values beyond the first 1,000 different ones that were met; `None` if there are none.
    pub other: Option<Slice>,
}

/// The figures of some of the rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slice {
    /// The value, or the bucket's name; `None` for rows that have none.
    pub value: Option<String>,
    /// All rows.
    pub rows: u64,
    /// Rows with status `error`.
    pub errors: u64,
    /// Scored rows that are right.
    pub top1: Option<Proportion>,
    /// Scored rows whose target is among the best five; `None` if a row does not show it.
    pub top5: Option<Proportion>,
    /// As `top1`, over all rows with a target: a row that failed is wrong.
    pub top1_all: Option<Proportion>,
}

/// Sums for one column.
#[derive(Debug)]
pub(super) struct SliceSums {
    by: SliceBy,
    values: HashMap<String, SliceCounts>,
    buckets: Vec<SliceCounts>,
    null: SliceCounts,
    other: SliceCounts,
}

/// Sums for one value.
#[derive(Debug, Clone, Default)]
struct SliceCounts {
    rows: u64,
    errors: u64,
    with_target: u64,
    scored: u64,
    top1: u64,
    top5: u64,
    top5_unknown: u64,
}

impl SliceSums {
    pub fn new(by: SliceBy) -> Self {
        Self {
            buckets: vec![SliceCounts::default(); by.buckets().len()],
            by,
            values: HashMap::new(),
            null: SliceCounts::default(),
            other: SliceCounts::default(),
        }
    }

    pub fn add(&mut self, judged: &JudgedRow<'_>, cell: Cell<'_>) {
        let counts = match cell {
            Cell::Null => &mut self.null,
            Cell::Bucket(at) => &mut self.buckets[at],
            // looked up twice if it is new, and never copied if it is not
            Cell::Text(text) if self.values.contains_key(text) || self.values.len() < VALUES => {
                if !self.values.contains_key(text) {
                    self.values.insert(text.to_owned(), SliceCounts::default());
                }
                match self.values.get_mut(text) {
                    Some(counts) => counts,
                    None => &mut self.other,
                }
            }
            Cell::Text(_) => &mut self.other,
        };
        counts.add(judged);
    }

    pub fn finish(self) -> Slices {
        let mut values: Vec<(String, SliceCounts)> = self.values.into_iter().collect();
        values.sort_by(|(a, x), (b, y)| (y.rows, a).cmp(&(x.rows, b)));
        let buckets = self.by.buckets().iter().map(|(_, name)| (*name).to_owned()).zip(self.buckets);
        let told = buckets.chain(values).map(|(value, counts)| (Some(value), counts));
        let told = told.chain([(None, self.null)]).filter(|(_, counts)| counts.rows > 0);
        Slices {
            by: self.by.name().to_owned(),
            values: told.map(|(value, counts)| counts.finish(value)).collect(),
            other: (self.other.rows > 0).then(|| self.other.finish(None)),
        }
    }
}

impl SliceCounts {
    fn add(&mut self, judged: &JudgedRow<'_>) {
        self.rows += 1;
        self.errors += u64::from(!judged.is_ok());
        self.with_target += u64::from(judged.target.is_some());
        if let Some((_, score)) = judged.scored() {
            self.scored += 1;
            self.top1 += u64::from(score.top1);
            self.top5 += u64::from(score.top5 == Some(true));
            self.top5_unknown += u64::from(score.top5.is_none());
        }
    }

    fn finish(self, value: Option<String>) -> Slice {
        let top5 = if self.top5_unknown == 0 { Proportion::new(self.top5, self.scored) } else { None };
        Slice {
            value,
            rows: self.rows,
            errors: self.errors,
            top1: Proportion::new(self.top1, self.scored),
            top5,
            top1_all: Proportion::new(self.top1, self.with_target),
        }
    }
}
