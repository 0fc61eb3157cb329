//! The figures of a comparison by name, for gates and for machines.

use std::collections::BTreeMap;

use super::super::metric_info::{MetricInfo, metric};
use super::super::metrics::Metrics;
use super::figures::{ComparisonReport, PairedMeasure};

/// Every metric that a gate of `compare` can name, in the order of its report.
pub const METRICS: [MetricInfo; 41] = [
    metric("joined", "", "rows whose key is in both outputs"),
    metric("only_a", "", "rows whose key only A has"),
    metric("only_b", "", "rows whose key only B has"),
    metric("both_ok", "", "joined rows that are ok in both"),
    metric("failed_only_a", "", "joined rows that failed in A and not in B"),
    metric("failed_only_b", "", "joined rows that failed in B and not in A"),
    metric("scored", "", "rows that are ok in both and whose target is known"),
    metric("agreement", " %", "rows that are ok in both and predict the same class"),
    metric("agreement_low", " %", "lower end of its interval"),
    metric("changed", "", "rows that are ok in both and predict different classes"),
    metric("lost", "", "scored rows that are right in A and wrong in B"),
    metric("gained", "", "scored rows that are wrong in A and right in B"),
    metric("top1_a", " %", "top-1 of A over scored rows"),
    metric("top1_b", " %", "top-1 of B over scored rows"),
    metric("top1_drop", " points", "top1_a - top1_b; negative where B is better"),
    metric("top1_drop_low", " points", "lower end of its interval"),
    metric("top1_drop_high", " points", "upper end of its interval"),
    metric("mcnemar_p", "", "McNemar's test of top-1: probability of such a difference by chance"),
    metric("top1_a_all", " %", "top-1 of A over joined rows with a target, failed ones being wrong"),
    metric("top1_b_all", " %", "top-1 of B over joined rows with a target, failed ones being wrong"),
    metric("top1_drop_all", " points", "top1_a_all - top1_b_all"),
    metric("top1_drop_all_high", " points", "upper end of its interval"),
    metric("top5_a", " %", "top-5 of A over scored rows"),
    metric("top5_b", " %", "top-5 of B over scored rows"),
    metric("top5_drop", " points", "top5_a - top5_b"),
    metric("top5_drop_low", " points", "lower end of its interval"),
    metric("top5_drop_high", " points", "upper end of its interval"),
    metric("top5_mcnemar_p", "", "McNemar's test of top-5"),
    metric("class_drop_max", " points", "largest fall of a class's recall"),
    metric("slice_drop_max", " points", "largest fall of top-1 in a slice of --by"),
    metric(
        "prob_drift_mean",
        "",
        "mean absolute change of the predicted class's probability, where both agree",
    ),
    metric("prob_drift_p99", "", "what one in a hundred of those changes exceeds"),
    metric("prob_drift_max", "", "the largest of those changes"),
    metric("target_prob_drop", "", "mean of the target's probability in A minus in B"),
    metric("cosine_rows", "", "rows whose embeddings were compared"),
    metric("cosine_mean", "", "mean cosine of the two embeddings of an image"),
    metric("cosine_p50", "", "the median of those cosines"),
    metric("cosine_p95", "", "what one in twenty of those cosines falls below"),
    metric("cosine_p99", "", "what one in a hundred of those cosines falls below"),
    metric("cosine_p999", "", "what one in a thousand of those cosines falls below"),
    metric("cosine_min", "", "the smallest cosine"),
];

impl ComparisonReport {
    /// The figures by name.
    pub fn metrics(&self) -> Metrics {
        let c = &self.counts;
        let mut values: BTreeMap<&'static str, Result<f64, String>> = BTreeMap::new();
        let mut put = |name, value: Option<f64>, why: &str| {
            values.insert(name, value.ok_or_else(|| why.to_owned()));
        };
        for (name, count) in [
            ("joined", c.joined),
            ("only_a", c.only_a),
            ("only_b", c.only_b),
            ("both_ok", c.both_ok),
            ("failed_only_a", c.failed_only_a),
            ("failed_only_b", c.failed_only_b),
            ("scored", c.scored),
            ("changed", c.changed),
            ("lost", self.top1.pairs.only_a),
            ("gained", self.top1.pairs.only_b),
            ("cosine_rows", self.cosine.rows),
        ] {
            put(name, Some(count as f64), "");
        }
        let no_rows = if c.joined == 0 { "no key is in both outputs" } else { "no row is ok in both" };
        let no_classes = if c.both_ok > 0 { "the models have no classes" } else { no_rows };
        put("agreement", self.agreement.map(|p| p.percent), no_classes);
        put("agreement_low", self.agreement.map(|p| p.low), no_classes);
        let no_target = if c.joined == 0 { no_rows } else { "no joined row has a target" };
        let unscored = if c.with_target == 0 { no_target } else { "no row with a target is ok in both" };
        let top5_unknown =
            format!("{} rows do not show whether the target is among the best five", c.top5_unknown);
        let top5 = if c.top5_unknown > 0 { &top5_unknown } else { unscored };
        type Names = [&'static str; 6];
        let top1: Names = ["top1_a", "top1_b", "top1_drop", "top1_drop_low", "top1_drop_high", "mcnemar_p"];
        let best: Names =
            ["top5_a", "top5_b", "top5_drop", "top5_drop_low", "top5_drop_high", "top5_mcnemar_p"];
        for (names, outcome, why) in [(top1, &self.top1, unscored), (best, &self.top5, top5)] {
            for (name, value) in names.into_iter().zip(numbers(outcome)) {
                put(name, value, why);
            }
        }
        let [a, b, drop, _, high, _] = numbers(&self.top1_all);
        put("top1_a_all", a, no_target);
        put("top1_b_all", b, no_target);
        put("top1_drop_all", drop, no_target);
        put("top1_drop_all_high", high, no_target);
        put("class_drop_max", largest(self.classes.iter().map(|class| class.drop)), unscored);
        let slices = self.slices.iter().flat_map(|slices| &slices.values);
        let falls = slices.filter_map(|slice| slice.top1.drop).map(|drop| drop.points);
        let no_slices = if self.slices.is_none() { "there are no slices without --by" } else { unscored };
        put("slice_drop_max", largest(falls), no_slices);
        let no_probs = "no row in which both agree has probabilities";
        put("prob_drift_mean", self.prob_drift.mean, no_probs);
        put("prob_drift_p99", self.prob_drift.p99, no_probs);
        put("prob_drift_max", self.prob_drift.worst, no_probs);
        put("target_prob_drop", self.target_prob_drop, "no row has a target_prob in both");
        let cosine = &self.cosine;
        let no_cosine = self.cosine_missing.as_deref().unwrap_or_default();
        for (name, value) in [
            ("cosine_mean", cosine.mean),
            ("cosine_p50", cosine.p50),
            ("cosine_p95", cosine.p95),
            ("cosine_p99", cosine.p99),
            ("cosine_p999", cosine.p999),
            ("cosine_min", cosine.worst),
        ] {
            put(name, value, no_cosine);
        }
        Metrics::from_values(values)
    }
}

/// A, B, drop, its interval, p.
fn numbers(outcome: &PairedMeasure) -> [Option<f64>; 6] {
    let (a, b) = (outcome.a.map(|p| p.percent), outcome.b.map(|p| p.percent));
    let drop = outcome.drop;
    let p = outcome.mcnemar.map(|test| test.p);
    [a, b, drop.map(|d| d.points), drop.map(|d| d.low), drop.map(|d| d.high), p]
}

fn largest(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.max_by(f64::total_cmp)
}
