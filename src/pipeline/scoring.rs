//! What a job's targets ask of its report beyond what every report says.

use serde_json::Value;

use crate::failure::Failure;
use crate::job::{Frozen, Sets};
use crate::output::{StandingPart, read_rows};
use crate::report::{AveragePrecision, MultiLabel, View};
use crate::store::Location;

/// How the rows of a job are looked at before they are counted.
pub fn view_of(frozen: &Frozen) -> View {
    let truth = frozen.truth.as_ref();
    match truth.map(|truth| (&truth.among, truth.sets)) {
        Some((Some(among), _)) => View::among(among.clone(), frozen.model.classes),
        Some((None, Some(Sets::AnyIsRight | Sets::MultiLabel))) => View::Sets,
        Some((None, None)) | None => View::Plain,
    }
}

/// Average precision, where an image of the job has several classes and its logits are kept. It reads them anew, as
/// often as its memory asks for.
pub(super) async fn multi_label(
    output: &Location,
    frozen: &Frozen,
    parts: &[StandingPart],
) -> Result<Option<MultiLabel>, Failure> {
    let sets = frozen.truth.as_ref().and_then(|truth| truth.sets);
    let logits = frozen.components.get("output.logits") == Some(&Value::Bool(true));
    if sets != Some(Sets::MultiLabel) || !logits {
        return Ok(None);
    }
    let rows = parts.iter().map(|part| part.ok).sum();
    let mut precision = AveragePrecision::new(frozen.model.classes, rows);
    while precision.begin() {
        read_rows(output, parts, &AveragePrecision::COLUMNS, |batch| Ok(precision.push(batch)?)).await?;
    }
    Ok(Some(precision.finish()))
}
