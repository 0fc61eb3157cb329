//! How far numbers moved: exact extremes and mean, percentiles in memory that does not grow.

use serde::Serialize;

/// Bits of the mantissa that distinguish bins: within one, numbers differ by less than 1 in 65,536.
const MANTISSA: u32 = 16;
/// Exponents of the smallest and largest numbers that have separate bins: 2⁻⁴⁰ to 4.
const LOWEST: u64 = 1023 - 40;
const HIGHEST: u64 = 1023 + 2;

/// Numbers from 0 to 4, counted in bins whose width is a fixed share of the number: a percentile is right to
/// 0.0008 % of itself. Takes 22 MiB, whatever is counted.
#[derive(Debug, Clone)]
pub struct DriftHistogram {
    bins: Vec<u64>,
    rows: u64,
    sum: f64,
    max: f64,
}

/// The summary of a [`DriftHistogram`]: of absolute differences of a probability, or of cosines.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Drift {
    /// Rows that were compared.
    pub rows: u64,
    /// The arithmetic mean.
    pub mean: Option<f64>,
    /// The worst: the largest difference, or the smallest cosine.
    pub worst: Option<f64>,
    /// The median.
    pub p50: Option<f64>,
    /// One in twenty is worse.
    pub p95: Option<f64>,
    /// One in a hundred is worse.
    pub p99: Option<f64>,
    /// One in a thousand is worse.
    pub p999: Option<f64>,
}

impl Default for DriftHistogram {
    fn default() -> Self {
        let bins = ((HIGHEST - LOWEST) << MANTISSA) as usize + 1;
        DriftHistogram { bins: vec![0; bins], rows: 0, sum: 0.0, max: 0.0 }
    }
}

impl DriftHistogram {
    /// Counts a number; a number outside 0 to 4 counts as the nearer end.
    pub fn add(&mut self, value: f64) {
        let value = value.clamp(0.0, 4.0);
        let last = self.bins.len() - 1;
        self.bins[bin(value).min(last)] += 1;
        self.rows += 1;
        self.sum += value;
        self.max = self.max.max(value);
    }

    /// The smallest number that at least this share of the numbers does not exceed.
    fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = ((share * self.rows as f64).ceil() as u64).max(1);
        let mut below = 0;
        let at = self.bins.iter().position(|count| {
            below += count;
            below >= wanted
        })?;
        Some(middle(at).min(self.max))
    }

    /// As differences.
    pub fn differences(&self) -> Drift {
        let some = self.rows > 0;
        let quantile = |share| if some { self.quantile(share) } else { None };
        Drift {
            rows: self.rows,
            mean: some.then(|| self.sum / self.rows as f64),
            worst: some.then_some(self.max),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            p999: quantile(0.999),
        }
    }

    /// As cosines, if what was counted are their distances from 1.
    pub fn cosines(&self) -> Drift {
        let Drift { rows, mean, worst, p50, p95, p99, p999 } = self.differences();
        let [mean, worst, p50, p95, p99, p999] =
            [mean, worst, p50, p95, p99, p999].map(|distance| distance.map(|distance| 1.0 - distance));
        Drift { rows, mean, worst, p50, p95, p99, p999 }
    }
}

/// Bits of floats that are not negative count upwards with the number.
fn bin(value: f64) -> usize {
    let cut = value.to_bits() >> (52 - MANTISSA);
    cut.saturating_sub(LOWEST << MANTISSA) as usize
}

/// The number in the middle of a bin; the first bin is 0.
fn middle(bin: usize) -> f64 {
    if bin == 0 {
        return 0.0;
    }
    let cut = bin as u64 + (LOWEST << MANTISSA);
    f64::from_bits((cut << (52 - MANTISSA)) + (1 << (51 - MANTISSA)))
}

/// The cosine of the angle between two vectors, in double precision; `None` if one of them is 0.
pub(super) fn cosine(pairs: impl Iterator<Item = (f32, f32)>) -> Option<f64> {
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        let (a, b) = (f64::from(a), f64::from(b));
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    let lengths = (aa * bb).sqrt();
    (lengths > 0.0).then(|| ab / lengths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_numbers_to_a_hundred_thousandth() {
        let mut numbers: Vec<f64> = (0..10_000_u64)
            .map(|i| (i.wrapping_mul(2_654_435_761) % 1_000_003) as f64 / 1_000_003.0)
            .map(|x| x.powi(6))
            .collect();
        let mut spread = DriftHistogram::default();
        numbers.iter().for_each(|&number| spread.add(number));
        numbers.sort_by(f64::total_cmp);
        let found = spread.differences();
        for (share, value) in [(0.5, found.p50), (0.95, found.p95), (0.99, found.p99), (0.999, found.p999)] {
            let exact = numbers[(share * 10_000.0_f64).ceil() as usize - 1];
            let value = value.unwrap();
            assert!((value - exact).abs() <= 1e-5 * exact, "{share}: {value} is not {exact}");
        }
        assert_eq!(found.worst, numbers.last().copied());
    }

    #[test]
    fn what_is_not_there_is_not_said_and_equal_is_exactly_equal() {
        assert_eq!(DriftHistogram::default().differences(), Drift::default());
        let mut same = DriftHistogram::default();
        (0..5).for_each(|_| same.add(0.0));
        let cosines = same.cosines();
        assert_eq!((cosines.mean, cosines.worst, cosines.p999), (Some(1.0), Some(1.0), Some(1.0)));
    }

    #[test]
    fn a_vector_of_zeros_has_no_direction() {
        assert_eq!(cosine([(0.0, 1.0), (0.0, 2.0)].into_iter()), None);
        let right = cosine([(3.0, 4.0), (4.0, -3.0)].into_iter());
        assert_eq!(right, Some(0.0));
    }
}
