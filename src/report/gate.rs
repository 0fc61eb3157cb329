//! A condition that a report has to meet, as in `top1 >= 80.5`.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::comparison::Comparison;
use super::gate_error::GateError;
use super::metric_info::{MetricInfo, find};
use super::metrics::{METRICS, Metrics};

/// The metrics that rows without classes have.
pub const WITHOUT_CLASSES: [&str; 4] = ["rows", "ok", "errors", "error_fraction"];

/// A parsed condition. Its [`Display`](fmt::Display) is its one spelling: `top1 >= 80.5`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gate {
    metric: &'static MetricInfo,
    comparison: Comparison,
    bound: f64,
}

impl Gate {
    /// Reads `METRIC OPERATOR NUMBER`; spaces may be left out.
    ///
    /// ```
    /// let gate = tresnet_batch::report::Gate::parse("top1>=80.5")?;
    /// assert_eq!(gate.to_string(), "top1 >= 80.5");
    /// # Ok::<(), tresnet_batch::report::GateError>(())
    /// ```
    ///
    /// # Errors
    /// It has another shape, names no metric of [`METRICS`](super::METRICS), or its bound is no finite
    /// number.
    pub fn parse(gate: &str) -> Result<Self, GateError> {
        Self::parse_of(&METRICS, gate)
    }

    /// As [`Gate::parse`], of another table of metrics.
    ///
    /// # Errors
    /// It has another shape, names no metric of `known`, or its bound is no finite number.
    pub fn parse_of(known: &'static [MetricInfo], gate: &str) -> Result<Self, GateError> {
        let is_operator = |c: char| "<>=!~≥≤".contains(c);
        let no_operator = || GateError::Operator { gate: gate.to_owned() };
        let (name, rest) = gate.split_at(gate.find(is_operator).ok_or_else(no_operator)?);
        let value = rest.trim_start_matches(is_operator);
        let symbol = &rest[..rest.len() - value.len()];
        let comparison =
            Comparison::ALL.into_iter().find(|c| c.symbol() == symbol).ok_or_else(no_operator)?;
        let (name, value) = (name.trim(), value.trim());
        let metric = find(known, name).map_err(|nearest| GateError::Metric {
            known,
            gate: gate.to_owned(),
            name: name.to_owned(),
            nearest,
        })?;
        let bound = value.parse().ok().filter(|bound: &f64| bound.is_finite());
        let bound =
            bound.ok_or_else(|| GateError::Number { gate: gate.to_owned(), value: value.to_owned() })?;
        Ok(Self { metric, comparison, bound })
    }

    /// Name of the metric that it is about.
    pub fn metric(&self) -> &'static str {
        self.metric.name
    }

    /// Whether only rows with classes have its metric.
    pub fn needs_classes(&self) -> bool {
        !WITHOUT_CLASSES.contains(&self.metric.name)
    }

    /// Checks whether it holds. A metric that the rows do not allow fails its gate, whatever the comparison: a gate
    /// that could not be checked must not pass.
    pub fn check(&self, metrics: &Metrics) -> Verdict {
        let value = metrics.get(self.metric.name);
        Verdict {
            gate: *self,
            value,
            passed: value.is_some_and(|value| self.comparison.holds(value, self.bound)),
            reason: metrics.why_missing(self.metric.name).map(str::to_owned),
        }
    }

    /// Returns the value with as few digits as leave it on its side of the bound, two at least, so that no message
    /// reads `80.50 >= 80.5 failed`.
    fn show(&self, value: f64) -> String {
        if value.fract() == 0.0 {
            return format!("{value}");
        }
        let same_side = |text: &String| {
            text.parse::<f64>()
                .is_ok_and(|shown| shown.partial_cmp(&self.bound) == value.partial_cmp(&self.bound))
        };
        // Percentages show two digits, and fractions as many significant ones.
        let digits = if self.metric.unit.is_empty() { 4 } else { 2 };
        let rounded = (digits..17).map(|digits| format!("{value:.digits$}"));
        rounded.into_iter().find(same_side).unwrap_or_else(|| format!("{value}"))
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.metric.name, self.comparison.symbol(), self.bound)
    }
}

/// The result of a gate. Its [`Display`](fmt::Display) is a sentence for people; as JSON it is
/// `{gate, metric, value, passed, text}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The condition.
    pub gate: Gate,
    /// What the metric was; `None` if the rows do not allow it.
    pub value: Option<f64>,
    /// Whether the condition held.
    pub passed: bool,
    /// Why there is no value.
    pub reason: Option<String>,
}

