//! Rows that show what a class and a confusion look like, chosen while rows are counted.

use std::collections::{HashMap, HashSet};

use super::confusion::Confusion;
use super::judged::JudgedRow;
use super::values::ClassFigures;
use super::worst::WorstRows;
use super::worst_classes::worst_classes_first;

/// Examples of a report, at most.
const MOST: usize = 192;
/// Mistakes that get a right example of both classes.
const EXPLAINED: usize = 48;
/// Rows that are remembered of each confused pair, and right ones of each class.
const EACH: usize = 2;
/// Confused pairs of which rows are remembered, the first that occur: 13 MB at most.
const PAIRS: usize = 1 << 16;

/// A scored row that is worth a picture.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct ExampleRow {
    /// Counted from 0 over all rows.
    pub number: u64,
    /// What it is.
    pub target: usize,
    /// What it was taken for; the target if the row is right.
    pub predicted: usize,
    /// With which probability.
    pub prob: f32,
    /// The probability of the target, if the row has one.
    pub target_prob: Option<f32>,
}

impl ExampleRow {
    /// True if the prediction is the target.
    pub fn is_right(&self) -> bool {
        self.target == self.predicted
    }
}

/// The surest rows of each class and of each confused pair so far.
#[derive(Debug, Default)]
pub(super) struct ExampleSums {
    /// Right rows, by class.
    right: Vec<Surest>,
    /// Where the wrong rows of a target and a prediction are.
    pairs: HashMap<(u32, u32), u32>,
    wrong: Vec<Surest>,
    /// What a row of each pair must exceed to be kept, apart from the rows: most rows need no more, and these numbers stay in
    /// a cache.
    least: Vec<f32>,
}

/// The surest rows, the first among equals; in place, since most rows look at another class or pair.
#[derive(Debug, Default)]
struct Surest {
    rows: [ExampleRow; EACH],
    kept: usize,
}

impl Surest {
    fn rows(&self) -> &[ExampleRow] {
        &self.rows[..self.kept]
    }

    /// The probability that a further row must exceed.
    fn least(&self) -> f32 {
        if self.kept < EACH { f32::NEG_INFINITY } else { self.rows[EACH - 1].prob }
    }

    fn add(&mut self, row: ExampleRow) {
        let place = self.rows().partition_point(|other| other.prob >= row.prob);
        if place < EACH {
            self.kept = EACH.min(self.kept + 1);
            self.rows[place..].rotate_right(1);
            self.rows[place] = row;
        }
    }
}

impl ExampleSums {
    pub fn add(&mut self, judged: &JudgedRow<'_>) {
        let Some((target, score)) = judged.scored() else { return };
        let Some(prob) = judged.row.first_prob else { return };
        // a right row of a set of targets is an example of the class that it was taken for
        let target = if score.top1 { score.predicted } else { target };
        let (number, target_prob) = (judged.number, judged.row.target_prob);
        let row = ExampleRow { number, target, predicted: score.predicted, prob, target_prob };
        if row.is_right() {
            if self.right.len() <= target {
                self.right.resize_with(target + 1, Surest::default);
            }
            return self.right[target].add(row);
        }
        let place = (row.target as u32, row.predicted as u32);
        let at = match self.pairs.get(&place) {
            Some(&at) => at as usize,
            None if self.wrong.len() < PAIRS => {
                self.pairs.insert(place, self.wrong.len() as u32);
                self.wrong.push(Surest::default());
                self.least.push(f32::NEG_INFINITY);
                self.wrong.len() - 1
            }
            None => return,
        };
        // one that is no number is not below anything
        if prob <= self.least[at] {
            return;
        }
        self.wrong[at].add(row);
        self.least[at] = self.wrong[at].least();
    }

    /// The rows that a page shows beside the worst ones, in the order in which they matter: right ones of the classes of
    /// the surest mistakes, then confused pairs and cells of the matrix, then right ones of the worst classes.
    pub fn finish(
        self,
        worst: &WorstRows,
        confusion: &Confusion,
        classes: &[ClassFigures],
    ) -> Vec<ExampleRow> {
        let right_of = |class: usize| self.right.get(class).map(Surest::rows).unwrap_or_default();
        let wrong_of = |target: usize, predicted: usize| {
            let at = self.pairs.get(&(target as u32, predicted as u32));
            at.map(|at| self.wrong[*at as usize].rows()).unwrap_or_default()
        };
        let right = |class: usize| right_of(class).first();
        let mistakes = worst.mistakes.iter().take(EXPLAINED);
        let explained = mistakes.flat_map(|row| [right(row.target), right(row.predicted)]).flatten();
        let pairs = confusion.pairs.iter().flat_map(|pair| wrong_of(pair.target, pair.predicted));
        let matrix = &confusion.matrix;
        let mut cells: Vec<(u64, usize, usize)> = Vec::new();
        for (target, row) in matrix.classes.iter().zip(&matrix.rows) {
            let wrong = matrix.classes.iter().zip(row).filter(|(class, rows)| *class != target && **rows > 0);
            cells.extend(wrong.map(|(class, rows)| (*rows, *target, *class)));
        }
        cells.sort_by_key(|&(rows, target, class)| (u64::MAX - rows, target, class));
        let cells = cells.iter().filter_map(|&(_, target, class)| wrong_of(target, class).first());
        let worst_classes = worst_classes_first(classes);
        let shown = worst_classes.iter().filter_map(|class| right(class.index));
        let again = worst_classes.iter().filter_map(|class| right_of(class.index).get(1));

        let mut taken: HashSet<u64> = worst.mistakes.iter().map(|row| row.number).collect();
        let rows = explained.chain(pairs).chain(cells).chain(shown).chain(again);
        rows.filter(|row| taken.insert(row.number)).copied().take(MOST).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, report};

    #[test]
    fn a_mistake_brings_right_rows_of_both_its_classes() {
        let rows = [
            TestRow::ok(0, &[0]).probs(&[0.4]),
            TestRow::ok(0, &[0]).probs(&[0.9]),
            TestRow::ok(1, &[1]).probs(&[0.6]),
            TestRow::ok(0, &[1]).probs(&[0.8]),
            TestRow::ok(2, &[2]).probs(&[0.7]),
        ];
        let numbers: Vec<u64> = report(&rows, 3).examples.iter().map(|row| row.number).collect();
        assert_eq!(numbers, [1, 2, 4, 0], "the surest of classes 0 and 1, then the other rows");
    }

    #[test]
    fn every_confused_pair_has_its_surest_rows_and_no_row_comes_twice() {
        let rows: Vec<TestRow> = (0..300)
            .map(|i| TestRow::ok(i % 10, &[(i % 10 + i % 3) % 10]).probs(&[(i % 100) as f32 / 100.0]))
            .collect();
        let report = report(&rows, 10);
        let mut numbers: Vec<u64> = report.examples.iter().map(|row| row.number).collect();
        numbers.extend(report.worst.mistakes.iter().map(|row| row.number));
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all);
        for pair in &report.confusion.pairs {
            let shown = report
                .examples
                .iter()
                .any(|row| (row.target, row.predicted) == (pair.target, pair.predicted))
                || report
                    .worst
                    .mistakes
                    .iter()
                    .any(|row| (row.target, row.predicted) == (pair.target, pair.predicted));
            assert!(shown, "{pair:?}");
        }
    }

    #[test]
    fn examples_are_bounded() {
        let rows: Vec<TestRow> =
            (0..2_000).map(|i| TestRow::ok(i % 1_000, &[i % 1_000]).probs(&[0.5])).collect();
        assert_eq!(report(&rows, 1_000).examples.len(), 192);
    }
}
