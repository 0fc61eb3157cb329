//! The figures of a report: plain numbers, ready to be written in any form.
//!
//! Percentages run from 0 to 100, probabilities and `error_fraction` from 0 to 1. `None` is a value that is not known,
//! which differs from 0.

use serde::Serialize;

use super::calibration::Calibration;
use super::confidence::Confidence;
use super::confusion::Confusion;
use super::examples::ExampleRow;
use super::macro_interval::{Interval, MacroClasses};
use super::masked::Masked;
use super::multilabel::MultiLabel;
use super::proportion::Proportion;
use super::provenance::Provenance;
use super::slices::Slices;
use super::throughput::Throughput;
use super::values::{ClassFigures, Counts, Inputs, Mean};
use super::worst::WorstRows;

/// Every figure of the rows, in full precision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Where the numbers come from.
    pub provenance: Provenance,
    /// Counts of rows by their status and target.
    pub counts: Counts,
    /// Scored rows whose target is the predicted class.
    pub top1: Option<Proportion>,
    /// Scored rows whose target is among the five best classes; all of them if a model has no more. `None`
    /// also where the rows keep fewer than five and have no rank ([`Counts::top5_unknown`]).
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
    /// The 95 % interval of `macro`, by the variance within classes.
    pub macro_interval: Option<Interval>,
    /// The 95 % interval of `macro_all`.
    pub macro_all_interval: Option<Interval>,
    /// The classes that `macro` is the mean of.
    pub macro_classes: MacroClasses,
    /// The classes that `macro_all` is the mean of.
    pub macro_all_classes: MacroClasses,
    /// Mean F1 of the classes that are the target or the prediction of a scored row, in percent.
    pub f1_macro: Option<f64>,
    /// Probability of the target, over the scored rows that have one.
    pub target_prob: Mean,
    /// Probability of the predicted class, over the scored rows that have one.
    pub top1_prob: Mean,
    /// How well the probabilities are calibrated.
    pub calibration: Calibration,
    /// How sure the model is, and accuracy against coverage.
    pub confidence: Confidence,
    /// Which classes are taken for which.
    pub confusion: Confusion,
    /// The columns that rows are grouped by, as they were requested.
    pub slices: Vec<Slices>,
    /// One entry a class, `classes[i].index == i`.
    pub classes: Vec<ClassFigures>,
    /// What the images were.
    pub inputs: Inputs,
    /// How long the rows took, if the parts record it. The rows do not: the caller sets it.
    pub throughput: Option<Throughput>,
    /// The figures among all classes, if all others are among some of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked: Option<Masked>,
    /// Whether targets are sets: a row is right if its prediction is in its set.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub target_sets: bool,
    /// Where an image has several classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_label: Option<MultiLabel>,
    /// The rows that a person should inspect.
    #[serde(skip)]
    pub worst: WorstRows,
    /// Rows that show what classes and confusions look like.
    #[serde(skip)]
    pub examples: Vec<ExampleRow>,
}
