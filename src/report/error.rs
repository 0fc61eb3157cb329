//! What can be wrong with the rows, and with a gate as it was typed.

use std::borrow::Cow;

use super::gate::Comparison;
use super::metrics::MetricInfo;

/// The rows are not what `tresnet-batch` writes. After one of these an accumulator has counted part of a
/// batch, so it is of no further use.
///
/// Row numbers count from 0 over all batches pushed so far.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A column that every output has is not there.
    #[error("column `{column}` is missing; the rows have: {}", list(.found))]
    MissingColumn {
        /// The column that was looked for.
        column: String,
        /// The names that are there, in their order.
        found: Vec<String>,
    },
    /// A column has another type than the output's schema gives it.
    #[error("column `{column}` has type `{found}` where `{wanted}` is needed")]
    ColumnType {
        /// Its name.
        column: Cow<'static, str>,
        /// The type of the output's schema.
        wanted: &'static str,
        /// The type that was found, as arrow prints it.
        found: String,
    },
    /// `status` is neither `ok` nor `error`.
    #[error("row {row}: status is {} where `ok` or `error` is needed", quoted(.found.as_deref()))]
    Status {
        /// The row.
        row: u64,
        /// What stands there; `None` for null.
        found: Option<String>,
    },
    /// A target that the model has no class for; scoring without it would flatter the model.
    #[error(
        "row {row}: target `{target}` is outside the model's {classes} classes: \
         are the targets of another class list?"
    )]
    Target {
        /// The row.
        row: u64,
        /// The target that was found.
        target: i32,
        /// Number of classes; targets are `0..classes`.
        classes: usize,
    },
    /// An `ok` row with a target says nothing usable about the predicted class.
    #[error(
        "row {row}: `index` is null, empty or starts outside the model's {classes} classes \
         although the row is `ok`"
    )]
    Prediction {
        /// The row.
        row: u64,
        /// Number of classes.
        classes: usize,
    },
    /// `target_rank` is below 1 or above the number of classes.
    #[error("row {row}: target_rank `{rank}` is outside 1 to {classes}")]
    Rank {
        /// The row.
        row: u64,
        /// The rank that was found.
        rank: i32,
        /// Number of classes.
        classes: usize,
    },
    /// A probability is NaN or infinite.
    #[error("row {row}: `{column}` is `{value}` where a finite number is needed")]
    NotFinite {
        /// `prob` or `target_prob`.
        column: &'static str,
        /// The row.
        row: u64,
        /// What stands there.
        value: f32,
    },
    /// A probability is below 0 or above 1.
    #[error("row {row}: `{column}` is `{value}` where a probability from 0 to 1 is needed")]
    NoProbability {
        /// `prob` or `target_prob`.
        column: &'static str,
        /// The row.
        row: u64,
        /// What stands there.
        value: f32,
    },
    /// Logits that give no probabilities.
    #[error("row {row}: `logits` holds a value that is not finite although the row is `ok`")]
    Logits {
        /// The row.
        row: u64,
    },
    /// A target outside of the classes that the rows are scored among.
    #[error("row {row}: target `{target}` is none of the {classes} classes that rows are scored among")]
    NotAmong {
        /// The row.
        row: u64,
        /// The target that was found.
        target: i32,
        /// How many classes there are.
        classes: usize,
    },
    /// Columns that cannot be put together: a bug.
    #[error("the rows cannot be looked at: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The page of a report could not be written.
    #[error("the report cannot be written as HTML")]
    Html(#[from] minijinja::Error),
    /// The JSON of a report could not be written.
    #[error("the report cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// A gate that cannot be understood; all of them are the job file's fault.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// There is no operator, or one that gates do not have.
    #[error(
        "gate `{gate}` has no comparison; write `METRIC OPERATOR NUMBER` with one of {}, \
         as in `top1 >= 80.5`",
        operators()
    )]
    Operator {
        /// The gate as typed.
        gate: String,
    },
    /// The left side names no metric.
    #[error("gate `{gate}`: no metric is called `{name}`{}; metrics are: {}", hint(.nearest), metrics(.known))]
    Metric {
        /// The gate as typed.
        gate: String,
        /// The left side.
        name: String,
        /// The metric whose name is closest, where one is close.
        nearest: Option<&'static str>,
        /// The metrics that there are.
        known: &'static [MetricInfo],
    },
    /// The right side is no finite number.
    #[error(
        "gate `{gate}`: `{value}` is no finite number; percentages are written without a sign, \
         as in `top1 >= 80.5`"
    )]
    Number {
        /// The gate as typed.
        gate: String,
        /// The right side.
        value: String,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "no column at all".to_owned() } else { names.join(", ") }
}

fn quoted(text: Option<&str>) -> String {
    text.map_or("null".to_owned(), |text| format!("`{}`", text.escape_debug()))
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map_or(String::new(), |name| format!(" (did you mean `{name}`?)"))
}

fn operators() -> String {
    Comparison::ALL.map(|c| c.symbol()).join(" ")
}

fn metrics(known: &[MetricInfo]) -> String {
    known.iter().map(|m| m.name).collect::<Vec<_>>().join(", ")
}
