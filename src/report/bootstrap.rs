//! Intervals by resampling, from counts alone: their cost grows with the classes and never with the rows.

use serde::Serialize;

/// Resamples of one interval.
const RESAMPLES: usize = 1000;

/// Where the sequence of draws begins: the same counts give the same interval.
const SEED: u64 = 0x7472_6573_6e65_7421;

/// A two-sided 95 % interval in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The 95 % bootstrap percentile interval of the mean over classes of `hits / of`, in percent. Classes of no rows
/// are left out, as they are of the mean.
///
/// It is the bootstrap stratified by class: in each of 1000 resamples, every class draws as many of its own rows as it
/// has, with replacement. How many of those are right is binomial with parameters `of` and `hits / of`, so one
/// draw stands for a class's rows, however many they are. The ends are the 2.5 % and 97.5 % quantiles of the
/// resampled means, interpolated. B. Efron, R. J. Tibshirani, *An Introduction to the Bootstrap* (1993),
/// chapters 8 and 13.
pub fn mean_share_interval(classes: impl Iterator<Item = (u64, u64)>) -> Option<Interval> {
    let mut noise = SplitMix64::new(SEED);
    let (mut fixed, mut count) = (0.0, 0_u64);
    let mut means = vec![0.0_f64; RESAMPLES];
    for (hits, of) in classes.filter(|(_, of)| *of > 0) {
        count += 1;
        let rows = of as f64;
        if hits == 0 || hits == of {
            fixed += hits as f64 / rows;
            continue;
        }
        let draw = Binomial::new(of, hits as f64 / rows);
        means.iter_mut().for_each(|mean| *mean += draw.sample(&mut noise) / rows);
    }
    if count == 0 {
        return None;
    }
    means.iter_mut().for_each(|mean| *mean = 100.0 * (*mean + fixed) / count as f64);
    means.sort_unstable_by(f64::total_cmp);
    Some(Interval { low: quantile(&means, 0.025), high: quantile(&means, 0.975) })
}

/// The quantile of sorted values, between two of them by their distance.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, part) = (at.floor() as usize, at.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + part * (sorted[above] - sorted[below])
}

/// SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014): small, seeded, the same on every machine.
pub(super) struct SplitMix64(u64);

impl SplitMix64 {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From the open interval 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

/// Draws from a binomial distribution in constant time: inversion where few hits are expected, else the rejection
/// method BTRS of W. Hörmann, "The generation of binomial random variates", *Journal of Statistical
/// Computation and Simulation* 46 (1993), 101–110.
struct Binomial {
    n: f64,
    /// At most ½; `flipped` where the wanted one is above.
    p: f64,
    flipped: bool,
}

impl Binomial {
    fn new(n: u64, p: f64) -> Self {
        let flipped = p > 0.5;
        Self { n: n as f64, p: if flipped { 1.0 - p } else { p }, flipped }
    }

    fn sample(&self, noise: &mut SplitMix64) -> f64 {
        let hits = if self.n * self.p < 10.0 { self.by_inversion(noise) } else { self.by_rejection(noise) };
        if self.flipped { self.n - hits } else { hits }
    }

    fn by_inversion(&self, noise: &mut SplitMix64) -> f64 {
        let odds = self.p / (1.0 - self.p);
        let none = (1.0 - self.p).powf(self.n);
        let (mut left, mut hits, mut mass) = (noise.uniform(), 0.0, none);
        while left > mass && hits < self.n {
            left -= mass;
            hits += 1.0;
            mass *= odds * (self.n - hits + 1.0) / hits;
        }
        hits
    }

