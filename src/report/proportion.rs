//! A share of rows with its uncertainty.

use serde::Serialize;

/// The two-sided 95 % quantile of the standard normal distribution, Φ⁻¹(0.975).
const Z: f64 = 1.959_963_984_540_054;

/// `hits` out of `of`, in percent, with its 95 % Wilson score interval.
///
/// The interval is that of E. B. Wilson, "Probable inference, the law of succession, and statistical
/// inference", *Journal of the American Statistical Association* 22 (1927), 209–212, without continuity
/// correction; Brown, Cai and DasGupta, "Interval estimation for a binomial proportion", *Statistical
/// Science* 16 (2001), 101–133, explain why it is better than `p ± z·√(p(1−p)/n)`, which is empty at 0 %
/// and 100 % and leaves the range near them.
///
/// It takes rows as independent draws: it shows how far another sample of the same kind may differ, and does
/// not cover a shift between datasets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Proportion {
    /// `100 · hits / of`, rounded once: equal shares give equal numbers, so `80.5` as typed in a gate equals
    /// 161 of 200.
    pub percent: f64,
    /// Lower end of the interval, in percent.
    pub low: f64,
    /// Upper end of the interval, in percent.
    pub high: f64,
    /// Rows that were right.
    pub hits: u64,
    /// Rows that were counted.
    pub of: u64,
}

impl Proportion {
    /// Returns `None` if `of` is 0.
    pub fn new(hits: u64, of: u64) -> Option<Self> {
        debug_assert!(hits <= of, "{hits} hits of {of}");
        if of == 0 {
            return None;
        }
        let (low, high) = wilson(hits as f64 / of as f64, of as f64);
        Some(Self { percent: percent(hits, of), low, high, hits, of })
    }
}

/// Both ends of Wilson's interval in percent, for a share `p` from 0 to 1 of `n` draws; `n` is above 0 and need not be
/// whole.
pub(super) fn wilson(p: f64, n: f64) -> (f64, f64) {
    let z2 = Z * Z;
    let centre = p + z2 / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 100.0 / (1.0 + z2 / n);
    // At the two ends the formula is exactly 0 or 100, and its rounding is not.
    let low = if p <= 0.0 { 0.0 } else { scale * (centre - half) };
    let high = if p >= 1.0 { 100.0 } else { scale * (centre + half) };
    (low, high)
}

/// `100 · part / whole`; the product is exact for all counts below 9·10¹³, so that only the division rounds.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    (100.0 * part as f64) / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_literature() {
        // R. G. Newcombe, "Two-sided confidence intervals for the single proportion: comparison of seven
        // methods", Statistics in Medicine 17 (1998), table I, method 3, to four digits.
        for (hits, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let p = Proportion::new(hits, of).unwrap();
            assert!((p.low / 100.0 - low).abs() <= 5e-5, "{hits}/{of}: low {} is not {low}", p.low);
            assert!((p.high / 100.0 - high).abs() <= 5e-5, "{hits}/{of}: high {} is not {high}", p.high);
            let mirrored = Proportion::new(of - hits, of).unwrap();
            assert!((mirrored.low + p.high - 100.0).abs() < 1e-9, "{mirrored:?} mirrors {p:?}");
        }
    }

    #[test]
    fn an_interval_holds_its_share_and_stays_within_0_and_100() {
        for of in [1, 2, 3, 7, 50, 1_000, 50_000, 1 << 40] {
            for hits in [0, 1, of / 2, of - 1, of] {
                let p = Proportion::new(hits, of).unwrap();
                assert!(0.0 <= p.low && p.low <= p.percent, "{p:?}");
                assert!(p.percent <= p.high && p.high <= 100.0, "{p:?}");
            }
        }
    }

    #[test]
    fn a_share_equals_the_decimal_that_a_person_types() {
        for tenths in 0..=1000_u64 {
            let typed: f64 = format!("{}.{}", tenths / 10, tenths % 10).parse().unwrap();
            for rows in [1_000, 7_000, 50_000, 999_000] {
                assert_eq!(percent(tenths * rows / 1_000, rows), typed);
            }
        }
    }

    #[test]
    fn nothing_of_nothing_has_no_share() {
        assert_eq!(Proportion::new(0, 0), None);
    }
}
