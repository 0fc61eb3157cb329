//! Whether two sets of images are predicted with the same confidence.

use serde::Serialize;

use super::super::statistics::kolmogorov_tail;

/// Bins of confidences.
const BINS: usize = 8192;
/// The largest −ln(1 − p) that has a bin: the nearest number of single precision below 1 has 16.6.
const LARGEST: f64 = 17.0;
const Z: f64 = 1.959_963_984_540_054;

/// Confidences of one set: the probability of the best class, counted on the scale −ln(1 − p), which spreads those near 1.
#[derive(Debug, Clone)]
pub struct Confidences {
    bins: Vec<u32>,
    rows: u64,
    sum: f64,
    squares: f64,
}

/// The change of confidence between two sets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ConfidenceDrift {
    /// Mean confidence.
    pub mean: f64,
    /// Mean confidence of the other set.
    pub other_mean: f64,
    /// Their difference.
    pub change: f64,
    /// Lower end of its 95 % interval: each set has its variance (Welch), with the quantile of the normal distribution.
    pub change_low: f64,
    /// Upper end of its 95 % interval.
    pub change_high: f64,
    /// The largest difference of the two distribution functions (Kolmogorov and Smirnov).
    pub ks: f64,
    /// The probability of such a difference, if both sets are drawn from the same images.
    pub p: f64,
}

impl Default for Confidences {
    fn default() -> Self {
        Confidences { bins: vec![0; BINS], rows: 0, sum: 0.0, squares: 0.0 }
    }
}

impl Confidences {
    /// Adds the probability of a row's best class; one that is not finite is left out.
    pub fn add(&mut self, probability: f64) {
        if !probability.is_finite() {
            return;
        }
        let scaled = -(1.0 - probability.clamp(0.0, 1.0)).max(1e-12).ln();
        let at = ((scaled / LARGEST * BINS as f64) as usize).min(BINS - 1);
        self.bins[at] = self.bins[at].saturating_add(1);
        self.rows += 1;
        self.sum += probability;
        self.squares += probability * probability;
    }

    /// The mean, and the variance of the mean, which one row does not show.
    fn mean_and_variance(&self) -> (f64, f64) {
        let rows = self.rows as f64;
        let mean = self.sum / rows;
        let variance = (self.squares / rows - mean * mean).max(0.0) / (rows - 1.0);
        (mean, if self.rows > 1 { variance } else { f64::INFINITY })
    }

    /// Compares two sets; `None` if one of them is empty. The p-value is that of M. A. Stephens, "Use of the
    /// Kolmogorov–Smirnov, Cramér–Von Mises and related statistics without extensive tables", *Journal of the Royal
    /// Statistical Society* B 32 (1970), 115–122; confidences in one bin count as equal, which can only raise it.
    pub fn drift(&self, other: &Confidences) -> Option<ConfidenceDrift> {
        if self.rows == 0 || other.rows == 0 {
            return None;
        }
        let (a, b) = (self.rows as f64, other.rows as f64);
        let (mut below_a, mut below_b, mut ks) = (0.0, 0.0, 0.0_f64);
        for (bin, other) in self.bins.iter().zip(&other.bins) {
            below_a += f64::from(*bin) / a;
            below_b += f64::from(*other) / b;
            ks = ks.max((below_a - below_b).abs());
        }
        let root = (a * b / (a + b)).sqrt();
        let ((mean, variance), (other_mean, other_variance)) =
            (self.mean_and_variance(), other.mean_and_variance());
        let (change, half) = (mean - other_mean, Z * (variance + other_variance).sqrt());
        Some(ConfidenceDrift {
            mean,
            other_mean,
            change,
            change_low: (change - half).max(-1.0),
            change_high: (change + half).min(1.0),
            ks,
            p: kolmogorov_tail((root + 0.12 + 0.11 / root) * ks),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(probabilities: impl Iterator<Item = f64>) -> Confidences {
        let mut confidences = Confidences::default();
        probabilities.for_each(|probability| confidences.add(probability));
        confidences
    }

    #[test]
    fn the_difference_of_two_samples_is_that_of_scipy() {
        // scipy 1.17.1: stats.ks_2samp(a, b).statistic is 0.2, its asymptotic p-value 0.0314
        let a = of((0..100).map(|at| (f64::from(at) + 0.5) / 100.0));
        let b = of((0..100).map(|at| (f64::from(at) + 0.5) / 125.0));
        let drift = a.drift(&b).unwrap();
        assert!((drift.ks - 0.2).abs() < 0.011, "{drift:?}");
        assert!((0.02..0.06).contains(&drift.p), "{drift:?}");
        assert!((drift.change - 0.1).abs() < 1e-9 && drift.change_low > 0.0, "{drift:?}");
        assert!(a.drift(&a).unwrap().p > 0.99);
        assert_eq!(a.drift(&Confidences::default()), None);
        let one = a.drift(&of([0.5].into_iter())).unwrap();
        assert_eq!((one.change_low, one.change_high), (-1.0, 1.0));
    }

    #[test]
    fn confidences_near_one_are_told_apart() {
        let a = of((0..1000).map(|at| 1.0 - 1e-4 * (1.0 + f64::from(at) / 1000.0)));
        let b = of((0..1000).map(|at| 1.0 - 1e-5 * (1.0 + f64::from(at) / 1000.0)));
        assert!(a.drift(&b).unwrap().ks > 0.99);
    }
}