    fn by_rejection(&self, noise: &mut SplitMix64) -> f64 {
        let (n, p) = (self.n, self.p);
        let spread = (n * p * (1.0 - p)).sqrt();
        let b = 1.15 + 2.53 * spread;
        let a = -0.0873 + 0.0248 * b + 0.01 * p;
        let centre = n * p + 0.5;
        let easy = 0.92 - 4.2 / b;
        let alpha = (2.83 + 5.1 / b) * spread;
        let (odds, mode) = (p / (1.0 - p), ((n + 1.0) * p).floor());
        loop {
            let u = noise.uniform() - 0.5;
            let v = noise.uniform();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + centre).floor();
            if us >= 0.07 && v <= easy {
                return k;
            }
            if k < 0.0 || k > n {
                continue;
            }
            let v = (v * alpha / (a / (us * us) + b)).ln();
            let bound = (mode + 0.5) * ((mode + 1.0) / (odds * (n - mode + 1.0))).ln()
                + (n + 1.0) * ((n - mode + 1.0) / (n - k + 1.0)).ln()
                + (k + 0.5) * (odds * (n - k + 1.0) / (k + 1.0)).ln()
                + stirling_tail(mode)
                + stirling_tail(n - mode)
                - stirling_tail(k)
                - stirling_tail(n - k);
            if v <= bound {
                return k;
            }
        }
    }
}

/// What Stirling's formula lacks of ln k!.
fn stirling_tail(k: f64) -> f64 {
    const SMALL: [f64; 10] = [
        0.081_061_466_795_327_2,
        0.041_340_695_955_409_2,
        0.027_677_925_684_998_3,
        0.020_790_672_103_765_0,
        0.016_644_691_189_821_1,
        0.013_876_128_823_070_7,
        0.011_896_709_945_891_7,
        0.010_411_265_261_972_0,
        0.009_255_462_182_712_73,
        0.008_330_563_433_362_87,
    ];
    if k < SMALL.len() as f64 {
        return SMALL[k as usize];
    }
    let next = k + 1.0;
    (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / (next * next)) / (next * next)) / next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_mean_and_the_variance_of_their_distribution() {
        for (n, p) in [(1, 0.3), (7, 0.9), (50, 0.1), (50, 0.8), (1_000, 0.5), (1_000_000, 0.002)] {
            let (draw, mut noise) = (Binomial::new(n, p), SplitMix64::new(n));
            let draws: Vec<f64> = (0..40_000).map(|_| draw.sample(&mut noise)).collect();
            let count = draws.len() as f64;
            let mean = draws.iter().sum::<f64>() / count;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            let (n, wanted) = (n as f64, n as f64 * p * (1.0 - p));
            assert!((mean - n * p).abs() < 5.0 * (wanted / count).sqrt(), "{n} {p}: mean {mean}");
            assert!((variance / wanted - 1.0).abs() < 0.05, "{n} {p}: variance {variance} of {wanted}");
            assert!(draws.iter().all(|&x| (0.0..=n).contains(&x) && x.fract() == 0.0));
        }
    }

    #[test]
    fn one_class_has_the_interval_of_a_share() {
        let interval = mean_share_interval([(8_000, 10_000)].into_iter()).unwrap();
        let half = 1.96 * (0.8_f64 * 0.2 / 10_000.0).sqrt() * 100.0;
        assert!((interval.low - (80.0 - half)).abs() < 0.06, "{interval:?}");
        assert!((interval.high - (80.0 + half)).abs() < 0.06, "{interval:?}");
    }

    #[test]
    fn more_classes_make_the_interval_narrower_and_the_same_counts_the_same() {
        let width = |classes: usize| {
            let interval = mean_share_interval((0..classes).map(|_| (40, 50))).unwrap();
            interval.high - interval.low
        };
        assert!((width(4) / width(400) - 10.0).abs() < 1.5, "{} {}", width(4), width(400));
        assert_eq!(width(7), width(7));
    }

    #[test]
    fn classes_without_rows_count_for_nothing_and_certain_ones_do_not_spread() {
        assert_eq!(mean_share_interval([(0, 0)].into_iter()), None);
        let certain = mean_share_interval([(0, 4), (9, 9), (0, 0)].into_iter());
        assert_eq!(certain, Some(Interval { low: 50.0, high: 50.0 }));
    }
}
