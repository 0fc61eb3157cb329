//! Confident learning: which labels a model contradicts with confidence.
//!
//! C. G. Northcutt, L. Jiang, I. L. Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", *Journal of
//! Artificial Intelligence Research* 70 (2021), 1373–1411, section 3.

use std::collections::HashMap;

use crate::report::Proportion;

use super::label_figures::{ClassLabels, LabelFigures, LabelPair, mean_noise};

/// A probability this far below a threshold still reaches it: the mean of equal numbers may round above them.
const SLACK: f64 = 1e-6;
/// Pairs of classes that are counted; rows of further ones are in no pair.
const MOST_PAIRS: usize = 1 << 20;
/// Pairs of classes that a report names.
const NAMED_PAIRS: usize = 100;

/// Sums of each class's probability over the images that have its label.
#[derive(Debug)]
pub(super) struct SelfConfidence {
    sums: Vec<f64>,
    labelled: Vec<u64>,
}

impl SelfConfidence {
    pub fn new(classes: usize) -> Self {
        SelfConfidence { sums: vec![0.0; classes], labelled: vec![0; classes] }
    }

    pub fn add(&mut self, given: usize, probability: f64) {
        self.sums[given] += probability;
        self.labelled[given] += 1;
    }

    /// Images that have a label.
    pub fn rows(&self) -> u64 {
        self.labelled.iter().sum()
    }

    /// The threshold of a class is the mean of its probability over the images that have its label (equation 2). A class
    /// that no image has is never proposed.
    pub fn finish(self) -> Thresholds {
        let SelfConfidence { sums, labelled } = self;
        let mean = |(sum, rows): (f64, &u64)| if *rows == 0 { f64::INFINITY } else { sum / *rows as f64 };
        let values: Vec<f64> = sums.into_iter().zip(&labelled).map(mean).collect();
        let mut ascending: Vec<usize> = (0..values.len()).filter(|class| labelled[*class] > 0).collect();
        ascending.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
        Thresholds { values, labelled, ascending }
    }
}

/// The confidence from which an image counts as one of a class.
#[derive(Debug)]
pub(super) struct Thresholds {
    values: Vec<f64>,
    labelled: Vec<u64>,
    /// Classes that an image has, the lowest threshold first.
    ascending: Vec<usize>,
}

/// What is known of an image's probabilities.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known<'a> {
    /// Of every class.
    All(&'a [f64]),
    /// The best classes, the best first, and the label's.
    Top {
        index: &'a [i32],
        prob: &'a [f32],
        given_prob: f64,
        /// Whether all probabilities sum to 1.
        sum_to_one: bool,
    },
}

/// The class that an image counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confident {
    Class(usize),
    /// No class reaches its threshold.
    Nothing,
    /// A class outside the known ones may reach its threshold.
    Unknown,
}

/// An image with its label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    pub confident: Confident,
    /// The best class is the label.
    pub agrees: bool,
    /// The probability of the best other class minus that of the label: the normalised margin, negated.
    pub margin: f64,
    /// What the classes that are known miss to reach their thresholds, at least.
    pub gap: f64,
}

impl Thresholds {
    fn reaches(&self, class: usize, probability: f64) -> bool {
        self.values.get(class).is_some_and(|threshold| probability >= threshold - SLACK)
    }

    fn gap(&self, known: impl Iterator<Item = (usize, f64)>) -> f64 {
        let gaps = known.map(|(class, p)| self.values.get(class).map_or(f64::INFINITY, |least| least - p));
        gaps.fold(f64::INFINITY, f64::min)
    }

    /// Judges an image that has the label `given`: of the classes that reach their thresholds, the most probable one
    /// (equation 1), ties going to the lower class.
    pub fn judge(&self, given: usize, known: Known<'_>) -> Judged {
        match known {
            Known::All(probabilities) => self.judge_all(given, probabilities),
            Known::Top { index, prob, given_prob, sum_to_one } => {
                self.judge_top(given, given_prob, index, prob, sum_to_one)
            }
        }
    }

    fn judge_all(&self, given: usize, probabilities: &[f64]) -> Judged {
        let best = |among: &mut dyn Iterator<Item = (usize, &f64)>| {
            among.fold(None, |best: Option<(usize, f64)>, (class, &probability)| match best {
                Some((_, most)) if most >= probability => best,
                _ => Some((class, probability)),
            })
        };
        let all = || probabilities.iter().enumerate();
        let confident = best(&mut all().filter(|(class, p)| self.reaches(*class, **p)));
        let other = best(&mut all().filter(|(class, _)| *class != given)).map_or(0.0, |(_, p)| p);
        let own = probabilities.get(given).copied().unwrap_or_default();
        Judged {
            confident: confident.map_or(Confident::Nothing, |(class, _)| Confident::Class(class)),
            agrees: best(&mut all()).is_some_and(|(class, _)| class == given),
            margin: other - own,
            gap: self.gap(all().map(|(class, p)| (class, *p))),
        }
    }

