//! Sums of right and wrong, by class and over all.

use super::error::ReportError;
use super::proportion::percent;
use super::rows::Row;
use super::values::{ClassFigures, Mean};

/// The result of one scored row.
#[derive(Debug, PartialEq)]
pub(super) struct Score {
    pub predicted: usize,
    pub top1: bool,
    /// `None` if the row does not show it.
    pub top5: Option<bool>,
    /// `target_rank` and `index` disagree.
    pub conflict: bool,
}

impl Score {
    /// `row` is `ok`, `target` is below `classes`.
    ///
    /// # Errors
    /// [`ReportError::Prediction`] if there is no first class below `classes`. [`ReportError::Rank`] if `target_rank`
    /// is not from 1 to `classes`.
    pub fn of(row: &Row<'_>, number: u64, target: usize, classes: usize) -> Result<Self, ReportError> {
        let predicted = row.index.first().and_then(|&first| usize::try_from(first).ok());
        let predicted = predicted
            .filter(|&first| first < classes)
            .ok_or(ReportError::Prediction { row: number, classes })?;
        let kept = row.index.len();
        let listed = row.index.iter().position(|&i| i as usize == target).map(|at| at + 1);
        let told = row.target_rank.map(|rank| check_rank(rank, number, classes)).transpose()?;
        // A target outside the list comes after its end, so a smaller rank is one of a tie.
        let rank = listed.or(told.map(|rank| rank.max(kept + 1)));
        let within = |k: usize| match rank {
            Some(rank) => Some(rank <= k),
            None if kept >= k.min(classes) => Some(false),
            None => None,
        };
        Ok(Self {
            predicted,
            top1: predicted == target,
            top5: within(5),
            conflict: told.is_some_and(|told| listed.map_or(told <= kept, |listed| told != listed)),
        })
    }
}

fn check_rank(rank: i32, row: u64, classes: usize) -> Result<usize, ReportError> {
    let whole = usize::try_from(rank).ok().filter(|whole| (1..=classes).contains(whole));
    whole.ok_or(ReportError::Rank { row, rank, classes })
}

/// Counts of one class.
#[derive(Debug, Clone, Default)]
pub(super) struct ClassCounts {
    pub support: u64,
    pub correct: u64,
    pub predicted: u64,
    pub errors: u64,
}

impl ClassCounts {
    pub fn recall(&self) -> Option<f64> {
        share(self.correct, self.support)
    }

    /// Recall with failed rows as wrong ones.
    pub fn recall_all(&self) -> Option<f64> {
        share(self.correct, self.support + self.errors)
    }

    pub fn figures(&self, index: usize, name: Option<String>) -> ClassFigures {
        ClassFigures {
            index,
            name,
            support: self.support,
            correct: self.correct,
            predicted: self.predicted,
            errors: self.errors,
            recall: self.recall(),
            precision: share(self.correct, self.predicted),
            f1: share(2 * self.correct, self.support + self.predicted),
        }
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| percent(part, whole))
}

/// A running mean of probabilities: f32 values summed in f64, row by row, so that batch borders change
/// nothing.
#[derive(Debug, Default)]
pub(super) struct MeanSum {
    sum: f64,
    rows: u64,
}

impl MeanSum {
    pub fn add(&mut self, value: f64) {
        self.sum += value;
        self.rows += 1;
    }

    pub fn finish(self) -> Mean {
        Mean { mean: (self.rows > 0).then(|| self.sum / self.rows as f64), rows: self.rows }
    }
}

/// Returns the mean of the values; `None` without values.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u64), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(index: &[i32], rank: Option<i32>, target: usize, classes: usize) -> Result<Score, ReportError> {
        let row = Row {
            status: Some("ok"),
            error_kind: None,
            target: Some(target as i32),
            index,
            first_prob: None,
            target_prob: None,
            target_rank: rank,
            width: None,
            height: None,
            format: None,
            logits: None,
        };
        Score::of(&row, 7, target, classes)
    }

    #[test]
    fn the_list_decides_as_far_as_it_reaches_and_the_rank_beyond() {
        // index, target_rank, right at 1, right at 5, contradiction; the target is 3 of 10 classes
        type Case = (&'static [i32], Option<i32>, bool, Option<bool>, bool);
        let cases: [Case; 13] = [
            (&[3, 1, 2, 0, 4], Some(1), true, Some(true), false),
            (&[0, 1, 2, 4, 3], Some(5), false, Some(true), false),
            (&[0, 1, 2, 4, 5], Some(6), false, Some(false), false),
            (&[0, 1, 2, 4, 5], None, false, Some(false), false),
            (&[3], None, true, Some(true), false),
            (&[0], None, false, None, false),
            (&[0], Some(5), false, Some(true), false),
            (&[0], Some(6), false, Some(false), false),
            (&[0, 1, 3], None, false, Some(true), false),
            (&[0, 1, 2, 4, 5, 6, 3], Some(7), false, Some(false), false),
            // Tied with the first: counted as second, where the list has it, and reported as a conflict.
            (&[0, 3], Some(1), false, Some(true), true),
            // Tied with all five that were kept: after them.
            (&[0, 1, 2, 4, 5], Some(1), false, Some(false), true),
            (&[0, 1], Some(2), false, Some(true), true),
        ];
        for (index, rank, top1, top5, conflict) in cases {
            let expected = Score { predicted: index[0] as usize, top1, top5, conflict };
            assert_eq!(score(index, rank, 3, 10).unwrap(), expected, "{index:?} {rank:?}");
        }
    }

    #[test]
    fn a_list_of_all_classes_tells_the_best_five_of_a_small_model() {
        assert_eq!(score(&[0, 1, 2], None, 2, 3).unwrap().top5, Some(true));
        assert_eq!(score(&[0, 1], None, 2, 3).unwrap().top5, None);
        assert_eq!(score(&[0, 1], Some(3), 2, 3).unwrap().top5, Some(true));
    }

    #[test]
    fn rows_that_break_the_contract_are_errors_that_name_them() {
        let text = |result: Result<Score, ReportError>| result.unwrap_err().to_string();
        assert!(text(score(&[], Some(1), 0, 10)).starts_with("row 7: `index` is null, empty"));
        assert!(text(score(&[10], None, 0, 10)).starts_with("row 7: `index` is null, empty"));
        assert!(text(score(&[-1], None, 0, 10)).starts_with("row 7: `index` is null, empty"));
        assert_eq!(text(score(&[1], Some(0), 0, 10)), "row 7: target_rank `0` is outside 1 to 10");
        assert_eq!(text(score(&[1], Some(11), 0, 10)), "row 7: target_rank `11` is outside 1 to 10");
    }

    #[test]
    fn a_class_that_is_never_predicted_has_no_precision_and_an_f1_of_zero() {
        let counts = ClassCounts { support: 4, correct: 0, predicted: 0, errors: 1 };
        let figures = counts.figures(2, None);
        assert_eq!((figures.recall, figures.precision, figures.f1), (Some(0.0), None, Some(0.0)));
        let nothing = ClassCounts::default().figures(0, None);
        assert_eq!((nothing.recall, nothing.precision, nothing.f1), (None, None, None));
    }
}
