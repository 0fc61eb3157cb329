//! The most suspicious rows of one kind, in bounded memory.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::finding::{Finding, FindingKind};

/// Findings that are kept of one kind; the others are counted.
pub const MOST_FINDINGS: usize = 1_000_000;

/// Keeps the findings of the highest scores.
#[derive(Debug)]
pub(super) struct Ranking {
    pub kind: FindingKind,
    most: usize,
    kept: BinaryHeap<Reverse<Ranked>>,
    found: u64,
}

#[derive(Debug)]
struct Ranked(Finding);

impl Ranked {
    /// A higher score is more suspicious; of equal ones, the earlier row is.
    fn place(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.0, &other.0);
        a.score.total_cmp(&b.score).then(b.row.cmp(&a.row)).then(b.other.cmp(&a.other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.place(other).is_eq()
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place(other)
    }
}

impl Ranking {
    pub fn new(kind: FindingKind) -> Ranking {
        Ranking::of_most(kind, MOST_FINDINGS)
    }

    fn of_most(kind: FindingKind, most: usize) -> Ranking {
        Ranking { kind, most, kept: BinaryHeap::new(), found: 0 }
    }

    pub fn add(&mut self, finding: Finding) {
        self.found += 1;
        self.kept.push(Reverse(Ranked(finding)));
        if self.kept.len() > self.most {
            self.kept.pop();
        }
    }

    /// Findings that are not kept.
    pub fn left_out(&self) -> u64 {
        self.found - self.kept.len() as u64
    }

    /// The kept findings, the most suspicious first.
    pub fn finish(self) -> Vec<Finding> {
        self.kept.into_sorted_vec().into_iter().map(|Reverse(Ranked(finding))| finding).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_scores_are_kept_in_their_order_and_the_others_are_counted() {
        let mut ranking = Ranking::of_most(FindingKind::Label, 3);
        for (row, score) in [(0, 0.5), (1, 0.9), (2, 0.1), (3, 0.9), (4, 0.7)] {
            ranking.add(Finding { row, score, ..Finding::default() });
        }
        assert_eq!(ranking.left_out(), 2);
        let rows: Vec<u64> = ranking.finish().iter().map(|finding| finding.row).collect();
        assert_eq!(rows, [1, 3, 4]);
    }
}
