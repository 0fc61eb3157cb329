//! An even sample of a stream whose length is not known before its end.

use std::collections::BTreeMap;

/// Keeps every n-th item, and doubles n when there are too many; which items are kept depends on the stream alone, not
/// on the order in which its items are handed in.
#[derive(Debug)]
pub(super) struct Evenly<T> {
    items: usize,
    weight: u64,
    stride: u64,
    kept: BTreeMap<u64, (u64, T)>,
}

impl<T> Evenly<T> {
    /// For a sample of `items` that together weigh `weight` at most. Twice as many are held meanwhile.
    pub fn new(items: usize, weight: u64) -> Self {
        Evenly { items: items.max(1), weight: weight.saturating_mul(2), stride: 1, kept: BTreeMap::new() }
    }

    /// Takes item `number` of the stream, unless it would be dropped.
    pub fn push(&mut self, number: u64, weight: u64, item: T) {
        if !number.is_multiple_of(self.stride) {
            return;
        }
        self.kept.insert(number, (weight, item));
        while self.kept.len() > 1
            && (self.kept.len() > 2 * self.items
                || self.kept.values().map(|(weight, _)| *weight).sum::<u64>() > self.weight)
        {
            self.stride *= 2;
            let stride = self.stride;
            self.kept.retain(|number, _| number.is_multiple_of(stride));
        }
    }

    /// Returns the sample, in the stream's order; `seed` chooses its position within the even steps.
    pub fn take(self, seed: u64) -> Vec<T> {
        let (all, items) = (self.kept.len(), self.items.min(self.kept.len()));
        let within = |index: usize| {
            let shift = scattered(seed) % all.max(1) as u64;
            (index as u64 * all as u64 + shift) / items.max(1) as u64
        };
        let mut wanted = (0..items).map(within).peekable();
        let mut taken = Vec::with_capacity(items);
        for (position, (_, (_, item))) in self.kept.into_iter().enumerate() {
            if wanted.next_if_eq(&(position as u64)).is_some() {
                taken.push(item);
            }
        }
        taken
    }
}

/// SplitMix64's finish; 0 stays 0.
fn scattered(seed: u64) -> u64 {
    let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(length: u64, items: usize, seed: u64) -> Vec<u64> {
        let mut evenly = Evenly::new(items, u64::MAX);
        (0..length).for_each(|number| evenly.push(number, 1, number));
        evenly.take(seed)
    }

    #[test]
    fn a_sample_has_the_size_that_was_asked_for_and_spans_the_stream() {
        for (length, items) in [(0, 5), (3, 5), (5, 5), (10, 5), (11, 5), (1000, 7), (12_345, 100)] {
            for seed in 0..5 {
                let sample = sample(length, items, seed);
                assert_eq!(sample.len(), items.min(length as usize), "{length} {items} {seed}");
                assert!(sample.is_sorted_by(|a, b| a < b));
                let step = length / items as u64;
                assert!(length < 2 * items as u64 || sample[0] <= 2 * step, "{sample:?}");
                assert!(length < 2 * items as u64 || length - sample[items - 1] <= 3 * step, "{sample:?}");
            }
        }
        assert_ne!(sample(1000, 7, 1), sample(1000, 7, 2));
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let mut backwards = Evenly::new(9, u64::MAX);
        (0..1000).rev().for_each(|number| backwards.push(number, 1, number));
        assert_eq!(backwards.take(3), sample(1000, 9, 3));
    }

    #[test]
    fn heavy_items_are_fewer() {
        let mut evenly = Evenly::new(100, 50);
        (0..100).for_each(|number| evenly.push(number, 10, number));
        assert!((3..=10).contains(&evenly.take(0).len()));
    }
}
