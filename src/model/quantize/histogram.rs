//! How often a map's values lie where, in one pass over values whose bounds are not known before.

use super::range::{LEVELS, Range};

/// Bins a side of zero, a power of two.
const BINS: usize = 4096;
/// Bounds that are tried for a range: these parts of the largest value.
const SHRUNK: std::ops::RangeInclusive<u32> = 20..=100;

/// The values of one map over a sample. Zeros are only counted: every range holds zero exactly.
#[derive(Debug, Clone)]
pub struct Histogram {
    below: Side,
    above: Side,
    /// Values that are not finite.
    pub non_finite: u64,
}

/// Magnitudes on one side of zero. When one lies beyond the last bin, bins are joined in pairs.
#[derive(Debug, Clone)]
struct Side {
    width: f64,
    counts: Vec<u64>,
    largest: f32,
}

impl Default for Histogram {
    fn default() -> Self {
        let side = Side { width: 0.0, counts: vec![0; BINS], largest: 0.0 };
        Histogram { below: side.clone(), above: side, non_finite: 0 }
    }
}

impl Histogram {
    /// Counts values in.
    pub fn add(&mut self, values: &[f32]) {
        let (mut low, mut high) = (0.0_f32, 0.0_f32);
        for value in values.iter().filter(|value| value.is_finite()) {
            low = low.min(*value);
            high = high.max(*value);
        }
        // the bounds of many values first: the bins are then joined once
        for (side, bound) in [(&mut self.below, -low), (&mut self.above, high)] {
            side.reach(bound);
        }
        for value in values {
            if !value.is_finite() {
                self.non_finite += 1;
            } else if *value > 0.0 {
                self.above.count(*value);
            } else if *value < 0.0 {
                self.below.count(-*value);
            }
        }
    }

    /// The largest magnitude.
    pub fn largest(&self) -> f32 {
        self.below.largest.max(self.above.largest)
    }

    /// From the least to the largest value.
    pub fn bounds(&self) -> Range {
        Range { low: -f64::from(self.below.largest), high: f64::from(self.above.largest) }
    }

    /// The range whose 256 levels give the least mean squared error; what lies outside is cut. Found by trying parts of
    /// the bounds, each end twice in turn.
    pub fn range(&self) -> Range {
        let Range { low: least, high: most } = self.bounds();
        let mut range = Range { low: least, high: most };
        for _ in 0..2 {
            let with = |high| Range { high, ..range };
            range = self.best(SHRUNK.map(|part| with(most * f64::from(part) / 100.0)), range);
            if least < 0.0 {
                let with = |low| Range { low, ..range };
                range = self.best(SHRUNK.map(|part| with(least * f64::from(part) / 100.0)), range);
            }
        }
        range
    }

    /// The same for values of which those below zero become zero.
    pub fn range_above(&self) -> Range {
        let none = Side { width: 0.0, counts: vec![0; BINS], largest: 0.0 };
        Histogram { below: none, above: self.above.clone(), non_finite: 0 }.range()
    }

    fn best(&self, candidates: impl Iterator<Item = Range>, first: Range) -> Range {
        let scored = candidates.map(|range| (self.squared_error(&range), range));
        // the widest of equals
        scored
            .fold((self.squared_error(&first), first), |best, next| if next.0 < best.0 { next } else { best })
            .1
    }

    fn squared_error(&self, range: &Range) -> f64 {
        let step = (range.high - range.low) / LEVELS;
        if step <= 0.0 {
            return 0.0;
        }
        let zero = (-range.low / step).round();
        self.below.squared_error(step, zero) + self.above.squared_error(step, LEVELS - zero)
    }
}

impl Side {
    fn reach(&mut self, magnitude: f32) {
        self.largest = self.largest.max(magnitude);
        if self.width == 0.0 && magnitude > 0.0 {
            // a first guess with room, so that most maps never join bins
            self.width = f64::from(magnitude) * 1.25 / BINS as f64;
        }
        while f64::from(magnitude) >= self.width * BINS as f64 && magnitude > 0.0 {
            for bin in 0..BINS / 2 {
                self.counts[bin] = self.counts[2 * bin] + self.counts[2 * bin + 1];
            }
            self.counts[BINS / 2..].fill(0);
            self.width *= 2.0;
        }
    }

    fn count(&mut self, magnitude: f32) {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let bin = (f64::from(magnitude) / self.width) as usize;
        self.counts[bin.min(BINS - 1)] += 1;
    }

    /// Of all magnitudes, each taken for its bin's middle, with `levels` steps of this size above zero.
    fn squared_error(&self, step: f64, levels: f64) -> f64 {
        let occupied = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let errors = occupied.map(|(bin, count)| {
            let middle = (bin as f64 + 0.5) * self.width;
            let error = (middle / step).round().min(levels) * step - middle;
            *count as f64 * error * error
        });
        errors.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_any_portions_give_one_histogram() {
        let values: Vec<f32> = (0..10_000).map(|i| ((i * 7919) % 10_007) as f32 / 500.0 - 4.0).collect();
        let mut whole = Histogram::default();
        whole.add(&values);
        let mut portions = Histogram::default();
        for portion in values.chunks(97) {
            portions.add(portion);
        }
        assert_eq!(portions.bounds(), whole.bounds());
        for histogram in [&whole, &portions] {
            let counted: u64 = histogram.below.counts.iter().chain(&histogram.above.counts).sum();
            assert_eq!(counted, values.iter().filter(|value| **value != 0.0).count() as u64);
        }
    }

    #[test]
    fn one_far_value_does_not_spoil_the_range_of_many() {
        let mut histogram = Histogram::default();
        let near: Vec<f32> = (0..100_000).map(|i| (i % 1000) as f32 / 1000.0).collect();
        (0..20).for_each(|_| histogram.add(&near));
        histogram.add(&[2.0]);
        assert_eq!(histogram.bounds(), Range { low: 0.0, high: 2.0 });
        let range = histogram.range();
        assert!(range.low == 0.0 && (0.9..1.3).contains(&range.high), "{range:?}");
    }

    #[test]
    fn an_even_spread_keeps_nearly_all_of_its_range() {
        let mut histogram = Histogram::default();
        let values: Vec<f32> = (0..60_000).map(|i| (i % 3001) as f32 / 1000.0 - 1.0).collect();
        histogram.add(&values);
        let range = histogram.range();
        assert!(range.low < -0.97 && range.high > 1.95, "{range:?}");
        assert_eq!(histogram.range_above().low, 0.0);
    }

    #[test]
    fn what_is_not_finite_is_counted_apart() {
        let mut histogram = Histogram::default();
        histogram.add(&[f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY, -2.0, 0.0]);
        assert_eq!((histogram.non_finite, histogram.largest()), (3, 2.0));
        assert_eq!(Histogram::default().range(), Range { low: 0.0, high: 0.0 });
    }
}