impl Verdict {
    /// What was found, without the condition: `79.98 %`, or why there is nothing.
    pub fn found(&self) -> String {
        match (self.value, &self.reason) {
            (Some(value), _) => format!("{}{}", self.gate.show(value), self.gate.metric.unit),
            (None, Some(reason)) => format!("not known: {reason}"),
            (None, None) => "not known".to_owned(),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = if self.passed { "holds" } else { "does not hold" };
        write!(f, "{} {result}: {} is {}", self.gate, self.gate.metric.name, self.found())
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Verdict", 5)?;
        fields.serialize_field("gate", &self.gate.to_string())?;
        fields.serialize_field("metric", self.gate.metric())?;
        fields.serialize_field("value", &self.value)?;
        fields.serialize_field("passed", &self.passed)?;
        fields.serialize_field("text", &self.to_string())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, batch};
    use super::super::{Accumulator, Classes, Provenance};
    use super::*;

    fn check(gate: &str, right: usize, of: usize) -> Verdict {
        let rows: Vec<TestRow> = (0..of).map(|i| TestRow::ok(0, &[i32::from(i >= right)])).collect();
        let mut accumulator = Accumulator::new(Classes::Count(2));
        accumulator.push(&batch(&rows)).unwrap();
        Gate::parse(gate).unwrap().check(&accumulator.finish(Provenance::default()).metrics())
    }

    #[test]
    fn gates_are_read_with_and_without_spaces() {
        for (typed, spelled) in [
            ("top1 >= 80.5", "top1 >= 80.5"),
            ("top1>=80.50", "top1 >= 80.5"),
            ("  error_fraction\t<  1e-2 ", "error_fraction < 0.01"),
            ("rows==50000", "rows == 50000"),
            ("errors <= 0", "errors <= 0"),
            ("macro>-1", "macro > -1"),
        ] {
            assert_eq!(Gate::parse(typed).unwrap().to_string(), spelled);
        }
    }

    #[test]
    fn a_gate_that_cannot_be_read_says_what_to_write() {
        for (typed, expected) in [
            ("", "gate `` has no comparison; write `METRIC OPERATOR NUMBER` with one of >= > <= < =="),
            ("top1 80", "gate `top1 80` has no comparison"),
            ("top1 => 80", "gate `top1 => 80` has no comparison"),
            ("top1 = 80", "gate `top1 = 80` has no comparison"),
            ("top1 != 80", "gate `top1 != 80` has no comparison"),
            ("top1 ≥ 80", "gate `top1 ≥ 80` has no comparison"),
            (
                "top_1 > 80",
                "gate `top_1 > 80`: no metric is called `top_1` (did you mean `top1`?); metrics are: rows, ok,",
            ),
            ("speed > 80", "gate `speed > 80`: no metric is called `speed`; metrics are: rows"),
            ("80.5 <= top1", "gate `80.5 <= top1`: no metric is called `80.5`; metrics"),
            ("top1 > ", "gate `top1 > `: `` is no finite number"),
            ("top1 > 80 %", "gate `top1 > 80 %`: `80 %` is no finite number"),
            ("top1 > NaN", "gate `top1 > NaN`: `NaN` is no finite number"),
            ("top1 > 70 < 80", "gate `top1 > 70 < 80`: `70 < 80` is no finite number"),
        ] {
            let text = Gate::parse(typed).unwrap_err().to_string();
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn each_comparison_is_exact_at_its_bound() {
        for (comparison, [below, at, above]) in [
            (">=", [false, true, true]),
            (">", [false, false, true]),
            ("<=", [true, true, false]),
            ("<", [true, false, false]),
            ("==", [false, true, false]),
        ] {
            for (right, expected) in [(160, below), (161, at), (162, above)] {
                let verdict = check(&format!("top1 {comparison} 80.5"), right, 200);
                assert_eq!(verdict.passed, expected, "{verdict}");
            }
        }
    }

    #[test]
    fn verdicts_read_as_sentences() {
        for (gate, right, of, expected) in [
            ("top1 >= 80.5", 161, 200, "top1 >= 80.5 holds: top1 is 80.50 %"),
            ("top1 >= 80.5", 160, 200, "top1 >= 80.5 does not hold: top1 is 80 %"),
            ("top1 >= 33.33", 333_299, 1_000_000, "top1 >= 33.33 does not hold: top1 is 33.3299 %"),
            ("rows == 2", 1, 2, "rows == 2 holds: rows is 2"),
            ("error_fraction < 0.5", 1, 2, "error_fraction < 0.5 holds: error_fraction is 0"),
            ("top1 > 50", 0, 0, "top1 > 50 does not hold: top1 is not known: there are no rows"),
            ("top1 < 50", 0, 0, "top1 < 50 does not hold: top1 is not known: there are no rows"),
        ] {
            assert_eq!(check(gate, right, of).to_string(), expected);
        }
    }

    #[test]
    fn json_of_a_verdict_has_the_sentence_and_the_parts() {
        let json = serde_json::to_value(check("top1 > 50", 0, 0)).unwrap();
        let expected = serde_json::json!({
            "gate": "top1 > 50", "metric": "top1", "value": null, "passed": false,
            "text": "top1 > 50 does not hold: top1 is not known: there are no rows",
        });
        assert_eq!(json, expected);
    }
}
