//! Summaries of what the images were, and counts by a short text.

use std::collections::BTreeMap;

use super::rows::Row;
use super::values::{Inputs, Range};

/// Different texts that a [`TextCounts`] keeps apart. Error kinds and formats are closed sets of about ten; the
/// bound is for files that another program wrote.
const TALLY_LIMIT: usize = 64;

/// Where a full [`TextCounts`] counts texts that it has not seen before.
const OTHER: &str = "(other)";

/// Counts by text, in bounded memory.
#[derive(Debug, Default)]
pub(super) struct TextCounts(BTreeMap<String, u64>);

impl TextCounts {
    pub fn add(&mut self, text: &str) {
        if let Some(count) = self.0.get_mut(text) {
            *count += 1;
            return;
        }
        let text = if self.0.len() < TALLY_LIMIT { text } else { OTHER };
        *self.0.entry(text.to_owned()).or_insert(0) += 1;
    }

    pub fn finish(self) -> BTreeMap<String, u64> {
        self.0
    }
}

/// Sums for [`Inputs`].
#[derive(Debug, Default)]
pub(super) struct InputSums {
    formats: TextCounts,
    unknown_format: u64,
    width: RangeSums,
    height: RangeSums,
}

impl InputSums {
    pub fn add(&mut self, row: &Row<'_>) {
        match row.format {
            Some(format) => self.formats.add(format),
            None => self.unknown_format += 1,
        }
        self.width.add(row.width);
        self.height.add(row.height);
    }

    pub fn finish(self) -> Inputs {
        Inputs {
            formats: self.formats.finish(),
            unknown_format: self.unknown_format,
            width: self.width.finish(),
            height: self.height.finish(),
        }
    }
}

#[derive(Debug, Default)]
struct RangeSums {
    /// Smallest and largest, from the first value on.
    ends: Option<(i32, i32)>,
    /// Exact: 2³² rows of the largest i32 still fit.
    sum: i64,
    rows: u64,
}

impl RangeSums {
    fn add(&mut self, value: Option<i32>) {
        let Some(value) = value else { return };
        let (min, max) = self.ends.unwrap_or((value, value));
        self.ends = Some((min.min(value), max.max(value)));
        self.sum += i64::from(value);
        self.rows += 1;
    }

    fn finish(self) -> Option<Range> {
        let (min, max) = self.ends?;
        Some(Range { min, mean: self.sum as f64 / self.rows as f64, max, rows: self.rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_of_endlessly_many_texts_stays_small_and_loses_no_row() {
        let mut tally = TextCounts::default();
        for i in 0..10_000 {
            tally.add(&format!("kind {i}"));
        }
        let counts = tally.finish();
        assert_eq!(counts.len(), TALLY_LIMIT + 1);
        assert_eq!(counts.values().sum::<u64>(), 10_000);
        assert_eq!(counts[OTHER], 10_000 - TALLY_LIMIT as u64);
    }

    #[test]
    fn an_extent_of_one_value_is_that_value() {
        let mut extent = RangeSums::default();
        extent.add(None);
        extent.add(Some(224));
        assert_eq!(extent.finish(), Some(Range { min: 224, mean: 224.0, max: 224, rows: 1 }));
        assert_eq!(RangeSums::default().finish(), None);
    }
}
