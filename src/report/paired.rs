//! Two classifiers on the same rows: is their difference more than chance, and how large may it be?

use serde::Serialize;

use super::proportion::Proportion;

/// Discordant pairs up to which McNemar's test is exact. Its terms are numbers of an f64 down to 2⁻¹⁰²².
const EXACT_UP_TO: u64 = 1_000;

/// Rows by which output was right. Rows that are right or wrong in both show no difference; the other two
/// kinds are the *discordant* pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Paired {
    /// Right in both.
    pub both: u64,
    /// Right in A and wrong in B.
    pub only_a: u64,
    /// Wrong in A and right in B.
    pub only_b: u64,
    /// Wrong in both.
    pub neither: u64,
}

/// The accuracy of A minus that of B, in percentage points, with its 95 % interval; negative if B is better.
///
/// The interval is method 10 of R. G. Newcombe, "Improved confidence intervals for the difference between
/// binomial proportions based on paired data", *Statistics in Medicine* 17 (1998), 2635–2650: the two Wilson
/// intervals joined by the correlation of the pairs. It stays within ±100 and is not empty if no pair is
/// discordant, which the interval of Wald is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AccuracyDrop {
    /// A − B.
    pub points: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// McNemar's test of "both are right equally often", two-sided.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct McNemar {
    /// Which form of the test it was.
    pub method: McNemarMethod,
    /// The pairs that it counts.
    pub discordant: u64,
    /// χ² with the continuity correction; `None` if the test is exact.
    pub statistic: Option<f64>,
    /// Probability of a difference at least this large by chance.
    pub p: f64,
}

/// The forms of McNemar's test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum McNemarMethod {
    /// The binomial distribution itself, up to 1000 discordant pairs.
    ExactBinomial,
    /// χ² with one degree of freedom and the continuity correction, beyond.
    ChiSquaredCorrected,
}

impl McNemarMethod {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::ExactBinomial => "exact binomial",
            Self::ChiSquaredCorrected => "chi-squared with continuity correction",
        }
    }
}

impl Paired {
    /// Counts a row.
    pub fn add(&mut self, right_a: bool, right_b: bool) {
        *match (right_a, right_b) {
            (true, true) => &mut self.both,
            (true, false) => &mut self.only_a,
            (false, true) => &mut self.only_b,
            (false, false) => &mut self.neither,
        } += 1;
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.both + self.only_a + self.only_b + self.neither
    }

    /// A's share of right rows.
    pub fn a(&self) -> Option<Proportion> {
        Proportion::new(self.both + self.only_a, self.rows())
    }

    /// B's share of right rows.
    pub fn b(&self) -> Option<Proportion> {
        Proportion::new(self.both + self.only_b, self.rows())
    }

    /// Returns the accuracy of A minus that of B; `None` without a row.
    pub fn drop(&self) -> Option<AccuracyDrop> {
        let (a, b) = (self.a()?, self.b()?);
        // rounded once, so that 2 of 1000 equal the 0.2 of a gate
        let points = 100.0 * (self.only_a as f64 - self.only_b as f64) / self.rows() as f64;
        let phi = self.phi();
        let joined = |x: f64, y: f64| (x * x - 2.0 * phi * x * y + y * y).max(0.0).sqrt();
        let low = points - joined(a.percent - a.low, b.high - b.percent);
        let high = points + joined(a.high - a.percent, b.percent - b.low);
        Some(AccuracyDrop { points, low, high })
    }

    /// The correlation of the pairs, drawn towards 0 by half a row if it is positive.
    fn phi(&self) -> f64 {
        let [a, b, c, d] = [self.both, self.only_a, self.only_b, self.neither].map(|n| n as f64);
        let scale = ((a + b) * (c + d) * (a + c) * (b + d)).sqrt();
        if scale == 0.0 {
            return 0.0;
        }
        let cross = a * d - b * c;
        let cross = if cross > 0.0 { (cross - self.rows() as f64 / 2.0).max(0.0) } else { cross };
        cross / scale
    }

