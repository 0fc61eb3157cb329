//! What a report says: plain numbers, ready to be written in any form.
//!
//! Percentages run from 0 to 100, probabilities and `error_fraction` from 0 to 1. `None` is "cannot be said",
//! which is another thing than 0.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bootstrap::Interval;
use super::calibration::Calibration;
use super::confidence::Confidence;
use super::confusion::Confusion;
use super::masked::Masked;
use super::multilabel::MultiLabel;
use super::proportion::Proportion;
use super::slices::Slices;
use super::throughput::Throughput;
use super::worst::WorstRows;

/// Where the numbers come from. Every text is the caller's, who has already taken secrets out of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Provenance {
    /// The job's name.
    pub job: String,
    /// Version of the tool that wrote the rows.
    pub tool_version: String,
    /// Architecture, such as `tresnet_m`.
    pub model_arch: String,
    /// SHA-256 of the weights, hexadecimal.
    pub model_sha256: String,
    /// `fp32` or `fp16`.
    pub precision: String,
    /// Execution providers that really ran; several when workers differed.
    pub providers: Vec<String>,
    /// Names of their devices, where the rows' files say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// Preprocessing on one line.
    pub preprocess: String,
    /// Where the ground truth comes from.
    pub targets: String,
    /// Where the images are.
    pub input_uri: String,
    /// Where the rows are.
    pub output_uri: String,
    /// When the report was made.
    pub created: String,
    /// The job's fingerprint.
    pub fingerprint: String,
    /// Whether the output was finished (`_SUCCESS`) when it was read.
    pub complete: bool,
}

impl Provenance {
    /// Providers and devices on one line.
    pub fn computed_by(&self) -> String {
        let providers = self.providers.join(", ");
        if self.devices.is_empty() { providers } else { format!("{providers} ({})", self.devices.join("; ")) }
    }
}

/// Everything that the rows say, in full precision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Where the numbers come from.
    pub provenance: Provenance,
    /// How many rows of which sort.
    pub counts: Counts,
    /// Scored rows whose target is the predicted class.
    pub top1: Option<Proportion>,
    /// Scored rows whose target is among the five best classes; all of them where a model has no more. `None`
    /// also where the rows keep fewer than five and say no rank ([`Counts::top5_unknown`]).
    pub top5: Option<Proportion>,
    /// As `top1`, over all rows with a target: a row that failed is wrong.
    pub top1_all: Option<Proportion>,
    /// As `top5`, over all rows with a target: a row that failed is wrong.
    pub top5_all: Option<Proportion>,
    /// Mean recall of the classes that have a scored row, in percent.
    #[serde(rename = "macro")]
    pub macro_accuracy: Option<f64>,
    /// Mean over the classes that have a row with a target of their right share, in percent: a row that
    /// failed is wrong.
    #[serde(rename = "macro_all")]
    pub macro_accuracy_all: Option<f64>,
    /// The bootstrap interval of `macro`: 95 %, by 1000 resamples within classes.
    pub macro_interval: Option<Interval>,
    /// The bootstrap interval of `macro_all`.
    pub macro_all_interval: Option<Interval>,
    /// Mean F1 of the classes that are the target or the prediction of a scored row, in percent.
    pub f1_macro: Option<f64>,
    /// Probability of the target, over the scored rows that say one.
    pub target_prob: Mean,
    /// Probability of the predicted class, over the scored rows that say one.
    pub top1_prob: Mean,
    /// Whether the probabilities can be taken at their word.
    pub calibration: Calibration,
    /// How sure the model is, and accuracy against coverage.
    pub confidence: Confidence,
    /// Which classes are taken for which.
    pub confusion: Confusion,
    /// The columns that rows were told apart by, as they were asked for.
    pub slices: Vec<Slices>,
    /// One entry a class, `classes[i].index == i`.
    pub classes: Vec<ClassFigures>,
    /// What the images were.
    pub inputs: Inputs,
    /// How long the rows took, where the parts say it. The rows themselves do not: the caller sets it.
    pub throughput: Option<Throughput>,
    /// The figures among all classes, where all others are among some of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked: Option<Masked>,
    /// Whether targets are sets: a row is right where its prediction is in its set.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub target_sets: bool,
    /// Where an image has several classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_label: Option<MultiLabel>,
    /// The rows that a person should look at.
    #[serde(skip)]
    pub worst: WorstRows,
}

/// How many rows of which sort. `rows = ok + errors = with_target + unknown_target`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// All rows.
    pub rows: u64,
    /// Rows with status `ok`.
    pub ok: u64,
    /// Rows with status `error`.
    pub errors: u64,
    /// Errors by their kind; rows that name none are under `unspecified`.
    pub errors_by_kind: BTreeMap<String, u64>,
    /// Rows whose target is known, whatever their status.
    pub with_target: u64,
    /// Rows whose target is not known, whatever their status.
    pub unknown_target: u64,
    /// Rows that are `ok` and have a target: what accuracy is computed over.
    pub scored: u64,
    /// Scored rows that do not tell whether the target is among the best five.
    pub top5_unknown: u64,
    /// Scored rows whose `target_rank` contradicts their own `index`: expected of no writer but on tied
    /// probabilities.
    pub rank_conflicts: u64,
}

/// A mean and what it was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Mean {
    /// `None` over no rows.
    pub mean: Option<f64>,
    /// Rows that said a value.
    pub rows: u64,
}

/// One class. Percentages are over scored rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassFigures {
    /// Its index in the model's output.
    pub index: usize,
    /// Its name, where known.
    pub name: Option<String>,
    /// Scored rows whose target it is.
    pub support: u64,
    /// Those of them that were predicted as it.
    pub correct: u64,
    /// Scored rows that were predicted as it, rightly or wrongly.
    pub predicted: u64,
    /// Rows with this target that failed.
    pub errors: u64,
    /// `correct / support`, in percent.
    pub recall: Option<f64>,
    /// `correct / predicted`, in percent.
    pub precision: Option<f64>,
    /// `2·correct / (support + predicted)`, in percent: the harmonic mean of the two, 0 where nothing is
    /// right.
    pub f1: Option<f64>,
}

/// What the images were, over the rows that know it.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Inputs {
    /// Rows by format, such as `jpeg`.
    pub formats: BTreeMap<String, u64>,
    /// Rows that know no format, as of an object that was not found.
    pub unknown_format: u64,
    /// Widths in pixels.
    pub width: Option<Range>,
    /// Heights in pixels.
    pub height: Option<Range>,
}

/// Extremes and mean of a whole number; all of them exact.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Range {
    /// The smallest.
    pub min: i32,
    /// The arithmetic mean.
    pub mean: f64,
    /// The largest.
    pub max: i32,
    /// Rows that say one.
    pub rows: u64,
}
