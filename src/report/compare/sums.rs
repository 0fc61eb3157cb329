//! Pairs of rows in, a comparison out.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow_array::{Array, RecordBatch};

use super::super::accumulator::Accumulator;
use super::super::accuracy::Score;
use super::super::classes::Classes;
use super::super::error::ReportError;
use super::super::judged::check_probability;
use super::super::paired::Paired;
use super::super::proportion::{Proportion, percent};
use super::super::provenance::Provenance;
use super::super::rows::Row;
use super::super::slice_by::SliceBy;
use super::super::slices::VALUES;
use super::classes::{ClassMatch, shown};
use super::columns::SideColumns;
use super::drift::{DriftHistogram, cosine};
use super::error::CompareError;
use super::figures::{
    ClassChange, ComparisonReport, Flip, FlipKind, Join, JoinMethod, PairCounts, SliceChange, SliceChanges,
};
use super::options::CompareOptions;
use super::row_pair::{RowPair, first, is_ok};

/// Where rows of further values are counted.
pub(super) const OTHER: &str = "(other)";

/// Adds pairs up. Memory: a few counters a class and a slice, and 44 MiB for percentiles.
#[derive(Debug)]
pub struct PairSums {
    names: Option<Vec<String>>,
    classes: ClassMatch,
    per_class: Vec<Paired>,
    pub(super) options: CompareOptions,
    counts: PairCounts,
    top1: Paired,
    top5: Paired,
    top1_all: Paired,
    prob: DriftHistogram,
    target_prob: (f64, u64),
    distance: DriftHistogram,
    has_vectors: bool,
    slices: BTreeMap<String, SliceSums>,
    lost: Vec<Flip>,
    gained: Vec<Flip>,
    failed_only_a: Vec<String>,
    failed_only_b: Vec<String>,
    changes: Vec<Flip>,
    mapped: Vec<i32>,
}

#[derive(Debug, Default)]
struct SliceSums {
    rows: u64,
    agreed: u64,
    both_ok: u64,
    top1: Paired,
}

impl PairSums {
    /// The columns that are read, `embedding` aside.
    pub fn columns(&self) -> Vec<&str> {
        let by = self.options.by.as_ref().and_then(SliceBy::column);
        ["key"].into_iter().chain(Accumulator::COLUMNS).chain(by).collect()
    }

    /// Classes of the two models.
    pub fn classes(&self) -> usize {
        self.per_class.len()
    }

    /// Nothing counted yet.
    ///
    /// # Errors
    /// The models have different classes.
    pub fn new(a: Classes, b: Classes, options: CompareOptions) -> Result<Self, CompareError> {
        let classes = ClassMatch::of(&a, &b)?;
        let count = a.count();
        let names = match (a, b) {
            (Classes::Named(names), _) | (_, Classes::Named(names)) => Some(names),
            _ => None,
        };
        Ok(PairSums {
            names,
            classes,
            per_class: vec![Paired::default(); count],
            options,
            counts: PairCounts::default(),
            top1: Paired::default(),
            top5: Paired::default(),
            top1_all: Paired::default(),
            prob: DriftHistogram::default(),
            target_prob: (0.0, 0),
            distance: DriftHistogram::default(),
            has_vectors: false,
            slices: BTreeMap::new(),
            lost: Vec::new(),
            gained: Vec::new(),
            failed_only_a: Vec::new(),
            failed_only_b: Vec::new(),
            changes: Vec::new(),
            mapped: Vec::new(),
        })
    }

