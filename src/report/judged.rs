//! One row, checked against the output's contract and judged once: every part of a report sees the same judgement.

use super::accuracy::Score;
use super::error::ReportError;
use super::rows::Row;

/// A row that keeps the contract.
pub(super) struct JudgedRow<'a> {
    /// Counted from 0 over all rows.
    pub number: u64,
    pub row: &'a Row<'a>,
    pub target: Option<usize>,
    pub outcome: RowOutcome,
}

/// How a row ended.
pub(super) enum RowOutcome {
    /// Status `error`.
    Failed,
    /// `ok`, without a target.
    Unscored,
    /// `ok`, with a target.
    Scored(Score),
}

impl<'a> JudgedRow<'a> {
    /// # Errors
    /// The row breaks the contract.
    pub fn of(row: &'a Row<'a>, number: u64, classes: usize) -> Result<Self, ReportError> {
        let target = row.target.map(|target| check_target(target, number, classes)).transpose()?;
        let outcome = match (row.status, target) {
            (Some("error"), _) => RowOutcome::Failed,
            (Some("ok"), Some(target)) => RowOutcome::Scored(Score::of(row, number, target, classes)?),
            (Some("ok"), None) => RowOutcome::Unscored,
            (other, _) => return Err(ReportError::Status { row: number, found: other.map(str::to_owned) }),
        };
        if !matches!(outcome, RowOutcome::Failed) {
            check_probability(row.first_prob, "prob", number)?;
            check_probability(row.target_prob, "target_prob", number)?;
        }
        Ok(Self { number, row, target, outcome })
    }

    /// Target and score, if the row has both.
    pub fn scored(&self) -> Option<(usize, &Score)> {
        match (self.target, &self.outcome) {
            (Some(target), RowOutcome::Scored(score)) => Some((target, score)),
            _ => None,
        }
    }

    /// True if the row is `ok`.
    pub fn is_ok(&self) -> bool {
        !matches!(self.outcome, RowOutcome::Failed)
    }
}

fn check_target(target: i32, row: u64, classes: usize) -> Result<usize, ReportError> {
    let index = usize::try_from(target).ok().filter(|&index| index < classes);
    index.ok_or(ReportError::Target { row, target, classes })
}

pub(super) fn check_probability(
    value: Option<f32>,
    column: &'static str,
    row: u64,
) -> Result<(), ReportError> {
    match value {
        Some(value) if !value.is_finite() => Err(ReportError::NotFinite { column, row, value }),
        Some(value) if !(0.0..=1.0).contains(&value) => {
            Err(ReportError::NoProbability { column, row, value })
        }
        _ => Ok(()),
    }
}
