//! How many rows of which sort, and which share of them is right.

use super::inputs::TextCounts;
use super::judged::{JudgedRow, RowOutcome};
use super::proportion::Proportion;
use super::values::Counts;

/// Where an `error` row that names no kind is counted.
const UNSPECIFIED: &str = "unspecified";

/// Sums for [`Counts`] and the accuracies over all classes.
#[derive(Debug, Default)]
pub(super) struct ShareSums {
    counts: Counts,
    error_kinds: TextCounts,
    top1: u64,
    top5: u64,
}

/// What [`ShareSums`] come to.
pub(super) struct Shares {
    pub counts: Counts,
    pub top1: Option<Proportion>,
    pub top5: Option<Proportion>,
    pub top1_all: Option<Proportion>,
    pub top5_all: Option<Proportion>,
}

impl ShareSums {
    pub fn add(&mut self, judged: &JudgedRow<'_>) {
        let counts = &mut self.counts;
        counts.rows += 1;
        match judged.target {
            Some(_) => counts.with_target += 1,
            None => counts.unknown_target += 1,
        }
        match &judged.outcome {
            RowOutcome::Failed => {
                counts.errors += 1;
                self.error_kinds.add(judged.row.error_kind.unwrap_or(UNSPECIFIED));
            }
            RowOutcome::Unscored => counts.ok += 1,
            RowOutcome::Scored(score) => {
                counts.ok += 1;
                counts.scored += 1;
                counts.top5_unknown += u64::from(score.top5.is_none());
                counts.rank_conflicts += u64::from(score.conflict);
                self.top1 += u64::from(score.top1);
                self.top5 += u64::from(score.top5 == Some(true));
            }
        }
    }

    pub fn finish(self) -> Shares {
        let counts = Counts { errors_by_kind: self.error_kinds.finish(), ..self.counts };
        let top5 = |of| (counts.top5_unknown == 0).then(|| Proportion::new(self.top5, of)).flatten();
        Shares {
            top1: Proportion::new(self.top1, counts.scored),
            top5: top5(counts.scored),
            top1_all: Proportion::new(self.top1, counts.with_target),
            top5_all: top5(counts.with_target),
            counts,
        }
    }
}
