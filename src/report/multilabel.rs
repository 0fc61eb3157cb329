//! Average precision of images that have several classes, exact, in passes over the logits.
//!
//! A class's average precision takes all of its scores in order. For a million images and a thousand classes those are
//! 4 GB, so a pass over the rows takes as many classes as 256 MiB hold (one at least: 4 bytes a row), and there are as
//! many passes as that needs. A sketch of the scores would take one pass, and give a number that cannot be reproduced.

use std::ops::Range;

use arrow_array::{Array, Int32Array, ListArray, RecordBatch};
use serde::Serialize;

use super::error::ReportError;
use super::rows::{Lists, Logits, needed};

/// Scores that are held at once, in bytes.
const HELD: usize = 256 << 20;
const LIST: &str = "List(Int32)";

/// The figures of a report about images with several classes each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MultiLabel {
    /// Mean average precision, in percent: over the classes that an image has.
    pub map: Option<f64>,
    /// Rows that are `ok` and have a list of classes, which may be empty.
    pub rows: u64,
    /// Classes that at least one of them has.
    pub classes: usize,
    /// Average precision of each class in percent, by its index.
    pub average_precision: Vec<Option<f64>>,
}

/// Makes the passes: call [`begin`](Self::begin) until it returns false, and push every row once after each call.
#[derive(Debug)]
pub struct AveragePrecision {
    classes: usize,
    group: Range<usize>,
    most: usize,
    rows: u64,
    scores: Vec<Scores>,
    found: Vec<Option<f64>>,
}

/// The scores of one class, of the rows that have it and of those that do not.
#[derive(Debug, Default)]
struct Scores {
    with: Vec<f32>,
    without: Vec<f32>,
}

impl AveragePrecision {
    /// The columns that a pass reads.
    pub const COLUMNS: [&'static str; 2] = ["targets", "logits"];

    /// Creates the passes for `classes` classes and at most `rows` rows.
    pub fn new(classes: usize, rows: u64) -> Self {
        Self::holding(classes, rows, HELD)
    }

    fn holding(classes: usize, rows: u64, bytes: usize) -> Self {
        let of_class = (rows as usize).saturating_mul(4).max(1);
        let most = (bytes / of_class).clamp(1, classes.max(1));
        Self { classes, group: 0..0, most, rows: 0, scores: Vec::new(), found: Vec::with_capacity(classes) }
    }

    /// Begins the next pass; false if none is needed any more.
    pub fn begin(&mut self) -> bool {
        self.found.extend(self.scores.drain(..).map(Scores::average_precision));
        let start = self.group.end;
        if start == self.classes {
            return false;
        }
        self.group = start..(start + self.most).min(self.classes);
        self.scores.resize_with(self.group.len(), Scores::default);
        self.rows = 0;
        true
    }

    /// Takes rows of a pass.
    ///
    /// # Errors
    /// The rows break the output's contract.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), ReportError> {
        let targets: Lists<'_, Int32Array> =
            Lists::of(needed::<ListArray>(batch, "targets", LIST)?, "targets", LIST)?;
        let logits = Logits::of(batch, self.classes)?;
        for row in 0..batch.num_rows() {
            let (Some(values), true) = (logits.row(row), targets.list.is_valid(row)) else { continue };
            let number = self.rows;
            self.rows += 1;
            if values.iter().any(|value| !value.is_finite()) {
                return Err(ReportError::Logits { row: number });
            }
            let set = &targets.items.values()[targets.range(row)];
            let classes = self.classes;
            if let Some(&target) =
                set.iter().find(|class| usize::try_from(**class).ok().is_none_or(|class| class >= classes))
            {
                return Err(ReportError::Target { row: number, target, classes });
            }
            for (class, scores) in self.group.clone().zip(&mut self.scores) {
                // -0 and 0 are one score
                let score = values[class] + 0.0;
                if set.contains(&(class as i32)) {
                    scores.with.push(score)
                } else {
                    scores.without.push(score)
                }
            }
        }
        Ok(())
    }

    /// Returns the result of all passes.
    pub fn finish(self) -> MultiLabel {
        let known: Vec<f64> = self.found.iter().flatten().copied().collect();
        let map = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
        MultiLabel { map, rows: self.rows, classes: known.len(), average_precision: self.found }
    }
}

