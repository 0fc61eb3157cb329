//! The figures of labels.

use serde::Serialize;

use crate::report::Proportion;

/// The share of labels that are wrong, in percent, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate.
    pub percent: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Labels of an output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelFigures {
    /// The model was trained on these images.
    pub in_sample: bool,
    /// Whether every class's probability was read, or the best ones alone.
    pub from_logits: bool,
    /// Rows that are ok and have a label.
    pub labelled: u64,
    /// Rows that count as one of a class.
    pub confident: u64,
    /// Rows in which no class reaches its threshold.
    pub unsure: u64,
    /// Rows whose kept probabilities do not show which class they count as.
    pub undecided: u64,
    /// Rows that count as one of another class than their label, which is not the model's best either.
    pub suspects: u64,
    /// Rows that count as one of another class, although their label is the model's best; no suspects.
    pub agreeing: u64,
    /// The share of wrong labels; `None` if no row counts as one of a class.
    pub noise: Option<Estimate>,
    /// The classes that an image has as label, in the order of their indices.
    pub classes: Vec<ClassLabels>,
    /// The most frequent pairs of label and other class.
    pub pairs: Vec<LabelPair>,
}

/// Labels of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassLabels {
    /// The class.
    pub index: usize,
    /// Its name, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Rows that have it as label.
    pub labelled: u64,
    /// Mean probability of the class over those.
    pub threshold: f64,
    /// Rows with this label whose confident class is another, of those that have a confident class.
    pub noise: Option<Proportion>,
}

/// Rows with one label that count as one of another class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelPair {
    /// The label.
    pub given: usize,
    /// Its name, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// The confident class.
    pub proposed: usize,
    /// Its name, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed_name: Option<String>,
    /// Rows.
    pub rows: u64,
}

/// The share of wrong labels over classes of `(labelled rows, share)`: each class counts with its labelled rows
/// (the calibration of equation 3), and the interval is that of a linear function of proportions whose own intervals are
/// Wilson's: G. Y. Zou, W. Huang, X. Zhang, "A note on confidence interval estimation for a linear function of binomial
/// proportions", *Computational Statistics & Data Analysis* 53 (2009), 1080–1085.
pub(super) fn mean_noise(classes: impl Iterator<Item = (u64, Proportion)> + Clone) -> Option<Estimate> {
    let rows = classes.clone().map(|(rows, _)| rows).sum::<u64>() as f64;
    if rows == 0.0 {
        return None;
    }
    let (mut percent, mut below, mut above) = (0.0, 0.0, 0.0);
    for (labelled, share) in classes {
        let weight = labelled as f64 / rows;
        percent += weight * share.percent;
        below += (weight * (share.percent - share.low)).powi(2);
        above += (weight * (share.high - share.percent)).powi(2);
    }
    Some(Estimate {
        percent,
        low: (percent - below.sqrt()).max(0.0),
        high: (percent + above.sqrt()).min(100.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_one_class_is_wilsons_and_more_classes_are_narrower() {
        let share = Proportion::new(5, 50).unwrap();
        let one = mean_noise([(100, share)].into_iter()).unwrap();
        assert!((one.low - share.low).abs() < 1e-9 && (one.high - share.high).abs() < 1e-9);
        let two = mean_noise([(100, share), (100, share)].into_iter()).unwrap();
        assert!((two.percent - 10.0).abs() < 1e-9);
        assert!(two.high - two.low < 0.75 * (one.high - one.low));
    }
}