    /// Counts row `i` of one batch with row `i` of the other; the caller has made sure that their keys are equal.
    ///
    /// # Errors
    /// A row breaks the output's contract, or the two have different targets. What was counted is then of no use.
    pub fn push(&mut self, a: &RecordBatch, b: &RecordBatch) -> Result<(), CompareError> {
        let by = self.options.by.clone();
        let classes = self.per_class.len();
        let (a, b) =
            (SideColumns::of(a, 'A', classes, by.as_ref())?, SideColumns::of(b, 'B', classes, by.as_ref())?);
        self.has_vectors = a.has_vectors() && b.has_vectors();
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for i in 0..a.key.len() {
            let slice = a.slice(i).or_else(|| b.slice(i));
            let sets = [self.sign('A', a.set(i)), self.sign('B', b.set(i))];
            let both_ok = self.pair(&RowPair {
                key: a.key.value(i),
                a: &a.rows.row(i),
                b: &b.rows.row(i),
                sets,
                slice,
            })?;
            if self.has_vectors && both_ok {
                let there = a.vector(i, &mut left) && b.vector(i, &mut right) && left.len() == right.len();
                let pairs = left.iter().copied().zip(right.iter().copied());
                match there.then(|| cosine(pairs)).flatten() {
                    Some(cosine) => self.distance.add(1.0 - cosine),
                    None => self.counts.cosine_undefined += 1,
                }
            }
        }
        Ok(())
    }

    /// Counts rows that only A has.
    pub fn only_a(&mut self, rows: u64) {
        self.counts.only_a += rows;
    }

    /// Counts rows that only B has.
    pub fn only_b(&mut self, rows: u64) {
        self.counts.only_b += rows;
    }

    /// Returns the rows whose predicted class changed since the last call, if [`CompareOptions::changes`] keeps them.
    pub fn take_changes(&mut self) -> Vec<Flip> {
        std::mem::take(&mut self.changes)
    }

    /// Returns two bytes that identify a set of targets; 0 if there is none. One pair of different sets in 65,536 has
    /// the same sign, so outputs whose targets differ are detected by their other rows.
    pub(super) fn sign(&self, side: char, set: Option<&[i32]>) -> u16 {
        let Some(set) = set else { return 0 };
        let mapped = |&class: &i32| if side == 'B' { self.classes.index(class) } else { class };
        let mut set: Vec<i32> = set.iter().map(mapped).collect();
        set.sort_unstable();
        let mut hasher = DefaultHasher::new();
        set.hash(&mut hasher);
        (hasher.finish() as u16).max(1)
    }

    /// Counts one joined row; true if both are ok.
    pub(super) fn pair(&mut self, pair: &RowPair<'_>) -> Result<bool, CompareError> {
        let RowPair { key, a, b, slice, .. } = *pair;
        let number = self.counts.joined;
        self.counts.joined += 1;
        let of = |side: char| move |error| CompareError::Rows { side, error };
        let (ok_a, ok_b) = (is_ok(a, number).map_err(of('A'))?, is_ok(b, number).map_err(of('B'))?);
        let targets = self.targets(pair, number)?;
        // of a set, the class that the baseline is credited with
        let target = targets.map(|(target, _)| target);
        let mut mapped = std::mem::take(&mut self.mapped);
        mapped.clear();
        mapped.extend(b.index.iter().map(|&index| self.classes.index(index)));
        let b = Row { index: &mapped, ..*b };
        match (ok_a, ok_b) {
            (true, true) => self.counts.both_ok += 1,
            (false, false) => self.counts.failed_both += 1,
            (false, true) => keep(&mut self.failed_only_a, self.options.examples, || key.to_owned()),
            (true, false) => keep(&mut self.failed_only_b, self.options.examples, || key.to_owned()),
        }
        self.counts.failed_only_a += u64::from(!ok_a && ok_b);
        self.counts.failed_only_b += u64::from(ok_a && !ok_b);
        let classes = self.per_class.len();
        // models that give embeddings alone predict no class
        let predicts = |ok: bool| ok && classes > 0;
        let first_a = predicts(ok_a).then(|| first(a, number, classes)).transpose().map_err(of('A'))?;
        let first_b = predicts(ok_b).then(|| first(&b, number, classes)).transpose().map_err(of('B'))?;
        let mut right = None;
        if let Some((target, target_b)) = targets {
            self.counts.with_target += 1;
            let score =
                |row, ok: bool, target| ok.then(|| Score::of(row, number, target, classes)).transpose();
            let score_a = score(a, ok_a, target).map_err(of('A'))?;
            let score_b = score(&b, ok_b, target_b).map_err(of('B'))?;
            let is_right = |score: &Option<Score>| score.as_ref().is_some_and(|score| score.top1);
            self.top1_all.add(is_right(&score_a), is_right(&score_b));
            if let (Some(a), Some(b)) = (score_a, score_b) {
                self.counts.scored += 1;
                self.top1.add(a.top1, b.top1);
                self.per_class[target].add(a.top1, b.top1);
                match (a.top5, b.top5) {
                    (Some(a), Some(b)) => self.top5.add(a, b),
                    _ => self.counts.top5_unknown += 1,
                }
                right = Some((a.top1, b.top1));
            }
        }
        if let Some(slice) = slice {
            let slices = self.slices.len();
            let known = self.slices.contains_key(slice) || slices < VALUES;
            let sums = self.slices.entry(if known { slice } else { OTHER }.to_owned()).or_default();
            sums.rows += 1;
            sums.both_ok += u64::from(ok_a && ok_b);
            sums.agreed += u64::from(first_a.is_some() && first_a == first_b);
            if let Some((a, b)) = right {
                sums.top1.add(a, b);
            }
        }
        if let (Some(first_a), Some(first_b)) = (first_a, first_b) {
            self.both(pair, [first_a, first_b], target, right, number)?;
        }
        self.mapped = mapped;
        Ok(ok_a && ok_b)
    }

