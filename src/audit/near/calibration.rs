//! The threshold of near duplicates, from the cosines of random pairs.

use serde::Serialize;

use super::super::computing::{Stop, Stopped};
use super::super::random::Random;
use super::super::statistics::normal_quantile;
use super::sketches::Sketches;

/// Pairs that are drawn; of an output with fewer pairs, all are used.
const PAIRS: u64 = 10_000_000;
/// The lowest and the highest threshold that a calibration gives.
const FLOOR: f64 = 0.90;
const CEILING: f64 = 0.99;
/// Pairs of unrelated images above the threshold, for each image, that a normal distribution may predict.
const EXPECTED: f64 = 0.01;
/// Predicted pairs an image from which a search is refused.
const MOST_PREDICTED: f64 = 10.0;
const BINS: usize = 4000;
/// Pairs between two checks whether the work must end.
const STEP: u64 = 1 << 16;
const SEED: u64 = 0x7061_6972_7321;

/// The cosines of random pairs, and the threshold that follows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Calibration {
    /// Pairs that were drawn, or all pairs.
    pub pairs: u64,
    /// Whether these are all pairs.
    pub all: bool,
    /// The median of their estimated cosines.
    pub median: f64,
    /// The distance from the median to the cosine that 15.87 % of pairs exceed: a standard deviation, if normal.
    pub spread: f64,
    /// Cosine from which two images are near duplicates.
    pub threshold: f64,
    /// Whether the threshold was given, and not calibrated.
    pub given: bool,
    /// Pairs an image, on average, that the drawn pairs predict at or above the threshold.
    pub predicted: f64,
}

/// Estimated cosines of pairs, counted.
#[derive(Debug)]
pub struct RandomPairs {
    bins: Vec<u64>,
    pairs: u64,
    all: bool,
    /// Images that one image is paired with.
    partners: f64,
}

impl RandomPairs {
    /// Pairs of images within `images`, or between `images` and `others`.
    ///
    /// # Errors
    /// [`Stopped`] once `stop` asks for it.
    pub fn draw(images: &Sketches, others: Option<&Sketches>, stop: &Stop) -> Result<RandomPairs, Stopped> {
        let (rows, targets) = (images.len() as u64, others.unwrap_or(images).len() as u64);
        let possible = match others {
            Some(_) => rows.saturating_mul(targets),
            None => rows.saturating_mul(rows.saturating_sub(1)) / 2,
        };
        let partners = if others.is_some() { targets } else { targets.saturating_sub(1) } as f64;
        let all = possible <= PAIRS;
        let mut drawn = RandomPairs { bins: vec![0; BINS], pairs: 0, all, partners };
        let of = others.unwrap_or(images);
        let mut add = |a: usize, b: usize| drawn.add(f64::from(images.cosine(a, of, b)));
        if all {
            for a in 0..rows as usize {
                stop.check()?;
                let first = if others.is_some() { 0 } else { a + 1 };
                (first..targets as usize).for_each(|b| add(a, b));
            }
        } else {
            let mut random = Random::new(SEED);
            for pair in 0..PAIRS {
                if pair % STEP == 0 {
                    stop.check()?;
                }
                let a = random.below(rows);
                let mut b = random.below(if others.is_some() { targets } else { targets - 1 });
                b += u64::from(others.is_none() && b >= a);
                add(a as usize, b as usize);
            }
        }
        Ok(drawn)
    }

    fn add(&mut self, cosine: f64) {
        let at = ((cosine + 1.0) / 2.0 * BINS as f64) as usize;
        self.bins[at.min(BINS - 1)] += 1;
        self.pairs += 1;
    }

    /// The cosine that a share of the pairs is below.
    fn quantile(&self, share: f64) -> f64 {
        let wanted = share * self.pairs as f64;
        let mut below = 0.0;
        for (at, &count) in self.bins.iter().enumerate() {
            let count = count as f64;
            if count > 0.0 && below + count >= wanted {
                let within = (wanted - below) / count;
                return (at as f64 + within) / BINS as f64 * 2.0 - 1.0;
            }
            below += count;
        }
        1.0
    }

    /// The threshold: that above which a normal distribution with the median and the spread of the pairs predicts one pair
    /// for a hundred images, from 0.90 to 0.99; or `given`. Median and spread are those of the bulk, which a few
    /// duplicates do not move.
    ///
    /// # Errors
    /// Why a search with it is refused.
    pub fn calibrate(&self, given: Option<f64>) -> Result<Calibration, String> {
        if self.pairs == 0 {
            return Err("there are fewer than two embeddings to compare".into());
        }
        let median = self.quantile(0.5);
        let spread = self.quantile(0.841_344_746_068_542_9) - median;
        let z = normal_quantile((EXPECTED / self.partners.max(1.0)).min(0.5));
        let threshold = given.unwrap_or_else(|| (median + z * spread).clamp(FLOOR, CEILING));
        let above = self.share_from(threshold);
        let predicted = above * self.partners;
        if !self.all && predicted > MOST_PREDICTED {
            return Err(format!(
                "random pairs predict {predicted:.0} near duplicates of each image at a cosine of {threshold:.3}, so the \
                 embeddings do not distinguish images; give a higher --threshold"
            ));
        }
        let given = given.is_some();
        Ok(Calibration { pairs: self.pairs, all: self.all, median, spread, threshold, given, predicted })
    }

    /// The share of pairs in bins that begin at or above a cosine.
    fn share_from(&self, cosine: f64) -> f64 {
        let first = ((cosine + 1.0) / 2.0 * BINS as f64).ceil() as usize;
        self.bins[first.min(BINS)..].iter().sum::<u64>() as f64 / self.pairs as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cosines: impl Iterator<Item = f64>, partners: f64) -> RandomPairs {
        let mut pairs = RandomPairs { bins: vec![0; BINS], pairs: 0, all: false, partners };
        cosines.for_each(|cosine| pairs.add(cosine));
        pairs
    }

    /// Cosines of a normal distribution, by its quantiles.
    fn normal(deviation: f64) -> impl Iterator<Item = f64> {
        (1..10_000).map(move |k| {
            let tail = f64::from(k) / 20_000.0;
            let z = normal_quantile(tail);
            if k % 2 == 0 { z * deviation } else { -z * deviation }
        })
    }

    #[test]
    fn unrelated_images_give_the_lowest_threshold_and_crowded_ones_a_higher() {
        let low = of(normal(0.09), 1e6).calibrate(None).unwrap();
        assert_eq!(low.threshold, FLOOR);
        assert!(low.median.abs() < 0.01 && (low.spread - 0.09).abs() < 0.01, "{low:?}");
        // 5.6 deviations above 0: scipy.stats.norm.isf(1e-8) is 5.612
        let high = of(normal(0.17), 1e6).calibrate(None).unwrap();
        assert!((high.threshold - 5.612 * high.spread).abs() < 0.01, "{high:?}");
    }

    #[test]
    fn duplicates_among_the_pairs_do_not_move_the_threshold() {
        let with = normal(0.09).chain((0..50).map(|_| 0.999));
        assert_eq!(of(with, 1000.0).calibrate(None).unwrap().threshold, FLOOR);
    }

    #[test]
    fn embeddings_that_do_not_tell_images_apart_are_refused() {
        let same = || (0..10_000).map(|_| 0.995);
        assert!(of(same(), 1e6).calibrate(None).unwrap_err().contains("--threshold"));
        assert_eq!(of(same(), 1e6).calibrate(Some(0.999)).unwrap().predicted, 0.0);
    }
}
