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
mod error;
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
pub use error::CompareError;
pub use figures::{
    ClassChange, Compared, Flip, FlipKind, Join, JoinMethod, Outcome, PairCounts, SliceChange,
};
pub use json::{SCHEMA, SCHEMA_VERSION};
pub use metrics::METRICS;
pub use sums::{Sums, Wanted};
pub use table::Table;
