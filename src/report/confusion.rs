//! Which classes are taken for which.

use std::collections::HashMap;

use serde::Serialize;

use super::judged::JudgedRow;
use super::values::ClassFigures;

/// Pairs that are counted at the same time: all of up to 1,024 classes, and about 40 MB.
const PAIRS: usize = 1 << 20;
/// Pairs that are reported.
const PAIRS_TOLD: usize = 100;
/// Classes of the matrix.
const MATRIX: usize = 50;

/// The scored rows that are wrong, by what they are and what they were taken for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confusion {
    /// The most frequent pairs of classes, most frequent first; 100 at most.
    pub pairs: Vec<ConfusedPair>,
    /// By how much the count of a pair may be too small: 0, unless more than a million different pairs occur.
    pub uncertain_by: u64,
    /// The matrix of all classes, or of the worst.
    pub matrix: ConfusionMatrix,
}

/// One class taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ConfusedPair {
    /// What the rows are.
    pub target: usize,
    /// What they were taken for.
    pub predicted: usize,
    /// How many of them.
    pub rows: u64,
    /// Scored rows of the target.
    pub of: u64,
}

/// Rows by target and predicted class.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ConfusionMatrix {
    /// True if all classes of the model are in it; else they are the 50 with the lowest recall among those that
    /// have scored rows, the more frequent first among equals.
    pub whole: bool,
    /// Indices of the classes, ascending.
    pub classes: Vec<usize>,
    /// `rows[i][j]`: rows of class `classes[i]` that were taken for `classes[j]`.
    pub rows: Vec<Vec<u64>>,
    /// Rows of class `classes[i]` that were taken for a class that is not in the matrix.
    pub elsewhere: Vec<u64>,
}

/// Counts of pairs, in bounded memory: if there are too many, every count is lowered by one and pairs whose count
/// reaches 0 are dropped (J. Misra, D. Gries, "Finding repeated elements", *Science of Computer Programming* 2, 1982).
#[derive(Debug, Default)]
pub(super) struct ConfusionSums {
    pairs: HashMap<(u32, u32), u64>,
    lowered: u64,
}

impl ConfusionSums {
    pub fn add(&mut self, judged: &JudgedRow<'_>) {
        let Some((target, score)) = judged.scored().filter(|(_, score)| !score.top1) else { return };
        self.count(target as u32, score.predicted as u32, PAIRS);
    }

    fn count(&mut self, target: u32, predicted: u32, most: usize) {
        if let Some(rows) = self.pairs.get_mut(&(target, predicted)) {
            *rows += 1;
            return;
        }
        if self.pairs.len() >= most {
            self.lowered += 1;
            self.pairs.retain(|_, rows| {
                *rows -= 1;
                *rows > 0
            });
        }
        if self.pairs.len() < most {
            self.pairs.insert((target, predicted), 1);
        }
    }

    pub fn finish(self, classes: &[ClassFigures]) -> Confusion {
        let mut pairs: Vec<ConfusedPair> = self
            .pairs
            .iter()
            .map(|(&(target, predicted), &rows)| {
                let (target, predicted) = (target as usize, predicted as usize);
                ConfusedPair { target, predicted, rows, of: classes[target].support }
            })
            .collect();
        pairs.sort_unstable_by_key(|pair| (u64::MAX - pair.rows, pair.target, pair.predicted));
        pairs.truncate(PAIRS_TOLD);
        Confusion { pairs, uncertain_by: self.lowered, matrix: self.matrix(classes) }
    }

    fn matrix(&self, classes: &[ClassFigures]) -> ConfusionMatrix {
        let whole = classes.len() <= MATRIX;
        let mut chosen: Vec<&ClassFigures> =
            classes.iter().filter(|class| whole || class.support > 0).collect();
        if !whole {
            chosen.sort_by(|a, b| {
                let recall = |class: &ClassFigures| class.recall.unwrap_or_default();
                recall(a).total_cmp(&recall(b)).then((b.support, a.index).cmp(&(a.support, b.index)))
            });
            chosen.truncate(MATRIX);
            chosen.sort_by_key(|class| class.index);
        }
        let indices: Vec<usize> = chosen.iter().map(|class| class.index).collect();
        let pair = |target: usize, predicted: usize| {
            self.pairs.get(&(target as u32, predicted as u32)).copied().unwrap_or_default()
        };
        let line = |class: &&ClassFigures| -> Vec<u64> {
            let cell = |&other: &usize| {
                if other == class.index { class.correct } else { pair(class.index, other) }
            };
            indices.iter().map(cell).collect()
        };
        let rows: Vec<Vec<u64>> = chosen.iter().map(line).collect();
        let elsewhere = chosen.iter().zip(&rows);
        let elsewhere =
            elsewhere.map(|(class, row)| class.support.saturating_sub(row.iter().sum())).collect();
        ConfusionMatrix { whole, classes: indices, rows, elsewhere }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, report};
    use super::*;

    #[test]
    fn a_small_model_has_its_whole_matrix_and_pairs_by_their_count() {
        let rows = [
            TestRow::ok(0, &[0]),
            TestRow::ok(0, &[1]),
            TestRow::ok(2, &[0]),
            TestRow::ok(2, &[0]),
            TestRow::error("limit").target(1),
            TestRow::ok(None, &[1]),
        ];
        let confusion = report(&rows, 3).confusion;
        assert!(confusion.matrix.whole);
        assert_eq!(confusion.matrix.rows, [[1, 1, 0], [0, 0, 0], [2, 0, 0]]);
        assert_eq!(confusion.matrix.elsewhere, [0, 0, 0]);
        let pairs: Vec<_> = confusion.pairs.iter().map(|p| (p.target, p.predicted, p.rows, p.of)).collect();
        assert_eq!(pairs, [(2, 0, 2, 2), (0, 1, 1, 2)]);
    }

    #[test]
    fn a_large_model_shows_its_worst_classes_and_what_went_elsewhere() {
        // classes 0 to 59: the odd ones are always taken for class 58, one of each even one is right
        let rows: Vec<TestRow> =
            (0..60).map(|i| TestRow::ok(i, &[if i % 2 == 1 { 58 } else { i }])).collect();
        let matrix = report(&rows, 70).confusion.matrix;
        assert!(!matrix.whole);
        assert_eq!(matrix.classes.len(), 50);
        assert!((1..60).step_by(2).all(|odd| matrix.classes.contains(&odd)));
        assert!(!matrix.classes.contains(&58), "the best are left out, by index among equals");
        let first_odd = matrix.classes.iter().position(|&class| class == 1).unwrap();
        assert_eq!(matrix.elsewhere[first_odd], 1);
    }

    #[test]
    fn endlessly_many_pairs_stay_within_the_bound_and_the_frequent_one_is_found() {
        let mut sums = ConfusionSums::default();
        for i in 0..10_000 {
            sums.count(i, i + 1, 100);
            sums.count(7, 9, 100);
        }
        assert!(sums.pairs.len() <= 100);
        let found = sums.pairs[&(7, 9)];
        assert!(found + sums.lowered >= 10_000, "{found} + {}", sums.lowered);
        assert!(sums.lowered <= 20_000 / 100, "{}", sums.lowered);
    }
}
