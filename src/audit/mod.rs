//! What the rows of a finished output show about its data: labels that are likely wrong, images that are the same.
//!
//! ```text
//! rows ─► labels (two passes: thresholds, then the confident joint) ─┐
//!                                                                    ├─► Audit ─► metrics() ─► Gate::check ─► Verdict
//!                                                                    └─► Findings ─► keys of their rows ─► Parquet
//! ```
//!
//! Only rows are read, never a model. Memory is bounded: a kind of finding keeps its [`MOST_FINDINGS`] most suspicious
//! rows by number, and their keys are read at the end. `docs/audit.md` has the formula and the source of every figure.

mod confident;
mod figures;
mod findings;
mod label_rows;
mod labels;
mod metrics;
mod page;
mod ranking;
mod row_keys;

use std::sync::Arc;

use crate::evaluation::report_input::ReportInput;
use crate::failure::Failure;
use crate::pipeline::progress::Progress;

pub use confident::{ClassLabels, Estimate, LabelFigures, LabelPair};
pub use figures::{Audit, SCHEMA, SCHEMA_VERSION, Section};
pub use findings::{Finding, FindingKind, Findings};
pub use metrics::METRICS;
pub use ranking::MOST_FINDINGS;

/// What is audited, and how.
#[derive(Debug, Clone, Default)]
pub struct AuditOptions {
    /// The model was trained on these images: the figures of labels are marked.
    pub in_sample: bool,
}

/// Audits one output.
///
/// # Errors
/// The rows cannot be read, or break the output's contract.
pub(crate) async fn audit(
    input: ReportInput<'_>,
    options: &AuditOptions,
    progress: &Arc<Progress>,
) -> Result<(Audit, Findings), Failure> {
    let labels = labels::likely_wrong(input, options.in_sample, progress).await?;
    progress.plan_ends();
    let mut findings = Findings::default();
    findings.add(labels.suspects);
    findings.read_keys(input.output, input.parts).await?;
    let audit = Audit {
        provenance: input.provenance(),
        rows: input.parts.iter().map(|part| part.rows).sum(),
        labels: labels.figures,
        examples: findings.examples(input.frozen.model.labels.as_deref()),
    };
    Ok((audit, findings))
}
