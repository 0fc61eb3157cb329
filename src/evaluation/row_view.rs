//! How the rows of an output are scored: by the job's own targets, or by those that override them.

use arrow_array::RecordBatch;

use crate::failure::Failure;
use crate::job::{Frozen, Sets};
use crate::report::{Report, ReportError, Scoring, TargetReplacement};

use super::report_input::ReportInput;
use super::target_override::{TargetOverride, logits};

/// How the rows of a job are scored by its own targets.
pub fn scoring_of(frozen: &Frozen) -> Scoring {
    let truth = frozen.truth.as_ref();
    match truth.map(|truth| (&truth.among, truth.sets)) {
        Some((Some(among), _)) => Scoring::among(among.clone(), frozen.model.classes),
        Some((None, Some(Sets::AnyIsRight | Sets::MultiLabel))) => Scoring::Sets,
        Some((None, None)) | None => Scoring::Plain,
    }
}

/// The rows of an output as they are counted: with overridden targets if there are any, and scored by them.
pub(crate) struct RowView<'a> {
    scoring: Scoring,
    target_override: Option<(&'a TargetOverride, TargetReplacement)>,
}

impl<'a> RowView<'a> {
    pub fn of(input: ReportInput<'a>) -> RowView<'a> {
        let frozen = input.frozen;
        let target_override = input.target_override.map(|truth| {
            let replacement = TargetReplacement::new(frozen.model.classes, logits(frozen));
            (truth, replacement)
        });
        let scoring = match (scoring_of(frozen), &target_override) {
            (scoring @ Scoring::Among(_), _) | (scoring, None) => scoring,
            (_, Some((truth, _))) if truth.sets().is_some() => Scoring::Sets,
            (_, Some(_)) => Scoring::Plain,
        };
        RowView { scoring, target_override }
    }

    pub fn scoring(&self) -> &Scoring {
        &self.scoring
    }

    /// The columns that it reads; a file may be without some of them.
    pub fn columns(&self) -> Vec<&'static str> {
        let replacement = self.target_override.as_ref().map(|(_, replacement)| replacement.columns());
        let mut columns: Vec<&str> = self.scoring.columns().to_vec();
        columns.extend(
            replacement.into_iter().flatten().filter(|column| !self.scoring.columns().contains(column)),
        );
        columns
    }

    /// Returns the rows of a batch as they are counted.
    ///
    /// # Errors
    /// A column is missing or of another type; a target or a prediction is outside the classes.
    pub fn apply(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ReportError> {
        match &mut self.target_override {
            None => self.scoring.apply(batch),
            Some((truth, replacement)) => {
                self.scoring.apply(&replacement.apply(batch, &|key| truth.target(key))?)
            }
        }
    }

    /// Fails if the override has a target for none of the rows that went through.
    ///
    /// # Errors
    /// Rows were counted, and the override has a target for none of their keys.
    pub fn check(&self, input: ReportInput<'_>) -> Result<(), Failure> {
        match &self.target_override {
            Some((truth, TargetReplacement { known: 0, first: Some(first), .. })) => {
                Err(truth.knows_none(input.output, first))
            }
            _ => Ok(()),
        }
    }

    pub fn finish(self, report: Report) -> Report {
        self.scoring.finish(report)
    }
}
