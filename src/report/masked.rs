//! Rows scored among some classes alone: ImageNet-A and ImageNet-R know 200 of the 1000, and a model is asked which
//! of those it is. The logits are cut to them, ranked and put through the softmax again.

use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, Int32Builder, ListBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use serde::Serialize;

use super::error::ReportError;
use super::extras::Extras;
use super::judged::JudgedRow;
use super::proportion::Proportion;
use super::rows::{Columns, Logits};
use super::shares::ShareSums;
use super::with_columns::with_columns;

/// Classes that are kept a row, if the rows keep fewer: what top-5 takes.
const KEPT: usize = 5;

/// The figures that a report adds to those among some classes alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Masked {
    /// Classes among which rows were scored.
    pub classes: usize,
    /// Scored rows whose target is the best of all classes.
    pub top1_unmasked: Option<Proportion>,
    /// Scored rows whose target is among the best five of all classes.
    pub top5_unmasked: Option<Proportion>,
}

/// Cuts rows to some classes, and counts them as they were.
#[derive(Debug)]
pub struct MaskedSums {
    among: Vec<i32>,
    classes: usize,
    rows: u64,
    unmasked: ShareSums,
}

/// The classes of one row, ranked.
struct Ranked {
    /// Best first.
    index: Vec<i32>,
    prob: Vec<f32>,
    target: Option<(f32, i32)>,
}

impl MaskedSums {
    /// Creates the sums; `among` ascends and is below `classes`.
    pub(super) fn new(among: Vec<i32>, classes: usize) -> Self {
        MaskedSums { among, classes, rows: 0, unmasked: ShareSums::default() }
    }

    pub(super) fn among(&self) -> &[i32] {
        &self.among
    }

    pub(super) fn masked(&mut self, batch: &RecordBatch) -> Result<RecordBatch, ReportError> {
        let columns = Columns::of(batch, self.classes, &Extras::default())?;
        let logits = Logits::of(batch, self.classes)?;
        let mut index = ListBuilder::new(Int32Builder::new());
        let mut prob = ListBuilder::new(Float32Builder::new());
        let mut target_prob = Float32Builder::new();
        let mut target_rank = Int32Builder::new();
        let mut within = FixedSizeListBuilder::new(Float32Builder::new(), self.classes as i32);
        for position in 0..batch.num_rows() {
            let row = columns.row(position);
            let judged = JudgedRow::of(&row, self.rows, self.classes)?;
            self.unmasked.add(&judged);
            let values = logits.row(position).filter(|_| judged.is_ok());
            let ranked = match (judged.is_ok(), values) {
                (true, None) => return Err(ReportError::Logits { row: self.rows }),
                (_, values) => {
                    values.map(|values| self.rank(values, row.target, row.index.len())).transpose()?
                }
            };
            self.rows += 1;
            match values {
                Some(values) => within.values().append_slice(&self.cut(values)),
                None => within.values().append_nulls(self.classes),
            }
            within.append(values.is_some());
            index.append_option(ranked.as_ref().map(|ranked| ranked.index.iter().copied().map(Some)));
            prob.append_option(ranked.as_ref().map(|ranked| ranked.prob.iter().copied().map(Some)));
            let target = ranked.and_then(|ranked| ranked.target);
            target_prob.append_option(target.map(|(prob, _)| prob));
            target_rank.append_option(target.map(|(_, rank)| rank));
        }
        let columns: [(&str, ArrayRef); 5] = [
            ("index", Arc::new(index.finish())),
            ("prob", Arc::new(prob.finish())),
            ("target_prob", Arc::new(target_prob.finish())),
            ("target_rank", Arc::new(target_rank.finish())),
            ("logits", Arc::new(within.finish())),
        ];
        with_columns(batch, &columns)
    }

    /// Logits that give the others no probability.
    fn cut(&self, logits: &[f32]) -> Vec<f32> {
        let mut cut = vec![f32::MIN; logits.len()];
        for class in &self.among {
            cut[*class as usize] = logits[*class as usize];
        }
        cut
    }

