//! The population stability index of two sets, and how large it may be without chance.

use super::super::computing::{Stop, Stopped};
use super::super::random::Random;

/// Draws for each strength of change that is tried.
const DRAWS: usize = 400;
/// The probability that an end of the interval is wrong.
const WRONG: f64 = 0.05;
/// Halvings of the range of strengths.
const HALVINGS: usize = 12;
/// With a stronger change the sets have no class in common.
const STRONGEST: f64 = 64.0;
const SEED: u64 = 0x7073_6921;

/// Σ (a − b)·ln(a / b) over the shares of classes, half a row being added to each class.
pub(super) fn psi(pairs: &[(f64, f64)]) -> f64 {
    let half = 0.5 * pairs.len() as f64;
    let of_a = pairs.iter().map(|(a, _)| a).sum::<f64>() + half;
    let of_b = pairs.iter().map(|(_, b)| b).sum::<f64>() + half;
    let term = |(a, b): &(f64, f64)| {
        let (a, b) = ((a + 0.5) / of_a, (b + 0.5) / of_b);
        (a - b) * (a / b).ln()
    };
    pairs.iter().map(term).sum()
}

/// The ends of the interval of the index of the images that two sets are drawn from, each of which holds with 95 %; no
/// upper end if the sets may have no class in common. `pairs` are the rows of each class in both sets.
///
/// Chance adds about (classes − 1)·(1/a + 1/b) to the index of two sets of a and b rows, so the index itself, and
/// resamples of it, are too large. This interval has the indices from which the seen one can come (a test is inverted:
/// G. Casella, R. L. Berger, Statistical Inference, 2002, 9.2.1). They are those of changes in the direction that is seen,
/// of different strengths. With a given strength, the rows of each class, as many as there are in both sets, are divided
/// between them at random 400 times. The lower end is the index of the weakest change that gives an index as large as
/// the seen one in 5 % of the divisions; the upper end, of the strongest one that gives one as small.
///
/// # Errors
/// [`Stopped`] once `stop` asks for it.
pub(super) fn psi_interval(pairs: &[(u64, u64)], stop: &Stop) -> Result<(f64, Option<f64>), Stopped> {
    if pairs.len() < 2 {
        return Ok((0.0, Some(0.0)));
    }
    let change = Change::seen(pairs);
    let chance = change.at(0.0, stop)?;
    let low = match chance.as_large > WRONG {
        true => Some(0.0),
        false => change.weakest(|found| found.as_large > WRONG, stop)?,
    };
    let high = match chance.as_small < WRONG {
        true => Some(0.0),
        false => change.weakest(|found| found.as_small < WRONG, stop)?,
    };
    // without a change that gives so large an index, nothing is known from below
    Ok((low.unwrap_or(0.0), high))
}

/// A change of shares, whose strength can vary.
struct Change {
    /// Rows of each class in both sets.
    rows: Vec<u64>,
    /// Rows of the first set.
    of_a: f64,
    /// The seen index.
    seen: f64,
    /// What a change of strength 1 adds to the logit of each class's share that is in the first set.
    direction: Vec<f64>,
}

/// How the index of random divisions is beside the seen one.
#[derive(Debug, Clone, Copy)]
struct Given {
    /// The share of draws whose index is at least the seen one.
    as_large: f64,
    /// The share of draws whose index is at most the seen one.
    as_small: f64,
}

impl Change {
    fn seen(pairs: &[(u64, u64)]) -> Change {
        let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().map(|(a, b)| (*a as f64, *b as f64)).unzip();
        let (of_a, of_b) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
        let share = of_a / (of_a + of_b);
        let direction = a.iter().zip(&b).enumerate().map(|(at, (a, b))| {
            let log_ratio = ((a + 0.5) / of_a * of_b / (b + 0.5)).ln();
            // classes that are seen not to change may change by as much as chance hides
            let hidden = 1.0 / ((a + b) * share * (1.0 - share)).sqrt();
            let sign = match log_ratio {
                0.0 if at.is_multiple_of(2) => 1.0,
                0.0 => -1.0,
                log_ratio => log_ratio.signum(),
            };
            log_ratio + sign * hidden
        });
        let direction = direction.collect();
        let seen = psi(&a.iter().copied().zip(b.iter().copied()).collect::<Vec<_>>());
        Change { rows: pairs.iter().map(|(a, b)| a + b).collect(), of_a, seen, direction }
    }

    /// For each class, the share of its rows that are in the first set; that set keeps its size.
    fn shares(&self, strength: f64) -> Vec<f64> {
        let total: f64 = self.rows.iter().map(|rows| *rows as f64).sum();
        let mut base = (self.of_a / (total - self.of_a)).ln();
        let shares = |base: f64| -> Vec<f64> {
            self.direction.iter().map(|of| 1.0 / (1.0 + (-(base + strength * of)).exp())).collect()
        };
        for _ in 0..50 {
            let (mut surplus, mut slope) = (-self.of_a, f64::MIN_POSITIVE);
            for (share, rows) in shares(base).iter().zip(&self.rows) {
                surplus += share * *rows as f64;
                slope += share * (1.0 - share) * *rows as f64;
            }
            let step = (surplus / slope).clamp(-2.0, 2.0);
            base -= step;
            if step.abs() < 1e-9 {
                break;
            }
        }
        shares(base)
    }

