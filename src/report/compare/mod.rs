//! Compares two outputs: A is the baseline, B is the candidate.
//!
//! ```text
//! aligned batches ─► PairSums::push ────────────┐
//! rows of one side ─► PairSums::only_a/only_b ──┼─► finish ─► ComparisonReport ─┬─► metrics() ─► Gate::check ─► Verdict
//! KeyTable (A) + batches of B ─► KeyTable::join ┘                               └─► to_json / to_markdown / to_html
//! ```
//!
//! The caller that reads the files brings rows of equal keys together; nothing here knows where the files are. A row is
//! *scored* when it is `ok` in both and its target is known. Accuracy, its difference and McNemar's test are over scored
//! rows, so that both outputs are judged by the same images. A row that failed in one output only is counted beside, and
//! counts as wrong in `top1_drop_all`.

mod classes;
mod columns;
mod drift;
mod error;
mod figures;
mod html;
mod json;
mod markdown;
mod metrics;
mod options;
mod row_pair;
mod sums;
mod table;
#[cfg(test)]
mod tests;

pub use classes::ClassMatch;
pub use drift::{Drift, DriftHistogram};
pub use error::CompareError;
pub use figures::{
    ClassChange, ComparisonReport, Flip, FlipKind, Join, JoinMethod, PairCounts, PairedMeasure, SliceChange,
};
pub use json::{SCHEMA, SCHEMA_VERSION};
pub use metrics::METRICS;
pub use options::CompareOptions;
pub use sums::PairSums;
pub use table::KeyTable;