    /// Counts a row that is ok in both; `index_a` and `index_b` are its predicted classes.
    fn both(
        &mut self,
        pair: &RowPair<'_>,
        [index_a, index_b]: [i32; 2],
        target: Option<usize>,
        right: Option<(bool, bool)>,
        number: u64,
    ) -> Result<(), CompareError> {
        let RowPair { key, a, b, .. } = *pair;
        for (side, row) in [('A', a), ('B', b)] {
            let values = [(row.first_prob, "prob"), (row.target_prob, "target_prob")];
            let checked = values.into_iter().try_for_each(|(p, name)| check_probability(p, name, number));
            checked.map_err(|error| CompareError::Rows { side, error })?;
        }
        let (prob_a, prob_b) = (a.first_prob, b.first_prob);
        if let (Some(a), Some(b)) = (a.target_prob, b.target_prob) {
            self.target_prob.0 += f64::from(a) - f64::from(b);
            self.target_prob.1 += 1;
        }
        if index_a == index_b {
            if let (Some(a), Some(b)) = (prob_a, prob_b) {
                self.prob.add((f64::from(a) - f64::from(b)).abs());
            }
            return Ok(());
        }
        self.counts.changed += 1;
        let change = match right {
            Some((true, false)) => FlipKind::Lost,
            Some((false, true)) => FlipKind::Gained,
            Some(_) => FlipKind::Wrong,
            None => FlipKind::Unknown,
        };
        let target = target.map(|target| target as i32);
        let flip = || Flip { key: key.to_owned(), change, target, index_a, index_b, prob_a, prob_b };
        match change {
            FlipKind::Lost => keep(&mut self.lost, self.options.examples, flip),
            FlipKind::Gained => keep(&mut self.gained, self.options.examples, flip),
            FlipKind::Wrong | FlipKind::Unknown => {}
        }
        if self.options.changes {
            self.changes.push(flip());
        }
        Ok(())
    }

