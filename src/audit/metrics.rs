//! The figures of an audit by name, for gates and for machines.

use std::collections::BTreeMap;

use crate::report::{MetricInfo, Metrics, metric};

use super::figures::Audit;

/// Every metric that a gate of `audit` can name, in the order of its report.
pub const METRICS: [MetricInfo; 7] = [
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
];

impl Audit {
    /// The figures by name.
    pub fn metrics(&self) -> Metrics {
        let mut values: BTreeMap<&'static str, Result<f64, String>> = BTreeMap::new();
        let labels = self.labels.get().map_err(str::to_owned);
        let unsure = || "no row counts as one of a class".to_owned();
        let noise = || labels.clone().and_then(|labels| labels.noise.ok_or_else(unsure));
        let count = |of: fn(&super::LabelFigures) -> u64| labels.clone().map(|labels| of(labels) as f64);
        let lows = |labels: &super::LabelFigures| {
            labels.classes.iter().filter_map(|class| Some(class.noise?.low)).max_by(f64::total_cmp)
        };
        values.extend([
            ("labelled", count(|labels| labels.labelled)),
            ("wrong_labels", count(|labels| labels.suspects)),
            ("label_noise", noise().map(|noise| noise.percent)),
            ("label_noise_low", noise().map(|noise| noise.low)),
            ("label_noise_high", noise().map(|noise| noise.high)),
            ("class_noise_max", labels.clone().and_then(|labels| lows(labels).ok_or_else(unsure))),
            ("labels_undecided", count(|labels| labels.undecided)),
        ]);
        Metrics::from_values(values)
    }
}
