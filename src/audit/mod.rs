//! What the rows of a finished output show about its data: labels that are likely wrong, images that are the same.
//!
//! ```text
//! rows ─► labels (two passes: thresholds, then the confident joint) ─┐
//! hashes ─► exact (sorted, as many at a time as fit in memory) ───────┤
//! two outputs ─► drift (classes, confidences, sketches) ──────────────┤
//! sketches of embeddings ─► outliers (ranks of two distances) ─────────┤
//! embeddings ─► near (sketches, candidates, exact cosines, groups) ──┼─► Audit ─► metrics() ─► Gate::check ─► Verdict
//!                                                                    └─► Findings ─► keys of their rows ─► Parquet
//! ```
//!
//! Rows are read, and images for the pictures of the page; never a model. Memory is bounded: a kind of finding keeps its
//! [`MOST_FINDINGS`] most suspicious rows by number, and their keys are read at the end. `docs/audit.md` has the formula
//! and the source of every figure.

mod computing;
mod confident;
mod damaged;
mod drift;
mod drift_page;
mod element;
mod embeddings;
mod exact;
mod figures;
mod finding;
mod findings;
mod gallery;
mod label_figures;
mod label_rows;
mod labels;
mod metrics;
mod near;
mod near_page;
mod needed;
mod outliers;
mod page;
mod random;
mod ranking;
pub(crate) mod review;
mod row_keys;
mod section;
mod shots;
mod statistics;
pub(crate) mod stored;
mod table;
mod texts;

use std::sync::Arc;

pub use crate::evaluation::attached_audit::{SCHEMA, SCHEMA_VERSION};
use crate::evaluation::report_input::ReportInput;
use crate::failure::{Exit, Failure};
use crate::pipeline::progress::Progress;

pub use drift::{ConfidenceDrift, DriftFigures, EmbeddingDrift, MovedClass, ShareDrift, SliceDrift};
pub use exact::{CopyFigures, ExactFigures};
pub use figures::Audit;
pub use finding::{Example, Finding, FindingKind};
pub use findings::Findings;
pub use gallery::AuditGallery;
pub use label_figures::{ClassLabels, Estimate, LabelFigures, LabelPair};
pub use metrics::METRICS;
pub use near::{Calibration, LeakFigures, NearFigures, NearOptions};
pub use outliers::OutlierFigures;
pub use ranking::MOST_FINDINGS;
pub use section::Section;

/// Classes of a model, whose sums are held: 1 KiB each.
const MOST_CLASSES: usize = 1 << 17;

/// What is audited, and how.
#[derive(Debug, Clone, Default)]
pub struct AuditOptions {
    /// The model was trained on these images: the figures of labels are marked.
    pub in_sample: bool,
    /// A column by whose values drift is looked for, too.
    pub by: Option<String>,
    /// How near duplicates are looked for.
    pub near: NearOptions,
}

/// Audits one output, and what it has in common with `other`.
///
/// # Errors
/// The rows cannot be read, or break the output's contract; a scratch folder cannot be used.
pub(crate) async fn audit(
    input: ReportInput<'_>,
    other: Option<ReportInput<'_>>,
    options: &AuditOptions,
    progress: &Arc<Progress>,
) -> Result<(Audit, Findings), Failure> {
    for side in [Some(input), other].into_iter().flatten() {
        let classes = side.frozen.model.classes;
        if classes > MOST_CLASSES {
            let uri = side.output.uri();
            let what = format!(
                "the model of the output `{uri}` has {classes} classes, and at most {MOST_CLASSES} are audited"
            );
            return Err(Failure::new(Exit::Config, what));
        }
    }
    let labels = labels::likely_wrong(input, options.in_sample, progress).await?;
    let exact = exact::exact_duplicates(input, other, progress).await?;
    let near = near::near_duplicates(input, other, &options.near, progress).await?;
    let why = near.within.get().err().unwrap_or("there are no embeddings");
    let sketches = near.sketches.clone().ok_or_else(|| why.to_owned());
    let (outliers, isolated) = outliers::outliers(input, sketches, progress).await?;
    let drift = match other {
        None => None,
        Some(other) => {
            let sketches = (near.sketches.clone(), near.others.clone());
            Some(drift::drift(input, other, options.by.as_deref(), sketches, progress).await?)
        }
    };
    progress.plan_ends();
    let mut findings = Findings::default();
    labels.findings.into_iter().for_each(|ranking| findings.add(ranking));
    exact.findings.into_iter().for_each(|ranking| findings.add(ranking));
    near.findings.into_iter().for_each(|ranking| findings.add(ranking));
    isolated.into_iter().for_each(|ranking| findings.add(ranking));
    findings.read_keys(input, other).await?;
    let audit = Audit {
        provenance: input.provenance(),
        against: other.map(|other| other.provenance()),
        rows: input.parts.iter().map(|part| part.rows).sum(),
        labels: labels.figures,
        exact: exact.within,
        copies: exact.between,
        near: near.within,
        leakage: near.between,
        outliers,
        drift,
        examples: findings.examples(input.frozen.model.labels.as_deref()),
    };
    Ok((audit, findings))
}
