//! Whether two sets of images are predicted as the same classes in the same shares.

use serde::Serialize;

use super::super::computing::{Stop, Stopped};
use super::super::random::Random;
use super::super::statistics::{chi_squared_tail, ln_gamma};
use super::psi::{psi, psi_interval};

/// Draws of a permutation test.
const PERMUTATIONS: u32 = 1999;
/// The least expected count with which the chi-squared distribution is used.
const LEAST_EXPECTED: f64 = 5.0;
/// Logarithms of factorials that are held: 8 MiB.
const MOST_FACTORIALS: u64 = 1 << 20;
const SEED: u64 = 0x6472_6966_7421;

/// The change of shares between two sets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ShareDrift {
    /// Population stability index, Σ (a − b)·ln(a / b) over shares, half a row being added to each class.
    pub psi: f64,
    /// Lower end of the interval of the index without chance; above 0 in 5 % of sets that differ by chance alone.
    pub psi_low: f64,
    /// Upper end, which is too low in 5 %; `None` if the sets may have no class in common.
    pub psi_high: Option<f64>,
    /// Pearson's statistic of homogeneity.
    pub chi_squared: f64,
    /// Classes with a row in one of the sets, minus one.
    pub degrees: u64,
    /// The probability of such a statistic, if both sets are drawn from the same images.
    pub p: f64,
    /// Whether `p` is that of a permutation test, since a class expects fewer than 5 rows.
    pub permuted: bool,
}

impl ShareDrift {
    /// The interval of the index without chance, as text.
    pub fn interval(&self) -> String {
        match self.psi_high {
            Some(high) => format!("{:.4} to {high:.4}", self.psi_low),
            None => format!("{:.4} or more", self.psi_low),
        }
    }
}

/// Compares the counts of classes in two sets; `None` if one of them is empty.
///
/// # Errors
/// [`Stopped`] once `stop` asks for it.
pub fn share_drift(a: &[u64], b: &[u64], stop: &Stop) -> Result<Option<ShareDrift>, Stopped> {
    let pairs: Vec<(u64, u64)> =
        a.iter().copied().zip(b.iter().copied()).filter(|(a, b)| a + b > 0).collect();
    let (of_a, of_b) = (pairs.iter().map(|(a, _)| a).sum::<u64>(), pairs.iter().map(|(_, b)| b).sum::<u64>());
    if of_a == 0 || of_b == 0 {
        return Ok(None);
    }
    let statistic = chi_squared(pairs.iter().copied(), (of_a, of_b));
    let degrees = pairs.len() as u64 - 1;
    let rows = (of_a + of_b) as f64;
    let least =
        pairs.iter().map(|(a, b)| a + b).min().unwrap_or_default() as f64 * of_a.min(of_b) as f64 / rows;
    let permuted = least < LEAST_EXPECTED && degrees > 0;
    let p = match permuted {
        true => permutation(&pairs, (of_a, of_b), statistic, stop)?,
        false => chi_squared_tail(statistic, degrees as f64),
    };
    let (psi_low, psi_high) = psi_interval(&pairs, stop)?;
    Ok(Some(ShareDrift {
        psi: psi(&pairs.iter().map(|(a, b)| (*a as f64, *b as f64)).collect::<Vec<_>>()),
        psi_low,
        psi_high,
        chi_squared: statistic,
        degrees,
        p,
        permuted,
    }))
}

fn chi_squared(pairs: impl Iterator<Item = (u64, u64)>, (of_a, of_b): (u64, u64)) -> f64 {
    let (of_a, of_b) = (of_a as f64, of_b as f64);
    let cell = |(a, b): (u64, u64)| {
        let (a, b) = (a as f64, b as f64);
        (a * of_b - b * of_a).powi(2) / (a + b)
    };
    pairs.map(cell).sum::<f64>() / (of_a * of_b)
}

/// The share of random divisions of all rows into two sets of the same sizes whose statistic is as large, this one
/// included.
fn permutation(
    pairs: &[(u64, u64)],
    (of_a, of_b): (u64, u64),
    statistic: f64,
    stop: &Stop,
) -> Result<f64, Stopped> {
    let mut random = Random::new(SEED);
    let factorials = LogFactorials::up_to(of_a + of_b);
    let mut as_large = 1;
    for _ in 0..PERMUTATIONS {
        stop.check()?;
        let (mut rows, mut rest) = (of_a + of_b, of_a);
        let drawn = pairs.iter().map(|(a, b)| {
            let class = a + b;
            let drawn = hypergeometric(&mut random, &factorials, (class, rows), rest);
            (rows, rest) = (rows - class, rest - drawn);
            (drawn, class - drawn)
        });
        let drawn = chi_squared(drawn, (of_a, of_b));
        as_large += u32::from(drawn >= statistic * (1.0 - 1e-12));
    }
    Ok(f64::from(as_large) / f64::from(PERMUTATIONS + 1))
}

