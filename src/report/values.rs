//! The plain values that a report is made of. They import nothing of the report, so that every sum can return them.
//!
//! Percentages run from 0 to 100. `None` is a value that is not known, which differs from 0.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts of rows by their status and target. `rows = ok + errors = with_target + unknown_target`.
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
    /// Scored rows that do not show whether the target is among the best five.
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
    /// Rows that have a value.
    pub rows: u64,
}

/// One class. Percentages are over scored rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassFigures {
    /// Its index in the model's output.
    pub index: usize,
    /// Its name, if known.
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
    /// `2·correct / (support + predicted)`, in percent: the harmonic mean of the two, 0 if nothing is
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
    /// Rows that have one.
    pub rows: u64,
}
