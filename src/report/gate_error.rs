//! What can be wrong with a gate as it was typed.

use super::comparison::Comparison;
use super::metric_info::MetricInfo;

/// A gate that cannot be read: an error of the job file or of the command line.
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
        /// The metric whose name is closest, if one is close.
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

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map_or(String::new(), |name| format!(" (did you mean `{name}`?)"))
}

fn operators() -> String {
    Comparison::ALL.map(|c| c.symbol()).join(" ")
}

fn metrics(known: &[MetricInfo]) -> String {
    known.iter().map(|m| m.name).collect::<Vec<_>>().join(", ")
}