    fn judge_top(
        &self,
        given: usize,
        given_prob: f64,
        index: &[i32],
        prob: &[f32],
        sum_to_one: bool,
    ) -> Judged {
        let listed = || index.iter().zip(prob).map(|(class, p)| (*class as usize, f64::from(*p)));
        let other = listed().find(|(class, _)| *class != given).map_or(0.0, |(_, p)| p);
        let judged = |confident| Judged {
            confident,
            agrees: listed().next().is_some_and(|(class, _)| class == given),
            margin: other - given_prob,
            // the listed classes may have no threshold; the label's has one
            gap: self.gap(listed().chain([(given, given_prob)])),
        };
        // a listed class is more probable than all that are not listed
        if let Some((class, _)) = listed().find(|(class, p)| self.reaches(*class, *p)) {
            return judged(Confident::Class(class));
        }
        let is_listed = |class: usize| listed().any(|(other, _)| other == class);
        // what a class that is neither listed nor the label can have at most
        let last = prob.last().map_or(1.0, |p| f64::from(*p));
        let own = if is_listed(given) { 0.0 } else { given_prob };
        let rest = 1.0 - own - listed().map(|(_, p)| p).sum::<f64>();
        let most = if sum_to_one { last.min(rest.max(0.0) + SLACK) } else { last };
        let lowest = self.ascending.iter().find(|class| **class != given && !is_listed(**class));
        if lowest.is_some_and(|class| self.reaches(*class, most)) {
            return judged(Confident::Unknown);
        }
        match !is_listed(given) && self.reaches(given, given_prob) {
            true => judged(Confident::Class(given)),
            false => judged(Confident::Nothing),
        }
    }
}

/// How an image was counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Counted {
    /// Its label is likely wrong.
    Suspect { class: usize, margin: f64 },
    /// No class reaches its threshold; the nearest known one misses `gap`.
    NoClass { gap: f64 },
    /// Its label is not contradicted, or it is not judged.
    Agrees,
}

/// Counts of label and confident class.
#[derive(Debug)]
pub(super) struct ConfidentJoint {
    thresholds: Thresholds,
    confident: Vec<u64>,
    diagonal: Vec<u64>,
    pairs: HashMap<(u32, u32), u64>,
    unsure: u64,
    undecided: u64,
    suspects: u64,
    agreeing: u64,
}

impl ConfidentJoint {
    pub fn new(thresholds: Thresholds) -> Self {
        let classes = thresholds.values.len();
        ConfidentJoint {
            thresholds,
            confident: vec![0; classes],
            diagonal: vec![0; classes],
            pairs: HashMap::new(),
            unsure: 0,
            undecided: 0,
            suspects: 0,
            agreeing: 0,
        }
    }

    /// Counts an image with the label `given`.
    pub fn add(&mut self, given: usize, known: Known<'_>) -> Counted {
        let judged = self.thresholds.judge(given, known);
        let class = match judged.confident {
            Confident::Nothing => {
                self.unsure += 1;
                return Counted::NoClass { gap: judged.gap };
            }
            Confident::Unknown => {
                self.undecided += 1;
                return Counted::Agrees;
            }
            Confident::Class(class) => class,
        };
        self.confident[given] += 1;
        if class == given {
            self.diagonal[given] += 1;
            return Counted::Agrees;
        }
        let pair = (given as u32, class as u32);
        if self.pairs.len() < MOST_PAIRS || self.pairs.contains_key(&pair) {
            *self.pairs.entry(pair).or_default() += 1;
        }
        if judged.agrees {
            self.agreeing += 1;
            return Counted::Agrees;
        }
        self.suspects += 1;
        Counted::Suspect { class, margin: judged.margin }
    }

