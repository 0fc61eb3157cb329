//! One output held against another: A is the baseline, B what is to be accepted.
//!
//! ```text
//! aligned batches ─► Sums::push ──────────┐
//! rows of one side ─► Sums::only_a/only_b ┼─► finish ─► Compared ─┬─► metrics() ─► Gate::check ─► Verdict
//! Table (A) + batches of B ─► Table::join ┘                       └─► to_json / to_markdown / to_html / summary
//! ```
//!
//! Who reads the files brings rows of equal keys together; nothing here knows where they lie. A row is *scored*
//! when it is `ok` in both and its target is known: accuracy, its difference and McNemar's test are over those,
//! so that both outputs are judged by the same images. What failed in one only is counted beside, and counts as
//! wrong in `top1_drop_all`.

mod classes;
mod columns;
mod drift;
mod figures;
mod html;
mod json;
mod markdown;
mod metrics;
mod sums;
mod table;
#[cfg(test)]
mod tests;

pub use classes::ClassMatch;
pub use drift::{Drift, Spread};
pub use figures::{
    ClassChange, Compared, Flip, FlipKind, Join, JoinMethod, Outcome, PairCounts, SliceChange,
};
pub use json::{SCHEMA, SCHEMA_VERSION};
pub use metrics::METRICS;
pub use sums::{Sums, Wanted};
pub use table::Table;

use super::ReportError;

/// Why two outputs cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// The models do not tell the same classes apart.
    #[error("the two outputs cannot be compared: {0}")]
    Classes(String),
    /// The ground truth of a row is not the same.
    #[error(
        "row `{key}` has target {a} in A and {b} in B: accuracies over different truths cannot be compared; \
         run both with the same targets, or hold both against one truth with `--targets`"
    )]
    Targets {
        /// The row's key, shortened.
        key: String,
        /// A's target.
        a: i32,
        /// B's target, as A's class list numbers it.
        b: i32,
    },
    /// The sets of classes that a row may be are not the same.
    #[error(
        "row `{key}` has other targets in A than in B: accuracies over different truths cannot be compared; run both \
         with the same targets, or hold both against one truth with `--targets`"
    )]
    Sets {
        /// The row's key, shortened.
        key: String,
    },
    /// The rows of one side are not what `tresnet-batch` writes.
    #[error("output {side}: {error}")]
    Rows {
        /// `A` or `B`.
        side: char,
        /// What is wrong.
        error: ReportError,
    },
}
