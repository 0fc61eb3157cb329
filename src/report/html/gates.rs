//! The gates as a page shows them.

use serde::Serialize;

use super::super::gate::Verdict;

/// One gate with what was found.
#[derive(Debug, Serialize)]
pub(crate) struct GateRow {
    gate: String,
    passed: bool,
    found: String,
}

pub(crate) fn gate_rows(verdicts: &[Verdict]) -> Vec<GateRow> {
    let row = |verdict: &Verdict| GateRow {
        gate: verdict.gate.to_string(),
        passed: verdict.passed,
        found: verdict.found(),
    };
    verdicts.iter().map(row).collect()
}
