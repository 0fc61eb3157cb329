//! How good the predictions are, computed from the output's rows alone.
//!
//! ```text
//! RecordBatch ─► Accumulator::push ─► finish(Provenance) ─► Report ─┬─► metrics() ─► Gate::check ─► Verdict
//!                (sums and counts)                                  └─► to_json / to_markdown (with the verdicts)
//! ```
//!
//! A row is checked against the contract and judged once (`judged.rs`); each part of the report is a separate file that
//! takes the judgement: `shares.rs` counts and accuracy, `calibration.rs`, `confidence.rs`, `confusion.rs`, `slices.rs`,
//! `inputs.rs`, `worst.rs`. `docs/report.md` has the formula and the source of every figure.
//!
//! The model is never loaded and no image is read: every figure can be repeated from the Parquet files, and
//! `tests/reference/accuracy.py` does so with other tools. Memory grows with the number of classes and never
//! with the number of rows.
//!
//! # What a rank is
//! A writer orders all classes by probability and keeps the first k of them in `index`; `target_rank` is
//! the position of the target in that order, from 1. As far as the list reaches **the list decides**, because it
//! is the answer that readers of the output see; `target_rank` decides beyond its end. On tied probabilities
//! this matters: by a rank computed as "classes that are strictly better, plus one", a model that gives every
//! class the same probability would be perfect. Rows where the two contradict each other are counted
//! ([`Counts::rank_conflicts`]).
//!
//! # What is counted
//! Each accuracy comes twice: over *scored* rows (`ok`, target known), and over every row with a target, in
//! which a row that failed counts as wrong. Rows without a target are in neither.
//!
//! # Targets that are not one class among all
//! Where the rows' targets are sets ([`Scoring::Sets`]) or rows are scored among some classes alone ([`Scoring::among`]), a
//! batch goes through [`Scoring`] first, and everything after it counts as usual. Where other targets are requested than
//! the rows were written with, [`TargetReplacement`] comes before the scoring.
//!
//! # What it refuses to do
//! It opens no storage, it decides no exit code, and it hides nothing of [`Provenance`]: a caller hands in
//! text that is fit to be published. Rows that break the output's contract (an `ok` row without a prediction,
//! a target that the model does not have) are an error instead of a slightly wrong percentage.

mod accumulator;
mod accuracy;
mod calibration;
mod classes;
pub mod compare;
mod comparison;
mod confidence;
mod confusion;
mod embedding_map;
mod envelope;
mod error;
mod examples;
mod extras;
mod figures;
mod gate;
mod gate_error;
pub mod html;
mod index;
mod inputs;
mod json;
mod judged;
mod macro_interval;
mod markdown;
mod masked;
mod metric_info;
mod metrics;
mod missing_targets;
mod multilabel;
mod paired;
mod proportion;
mod provenance;
mod rows;
mod scoring;
mod sets;
mod shares;
mod slice_by;
mod slices;
mod target_replacement;
#[cfg(test)]
mod testing;
mod thousands;
mod throughput;
mod timm;
mod values;
mod with_columns;
mod worst;
mod worst_classes;

pub use accumulator::Accumulator;
pub use calibration::{Calibration, ReliabilityBin};
pub use classes::Classes;
pub use comparison::Comparison;
pub use confidence::{Confidence, ConfidenceBin, Coverage, CoveragePoint};
pub use confusion::{ConfusedPair, Confusion, ConfusionMatrix};
pub use embedding_map::{EmbeddingMap, EmbeddingSample, MapPoint};
pub(crate) use envelope::to_json;
pub use error::ReportError;
pub use examples::ExampleRow;
pub use extras::Extras;
pub use figures::Report;
pub use gate::{Gate, Verdict, WITHOUT_CLASSES};
pub use gate_error::GateError;
pub use index::{Index, IndexEntry};
pub use json::{SCHEMA, SCHEMA_VERSION};
pub use macro_interval::{Interval, MacroClasses, mean_share_interval};
pub use masked::{Masked, MaskedSums};
pub use metric_info::MetricInfo;
pub(crate) use metric_info::metric;
pub use metrics::{METRICS, Metrics};
pub use multilabel::{AveragePrecision, MultiLabel};
pub use paired::{AccuracyDrop, McNemar, McNemarMethod, Paired};
pub use proportion::Proportion;
pub use provenance::Provenance;
pub use scoring::Scoring;
pub use slice_by::SliceBy;
pub use slices::{Slice, Slices};
pub use target_replacement::TargetReplacement;
pub(crate) use thousands::thousands;
pub use throughput::{ProviderShare, Throughput};
pub use timm::TimmRow;
pub use values::{ClassFigures, Counts, Inputs, Mean, Range};
pub use worst::{FailedRow, Mistake, WorstRows};