    /// The test; `None` without a row.
    pub fn mcnemar(&self) -> Option<McNemar> {
        if self.rows() == 0 {
            return None;
        }
        let discordant = self.only_a + self.only_b;
        if discordant <= EXACT_UP_TO {
            let p = both_tails(self.only_a.min(self.only_b), discordant);
            return Some(McNemar { method: McNemarMethod::ExactBinomial, discordant, statistic: None, p });
        }
        let gap = (self.only_a.abs_diff(self.only_b) as f64 - 1.0).max(0.0);
        let statistic = gap * gap / discordant as f64;
        let p = erfc((statistic / 2.0).sqrt());
        let method = McNemarMethod::ChiSquaredCorrected;
        Some(McNemar { method, discordant, statistic: Some(statistic), p })
    }
}

/// Twice the probability of at most `few` heads in `n` throws, 1 at most.
fn both_tails(few: u64, n: u64) -> f64 {
    let mut term = 0.5_f64.powi(n as i32);
    let mut sum = term;
    for k in 0..few {
        term *= (n - k) as f64 / (k + 1) as f64;
        sum += term;
    }
    (2.0 * sum).min(1.0)
}

/// The complementary error function, for `x ≥ 0`.
fn erfc(x: f64) -> f64 {
    let square = x * x;
    if x < 2.0 {
        // erf by its series of positive terms
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= 2.0 * square / (2.0 * n + 1.0);
            sum += term;
        }
        return 1.0 - std::f64::consts::FRAC_2_SQRT_PI * (-square).exp() * sum;
    }
    // the continued fraction x + (1/2)/(x + 1/(x + (3/2)/(x + …))), from its far end
    let fraction = (1..=100).rev().fold(x, |below, k| x + f64::from(k) / 2.0 / below);
    (-square).exp() * std::f64::consts::FRAC_2_SQRT_PI / 2.0 / fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paired(both: u64, only_a: u64, only_b: u64, neither: u64) -> Paired {
        Paired { both, only_a, only_b, neither }
    }

    #[test]
    fn equal_outputs_do_not_differ_and_nothing_of_nothing_is_said() {
        let same = paired(80, 0, 0, 20);
        assert_eq!(same.mcnemar().map(|test| (test.p, test.discordant)), Some((1.0, 0)));
        let drop = same.drop().unwrap();
        assert!(drop.low < 0.0 && drop.points == 0.0 && drop.high > 0.0, "{drop:?}");
        assert_eq!((Paired::default().drop(), Paired::default().mcnemar()), (None, None));
    }

    #[test]
    fn a_drop_equals_the_decimal_that_a_gate_says_and_mirrors() {
        let drop = paired(900, 5, 3, 92).drop().unwrap();
        assert_eq!(drop.points, 0.2);
        let back = paired(900, 3, 5, 92).drop().unwrap();
        assert!((drop.low + back.high).abs() < 1e-9 && (drop.high + back.low).abs() < 1e-9);
        assert!(drop.low < drop.points && drop.points < drop.high);
    }

    #[test]
    fn intervals_stay_within_a_hundred_points() {
        for cells in [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 7, 0, 0], [3, 0, 4, 1]] {
            let [both, only_a, only_b, neither] = cells;
            let drop = paired(both, only_a, only_b, neither).drop().unwrap();
            assert!(drop.low >= -100.0 - 1e-9 && drop.high <= 100.0 + 1e-9, "{cells:?}: {drop:?}");
            assert!(drop.low <= drop.points && drop.points <= drop.high, "{cells:?}: {drop:?}");
        }
    }

    #[test]
    fn the_exact_test_goes_over_into_the_approximate_one() {
        let exact = paired(0, 540, 460, 0).mcnemar().unwrap();
        let approximate = paired(0, 541, 460, 0).mcnemar().unwrap();
        assert_eq!(
            (exact.method, approximate.method),
            (McNemarMethod::ExactBinomial, McNemarMethod::ChiSquaredCorrected)
        );
        assert!((exact.p - approximate.p).abs() < 1e-3, "{exact:?} {approximate:?}");
        assert_eq!(paired(0, 600, 600, 0).mcnemar().unwrap().p, 1.0);
    }
}
