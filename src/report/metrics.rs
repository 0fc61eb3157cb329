//! The figures of a report by name, for gates and for machines.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::figures::Report;
use super::masked::Masked;
use super::metric_info::{MetricInfo, metric};
use super::proportion::Proportion;
use super::values::Counts;

/// Every metric that there is, in the order of a report.
pub const METRICS: [MetricInfo; 22] = [
    metric("rows", "", "all rows"),
    metric("ok", "", "rows with status `ok`"),
    metric("errors", "", "rows with status `error`"),
    metric("error_fraction", "", "errors / rows, from 0 to 1"),
    metric("with_target", "", "rows whose target is known"),
    metric("unknown_target", "", "rows whose target is not known"),
    metric("scored", "", "`ok` rows whose target is known"),
    metric("top1", " %", "scored rows whose target is the predicted class"),
    metric("top5", " %", "scored rows whose target is among the best five"),
    metric("top1_all", " %", "top1 over all rows with a target, failed ones being wrong"),
    metric("top5_all", " %", "top5 over all rows with a target, failed ones being wrong"),
    metric("macro", " %", "mean recall of the classes with a scored row"),
    metric("macro_all", " %", "mean recall of the classes with a target, failed rows being wrong"),
    metric("target_prob", "", "mean probability of the target, from 0 to 1"),
    metric("top1_prob", "", "mean probability of the predicted class, from 0 to 1"),
    metric("f1_macro", " %", "mean F1 of the classes that are a target or a prediction"),
    metric("ece", "", "expected calibration error over 15 bins, from 0 to 1"),
    metric("nll", "", "mean of -ln of the target's probability"),
    metric("brier", "", "mean squared distance of all probabilities from the truth, from 0 to 2"),
    metric("top1_unmasked", " %", "top1 among all classes, where top1 is among some (A, R)"),
    metric("top5_unmasked", " %", "top5 among all classes, where top5 is among some (A, R)"),
    metric("map", " %", "mean average precision of the classes that an image has (multi-label)"),
];

/// A value for each of [`METRICS`] that the rows allow, and a reason for each that they do not.
///
/// As JSON: an object of name to number, without those that have none.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics(BTreeMap<&'static str, Result<f64, String>>);

impl Metrics {
    pub(super) fn of(report: &Report) -> Self {
        let c = &report.counts;
        let untargeted = || no_target(c);
        let unscored =
            || if c.with_target == 0 { no_target(c) } else { "no row with a target is ok".to_owned() };
        let share = |value: Option<Proportion>, why: &dyn Fn() -> String| {
            value.map(|p| p.percent).ok_or_else(|| match c.top5_unknown {
                // Only the best five can be lost while there are rows to count.
                n if n > 0 => format!("{n} rows keep fewer than five classes and no rank of the target"),
                _ => why(),
            })
        };
        let mean = |value: Option<f64>, column: &str| {
            value
                .ok_or_else(|| if c.scored == 0 { unscored() } else { format!("no scored row has {column}") })
        };
        let count = |n: u64| Ok(n as f64);
        let error_fraction = match c.rows {
            0 => Err("there are no rows".to_owned()),
            rows => Ok(c.errors as f64 / rows as f64),
        };
        let unmasked = |share: fn(&Masked) -> Option<Proportion>| match &report.masked {
            Some(masked) => share(masked).map(|p| p.percent).ok_or_else(unscored),
            None => Err("the rows are scored among all classes".to_owned()),
        };
        let map = match &report.multi_label {
            Some(labels) => labels.map.ok_or_else(|| "no row that is ok has a class".to_owned()),
            None => Err("an image has not several classes, or its logits are not kept".to_owned()),
        };
        Self(BTreeMap::from([
            ("rows", count(c.rows)),
            ("ok", count(c.ok)),
            ("errors", count(c.errors)),
            ("error_fraction", error_fraction),
            ("with_target", count(c.with_target)),
            ("unknown_target", count(c.unknown_target)),
            ("scored", count(c.scored)),
            ("top1", share(report.top1, &unscored)),
            ("top5", share(report.top5, &unscored)),
            ("top1_all", share(report.top1_all, &untargeted)),
            ("top5_all", share(report.top5_all, &untargeted)),
            ("macro", report.macro_accuracy.ok_or_else(unscored)),
            ("macro_all", report.macro_accuracy_all.ok_or_else(untargeted)),
            ("target_prob", mean(report.target_prob.mean, "a target_prob")),
            ("top1_prob", mean(report.top1_prob.mean, "a prob")),
            ("f1_macro", report.f1_macro.ok_or_else(unscored)),
            ("ece", mean(report.calibration.ece, "a prob")),
            ("nll", mean(report.calibration.nll.mean, "a target_prob")),
            ("brier", mean(report.calibration.brier.mean, "logits")),
            ("top1_unmasked", unmasked(|masked| masked.top1_unmasked)),
            ("top5_unmasked", unmasked(|masked| masked.top5_unmasked)),
            ("map", map),
        ]))
    }