    /// `names` are those of the classes, by index.
    pub fn finish(self, names: Option<&[String]>, (in_sample, from_logits): (bool, bool)) -> LabelFigures {
        let ConfidentJoint { thresholds, confident, diagonal, pairs, .. } = self;
        let name = |class: usize| names.and_then(|names| names.get(class)).cloned();
        let noise = |class: usize| Proportion::new(confident[class] - diagonal[class], confident[class]);
        let classes = thresholds.labelled.iter().enumerate().filter(|(_, rows)| **rows > 0);
        let classes: Vec<ClassLabels> = classes
            .map(|(index, &labelled)| ClassLabels {
                index,
                name: name(index),
                labelled,
                threshold: thresholds.values[index],
                noise: noise(index),
            })
            .collect();
        let mut pairs: Vec<((u32, u32), u64)> = pairs.into_iter().collect();
        pairs.sort_unstable_by_key(|(pair, rows)| (std::cmp::Reverse(*rows), *pair));
        pairs.truncate(NAMED_PAIRS);
        let pair = |((given, proposed), rows): ((u32, u32), u64)| LabelPair {
            given: given as usize,
            given_name: name(given as usize),
            proposed: proposed as usize,
            proposed_name: name(proposed as usize),
            rows,
        };
        LabelFigures {
            in_sample,
            from_logits,
            labelled: thresholds.labelled.iter().sum(),
            confident: confident.iter().sum(),
            unsure: self.unsure,
            undecided: self.undecided,
            suspects: self.suspects,
            agreeing: self.agreeing,
            noise: mean_noise(classes.iter().filter_map(|class| Some((class.labelled, class.noise?)))),
            classes,
            pairs: pairs.into_iter().map(pair).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three classes; labels and probabilities of seven images.
    const IMAGES: [(usize, [f64; 3]); 7] = [
        (0, [0.9, 0.05, 0.05]),
        (0, [0.7, 0.2, 0.1]),
        (0, [0.1, 0.8, 0.1]),
        (1, [0.2, 0.7, 0.1]),
        (1, [0.3, 0.4, 0.3]),
        (2, [0.6, 0.3, 0.1]),
        (2, [0.1, 0.1, 0.8]),
    ];

    fn thresholds() -> Thresholds {
        let mut sums = SelfConfidence::new(3);
        IMAGES.iter().for_each(|(given, p)| sums.add(*given, p[*given]));
        sums.finish()
    }

    #[test]
    fn the_joint_is_that_of_the_paper() {
        // thresholds 1.7/3, 0.55, 0.45; compared with cleanlab 2.9: compute_confident_joint(calibrate=False) gives
        // [[2, 1, 0], [0, 1, 0], [1, 0, 1]], and the issues by normalised margin are images 2 and 5
        let mut joint = ConfidentJoint::new(thresholds());
        let found: Vec<Option<usize>> = IMAGES
            .iter()
            .map(|(given, p)| match joint.add(*given, Known::All(p)) {
                Counted::Suspect { class, .. } => Some(class),
                Counted::NoClass { .. } | Counted::Agrees => None,
            })
            .collect();
        assert_eq!(found, [None, None, Some(1), None, None, Some(0), None]);
        let figures = joint.finish(None, (false, true));
        let noise: Vec<(u64, u64)> =
            figures.classes.iter().map(|c| c.noise.map(|n| (n.hits, n.of)).unwrap()).collect();
        assert_eq!(noise, [(1, 3), (0, 1), (1, 2)]);
        assert_eq!((figures.labelled, figures.confident, figures.unsure, figures.suspects), (7, 6, 1, 2));
        let share = figures.noise.unwrap();
        assert!((share.percent - 100.0 * (3.0 / 3.0 + 2.0 * 0.5) / 7.0).abs() < 1e-9);
        assert!(share.low > 0.0 && share.low < share.percent && share.high > share.percent);
    }

    #[test]
    fn margins_are_the_best_other_class_minus_the_label() {
        let margin = |at: usize| thresholds().judge(IMAGES[at].0, Known::All(&IMAGES[at].1)).margin;
        for (at, expected) in [(0, 0.05 - 0.9), (2, 0.7), (5, 0.5)] {
            assert!((margin(at) - expected).abs() < 1e-12, "{at}");
        }
    }

    fn top<'a>(index: &'a [i32], prob: &'a [f32], given_prob: f64) -> Known<'a> {
        Known::Top { index, prob, given_prob, sum_to_one: true }
    }

    #[test]
    fn the_best_classes_are_enough_where_no_other_can_reach_its_threshold() {
        let thresholds = thresholds();
        for (given, p) in &IMAGES {
            let mut order = [0, 1, 2];
            order.sort_by(|a, b| p[*b].total_cmp(&p[*a]));
            let index = order.map(|class| class as i32);
            let prob = order.map(|class| p[class] as f32);
            let all = thresholds.judge(*given, Known::All(p)).confident;
            let best = thresholds.judge(*given, top(&index[..1], &prob[..1], p[*given])).confident;
            assert!(best == all || best == Confident::Unknown, "{given} {p:?}: {best:?}");
            assert_eq!(
                thresholds.judge(*given, top(&index, &prob, p[*given])).confident,
                all,
                "{given} {p:?}"
            );
        }
        // 0.52 of class 0 is below its threshold, and 0.47 is left, which class 2 may have
        assert_eq!(thresholds.judge(1, top(&[0], &[0.52], 0.01)).confident, Confident::Unknown);
        // 0.44 is left, which is below every threshold
        assert_eq!(thresholds.judge(0, top(&[0], &[0.56], 0.56)).confident, Confident::Nothing);
        assert_eq!(thresholds.judge(0, top(&[1, 0], &[0.5, 0.4], 0.4)).confident, Confident::Nothing);
        // the label reaches the threshold of its class, and nothing is left for others
        assert_eq!(thresholds.judge(2, top(&[1], &[0.5], 0.5)).confident, Confident::Class(2));
    }

    #[test]
    fn a_class_that_no_image_has_is_never_proposed() {
        let mut sums = SelfConfidence::new(2);
        sums.add(0, 0.2);
        let thresholds = sums.finish();
        let judged = thresholds.judge(0, Known::All(&[0.2, 0.8]));
        assert_eq!((judged.confident, judged.agrees), (Confident::Class(0), false));
        // what is missing is finite also if the only class that is kept has no threshold
        let judged = thresholds.judge(0, top(&[1], &[0.875], 0.125));
        assert_eq!(judged.confident, Confident::Nothing);
        assert!((judged.gap - 0.075).abs() < 1e-9, "{judged:?}");
    }
}
