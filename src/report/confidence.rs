//! How sure the model is, and how accurate it would be if it answered only where it is sure.

use serde::Serialize;

use super::calibration::bin_of;
use super::judged::JudgedRow;
use super::proportion::Proportion;

/// Probabilities are distinguished to 1/15,000, whatever the rows: a multiple of both the histogram's bins and the 15
/// of the reliability diagram.
const FINE: usize = 15_000;
/// Bins of the histogram.
const COARSE: usize = 50;
/// The curve gets a point as soon as at least 1/`STEPS` more of the rows are kept.
const STEPS: u64 = 200;

/// `ok` rows by the probability of their predicted class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confidence {
    /// Bins of one width from 0 to 1, open below and closed above.
    pub bins: Vec<ConfidenceBin>,
    /// Scored rows from the surest on.
    pub coverage: Coverage,
}

/// One bar of the histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ConfidenceBin {
    /// Scored rows that are right.
    pub right: u64,
    /// Scored rows that are wrong.
    pub wrong: u64,
    /// `ok` rows without a target.
    pub unknown: u64,
}

/// Accuracy of the rows whose probability is above a threshold (R. El-Yaniv, Y. Wiener, "On the foundations of
/// noise-free selective classification", JMLR 11, 2010: risk against coverage).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coverage {
    /// Thresholds are multiples of this.
    pub resolution: f64,
    /// From few rows to all of them.
    pub points: Vec<CoveragePoint>,
}

/// One threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CoveragePoint {
    /// Rows with a probability above it are kept.
    pub threshold: f64,
    /// Kept rows by all scored rows that have a probability, from 0 to 1.
    pub coverage: f64,
    /// How many of the kept rows are right.
    pub accuracy: Proportion,
}

/// The fine histogram that both come from.
#[derive(Debug)]
pub(super) struct ConfidenceSums(Vec<ConfidenceBin>);

impl Default for ConfidenceSums {
    fn default() -> Self {
        Self(vec![ConfidenceBin::default(); FINE])
    }
}

impl ConfidenceSums {
    pub fn add(&mut self, judged: &JudgedRow<'_>) {
        let Some(confidence) = judged.row.first_prob.filter(|_| judged.is_ok()) else { return };
        let bin = &mut self.0[bin_of(confidence, FINE)];
        match judged.scored() {
            Some((_, score)) if score.top1 => bin.right += 1,
            Some(_) => bin.wrong += 1,
            None => bin.unknown += 1,
        }
    }

    pub fn finish(self) -> Confidence {
        let sum = |bins: &[ConfidenceBin]| {
            bins.iter().fold(ConfidenceBin::default(), |sum, bin| ConfidenceBin {
                right: sum.right + bin.right,
                wrong: sum.wrong + bin.wrong,
                unknown: sum.unknown + bin.unknown,
            })
        };
        Confidence { bins: self.0.chunks(FINE / COARSE).map(sum).collect(), coverage: self.coverage() }
    }

    fn coverage(&self) -> Coverage {
        let all: u64 = self.0.iter().map(|bin| bin.right + bin.wrong).sum();
        let (mut kept, mut right, mut shown) = (0, 0, 0);
        let mut points = Vec::new();
        for (at, bin) in self.0.iter().enumerate().rev() {
            kept += bin.right + bin.wrong;
            right += bin.right;
            let due = kept == all || (kept - shown) * STEPS >= all;
            if kept > shown && due {
                shown = kept;
                points.extend(Proportion::new(right, kept).map(|accuracy| CoveragePoint {
                    threshold: at as f64 / FINE as f64,
                    coverage: kept as f64 / all as f64,
                    accuracy,
                }));
            }
        }
        Coverage { resolution: 1.0 / FINE as f64, points }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, report};

    #[test]
    fn the_surest_rows_come_first_and_the_last_point_is_all_of_them() {
        let rows = [
            TestRow::ok(0, &[0]).probs(&[0.9]),
            TestRow::ok(0, &[0]).probs(&[0.8]),
            TestRow::ok(0, &[1]).probs(&[0.8]),
            TestRow::ok(1, &[0]).probs(&[0.4]),
            TestRow::ok(None, &[0]).probs(&[0.99]),
            TestRow::error("limit").target(1),
        ];
        let confidence = report(&rows, 2).confidence;
        let points: Vec<(f64, u64, u64)> = confidence
            .coverage
            .points
            .iter()
            .map(|point| (point.coverage, point.accuracy.hits, point.accuracy.of))
            .collect();
        assert_eq!(points, [(0.25, 1, 1), (0.75, 2, 3), (1.0, 2, 4)]);
        let threshold = confidence.coverage.points[1].threshold;
        let gap = f64::from(0.8_f32) - threshold;
        assert!(gap > 0.0 && gap <= confidence.coverage.resolution, "{threshold}");
        let counted: Vec<_> =
            confidence.bins.iter().enumerate().filter(|(_, b)| b.right + b.wrong + b.unknown > 0).collect();
        let counted: Vec<(usize, u64, u64, u64)> =
            counted.into_iter().map(|(i, b)| (i, b.right, b.wrong, b.unknown)).collect();
        // 0.8 and 0.4 in single precision lie above 40/50 and 20/50, 0.9 below 45/50
        assert_eq!(counted, [(20, 0, 1, 0), (40, 1, 1, 0), (44, 1, 0, 0), (49, 0, 0, 1)]);
    }

    #[test]
    fn a_curve_of_many_rows_has_few_points() {
        let rows: Vec<TestRow> =
            (0..3_000).map(|i| TestRow::ok(0, &[i % 2]).probs(&[i as f32 / 3_000.0])).collect();
        let coverage = report(&rows, 2).confidence.coverage;
        assert!((100..=201).contains(&coverage.points.len()), "{}", coverage.points.len());
        assert!(coverage.points.windows(2).all(|pair| pair[0].coverage < pair[1].coverage));
    }
}
