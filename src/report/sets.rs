//! Targets that are sets of classes: each row is credited with one of them, the best that it lists.

use std::sync::Arc;

use arrow_array::{Int32Array, ListArray, RecordBatch};

use super::error::ReportError;
use super::rows::{Lists, needed};
use super::with_columns::with_columns;

const LIST: &str = "List(Int32)";

/// The batch with the column `target` filled from `targets`: the first class of `index` that is in the set, so that a
/// row is right among its best k exactly if one of them is in the set; else the smallest of the set, whose position is
/// `target_rank`, after the end of the list. An empty set is no target.
pub(super) fn credited(batch: &RecordBatch) -> Result<RecordBatch, ReportError> {
    let list = |name: &'static str| -> Result<Lists<'_, Int32Array>, ReportError> {
        Lists::of(needed::<ListArray>(batch, name, LIST)?, name, LIST)
    };
    let (targets, index) = (list("targets")?, list("index")?);
    let target = |row: usize| {
        let set = &targets.items.values()[targets.range(row)];
        let best = &index.items.values()[index.range(row)];
        best.iter().find(|class| set.contains(class)).or_else(|| set.iter().min()).copied()
    };
    let credited: Int32Array = (0..batch.num_rows()).map(target).collect();
    with_columns(batch, &[("target", Arc::new(credited))])
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, types::Int32Type};

    use super::super::testing::{TestRow, batch};
    use super::super::{Accumulator, Classes, Provenance};
    use super::*;

    #[test]
    fn a_row_is_right_where_any_of_its_classes_is_among_the_best() {
        let rows = [
            TestRow::ok(None, &[3, 1, 0, 4, 5]).rank(1),
            TestRow::ok(None, &[0, 1, 3, 4, 5]).rank(2),
            TestRow::ok(None, &[0, 1, 3, 4, 5]).rank(6),
            TestRow::ok(None, &[0, 1, 3, 4, 5]),
            TestRow::ok(None, &[0, 1, 3, 4, 5]),
            TestRow::error("corrupt"),
        ];
        let sets = [Some(vec![1, 3]), Some(vec![1, 9]), Some(vec![7, 8]), Some(vec![]), None, Some(vec![2])];
        let targets = ListArray::from_iter_primitive::<Int32Type, _, _>(
            sets.into_iter().map(|set| set.map(|set| set.into_iter().map(Some))),
        );
        let plain = batch(&rows);
        let with = with_columns(&plain, &[("targets", Arc::new(targets) as ArrayRef)]).unwrap();
        let mut accumulator = Accumulator::new(Classes::Count(10));
        accumulator.push(&credited(&with).unwrap()).unwrap();
        let report = accumulator.finish(Provenance::default());
        assert_eq!(report.top1.map(|p| (p.hits, p.of)), Some((1, 3)));
        assert_eq!(report.top5.map(|p| (p.hits, p.of)), Some((2, 3)));
        assert_eq!(report.top1_all.map(|p| (p.hits, p.of)), Some((1, 4)));
        let c = &report.counts;
        assert_eq!((c.with_target, c.unknown_target, c.rank_conflicts), (4, 2, 0));
        assert!(credited(&plain).unwrap_err().to_string().contains("`targets` is missing"));
    }
}
