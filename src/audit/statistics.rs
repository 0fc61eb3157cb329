//! Tails of distributions, in double precision.

/// The logarithm of the gamma function for `x > 0`: C. Lanczos, "A precision approximation of the gamma function", *SIAM
/// Journal on Numerical Analysis* B 1 (1964), 86–96, with the coefficients for g = 7 and nine terms.
pub(super) fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let sum = TERMS[1..].iter().zip(1..).fold(TERMS[0], |sum, (term, k)| sum + term / (x + f64::from(k)));
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// The upper tail of the gamma distribution, Q(a, x) = Γ(a, x) / Γ(a), for `a > 0` and `x ≥ 0`: the series below `a + 1`
/// and the continued fraction above it (M. Abramowitz, I. A. Stegun, *Handbook of Mathematical Functions*, 6.5.29 and
/// 6.5.31, the latter by Lentz's method).
pub(super) fn gamma_tail(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    if x <= 0.0 {
        return 1.0;
    }
    let scale = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term.abs() > sum.abs() * 1e-17 && n < a + 100_000.0 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return (1.0 - sum * scale).clamp(0.0, 1.0);
    }
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for i in 1..100_000 {
        let i = f64::from(i);
        let an = -i * (i - a);
        b += 2.0;
        let floor = |value: f64| if value.abs() < TINY { TINY } else { value };
        d = 1.0 / floor(an * d + b);
        c = floor(b + an / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (scale * fraction).clamp(0.0, 1.0)
}

/// The upper tail of the standard normal distribution.
pub(super) fn normal_tail(z: f64) -> f64 {
    let tail = 0.5 * gamma_tail(0.5, z * z / 2.0);
    if z < 0.0 { 1.0 - tail } else { tail }
}

/// The z ≥ 0 whose upper tail is `tail`, from 1e-300 to 0.5.
pub(super) fn normal_quantile(tail: f64) -> f64 {
    let (mut low, mut high) = (0.0, 38.0);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if normal_tail(middle) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// The smallest k for which P(X > k) is at most `tail`, of a binomial X of `n` trials with probability `p`, 0 < p < 1.
pub(super) fn binomial_bound(n: u32, p: f64, tail: f64) -> u32 {
    let of = |k: u32| {
        let (n, k) = (f64::from(n), f64::from(k));
        let ways = ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
        (ways + k * p.ln() + (n - k) * (1.0 - p).ln()).exp()
    };
    let mut above = 0.0;
    for k in (0..=n).rev() {
        above += of(k);
        if above > tail {
            return k;
        }
    }
    0
}

/// The probability that a chi-squared number of `degrees` exceeds `x`.
pub(super) fn chi_squared_tail(x: f64, degrees: f64) -> f64 {
    if degrees > 0.0 { gamma_tail(degrees / 2.0, x / 2.0) } else { 1.0 }
}

/// The tail of Kolmogorov's distribution, 2 Σ (−1)^(k−1) exp(−2 k² x²); below 0.2 it is 1 to twelve digits.
pub(super) fn kolmogorov_tail(x: f64) -> f64 {
    if x < 0.2 {
        return 1.0;
    }
    let term = |k: i32| (if k % 2 == 1 { 2.0 } else { -2.0 }) * (-2.0 * f64::from(k * k) * x * x).exp();
    (1..=100).map(term).sum::<f64>().clamp(0.0, 1.0)
}

/// The probability of at least `hits` heads of `of` fair coins, by the normal distribution with a correction for
/// continuity.
pub(super) fn fair_coin_tail(hits: u64, of: u64) -> f64 {
    let (hits, of) = (hits as f64, of as f64);
    if of > 0.0 { normal_tail((hits - 0.5 - of / 2.0) / (of.sqrt() / 2.0)) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(found: f64, expected: f64, tolerance: f64) {
        let error = (found - expected).abs() / expected.abs().max(1e-300);
        assert!(error <= tolerance, "{found} is not {expected}");
    }

    #[test]
    fn tails_are_those_of_scipy() {
        // scipy 1.17.1: special.gammaln, special.gammaincc, stats.norm.sf, stats.norm.isf
        for (x, expected) in LN_GAMMA {
            assert_near(ln_gamma(x), expected, 1e-13);
        }
        for (a, x, expected) in GAMMA_TAIL {
            assert_near(gamma_tail(a, x), expected, 1e-11);
        }
        for (z, expected) in NORMAL_TAIL {
            assert_near(normal_tail(z), expected, 1e-11);
            if z >= 0.0 {
                assert_near(normal_quantile(expected), z, 1e-9);
            }
        }
    }

    #[test]
    fn tests_of_drift_have_the_tails_of_scipy() {
        // scipy 1.17.1: stats.chi2.sf, special.kolmogorov, stats.binom.sf(hits - 1, of, 0.5)
        for (x, degrees, expected) in CHI_SQUARED {
            assert_near(chi_squared_tail(x, degrees), expected, 1e-11);
        }
        for (x, expected) in KOLMOGOROV {
            assert_near(kolmogorov_tail(x), expected, 1e-10);
        }
        for (hits, of, expected) in COIN {
            assert!((fair_coin_tail(hits, of) - expected).abs() < 2e-4, "{hits} of {of}");
        }
    }

    #[test]
    fn bounds_of_binomials_are_those_of_scipy() {
        // scipy 1.17.1: stats.binom.isf
        for (n, p, tail, expected) in BINOMIAL {
            assert_eq!(binomial_bound(n, p, tail), expected, "{n} {p} {tail}");
        }
    }

    const CHI_SQUARED: [(f64, f64, f64); 3] = [
        (3.0, 2.0, 0.22313016014842982),
        (120.0, 99.0, 0.07424385580596692),
        (1500.0, 1400.0, 0.031503720989392366),
    ];
    const KOLMOGOROV: [(f64, f64); 4] = [
        (0.3, 0.9999906941986655),
        (0.8, 0.5441424115741981),
        (1.3581, 0.0499996304316674),
        (2.5, 7.453306344157342e-06),
    ];
    const COIN: [(u64, u64, f64); 3] = [
        (520, 1000, 0.10872414660207075),
        (500, 1000, 0.5126125090891802),
        (2600, 5000, 0.002441824868758747),
    ];
    const LN_GAMMA: [(f64, f64); 6] = [
        (0.5, 0.5723649429247),
        (1.5, -0.12078223763524526),
        (4.0, 1.791759469228055),
        (10.25, 13.368023671476045),
        (100.0, 359.1342053695754),
        (5000.5, 37586.88488728106),
    ];
    const GAMMA_TAIL: [(f64, f64, f64); 7] = [
        (0.5, 0.1, 0.6547208460185768),
        (0.5, 8.0, 6.334248366623988e-05),
        (1.0, 1.0, 0.36787944117144245),
        (4.5, 9.0, 0.035173539466984795),
        (50.0, 30.0, 0.999481108537452),
        (50.0, 80.0, 0.0001307839765914092),
        (499.5, 600.0, 1.112935044825893e-05),
    ];
    const NORMAL_TAIL: [(f64, f64); 6] = [
        (-1.5, 0.9331927987311419),
        (0.25, 0.4012936743170763),
        (1.0, 0.15865525393145707),
        (1.959963984540054, 0.025),
        (5.0, 2.866515718791933e-07),
        (9.0, 1.1285884059538324e-19),
    ];
    const BINOMIAL: [(u32, f64, f64, u32); 5] = [
        (64, 0.1436, 0.001, 19),
        (128, 0.1436, 0.001, 32),
        (128, 0.5, 0.001, 81),
        (64, 0.0451, 0.001, 9),
        (20, 0.3, 0.05, 9),
    ];
}
