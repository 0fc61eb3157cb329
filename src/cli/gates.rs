//! Gates as they are typed, for the commands that check them.

use crate::failure::Failure;
use crate::job::JobError;
use crate::report::{Gate, GateError, MetricInfo, Metrics, Verdict};

/// Reads the gates of `typed`, which name metrics of `known`.
///
/// # Errors
/// One of them is no gate.
pub(super) fn parse_gates(known: &'static [MetricInfo], typed: &[String]) -> Result<Vec<Gate>, Failure> {
    let gates = typed.iter().map(|gate| Gate::parse_of(known, gate)).collect::<Result<_, GateError>>();
    Ok(gates.map_err(|error| JobError::Mismatch(format!("a gate cannot be read: {error}")))?)
}

pub(super) fn check_gates(gates: &[Gate], metrics: &Metrics) -> Vec<Verdict> {
    gates.iter().map(|gate| gate.check(metrics)).collect()
}
