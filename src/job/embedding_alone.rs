//! Jobs whose model gives an embedding and no logits: what needs classes is refused.

use crate::output::Embedding;
use crate::report::Gate;

use super::error::JobError;
use super::spec::{JobSpec, TargetsSpec};

/// The figures that rows without classes have.
const METRICS: [&str; 4] = ["rows", "ok", "errors", "error_fraction"];

/// Refuses what needs classes.
pub(super) fn check(spec: &JobSpec, gates: &[Gate]) -> Result<(), JobError> {
    let output = &spec.output;
    let typed = [
        (
            "output.embedding = \"none\"",
            output.embedding == Some(Embedding::None),
            "there is nothing else to keep",
        ),
        ("output.top_k", output.top_k.is_some(), "there are no classes"),
        ("output.logits = true", output.logits == Some(true), "there are no logits"),
        ("output.activation", output.activation.is_some(), "there are no logits"),
        ("input.classes", spec.input.classes.is_some(), "there are no classes"),
        (
            "input.targets",
            spec.input.targets != TargetsSpec::None,
            "no class is predicted that could be scored",
        ),
    ];
    if let Some((key, _, why)) = typed.into_iter().find(|(_, is_typed, _)| *is_typed) {
        return Err(JobError::Mismatch(format!(
            "`{key}` does not go with this model, which gives an embedding and no logits: {why}; leave the key out, or name \
             the tensor with a number for each class by `model.logits`"
        )));
    }
    match gates.iter().find(|gate| !METRICS.contains(&gate.metric())) {
        None => Ok(()),
        Some(gate) => Err(JobError::Mismatch(format!(
            "[report] require has `{gate}`, but the model gives an embedding and no logits, so rows have only {}; leave the \
             gate out",
            METRICS.join(", ")
        ))),
    }
}
