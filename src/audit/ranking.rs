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

    /// Numbers the groups of the kept findings from 0, in the order of their other rows; a group has one such row.
    pub fn number_groups(&mut self) {
        let kept = std::mem::take(&mut self.kept).into_vec();
        let mut others: Vec<u64> = kept.iter().filter_map(|Reverse(Ranked(finding))| finding.other).collect();
        others.sort_unstable();
        others.dedup();
        let numbered = kept.into_iter().map(|Reverse(Ranked(mut finding))| {
            let place = finding.other.and_then(|other| others.binary_search(&other).ok());
            finding.group = place.map(|place| place as u64);
            Reverse(Ranked(finding))
        });
        self.kept = numbered.collect();
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
    fn findings_with_the_same_other_row_are_one_group() {
        let mut ranking = Ranking::of_most(FindingKind::Duplicate, 9);
        for (row, other) in [(5, 4), (7, 2), (9, 4)] {
            ranking.add(Finding { row, other: Some(other), score: 1.0, ..Finding::default() });
        }
        ranking.number_groups();
        let groups: Vec<_> = ranking.finish().iter().map(|finding| (finding.row, finding.group)).collect();
        assert_eq!(groups, [(5, Some(1)), (7, Some(0)), (9, Some(1))]);
    }

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