    fn rank(&self, logits: &[f32], target: Option<i32>, kept: usize) -> Result<Ranked, ReportError> {
        let row = self.rows;
        if logits.iter().any(|logit| !logit.is_finite()) {
            return Err(ReportError::Logits { row });
        }
        let of = |class: i32| logits[class as usize];
        let mut order = self.among.clone();
        // stable: ties go to the lower class, as in the rows
        order.sort_by(|a, b| of(*b).total_cmp(&of(*a)));
        let highest = order.first().map_or(0.0, |best| f64::from(of(*best)));
        let above = |class: i32| (f64::from(of(class)) - highest).exp();
        let total: f64 = self.among.iter().map(|class| above(*class)).sum();
        let probability = |class: i32| (above(class) / total) as f32;
        let target = match target {
            None => None,
            Some(target) => {
                let place = order.iter().position(|class| *class == target);
                let place = place.ok_or(ReportError::NotAmong { row, target, classes: order.len() })?;
                Some((probability(target), place as i32 + 1))
            }
        };
        order.truncate(kept.max(KEPT));
        let prob = order.iter().map(|class| probability(*class)).collect();
        Ok(Ranked { index: order, prob, target })
    }

    pub(super) fn finish(self) -> Masked {
        let shares = self.unmasked.finish();
        Masked { classes: self.among.len(), top1_unmasked: shares.top1, top5_unmasked: shares.top5 }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::FixedSizeListArray;
    use arrow_array::types::Float32Type;

    use super::super::testing::{TestRow, batch};
    use super::super::{Accumulator, Classes, Provenance, Report, Scoring};
    use super::*;

    /// Rows with their logits over eight classes, scored among 1, 2, 4, 5, 6 and 7.
    fn report(rows: &[(TestRow, Option<[f32; 8]>)]) -> Result<Report, ReportError> {
        let plain = batch(&rows.iter().map(|(row, _)| row.clone()).collect::<Vec<_>>());
        let logits = rows.iter().map(|(_, logits)| logits.map(|logits| logits.map(Some)));
        let logits = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(logits, 8);
        let mut scoring = Scoring::among(vec![1, 2, 4, 5, 6, 7], 8);
        assert_eq!(scoring.columns(), ["logits"]);
        let mut accumulator = Accumulator::new(Classes::Count(8));
        let with = with_columns(&plain, &[("logits", Arc::new(logits) as ArrayRef)])?;
        accumulator.push(&scoring.apply(&with)?)?;
        Ok(scoring.finish(accumulator.finish(Provenance::default())))
    }

    #[test]
    fn a_class_outside_does_not_beat_the_target_and_the_softmax_is_over_those_within() {
        let rows = [
            // class 0 is best of all, 2 within
            (TestRow::ok(2, &[0, 2]).rank(2), Some([9.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0])),
            // a tie within goes to the lower class
            (TestRow::ok(4, &[1, 4]).rank(2), Some([0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])),
            (TestRow::error("corrupt").target(7), None),
            (TestRow::ok(None, &[0]), Some([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])),
        ];
        let report = report(&rows).unwrap();
        assert_eq!(report.top1.map(|p| (p.hits, p.of)), Some((1, 2)));
        assert_eq!(report.top5.map(|p| (p.hits, p.of)), Some((2, 2)));
        assert_eq!(report.top1_all.map(|p| (p.hits, p.of)), Some((1, 3)));
        let e = std::f64::consts::E;
        let expected = (e.powi(3) / (e.powi(3) + 5.0) + e / (2.0 * e + 4.0)) / 2.0;
        assert!((report.target_prob.mean.unwrap() - expected).abs() < 1e-7);
        let masked = report.masked.clone().unwrap();
        assert_eq!(masked.classes, 6);
        assert_eq!(masked.top1_unmasked.map(|p| (p.hits, p.of)), Some((0, 2)));
        assert_eq!(report.metrics().get("top1_unmasked"), Some(0.0));
        assert_eq!(report.metrics().get("top5_unmasked"), Some(100.0));
    }

    #[test]
    fn a_target_outside_and_logits_that_are_none_are_errors_that_name_the_row() {
        let fine = (TestRow::ok(2, &[2]), Some([0.0; 8]));
        for (row, word) in [
            ((TestRow::ok(3, &[2]), Some([0.0; 8])), "row 1: target `3` is none of the 6 classes"),
            ((TestRow::ok(2, &[2]), None), "row 1: `logits`"),
            ((TestRow::ok(2, &[2]), Some([f32::NAN; 8])), "row 1: `logits`"),
        ] {
            let error = report(&[fine.clone(), row]).unwrap_err().to_string();
            assert!(error.starts_with(word), "{error}");
        }
    }
}
