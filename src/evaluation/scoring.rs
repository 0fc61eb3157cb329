//! What a job's targets ask of its report beyond what every report says.

use arrow::array::RecordBatch;

use crate::failure::Failure;
use crate::job::{Frozen, Sets};
use crate::output::read_rows;
use crate::report::{AveragePrecision, MultiLabel, Report, ReportError, Retarget, View};

use super::reporting::Reported;
use super::target_override::{OtherTruth, logits};

/// How the rows of a job are looked at before they are counted.
pub fn view_of(frozen: &Frozen) -> View {
    let truth = frozen.truth.as_ref();
    match truth.map(|truth| (&truth.among, truth.sets)) {
        Some((Some(among), _)) => View::among(among.clone(), frozen.model.classes),
        Some((None, Some(Sets::AnyIsRight | Sets::MultiLabel))) => View::Sets,
        Some((None, None)) | None => View::Plain,
    }
}

/// How the rows of an output are looked at before they are counted: by the job's own truth, or by another.
pub(crate) struct Look<'a> {
    view: View,
    other: Option<(&'a OtherTruth, Retarget)>,
}

impl<'a> Look<'a> {
    pub fn at(reported: Reported<'a>) -> Look<'a> {
        let frozen = reported.frozen;
        let other = reported.truth.map(|truth| {
            let retarget = Retarget::new(frozen.model.classes, logits(frozen));
            (truth, retarget)
        });
        let view = match (view_of(frozen), &other) {
            (view @ View::Among(_), _) | (view, None) => view,
            (_, Some((truth, _))) if truth.sets().is_some() => View::Sets,
            (_, Some(_)) => View::Plain,
        };
        Look { view, other }
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    /// The columns that are read for it, some of which may not be there.
    pub fn columns(&self) -> Vec<&'static str> {
        let retarget = self.other.as_ref().map(|(_, retarget)| retarget.columns());
        let mut columns: Vec<&str> = self.view.columns().to_vec();
        columns.extend(retarget.into_iter().flatten().filter(|column| !self.view.columns().contains(column)));
        columns
    }

    pub fn of(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ReportError> {
        match &mut self.other {
            None => self.view.of(batch),
            Some((truth, retarget)) => self.view.of(&retarget.of(batch, &|key| truth.target(key))?),
        }
    }

    /// Fails where another truth knew none of the rows that went through.
    pub fn check(&self, reported: Reported<'_>) -> Result<(), Failure> {
        match &self.other {
            Some((truth, Retarget { known: 0, first: Some(first), .. })) => {
                Err(truth.knows_none(reported.output, first))
            }
            _ => Ok(()),
        }
    }

    pub fn finish(self, report: Report) -> Report {
        self.view.finish(report)
    }
}

/// Average precision, where an image of the job has several classes and its logits are kept. It reads them anew, as
/// often as its memory asks for.
pub(crate) async fn multi_label(reported: Reported<'_>) -> Result<Option<MultiLabel>, Failure> {
    let Reported { output, frozen, parts, truth, .. } = reported;
    let own = || frozen.truth.as_ref().and_then(|truth| truth.sets);
    let sets = truth.map_or_else(own, OtherTruth::sets);
    if sets != Some(Sets::MultiLabel) || logits(frozen).is_none() {
        return Ok(None);
    }
    let rows = parts.iter().map(|part| part.ok).sum();
    let mut precision = AveragePrecision::new(frozen.model.classes, rows);
    let mut columns: Vec<&str> = AveragePrecision::COLUMNS.to_vec();
    if truth.is_some() {
        columns.extend(["key", "index"]);
    }
    let mut retarget = Retarget::new(frozen.model.classes, None);
    while precision.begin() {
        read_rows(output, parts, &columns, |batch| {
            let other = truth.map(|truth| retarget.of(batch, &|key| truth.target(key))).transpose()?;
            Ok(precision.push(other.as_ref().unwrap_or(batch))?)
        })
        .await?;
    }
    Ok(Some(precision.finish()))
}
