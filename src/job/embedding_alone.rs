//! Jobs whose model gives an embedding and no logits: what needs classes is refused.

use crate::output::Embedding;
use crate::report::{Gate, WITHOUT_CLASSES};

use super::error::JobError;
use super::spec::{JobSpec, TargetsSpec};

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
    check_gates(gates)
}

/// Refuses gates about classes.
///
/// # Errors
/// Names the first one.
pub fn check_gates(gates: &[Gate]) -> Result<(), JobError> {
    match gates.iter().find(|gate| gate.needs_classes()) {
        None => Ok(()),
        Some(gate) => Err(JobError::Mismatch(format!(
            "the gate `{gate}` is about classes, but the model gives an embedding and no logits, so rows have only {}; leave \
             it out",
            WITHOUT_CLASSES.join(", ")
        ))),
    }
}