    /// Returns the target of each side of a row. A class, which one of the two outputs may not know, is the same for
    /// both; of a set each side is credited with the best that it lists.
    fn targets(&self, pair: &RowPair<'_>, row: u64) -> Result<Option<(usize, usize)>, CompareError> {
        let RowPair { key, a, b, sets, .. } = *pair;
        let theirs = b.target.map(|target| self.classes.index(target));
        if sets[0] != sets[1] {
            return Err(CompareError::Sets { key: shown(key) });
        }
        let [a, b] = match (a.target, theirs) {
            (Some(a), Some(b)) if a != b && sets == [0, 0] => {
                return Err(CompareError::Targets { key: shown(key), a, b });
            }
            (Some(a), Some(b)) => [('A', a), ('B', b)],
            (Some(a), None) => [('A', a), ('A', a)],
            (None, Some(b)) => [('B', b), ('B', b)],
            (None, None) => return Ok(None),
        };
        let classes = self.per_class.len();
        let index = |(side, target): (char, i32)| {
            let index = usize::try_from(target).ok().filter(|&index| index < classes);
            let wrong = || CompareError::Rows { side, error: ReportError::Target { row, target, classes } };
            index.ok_or_else(wrong)
        };
        Ok(Some((index(a)?, index(b)?)))
    }

    /// The figures of everything counted so far. `no_vectors` is the reason why embeddings were not read.
    pub fn finish(
        self,
        a: Provenance,
        b: Provenance,
        method: JoinMethod,
        no_vectors: Option<String>,
    ) -> ComparisonReport {
        let mut counts = self.counts;
        counts.rows_a = counts.joined + counts.only_a;
        counts.rows_b = counts.joined + counts.only_b;
        let cosine = self.distance.cosines();
        let missing = || no_vectors.unwrap_or_else(|| "no row is ok in both and has an embedding".into());
        let names = self.names.unwrap_or_default();
        let has_classes = !self.per_class.is_empty();
        let agreement = |agreed, of| if has_classes { Proportion::new(agreed, of) } else { None };
        let classes = self.per_class.iter().enumerate().filter(|(_, pairs)| pairs.rows() > 0);
        let classes = classes.map(|(index, &pairs)| {
            let recall = |right: u64| percent(right, pairs.rows());
            let recall_a = recall(pairs.both + pairs.only_a);
            let recall_b = recall(pairs.both + pairs.only_b);
            let lost = pairs.only_a as f64 - pairs.only_b as f64;
            let drop = 100.0 * lost / pairs.rows() as f64;
            ClassChange { index, name: names.get(index).cloned(), pairs, recall_a, recall_b, drop }
        });
        let slices = self.slices.into_iter().map(|(value, slice)| SliceChange {
            value,
            rows: slice.rows,
            agreement: agreement(slice.agreed, slice.both_ok),
            top1: slice.top1.into(),
        });
        ComparisonReport {
            a,
            b,
            join: Join { method, classes: self.classes.words() },
            agreement: agreement(counts.both_ok - counts.changed, counts.both_ok),
            top1: self.top1.into(),
            top5: if counts.top5_unknown > 0 { Paired::default() } else { self.top5 }.into(),
            top1_all: self.top1_all.into(),
            prob_drift: self.prob.differences(),
            target_prob_drop: (self.target_prob.1 > 0)
                .then(|| self.target_prob.0 / self.target_prob.1 as f64),
            cosine,
            cosine_missing: (cosine.rows == 0).then(missing),
            classes: classes.collect(),
            names,
            slices: self.options.by.map(|by| {
                let mut values: Vec<SliceChange> = slices.collect();
                // buckets in their order, other values in that of their text
                let place = |value: &str| by.buckets().iter().position(|(_, name)| *name == value);
                values.sort_by_key(|slice| place(&slice.value));
                SliceChanges { column: by.name().to_owned(), values }
            }),
            lost: self.lost,
            gained: self.gained,
            failed_only_a: self.failed_only_a,
            failed_only_b: self.failed_only_b,
            counts,
        }
    }
}

fn keep<T>(list: &mut Vec<T>, limit: usize, item: impl FnOnce() -> T) {
    if list.len() < limit {
        list.push(item());
    }
}
