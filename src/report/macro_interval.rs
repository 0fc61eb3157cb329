//! The interval of a mean over classes, from counts alone: its cost grows with the classes and never with the rows.

use serde::Serialize;

use super::proportion::wilson;

/// A two-sided 95 % interval in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The classes that a macro figure is the mean of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct MacroClasses {
    /// Classes with at least one row.
    pub classes: u64,
    /// Those of them that have one row only.
    pub single_image: u64,
}

impl MacroClasses {
    /// Counts classes by the number of their rows.
    pub(super) fn of(rows: impl Iterator<Item = u64>) -> Self {
        rows.filter(|rows| *rows > 0).fold(Self::default(), |sum, rows| Self {
            classes: sum.classes + 1,
            single_image: sum.single_image + u64::from(rows == 1),
        })
    }
}

/// The 95 % interval of the mean over classes of `hits / of`, in percent. Classes of no rows are left out, as they are
/// of the mean.
///
/// It is Wilson's interval for the number of images that has the variance of the mean. The variance is that of the
/// bootstrap stratified by class, in closed form, with these corrections:
///
/// - Resampling n rows of a class spreads by (n − 1)/n too little, so a class counts p(1 − p)/(n − 1).
/// - A class of one row has no spread within it at all. Such classes are collapsed into one stratum, whose spread
///   includes the differences between their true accuracies, so the interval is then wider than 95 % needs. Half a row is
///   added to the right and to the wrong ones, because a few that are all right do not show that none is ever wrong.
/// - Classes of few rows have no spread by chance. Together, classes of two and more rows count at least the spread
///   within all of them, in which each row counts alike.
///
/// Where all rows are right, or all are wrong, or nothing varies, the number of images is k²/Σ(1/n) over the k classes,
/// which would estimate one accuracy of all classes as well.
///
/// B. Efron, R. J. Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 8; W. G. Cochran, *Sampling
/// Techniques* (1977), section 5A.12 (collapsed strata); E. L. Korn, B. I. Graubard, "Confidence intervals for
/// proportions with small expected number of positive counts estimated from survey data", *Survey Methodology* 24
/// (1998), 193–201 (effective sample size). `tests/reference/macro_interval.py` measures its coverage.
pub fn mean_share_interval(classes: impl Iterator<Item = (u64, u64)>) -> Option<Interval> {
    let (mut count, mut shares, mut inverse) = (0.0, 0.0, 0.0);
    let (mut variance, mut within, mut rows, mut inverse_of_many) = (0.0, 0.0, 0.0, 0.0);
    let (mut singles, mut right) = (0.0, 0.0);
    for (hits, of) in classes.filter(|(_, of)| *of > 0) {
        let (hits, of) = (hits as f64, of as f64);
        let share = hits / of;
        count += 1.0;
        shares += share;
        inverse += 1.0 / of;
        if of > 1.0 {
            let spread = share * (1.0 - share) / (of - 1.0);
            variance += spread;
            within += spread * of * of;
            rows += of;
            inverse_of_many += 1.0 / of;
        } else {
            singles += 1.0;
            right += hits;
        }
    }
    if count == 0.0 {
        return None;
    }
    let mean: f64 = shares / count;
    if rows > 0.0 {
        variance = f64::max(variance, within / rows * inverse_of_many);
    }
    if singles > 0.0 {
        let share = (right + 0.5) / (singles + 1.0);
        let freedom = if singles > 1.0 { singles / (singles - 1.0) } else { 1.0 };
        variance += singles * share * (1.0 - share) * freedom;
    }
    let varies = variance > 0.0 && mean > 0.0 && mean < 1.0;
    let images =
        if varies { mean * (1.0 - mean) * count * count / variance } else { count * count / inverse };
    let (low, high) = wilson(mean, images);
    Some(Interval { low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014), from 0 to 1.
    struct Noise(u64);

    impl Noise {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// In how many of 2,000 simulations the interval holds the truth, in percent.
    fn coverage(sizes: &[u64], accuracy: f64) -> f64 {
        let mut noise = Noise(26);
        // between accuracy − spread and accuracy + spread, all of it within 0 and 1
        let spread = (1.0 - accuracy).min(accuracy);
        let truths: Vec<f64> =
            sizes.iter().map(|_| accuracy + spread * (2.0 * noise.uniform() - 1.0)).collect();
        let truth = 100.0 * truths.iter().sum::<f64>() / truths.len() as f64;
        let held = (0..2_000).filter(|_| {
            let counts: Vec<(u64, u64)> = sizes
                .iter()
                .zip(&truths)
                .map(|(&of, &p)| ((0..of).filter(|_| noise.uniform() < p).count() as u64, of))
                .collect();
            let interval = mean_share_interval(counts.into_iter()).unwrap();
            interval.low <= truth && truth <= interval.high
        });
        held.count() as f64 / 20.0
    }

    #[test]
    fn classes_of_one_size_are_covered_as_95_percent_says() {
        for (classes, of) in [(100, 10), (50, 5)] {
            for accuracy in [0.7, 0.9, 0.95] {
                let held = coverage(&vec![of; classes], accuracy);
                assert!((93.0..=97.0).contains(&held), "{classes} of {of} at {accuracy}: {held} %");
            }
        }
    }

    #[test]
    fn a_long_tail_with_single_images_is_covered() {
        let sizes: Vec<u64> = (1..=200).map(|rank| (200 / rank).max(1)).collect();
        for accuracy in [0.7, 0.9, 0.95] {
            let held = coverage(&sizes, accuracy);
            assert!(held >= 93.0, "at {accuracy}: {held} %");
        }
    }

    #[test]
    fn classes_that_mostly_have_a_single_image_are_covered() {
        let sizes: Vec<u64> = (0..100).map(|i| if i < 90 { 1 } else { 10 }).collect();
        for accuracy in [0.7, 0.9, 0.95] {
            let held = coverage(&sizes, accuracy);
            assert!(held >= 93.0, "at {accuracy}: {held} %");
        }
    }

    #[test]
    fn a_few_small_classes_among_large_ones_are_covered() {
        let sizes: Vec<u64> = (0..50).map(|i| if i < 10 { 2 } else { 40 }).collect();
        for accuracy in [0.7, 0.9, 0.95] {
            let held = coverage(&sizes, accuracy);
            assert!(held >= 93.0, "at {accuracy}: {held} %");
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
    fn more_classes_make_the_interval_narrower() {
        let width = |classes: usize| {
            let interval = mean_share_interval((0..classes).map(|_| (40, 50))).unwrap();
            interval.high - interval.low
        };
        assert!((width(4) / width(400) - 10.0).abs() < 0.2, "{} {}", width(4), width(400));
    }

    #[test]
    fn classes_of_one_image_each_are_as_wide_as_that_many_images() {
        let singles = (0..100).map(|i| (u64::from(i < 94), 1));
        let interval = mean_share_interval(singles).unwrap();
        let (low, high) = wilson(0.94, 99.0);
        assert!((interval.low - low).abs() < 0.5 && (interval.high - high).abs() < 0.5, "{interval:?}");
    }

    #[test]
    fn a_class_of_one_image_is_never_certain() {
        let with = |last| (0..9).map(|_| (9, 10)).chain(last).collect::<Vec<(u64, u64)>>();
        let width = |counts: Vec<(u64, u64)>| {
            let interval = mean_share_interval(counts.into_iter()).unwrap();
            interval.high - interval.low
        };
        assert!(width(with(Some((1, 1)))) > width(with(Some((9, 10)))));
    }

    #[test]
    fn classes_without_rows_count_for_nothing() {
        assert_eq!(mean_share_interval([(0, 0)].into_iter()), None);
        let with = mean_share_interval([(3, 4), (5, 9), (0, 0)].into_iter());
        assert_eq!(with, mean_share_interval([(3, 4), (5, 9)].into_iter()));
    }

    #[test]
    fn where_nothing_varies_the_interval_is_that_of_the_images() {
        let all_right = mean_share_interval([(5, 5), (5, 5)].into_iter()).unwrap();
        let (low, high) = wilson(1.0, 10.0);
        assert_eq!((all_right.low, all_right.high), (low, high));
        let apart = mean_share_interval([(0, 4), (9, 9)].into_iter()).unwrap();
        assert!(apart.low < 30.0 && apart.high > 70.0, "{apart:?}");
    }

    #[test]
    fn classes_are_counted_by_their_images() {
        let counted = MacroClasses::of([0, 1, 3, 1].into_iter());
        assert_eq!((counted.classes, counted.single_image), (3, 2));
    }
}
