//! Seeded numbers, the same on every machine.

/// SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, by D. Lemire's multiplication; its bias is below n / 2⁶⁴.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// A number from 0 up to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of the standard normal distribution (G. E. P. Box, M. E. Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.unit()).cos()
    }

    /// How many of `n` trials succeed, each with probability `p`; a rounded normal number where its variance is above 50.
    pub fn binomial(&mut self, n: u64, p: f64) -> u64 {
        let (trials, rarer) = (n as f64, p.min(1.0 - p));
        let variance = trials * rarer * (1.0 - rarer);
        let count = if variance > 50.0 {
            (trials * rarer + variance.sqrt() * self.normal()).round().clamp(0.0, trials) as u64
        } else {
            // by inversion, from no success upwards
            let odds = rarer / (1.0 - rarer);
            let (mut left, mut of_count, mut count) = (self.unit(), (1.0 - rarer).powf(trials), 0);
            while left >= of_count && count < n {
                left -= of_count;
                of_count *= odds * (n - count) as f64 / (count + 1) as f64;
                count += 1;
            }
            count
        };
        if p > 0.5 { n - count } else { count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binomial_numbers_have_their_mean_and_variance() {
        let mut random = Random::new(5);
        let times = 20_000;
        for (n, p) in [(5, 0.3), (40, 0.9), (1000, 0.01), (1000, 0.4)] {
            let numbers: Vec<f64> = (0..times).map(|_| random.binomial(n, p) as f64).collect();
            let mean = numbers.iter().sum::<f64>() / f64::from(times);
            let variance =
                numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / f64::from(times);
            let (of_mean, of_variance) = (n as f64 * p, n as f64 * p * (1.0 - p));
            // four standard errors
            assert!(
                (mean - of_mean).abs() < 4.0 * (of_variance / f64::from(times)).sqrt(),
                "{n} {p}: {mean}"
            );
            assert!((variance / of_variance - 1.0).abs() < 0.05, "{n} {p}: {variance}");
        }
        assert_eq!([random.binomial(7, 0.0), random.binomial(7, 1.0), random.binomial(0, 0.5)], [0, 7, 0]);
    }
}
