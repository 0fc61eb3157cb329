//! A finding as a sentence.

use super::super::stored::StoredFinding;
use super::choices::Choices;

/// Describes a finding on one line.
pub(super) fn about(finding: &StoredFinding, choices: &Choices) -> String {
    let label = finding.target.map(|class| format!("; label: {}", choices.name(class))).unwrap_or_default();
    let proposed = finding.proposed.map(|class| format!("; proposed: {}", choices.name(class)));
    let proposed = proposed.unwrap_or_default();
    format!("{} {}, score {:.4}{label}{proposed}", finding.kind.as_str(), finding.rank, finding.score)
}
