//! The figures of a comparison: plain numbers, ready to be written in any form.
//!
//! Percentages and points run from 0 to 100, probabilities and cosines from 0 to 1. `None` is a value that is not known.

use serde::Serialize;

use super::super::paired::{AccuracyDrop, McNemar, Paired};
use super::super::proportion::Proportion;
use super::super::provenance::Provenance;
use super::drift::Drift;

/// Every figure of the difference between two outputs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparisonReport {
    /// The baseline.
    pub a: Provenance,
    /// The candidate.
    pub b: Provenance,
    /// How rows were joined.
    pub join: Join,
    /// How rows are counted.
    pub counts: PairCounts,
    /// Rows that are ok in both and predict the same class.
    pub agreement: Option<Proportion>,
    /// The predicted class is the target, over scored rows.
    pub top1: PairedMeasure,
    /// The target is among the best five, over the scored rows where both outputs show it.
    pub top5: PairedMeasure,
    /// As `top1`, over the joined rows with a target; a row that failed is wrong.
    pub top1_all: PairedMeasure,
    /// Absolute difference of the predicted class's probability, over rows that agree.
    pub prob_drift: Drift,
    /// Mean of the target's probability in A minus that in B.
    pub target_prob_drop: Option<f64>,
    /// Cosines of the embeddings; the percentiles count from the worst.
    pub cosine: Drift,
    /// Why there are no cosines.
    pub cosine_missing: Option<String>,
    /// Names by A's index; empty if neither model has any.
    #[serde(skip)]
    pub names: Vec<String>,
    /// Every class that is the target of a scored row.
    pub classes: Vec<ClassChange>,
    /// Rows grouped by a column.
    pub slices: Option<SliceChanges>,
    /// The first images that B gets wrong and A right.
    pub lost: Vec<Flip>,
    /// The first images that B gets right and A wrong.
    pub gained: Vec<Flip>,
    /// Keys of the first rows that failed in A only.
    pub failed_only_a: Vec<String>,
    /// Keys of the first rows that failed in B only.
    pub failed_only_b: Vec<String>,
}

/// How rows of the two outputs were joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Join {
    /// The way.
    pub method: JoinMethod,
    /// How class indices were matched.
    pub classes: &'static str,
}

/// The ways of joining two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinMethod {
    /// The plans are the same: row by row, `row_id` and `key` are equal.
    SamePlan,
    /// The keys are the same in the same order: row by row.
    SameKeys,
    /// Both are in byte order of the key: merged.
    KeyOrder,
    /// By a table of A's keys in memory.
    KeyTable,
}

impl JoinMethod {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::SamePlan => "row by row: the plans are the same",
            Self::SameKeys => "row by row: the keys are the same in the same order",
            Self::KeyOrder => "by key: both outputs are in the order of their keys",
            Self::KeyTable => "by a table of A's keys in memory: the outputs are in different orders",
        }
    }
}

/// Counts of rows by their status in both outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PairCounts {
    /// Rows of A.
    pub rows_a: u64,
    /// Rows of B.
    pub rows_b: u64,
    /// Rows whose key is in both.
    pub joined: u64,
    /// Rows whose key only A has.
    pub only_a: u64,
    /// Rows whose key only B has.
    pub only_b: u64,
    /// Joined rows that are ok in both.
    pub both_ok: u64,
    /// Joined rows that failed in both.
    pub failed_both: u64,
    /// Joined rows that failed in A and not in B.
    pub failed_only_a: u64,
    /// Joined rows that failed in B and not in A.
    pub failed_only_b: u64,
    /// Joined rows whose target is known.
    pub with_target: u64,
    /// Joined rows that are ok in both and have a target: what accuracy is computed over.
    pub scored: u64,
    /// Scored rows where an output does not show whether the target is among the best five.
    pub top5_unknown: u64,
    /// Rows that are ok in both and predict different classes.
    pub changed: u64,
    /// Embeddings without a direction, or absent from a row that is ok.
    pub cosine_undefined: u64,
}

/// One measure of both outputs over the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairedMeasure {
    /// Rows by who was right.
    pub pairs: Paired,
    /// A's share.
    pub a: Option<Proportion>,
    /// B's share.
    pub b: Option<Proportion>,
    /// A − B with its interval.
    pub drop: Option<AccuracyDrop>,
    /// Whether the difference is more than chance.
    pub mcnemar: Option<McNemar>,
}

impl ComparisonReport {
    /// The name of a class, if it has one.
    pub fn class_name(&self, index: i32) -> Option<&str> {
        self.names.get(usize::try_from(index).ok()?).map(String::as_str)
    }
}

impl From<Paired> for PairedMeasure {
    fn from(pairs: Paired) -> Self {
        PairedMeasure { pairs, a: pairs.a(), b: pairs.b(), drop: pairs.drop(), mcnemar: pairs.mcnemar() }
    }
}

/// One class in both outputs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassChange {
    /// Its index in A's model.
    pub index: usize,
    /// Its name, if one of the models knows it.
    pub name: Option<String>,
    /// Scored rows whose target it is, by who was right.
    pub pairs: Paired,
    /// Recall in A, in percent.
    pub recall_a: f64,
    /// Recall in B, in percent.
    pub recall_b: f64,
    /// `recall_a − recall_b`.
    pub drop: f64,
}

/// Rows grouped by a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SliceChanges {
    /// The column.
    pub column: String,
    /// One entry a value, in the order of values.
    pub values: Vec<SliceChange>,
}

/// The rows of one value of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SliceChange {
    /// The value; `(null)` if there is none, `(other)` after the first thousand values.
    pub value: String,
    /// Joined rows.
    pub rows: u64,
    /// Rows that are ok in both and predict the same class.
    pub agreement: Option<Proportion>,
    /// Accuracy over scored rows.
    pub top1: PairedMeasure,
}

/// The change of an image whose predicted class is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FlipKind {
    /// Right in A, wrong in B.
    Lost,
    /// Wrong in A, right in B.
    Gained,
    /// Wrong in both, in different ways.
    Wrong,
    /// The target is not known.
    Unknown,
}

impl FlipKind {
    /// As files spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Gained => "gained",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
        }
    }
}

/// An image whose predicted class changed. Indices are A's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flip {
    /// Its key.
    pub key: String,
    /// Its change.
    pub change: FlipKind,
    /// Its target, if that is known.
    pub target: Option<i32>,
    /// Class predicted by A.
    pub index_a: i32,
    /// Class predicted by B.
    pub index_b: i32,
    /// Its probability in A.
    pub prob_a: Option<f32>,
    /// Its probability in B.
    pub prob_b: Option<f32>,
}
