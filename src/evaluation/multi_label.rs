//! Average precision of an output whose images have several classes.

use crate::failure::Failure;
use crate::job::Sets;
use crate::output::read_rows;
use crate::report::{AveragePrecision, MultiLabel, TargetReplacement};

use super::report_input::ReportInput;
use super::target_override::{TargetOverride, logits};

/// Returns the average precision, if an image of the job has several classes and its logits are kept. It reads the logits
/// again, in as many passes as its bound on memory needs.
pub(crate) async fn multi_label(input: ReportInput<'_>) -> Result<Option<MultiLabel>, Failure> {
    let ReportInput { output, frozen, parts, target_override, .. } = input;
    let own = || frozen.truth.as_ref().and_then(|truth| truth.sets);
    let sets = target_override.map_or_else(own, TargetOverride::sets);
    if sets != Some(Sets::MultiLabel) || logits(frozen).is_none() {
        return Ok(None);
    }
    let rows = parts.iter().map(|part| part.ok).sum();
    let mut precision = AveragePrecision::new(frozen.model.classes, rows);
    let mut columns: Vec<&str> = AveragePrecision::COLUMNS.to_vec();
    if target_override.is_some() {
        columns.extend(["key", "index"]);
    }
    let mut replacement = TargetReplacement::new(frozen.model.classes, None);
    while precision.begin() {
        read_rows(output, parts, &columns, |batch| {
            let other = target_override
                .map(|truth| replacement.apply(batch, &|key| truth.target(key)))
                .transpose()?;
            Ok(precision.push(other.as_ref().unwrap_or(batch))?)
        })
        .await?;
    }
    Ok(Some(precision.finish()))
}
