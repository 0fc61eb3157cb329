//! Which rows a person should inspect: wrong ones with a high probability, and those that failed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::judged::JudgedRow;

/// Rows of each kind that are kept.
const MOST: usize = 64;
/// The most kinds of failure that are counted separately; there are about ten.
const KINDS: usize = 64;

/// Rows to inspect, by their number among all rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorstRows {
    /// Scored rows that are wrong, those with the highest probability first.
    pub mistakes: Vec<Mistake>,
    /// Rows that failed: the first of each kind, then the second of each, and so on.
    pub failed: Vec<FailedRow>,
}

/// A row that is wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mistake {
    /// Counted from 0 over all rows.
    pub number: u64,
    /// What it is.
    pub target: usize,
    /// What it was taken for.
    pub predicted: usize,
    /// With which probability.
    pub prob: f32,
    /// The probability of its target, if the row has it.
    pub target_prob: Option<f32>,
}

/// A row that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRow {
    /// Counted from 0 over all rows.
    pub number: u64,
    /// Why.
    pub kind: Option<String>,
    /// What it is, if that is known.
    pub target: Option<usize>,
}

/// The rows that are worst so far.
#[derive(Debug, Default)]
pub(super) struct WorstSums {
    /// The least sure on top. Probabilities are not negative, so their bits are in their order.
    mistakes: BinaryHeap<Reverse<(u32, Reverse<u64>)>>,
    known: BTreeMap<u64, Mistake>,
    failed: BTreeMap<Option<String>, Vec<FailedRow>>,
}

impl WorstSums {
    pub fn add(&mut self, judged: &JudgedRow<'_>) {
        if let Some((target, score)) = judged.scored() {
            if let Some(prob) = judged.row.first_prob.filter(|_| !score.top1) {
                let (number, target_prob) = (judged.number, judged.row.target_prob);
                self.mistake(Mistake { number, target, predicted: score.predicted, prob, target_prob });
            }
        } else if !judged.is_ok() {
            self.failure(judged);
        }
    }

    fn mistake(&mut self, mistake: Mistake) {
        let place = (mistake.prob.abs().to_bits(), Reverse(mistake.number));
        if self.mistakes.len() >= MOST {
            match self.mistakes.peek() {
                Some(Reverse(least)) if *least < place => {}
                _ => return,
            }
            if let Some(Reverse((_, Reverse(number)))) = self.mistakes.pop() {
                self.known.remove(&number);
            }
        }
        self.mistakes.push(Reverse(place));
        self.known.insert(mistake.number, mistake);
    }

    fn failure(&mut self, judged: &JudgedRow<'_>) {
        let kind = judged.row.error_kind;
        let known = self.failed.len();
        let rows = match self.failed.iter_mut().find(|(told, _)| told.as_deref() == kind) {
            Some((_, rows)) => rows,
            None if known < KINDS => self.failed.entry(kind.map(str::to_owned)).or_default(),
            None => return,
        };
        if rows.len() < MOST {
            let (number, kind) = (judged.number, kind.map(str::to_owned));
            rows.push(FailedRow { number, kind, target: judged.target });
        }
    }

    pub fn finish(self) -> WorstRows {
        let order = self.mistakes.into_sorted_vec().into_iter();
        let mistakes = order.filter_map(|Reverse((_, Reverse(number)))| self.known.get(&number).copied());
        let mut failed: Vec<(usize, FailedRow)> =
            self.failed.into_values().flat_map(|rows| rows.into_iter().enumerate()).collect();
        failed.sort_by_key(|(turn, row)| (*turn, row.number));
        failed.truncate(MOST);
        WorstRows { mistakes: mistakes.collect(), failed: failed.into_iter().map(|(_, row)| row).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, report};

    #[test]
    fn the_surest_mistakes_are_kept_in_their_order_and_the_first_of_equals() {
        let rows: Vec<TestRow> = (0..500_i32)
            .map(|i| TestRow::ok(i % 2, &[0]).probs(&[((i * 37) % 250) as f32 / 250.0]).target_prob(0.1))
            .collect();
        let worst = report(&rows, 2).worst;
        assert_eq!(worst.mistakes.len(), 64);
        let probs: Vec<f32> = worst.mistakes.iter().map(|mistake| mistake.prob).collect();
        assert!(probs.windows(2).all(|pair| pair[0] >= pair[1]), "{probs:?}");
        let mut all: Vec<f32> =
            (0..500_i32).filter(|i| i % 2 == 1).map(|i| ((i * 37) % 250) as f32 / 250.0).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(probs, all[..64]);
        let ties = worst.mistakes.windows(2).filter(|pair| pair[0].prob == pair[1].prob);
        assert!(ties.into_iter().all(|pair| pair[0].number < pair[1].number));
    }

    #[test]
    fn every_kind_of_failure_has_its_turn() {
        let mut rows: Vec<TestRow> = (0..200).map(|_| TestRow::error("corrupt")).collect();
        rows.push(TestRow::error("limit").target(1));
        let failed = report(&rows, 2).worst.failed;
        assert_eq!(failed.len(), 64);
        let kinds: Vec<Option<&str>> = failed[..3].iter().map(|row| row.kind.as_deref()).collect();
        assert_eq!(kinds, [Some("corrupt"), Some("limit"), Some("corrupt")]);
        assert_eq!((failed[1].number, failed[1].target), (200, Some(1)));
    }
}