    /// Values, or reasons why there are none, of another table of metrics.
    pub(crate) fn from_values(values: BTreeMap<&'static str, Result<f64, String>>) -> Self {
        Self(values)
    }

    /// The metrics as a finished output keeps them: a metric that is not there had no value when the output was
    /// finished. Names that this version does not know are passed over.
    pub fn stored(values: &BTreeMap<String, f64>) -> Self {
        let value = |name: &str| {
            values.get(name).copied().ok_or_else(|| "the finished output has no such value".into())
        };
        Self(METRICS.iter().map(|metric| (metric.name, value(metric.name))).collect())
    }

    /// The value of a metric, if the rows allow one.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).and_then(|value| value.as_ref().ok().copied())
    }

    /// Why a metric has no value; `None` if it has one, or if there is no such metric.
    pub fn why_missing(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.as_ref().err().map(String::as_str))
    }

    /// The metrics that have a value, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        self.0.iter().filter_map(|(name, value)| value.as_ref().ok().map(|value| (*name, *value)))
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

fn no_target(counts: &Counts) -> String {
    if counts.rows == 0 { "there are no rows" } else { "no row has a target" }.to_owned()
}

impl Report {
    /// The figures by name.
    pub fn metrics(&self) -> Metrics {
        Metrics::of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, batch};
    use super::super::{Accumulator, Classes, Provenance};
    use super::*;

    pub(super) fn metrics(rows: &[TestRow]) -> Metrics {
        let mut accumulator = Accumulator::new(Classes::Count(10));
        accumulator.push(&batch(rows)).unwrap();
        accumulator.finish(Provenance::default()).metrics()
    }

    #[test]
    fn every_listed_metric_has_a_value_or_a_reason_and_no_other_exists() {
        for rows in [vec![], vec![TestRow::ok(1, &[1, 2, 3, 4, 5]).probs(&[0.5]).target_prob(0.5)]] {
            let metrics = metrics(&rows);
            let mut names = METRICS.map(|m| m.name);
            names.sort_unstable();
            assert_eq!(metrics.0.keys().copied().collect::<Vec<_>>(), names);
            for name in names {
                assert_ne!(metrics.get(name).is_some(), metrics.why_missing(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn a_missing_metric_says_why() {
        let short = || TestRow::ok(0, &[1]);
        for (rows, name, why) in [
            (vec![], "error_fraction", "there are no rows"),
            (vec![], "top1", "there are no rows"),
            (vec![TestRow::ok(None, &[1])], "macro", "no row has a target"),
            (vec![TestRow::error("limit").target(1)], "top1", "no row with a target is ok"),
            (
                vec![short(), short()],
                "top5_all",
                "2 rows keep fewer than five classes and no rank of the target",
            ),
            (vec![short()], "target_prob", "no scored row has a target_prob"),
        ] {
            assert_eq!(metrics(&rows).why_missing(name), Some(why), "{name}");
        }
        assert_eq!(metrics(&[TestRow::error("limit").target(1)]).get("top1_all"), Some(0.0));
        assert_eq!(metrics(&[]).why_missing("speed"), None);
    }

    #[test]
    fn json_is_a_flat_object_of_numbers() {
        let json = serde_json::to_value(metrics(&[TestRow::error("limit")])).unwrap();
        let expected = serde_json::json!({
            "rows": 1.0, "ok": 0.0, "errors": 1.0, "error_fraction": 1.0,
            "with_target": 0.0, "unknown_target": 1.0, "scored": 0.0,
        });
        assert_eq!(json, expected);
    }
}
