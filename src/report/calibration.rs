//! How well the probabilities are calibrated.

use serde::Serialize;

use super::accuracy::MeanSum;
use super::error::ReportError;
use super::judged::JudgedRow;
use super::proportion::Proportion;
use super::values::Mean;

/// Bins of the reliability diagram, all of one width.
pub(super) const BINS: usize = 15;

/// What a probability of 0 counts as in [`Calibration::nll`]: 2⁻⁵², the least of scikit-learn's `log_loss`.
const LEAST: f64 = f64::EPSILON;

/// Confidence against accuracy, over scored rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error, from 0 to 1: the mean of |accuracy − confidence| of the bins, weighted by their
    /// rows. M. P. Naeini, G. F. Cooper, M. Hauskrecht, AAAI 2015; with the 15 bins of C. Guo, G. Pleiss, Y. Sun,
    /// K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017. `None` if no row has a `prob`.
    pub ece: Option<f64>,
    /// Bins of the predicted class's probability, open below and closed above; the first holds 0 too.
    pub bins: Vec<ReliabilityBin>,
    /// Mean of −ln `target_prob`, over the rows that have one.
    pub nll: Mean,
    /// Rows of `nll` whose probability was 0 in single precision and counted as 2⁻⁵².
    pub nll_clipped: u64,
    /// Mean of the squared distance between the probabilities of all classes and the truth, from 0 to 2, over the
    /// rows that keep their logits. G. W. Brier, *Monthly Weather Review* 78 (1950), 1–3.
    pub brier: Mean,
}

/// One bin of the reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Its lower end.
    pub from: f64,
    /// Its upper end.
    pub to: f64,
    /// Mean probability of the predicted class; `None` without rows.
    pub confidence: Option<f64>,
    /// How many of its rows are right; `None` without rows.
    pub accuracy: Option<Proportion>,
}

/// Sums for [`Calibration`].
#[derive(Debug, Default)]
pub(super) struct CalibrationSums {
    bins: [BinSums; BINS],
    nll: MeanSum,
    nll_clipped: u64,
    brier: MeanSum,
}

#[derive(Debug, Default)]
struct BinSums {
    rows: u64,
    right: u64,
    confidence: f64,
}

/// The bin of a probability among `bins` of one width, open below and closed above. The product is exact: a
/// single-precision probability has 24 bits and a number of bins below 2²⁹ has the rest.
pub(super) fn bin_of(probability: f32, bins: usize) -> usize {
    let above = (f64::from(probability) * bins as f64).ceil() as usize;
    above.saturating_sub(1).min(bins - 1)
}

impl CalibrationSums {
    /// Counts a row, if it is scored.
    ///
    /// # Errors
    /// [`ReportError::Logits`] if the Brier score of the row's logits is not finite.
    pub fn add(&mut self, judged: &JudgedRow<'_>) -> Result<(), ReportError> {
        let Some((target, score)) = judged.scored() else { return Ok(()) };
        if let Some(confidence) = judged.row.first_prob {
            let bin = &mut self.bins[bin_of(confidence, BINS)];
            bin.rows += 1;
            bin.right += u64::from(score.top1);
            bin.confidence += f64::from(confidence);
        }
        if let Some(probability) = judged.row.target_prob {
            let probability = f64::from(probability);
            self.nll_clipped += u64::from(probability < LEAST);
            self.nll.add(-probability.max(LEAST).ln());
        }
        if let Some(logits) = judged.row.logits {
            self.brier.add(brier(logits, target).ok_or(ReportError::Logits { row: judged.number })?);
        }
        Ok(())
    }

    pub fn finish(self) -> Calibration {
        let rows: u64 = self.bins.iter().map(|bin| bin.rows).sum();
        let gap = |bin: &BinSums| (bin.right as f64 - bin.confidence).abs();
        let ece = (rows > 0).then(|| self.bins.iter().map(gap).sum::<f64>() / rows as f64);
        let edge = |at: usize| at as f64 / BINS as f64;
        let bins = self.bins.iter().enumerate().map(|(at, bin)| ReliabilityBin {
            from: edge(at),
            to: edge(at + 1),
            confidence: (bin.rows > 0).then(|| bin.confidence / bin.rows as f64),
            accuracy: Proportion::new(bin.right, bin.rows),
        });
        Calibration {
            ece,
            bins: bins.collect(),
            nll: self.nll.finish(),
            nll_clipped: self.nll_clipped,
            brier: self.brier.finish(),
        }
    }
}

/// Σ (pᵢ − yᵢ)² of the softmax of `logits` = Σ pᵢ² − 2·p of the target + 1; `None` if it is not finite.
fn brier(logits: &[f32], target: usize) -> Option<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut squares, mut of_target) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (index, logit) in logits.iter().enumerate() {
        let weight = (f64::from(*logit) - f64::from(largest)).exp();
        sum += weight;
        squares += weight * weight;
        if index == target {
            of_target = weight;
        }
    }
    let score = squares / (sum * sum) - 2.0 * of_target / sum + 1.0;
    score.is_finite().then_some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_is_closed_above_and_the_first_holds_zero() {
        for (probability, bin) in
            [(0.0, 0), (1e-30, 0), (0.066, 0), (0.067, 1), (0.2, 3), (0.199_999, 2), (0.999, 14), (1.0, 14)]
        {
            // 0.2 in single precision lies above 3/15
            assert_eq!(bin_of(probability, BINS), bin, "{probability}");
        }
        assert_eq!((bin_of(0.25, 4), bin_of(0.25_f32.next_up(), 4)), (0, 1));
    }

    #[test]
    fn the_brier_score_is_that_of_the_definition() {
        let logits = [0.3_f32, -1.2, 2.0, 0.0];
        let weights = logits.map(|x| f64::from(x).exp());
        let sum: f64 = weights.iter().sum();
        let truth = [0.0, 1.0, 0.0, 0.0];
        let wanted: f64 = weights.iter().zip(truth).map(|(w, y)| (w / sum - y).powi(2)).sum();
        assert!((brier(&logits, 1).unwrap() - wanted).abs() < 1e-15);
        assert_eq!(brier(&[1000.0, -1000.0], 0), Some(0.0));
        assert_eq!(brier(&[1000.0, -1000.0], 1), Some(2.0));
        assert_eq!(brier(&[f32::NAN, 0.0], 1), None);
        assert_eq!(brier(&[f32::INFINITY, 0.0], 1), None);
    }
}