    /// What a change of this strength gives, over the same random numbers for each strength.
    fn at(&self, strength: f64, stop: &Stop) -> Result<Given, Stopped> {
        let mut random = Random::new(SEED);
        let shares = self.shares(strength);
        let (mut as_large, mut as_small) = (0_u32, 0_u32);
        let mut drawn = vec![(0.0, 0.0); self.rows.len()];
        for _ in 0..DRAWS {
            stop.check()?;
            for ((pair, rows), share) in drawn.iter_mut().zip(&self.rows).zip(&shares) {
                let in_a = random.binomial(*rows, *share) as f64;
                *pair = (in_a, *rows as f64 - in_a);
            }
            let psi = psi(&drawn);
            as_large += u32::from(psi >= self.seen * (1.0 - 1e-12));
            as_small += u32::from(psi <= self.seen * (1.0 + 1e-12));
        }
        let of_draws = |count: u32| f64::from(count) / DRAWS as f64;
        Ok(Given { as_large: of_draws(as_large), as_small: of_draws(as_small) })
    }

    /// The index of a change without chance.
    fn index(&self, shares: &[f64]) -> f64 {
        let parts = |share: fn(f64) -> f64| {
            let rows: Vec<f64> =
                self.rows.iter().zip(shares).map(|(rows, of)| *rows as f64 * share(*of)).collect();
            let total: f64 = rows.iter().sum();
            rows.into_iter().map(move |rows| (rows / total).max(f64::MIN_POSITIVE))
        };
        parts(|share| share).zip(parts(|share| 1.0 - share)).map(|(a, b)| (a - b) * (a / b).ln()).sum()
    }

    /// The index of the weakest change that gives what is asked for; `None` if none does.
    fn weakest(&self, gives: impl Fn(Given) -> bool, stop: &Stop) -> Result<Option<f64>, Stopped> {
        let (mut low, mut high) = (0.0, 1.0);
        while !gives(self.at(high, stop)?) {
            (low, high) = (high, 2.0 * high);
            if high > STRONGEST {
                return Ok(None);
            }
        }
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            match gives(self.at(middle, stop)?) {
                true => high = middle,
                false => low = middle,
            }
        }
        Ok(Some(self.index(&self.shares(high))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(pairs: &[(u64, u64)]) -> (f64, Option<f64>) {
        psi_interval(pairs, &Stop::default()).unwrap()
    }

    /// How many of 200 pairs of sets, drawn from these shares, have an interval above the index of the shares, and below.
    fn wrong(shares: &[(f64, f64)], rows: u64) -> (usize, usize) {
        let mut random = Random::new(11);
        let index: f64 = shares.iter().map(|(a, b)| (a - b) * (a / b).ln()).sum();
        let mut wrong = (0, 0);
        for _ in 0..200 {
            let mut draw = |share| random.binomial(rows, share);
            let pairs: Vec<(u64, u64)> = shares.iter().map(|(a, b)| (draw(*a), draw(*b))).collect();
            let (low, high) = interval(&pairs);
            wrong.0 += usize::from(low > index);
            wrong.1 += usize::from(high.is_some_and(|high| high < index));
        }
        wrong
    }

    /// Of 200, 10 are expected: 1 to 22 are within four standard deviations.
    const EXPECTED: std::ops::RangeInclusive<usize> = 1..=22;

    #[test]
    fn of_sets_that_differ_by_chance_one_interval_in_twenty_is_above_zero() {
        for (classes, rows) in [(2, 1000), (20, 500)] {
            let share = 1.0 / classes as f64;
            let (above, below) = wrong(&vec![(share, share); classes], rows);
            assert!(EXPECTED.contains(&above) && below == 0, "{classes} classes: {above} above");
        }
    }

    #[test]
    fn of_sets_that_differ_each_end_holds_for_nineteen_in_twenty() {
        for (classes, rows) in [(2, 1000), (20, 500)] {
            let share = 1.0 / classes as f64;
            let other = |class: usize| share * if class.is_multiple_of(2) { 0.8 } else { 1.2 };
            let shares: Vec<(f64, f64)> = (0..classes).map(|class| (share, other(class))).collect();
            let (above, below) = wrong(&shares, rows);
            assert!(EXPECTED.contains(&above), "{classes} classes: {above} above");
            assert!(EXPECTED.contains(&below), "{classes} classes: {below} below");
        }
    }

    #[test]
    fn sets_of_nearly_the_same_shares_have_an_interval_from_zero_to_what_chance_hides() {
        let (low, high) = interval(&[(52, 48), (48, 52)]);
        // |z| of two shares of 100 rows is 0.57, and as small in one of twenty where 2.2 is expected: shares that differ by
        // 2.2·√(0.5/100) = 0.156, whose index is 4·0.156² = 0.097
        assert!(low == 0.0 && high.is_some_and(|high| (0.07..0.14).contains(&high)), "{low} {high:?}");
        assert_eq!(interval(&[(50, 50)]), (0.0, Some(0.0)));
    }

    #[test]
    fn sets_without_a_common_class_have_no_upper_end() {
        let (low, high) = interval(&[(40, 0), (0, 40)]);
        assert!(low > 1.0 && high.is_none(), "{low} {high:?}");
    }
}