impl Scores {
    /// The sum, over the distinct scores from the highest down, of the gain in recall times the precision so far: the
    /// step-wise area under the curve that scikit-learn's `average_precision_score` documents, without
    /// interpolation. `None` if no row has the class.
    fn average_precision(mut self) -> Option<f64> {
        self.with.sort_unstable_by(|a, b| b.total_cmp(a));
        self.without.sort_unstable_by(|a, b| b.total_cmp(a));
        let all = self.with.len();
        let (mut right, mut wrong, mut area) = (0, 0, 0.0);
        while right < all {
            let score = self.with[right];
            let before = right;
            right += self.with[right..].iter().take_while(|other| **other == score).count();
            wrong += self.without[wrong..].iter().take_while(|other| **other >= score).count();
            area += (right - before) as f64 / all as f64 * (right as f64 / (right + wrong) as f64);
        }
        (all > 0).then_some(100.0 * area)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::{Float32Type, Int32Type};
    use arrow_array::{ArrayRef, FixedSizeListArray};

    use super::*;

    fn batch(sets: &[Option<Vec<i32>>], logits: &[Option<Vec<f32>>]) -> RecordBatch {
        let width = logits.iter().flatten().next().map_or(0, Vec::len) as i32;
        let sets = sets.iter().map(|set| set.clone().map(|set| set.into_iter().map(Some)));
        let logits = logits.iter().map(|row| row.clone().map(|row| row.into_iter().map(Some)));
        let columns: [(&str, ArrayRef); 2] = [
            ("targets", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(sets))),
            ("logits", Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(logits, width))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
    }

    fn of(batch: &RecordBatch, classes: usize, held: usize) -> (MultiLabel, usize) {
        let mut precision = AveragePrecision::holding(classes, batch.num_rows() as u64, held);
        let mut passes = 0;
        while precision.begin() {
            passes += 1;
            for at in (0..batch.num_rows()).step_by(7) {
                precision.push(&batch.slice(at, 7.min(batch.num_rows() - at))).unwrap();
            }
        }
        (precision.finish(), passes)
    }

    /// `tests/reference/average_precision.py` made the file with scikit-learn.
    #[test]
    fn average_precision_is_scikit_learns_however_many_passes_it_takes() {
        let text = include_str!("../../tests/data/report/average_precision.json");
        let known: serde_json::Value = serde_json::from_str(text).unwrap();
        let sets: Vec<Option<Vec<i32>>> = serde_json::from_value(known["targets"].clone()).unwrap();
        let logits: Vec<Option<Vec<f32>>> = serde_json::from_value(known["logits"].clone()).unwrap();
        let expected: Vec<Option<f64>> = serde_json::from_value(known["average_precision"].clone()).unwrap();
        let batch = batch(&sets, &logits);
        for (held, passes) in
            [(usize::MAX, 1), (4 * batch.num_rows() * 2, expected.len().div_ceil(2)), (1, expected.len())]
        {
            let (found, made) = of(&batch, expected.len(), held);
            assert_eq!(made, passes);
            assert_eq!(found.average_precision.len(), expected.len());
            for (ours, theirs) in found.average_precision.iter().zip(&expected) {
                match (ours, theirs) {
                    (Some(ours), Some(theirs)) => {
                        assert!((ours / 100.0 - theirs).abs() < 1e-12, "{ours} {theirs}")
                    }
                    (ours, theirs) => assert_eq!(ours.is_some(), theirs.is_some()),
                }
            }
            let map = known["map"].as_f64().unwrap();
            assert!((found.map.unwrap() / 100.0 - map).abs() < 1e-12);
            assert_eq!(found.rows, known["rows"].as_u64().unwrap());
        }
    }

    #[test]
    fn without_any_positive_there_is_no_mean() {
        let (found, _) = of(&batch(&[Some(vec![]), None], &[Some(vec![1.0]), Some(vec![2.0])]), 1, HELD);
        assert_eq!((found.map, found.rows, found.classes), (None, 1, 0));
    }

    #[test]
    fn a_class_that_the_model_lacks_is_an_error() {
        let batch = batch(&[Some(vec![2])], &[Some(vec![1.0, 0.0])]);
        let mut precision = AveragePrecision::new(2, 1);
        assert!(precision.begin());
        assert!(precision.push(&batch).unwrap_err().to_string().contains("target `2`"));
    }
}