/// Logarithms of factorials, of which the first ones are held.
struct LogFactorials(Vec<f64>);

impl LogFactorials {
    fn up_to(rows: u64) -> LogFactorials {
        let mut sum = 0.0;
        let held = (1..=rows.min(MOST_FACTORIALS)).map(|n| {
            sum += (n as f64).ln();
            sum
        });
        LogFactorials(std::iter::once(0.0).chain(held).collect())
    }

    fn of(&self, n: u64) -> f64 {
        self.0.get(n as usize).copied().unwrap_or_else(|| ln_gamma(n as f64 + 1.0))
    }
}

/// How many of `drawn` rows, drawn without replacement from `rows`, are among the `marked` ones: by inversion from the
/// most probable number outwards.
fn hypergeometric(
    random: &mut Random,
    factorials: &LogFactorials,
    (marked, rows): (u64, u64),
    drawn: u64,
) -> u64 {
    let least = (marked + drawn).saturating_sub(rows);
    let most = marked.min(drawn);
    if least == most {
        return least;
    }
    let (m, n, d) = (marked as f64, rows as f64, drawn as f64);
    let mode = (((m + 1.0) * (d + 1.0) / (n + 2.0)).floor() as u64).clamp(least, most);
    let choose = |n: u64, k: u64| factorials.of(n) - factorials.of(k) - factorials.of(n - k);
    let peak = (choose(marked, mode) + choose(rows - marked, drawn - mode) - choose(rows, drawn)).exp();
    let mut left = random.unit() - peak;
    let (mut low, mut high, mut p_low, mut p_high) = (mode, mode, peak, peak);
    while left > 0.0 && (low > least || high < most) {
        if high < most {
            let k = high as f64;
            p_high *= (m - k) * (d - k) / ((k + 1.0) * (n - m - d + k + 1.0));
            high += 1;
            left -= p_high;
            if left <= 0.0 {
                return high;
            }
        }
        if low > least {
            let k = low as f64;
            p_low *= k * (n - m - d + k) / ((m - k + 1.0) * (d - k + 1.0));
            low -= 1;
            left -= p_low;
            if left <= 0.0 {
                return low;
            }
        }
    }
    mode
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_drift(a: &[u64], b: &[u64]) -> Option<ShareDrift> {
        super::share_drift(a, b, &Stop::default()).unwrap()
    }

    #[test]
    fn the_test_of_homogeneity_is_that_of_scipy() {
        // scipy 1.17.1: stats.chi2_contingency([[90, 60, 104, 95], [30, 50, 51, 20]], correction=False)
        let found = share_drift(&[90, 60, 104, 95, 0], &[30, 50, 51, 20, 0]).unwrap();
        assert!((found.chi_squared - CHI_SQUARED).abs() < 1e-9, "{found:?}");
        assert!((found.p - P).abs() < 1e-12 && found.degrees == 3 && !found.permuted, "{found:?}");
        // Σ (a − b)·ln(a / b) of (count + 0.5) / (rows + 2)
        assert!((found.psi - PSI).abs() < 1e-12, "{found:?}");
        assert!(found.psi_low > 0.0 && found.psi_high.is_some_and(|high| found.psi < high), "{found:?}");
    }

    #[test]
    fn few_rows_are_permuted() {
        // all 70 divisions of 4 + 4 rows into two sets of 4: 2 are as uneven as this one, so p is 2/70
        let found = share_drift(&[4, 0], &[0, 4]).unwrap();
        assert!(found.permuted && (found.p - 2.0 / 70.0).abs() < 0.012, "{found:?}");
        assert_eq!(share_drift(&[4], &[4]).unwrap().p, 1.0);
        assert_eq!(share_drift(&[4], &[0]), None);
    }

    #[test]
    fn hypergeometric_numbers_have_their_mean_and_variance() {
        let mut random = Random::new(5);
        let (marked, rows, drawn, times) = (40, 1000, 300, 20_000);
        let factorials = LogFactorials::up_to(rows);
        let mut number = || hypergeometric(&mut random, &factorials, (marked, rows), drawn) as f64;
        let numbers: Vec<f64> = (0..times).map(|_| number()).collect();
        let mean = numbers.iter().sum::<f64>() / f64::from(times);
        let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / f64::from(times);
        // scipy.stats.hypergeom(1000, 40, 300): mean 12, variance 8.0721
        assert!((mean - 12.0).abs() < 0.1 && (variance - 8.0721).abs() < 0.4, "{mean} {variance}");
    }

    const CHI_SQUARED: f64 = 23.170168115752993;
    const P: f64 = 3.721555949741595e-05;
    const PSI: f64 = 0.22009309348347444;
}
