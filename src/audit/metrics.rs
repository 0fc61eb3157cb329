//! The figures of an audit by name, for gates and for machines.

use std::collections::BTreeMap;

use crate::report::{MetricInfo, Metrics, metric};

use super::exact::ExactFigures;
use super::figures::Audit;
use super::label_figures::LabelFigures;
use super::near::{LeakFigures, NearFigures};
use super::section::Section;

/// Every metric that a gate of `audit` can name, in the order of its report.
pub const METRICS: [MetricInfo; 26] = [
    metric("labelled", "", "rows that are ok and have a label"),
    metric("wrong_labels", "", "rows whose label the model contradicts with confidence"),
    metric("label_noise", " %", "estimated share of wrong labels"),
    metric("label_noise_low", " %", "lower end of its interval"),
    metric("label_noise_high", " %", "upper end of its interval"),
    metric(
        "class_noise_max",
        " %",
        "largest share of wrong labels of a class, by the lower end of its interval",
    ),
    metric("labels_undecided", "", "labelled rows that the kept probabilities do not allow to judge"),
    metric("no_class", "", "labelled rows in which no class reaches its threshold"),
    metric("duplicates", "", "images that have the bytes of an earlier one"),
    metric("duplicate_groups", "", "groups of images with the same bytes"),
    metric("duplicate_conflicts", "", "duplicates whose label is not that of the first image of their group"),
    metric("leaked_copies", "", "images whose bytes the output of --against has"),
    metric("near_duplicates", "", "images that are nearly the representative of their group"),
    metric("near_duplicate_groups", "", "groups of near duplicates"),
    metric("near_duplicate_pairs", "", "pairs of images that are near duplicates"),
    metric("near_duplicate_conflicts", "", "near duplicates whose label is not that of the representative"),
    metric("near_duplicate_cosine", "", "the cosine from which two images are near duplicates"),
    metric("leaked", "", "images that are nearly one of the output of --against"),
    metric("leaked_conflicts", "", "those whose label is not that of the nearest image there"),
    metric("class_psi", "", "population stability index of the predicted classes, against --against"),
    metric("class_drift_p", "", "probability of such class shares by chance"),
    metric("confidence_change", "", "mean probability of the best class minus that of --against"),
    metric("confidence_drift_p", "", "probability of such confidences by chance"),
    metric(
        "embedding_accuracy",
        " %",
        "held-out images that a classifier assigns to their output; 50 by chance",
    ),
    metric("embedding_drift_p", "", "probability of such an accuracy by chance"),
    metric("slice_drift_p", "", "the lowest probability of a value of --by, corrected by Holm"),
];

impl Audit {
    /// The figures by name.
    pub fn metrics(&self) -> Metrics {
        let mut values: BTreeMap<&'static str, Result<f64, String>> = BTreeMap::new();
        let labels = self.labels.get().map_err(str::to_owned);
        let unsure = || "no row counts as one of a class".to_owned();
        let noise = || labels.clone().and_then(|labels| labels.noise.ok_or_else(unsure));
        let count = |of: fn(&LabelFigures) -> u64| labels.clone().map(|labels| of(labels) as f64);
        let lows = |labels: &LabelFigures| {
            labels.classes.iter().filter_map(|class| Some(class.noise?.low)).max_by(f64::total_cmp)
        };
        values.extend([
            ("labelled", count(|labels| labels.labelled)),
            ("wrong_labels", count(|labels| labels.suspects)),
            ("label_noise", noise().map(|noise| noise.percent)),
            ("label_noise_low", noise().map(|noise| noise.low)),
            ("label_noise_high", noise().map(|noise| noise.high)),
            ("class_noise_max", labels.clone().and_then(|labels| lows(labels).ok_or_else(unsure))),
            ("no_class", count(|labels| labels.unsure)),
            ("labels_undecided", count(|labels| labels.undecided)),
        ]);
        let exact = self.exact.get().map_err(str::to_owned);
        let of_exact = |of: fn(&ExactFigures) -> u64| exact.clone().map(|exact| of(exact) as f64);
        let copies = self.copies.as_ref().map_or(Err("there is no --against"), Section::get);
        values.extend([
            ("duplicates", of_exact(|exact| exact.duplicates)),
            ("duplicate_groups", of_exact(|exact| exact.groups)),
            ("duplicate_conflicts", of_exact(|exact| exact.label_conflicts)),
            ("leaked_copies", copies.map(|copies| copies.leaked as f64).map_err(str::to_owned)),
        ]);
        let near = self.near.get().map_err(str::to_owned);
        let of_near = |of: fn(&NearFigures) -> f64| near.clone().map(of);
        let leakage =
            self.leakage.as_ref().map_or(Err("there is no --against"), Section::get).map_err(str::to_owned);
        let of_leakage = |of: fn(&LeakFigures) -> f64| leakage.clone().map(of);
        values.extend([
            ("near_duplicates", of_near(|near| near.duplicates as f64)),
            ("near_duplicate_groups", of_near(|near| near.groups as f64)),
            ("near_duplicate_pairs", of_near(|near| near.pairs as f64)),
            ("near_duplicate_conflicts", of_near(|near| near.label_conflicts as f64)),
            ("near_duplicate_cosine", of_near(|near| near.calibration.threshold)),
            ("leaked", of_leakage(|leakage| leakage.leaked as f64)),
            ("leaked_conflicts", of_leakage(|leakage| leakage.label_conflicts as f64)),
        ]);
        let drift =
            self.drift.as_ref().map_or(Err("there is no --against"), Section::get).map_err(str::to_owned);
        let no_rows = || "an output has no row with a prediction".to_owned();
        let classes = drift.clone().and_then(|drift| drift.classes.ok_or_else(no_rows));
        let confidence = drift.clone().and_then(|drift| drift.confidence.ok_or_else(no_rows));
        let embeddings = drift.clone().and_then(|drift| drift.embeddings.get().map_err(str::to_owned));
        let slices = drift.clone().and_then(|drift| {
            let lowest = drift.slices.iter().filter_map(|slice| slice.p_holm).min_by(f64::total_cmp);
            lowest.ok_or_else(|| "there is no --by, or no value that both outputs have".to_owned())
        });
        values.extend([
            ("class_psi", classes.clone().map(|classes| classes.psi)),
            ("class_drift_p", classes.map(|classes| classes.p)),
            ("confidence_change", confidence.clone().map(|confidence| confidence.change)),
            ("confidence_drift_p", confidence.map(|confidence| confidence.p)),
            ("embedding_accuracy", embeddings.clone().map(|embeddings| embeddings.accuracy)),
            ("embedding_drift_p", embeddings.map(|embeddings| embeddings.p)),
            ("slice_drift_p", slices),
        ]);
        Metrics::from_values(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_value_or_a_reason() {
        let metrics = Audit::without_figures().metrics();
        for metric in METRICS {
            assert!(metrics.why_missing(metric.name).is_some(), "{}", metric.name);
        }
    }
}
