//! The rows of one part against the rows of its plan, one by one.
//!
//! [`RowCheck::new`] alone takes what a part's rows should be: an input whose rows are not known when it is planned
//! needs another expectation there, and nothing else here changes.

use arrow_array::{Array, RecordBatch};

use crate::sample::{Sample, Target};
use crate::store::escaped;

use super::columns::{Columns, int64, text};
use super::defect::{Defects, shown};

/// Wrong rows that are named in one part; the rest is counted.
const NAMED: usize = 4;

/// The rows of a part by its plan.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Planned {
    /// Each of them, ascending by `row_id`.
    Images(Vec<Sample>),
    /// That they are what one object holds, numbered without a gap.
    Whole {
        /// The object's key; a row's own is after it and a `!`.
        key: String,
        /// True if rows may have other keys, those of a column of the object.
        has_own_keys: bool,
        /// Its tag, as far as it was planned.
        etag: Option<String>,
        /// Row id of the first row.
        first: i64,
        /// How many there are, if that is known before the object is read.
        rows: Option<u32>,
    },
}

/// Rows by their own `status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub rows: u64,
    pub ok: u64,
    pub errors: u64,
}

/// Checks the rows of a part as they come, batch by batch.
pub(super) struct RowCheck<'a> {
    part: &'a str,
    /// `None` if the plan cannot be read; then rows are only counted.
    planned: Option<&'a Planned>,
    seen: Vec<bool>,
    last: Option<i64>,
    counts: Counts,
    wrong: u64,
    defects: Defects,
}

impl<'a> RowCheck<'a> {
    pub fn new(part: &'a str, planned: Option<&'a Planned>) -> Self {
        let images = match planned {
            Some(Planned::Images(samples)) => samples.len(),
            _ => 0,
        };
        RowCheck {
            part,
            planned,
            seen: vec![false; images],
            last: None,
            counts: Counts::default(),
            wrong: 0,
            defects: Defects::default(),
        }
    }

    /// Checks the next rows; returns `false` if they do not have the columns of a part and cannot be checked.
    pub fn push(&mut self, batch: &RecordBatch) -> bool {
        let columns = match Columns::of(batch) {
            Ok(columns) => columns,
            Err(column) => {
                let what = format!("has no column `{column}` of the right type");
                self.defects.add(self.part, what, "the columns of a part");
                return false;
            }
        };
        for row in 0..batch.num_rows() {
            self.row(&columns, row);
        }
        true
    }

    fn row(&mut self, columns: &Columns<'_>, row: usize) {
        let position = self.counts.rows;
        self.counts.rows += 1;
        let kind = columns.error_kind.is_valid(row);
        match text(columns.status, row) {
            Some("ok") => self.counts.ok += 1,
            Some("error") => self.counts.errors += 1,
            other => {
                let what = format!("has the status `{}` in row {position}", shown(other.unwrap_or("null")));
                self.wrong(what, "`ok` or `error`");
            }
        }
        if text(columns.status, row).is_some_and(|status| (status == "error") != kind) {
            let what = format!("has a row {position} whose `status` and `error_kind` contradict each other");
            self.wrong(what, "an `error_kind` exactly where `status` is `error`");
        }
        let Some(plan) = self.planned else { return };
        let Some(row_id) = int64(columns.row_id, row) else {
            return self.wrong(format!("has no `row_id` in row {position}"), "an id in every row");
        };
        let planned = match plan {
            Planned::Images(samples) => samples,
            Planned::Whole { key, has_own_keys, etag, first, .. } => {
                let wanted = first + position as i64;
                if row_id != wanted {
                    self.wrong(
                        format!("holds row {row_id}"),
                        format!("row {wanted}: row ids of an object have no gap"),
                    );
                }
                let object = (!has_own_keys).then_some(key.as_str());
                return self.of_object(row_id, object, etag.as_deref(), columns, row);
            }
        };
        let first = planned.first().map_or(0, |sample| sample.row_id);
        let offset = row_id.checked_sub(first).and_then(|offset| usize::try_from(offset).ok());
        let Some((offset, sample)) = offset.and_then(|offset| Some((offset, planned.get(offset)?))) else {
            let range = match planned.last() {
                Some(last) => format!("row ids from {first} to {}", last.row_id),
                None => "no rows".to_owned(),
            };
            return self.wrong(format!("holds row {row_id}, which is not in this part of the plan"), range);
        };
        if std::mem::replace(&mut self.seen[offset], true) {
            self.wrong(format!("holds row {row_id} twice"), "each row of the plan once");
        } else if self.last.is_some_and(|last| last > row_id) {
            self.wrong(format!("holds row {row_id} after a later one"), "rows in the order of the plan");
        }
        self.last = Some(row_id);
        self.same(sample, columns, row);
    }

    /// A row of what one object holds.
    fn of_object(
        &mut self,
        row_id: i64,
        object: Option<&str>,
        planned_etag: Option<&str>,
        columns: &Columns<'_>,
        row: usize,
    ) {
        let key = text(columns.key, row).unwrap_or_default();
        let is_of = |object: &str| {
            let below = key.strip_prefix(escaped(object).as_str());
            below.is_some_and(|below| below.is_empty() || below.starts_with('!'))
        };
        if let Some(object) = object.filter(|object| !is_of(object)) {
            let what = format!("has the key `{}` in row {row_id}", shown(key));
            self.wrong(what, format!("the planned object `{}`, or something in it", shown(object)));
        }
        let etag = text(columns.etag, row);
        if let Some(planned) = planned_etag
            && etag.is_some_and(|etag| etag != planned)
        {
            let what = format!("has the etag `{}` in row {row_id}", shown(etag.unwrap_or_default()));
            self.wrong(what, format!("the plan's `{}`", shown(planned)));
        }
    }

    /// Compares every field that the plan knows; a tag or a size that it does not know may have been learnt since.
    fn same(&mut self, sample: &Sample, columns: &Columns<'_>, row: usize) {
        let row_id = sample.row_id;
        let mut differs = |name: &str, found: Option<String>, wanted: Option<String>| {
            let say = |value: Option<String>| value.map_or_else(|| "null".to_owned(), |value| shown(&value));
            let what = format!("has the {name} `{}` in row {row_id}", say(found));
            self.wrong(what, format!("the plan's `{}`", say(wanted)));
        };
        let (key, planned_key) = (text(columns.key, row), escaped(&sample.key));
        if key != Some(planned_key.as_str()) {
            differs("key", key.map(str::to_owned), Some(planned_key));
        }
        let target = columns.target(row);
        if target != sample.target {
            differs(
                "target",
                target.map(|target| target.to_string()),
                sample.target.as_ref().map(Target::to_string),
            );
        }
        let etag = text(columns.etag, row);
        if sample.etag.is_some() && etag != sample.etag.as_deref() {
            differs("etag", etag.map(str::to_owned), sample.etag.clone());
        }
        let size = int64(columns.size, row).and_then(|size| u64::try_from(size).ok());
        if sample.size.is_some() && size != sample.size {
            differs("size", size.map(|size| size.to_string()), sample.size.map(|size| size.to_string()));
        }
    }

    /// Returns the counts, once all rows came; reports the missing rows of the plan too.
    pub fn finish(mut self) -> (Counts, Defects) {
        let planned = match self.planned {
            Some(Planned::Images(samples)) => samples.as_slice(),
            Some(Planned::Whole { rows: Some(rows), .. }) if u64::from(*rows) != self.counts.rows => {
                self.wrong(
                    format!("holds {} rows", self.counts.rows),
                    format!("the {rows} rows of its plan"),
                );
                &[]
            }
            _ => &[],
        };
        for (offset, sample) in planned.iter().enumerate() {
            if !self.seen[offset] {
                let what = format!("is missing row {} (`{}`)", sample.row_id, shown(&sample.key));
                self.wrong(what, "each row of the plan once");
            }
        }
        self.defects.count_more(self.wrong.saturating_sub(NAMED as u64));
        (self.counts, self.defects)
    }

    /// Returns what is wrong, if the rows as a whole could not be checked.
    pub fn give_up(self) -> Defects {
        self.defects
    }

    fn wrong(&mut self, what: String, expected: impl Into<String>) {
        self.wrong += 1;
        if self.wrong <= NAMED as u64 {
            self.defects.add(self.part, what, expected);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int32Array, Int64Array, StringArray};

    use super::*;

    /// `row_id`, `key`, `target`, `status`, `error_kind`.
    type Found<'a> = (i64, &'a str, Option<i32>, &'a str, Option<&'a str>);

    fn sample(row_id: i64, target: Option<i32>) -> Sample {
        Sample {
            row_id,
            key: format!("k{row_id}"),
            etag: Some("e".into()),
            size: None,
            target: target.map(Target::Class),
            carried: Vec::new(),
        }
    }

    fn batch(rows: &[Found<'_>]) -> RecordBatch {
        let strings =
            |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as arrow_array::ArrayRef;
        RecordBatch::try_from_iter_with_nullable([
            ("row_id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))) as _, true),
            ("key", strings(rows.iter().map(|row| Some(row.1)).collect()), true),
            ("etag", strings(rows.iter().map(|_| Some("e")).collect()), true),
            ("size", Arc::new(Int64Array::from_iter_values(rows.iter().map(|_| 1))) as _, true),
            ("target", Arc::new(Int32Array::from_iter(rows.iter().map(|row| row.2))) as _, true),
            ("status", strings(rows.iter().map(|row| Some(row.3)).collect()), true),
            ("error_kind", strings(rows.iter().map(|row| row.4).collect()), true),
        ])
        .unwrap()
    }

    fn check(rows: &[Found<'_>]) -> (Counts, Vec<String>) {
        let planned = Planned::Images(vec![sample(10, Some(1)), sample(11, None), sample(12, Some(2))]);
        let mut check = RowCheck::new("part", Some(&planned));
        assert!(check.push(&batch(rows)));
        let (counts, defects) = check.finish();
        (counts, defects.first().iter().map(|defect| defect.what.clone()).collect())
    }

    const GOOD: [Found<'static>; 3] = [
        (10, "k10", Some(1), "ok", None),
        (11, "k11", None, "error", Some("corrupt")),
        (12, "k12", Some(2), "ok", None),
    ];

    fn but(row: usize, with: Found<'_>) -> Vec<String> {
        let mut rows = GOOD.to_vec();
        rows[row] = with;
        check(&rows).1
    }

    #[test]
    fn rows_as_they_were_planned_are_right_and_counted() {
        assert_eq!(check(&GOOD), (Counts { rows: 3, ok: 2, errors: 1 }, Vec::new()));
    }

    #[test]
    fn each_wrong_row_is_named() {
        for (found, wanted) in [
            (but(1, GOOD[0]), vec!["holds row 10 twice", "is missing row 11 (`k11`)"]),
            (but(0, (10, "x", Some(1), "ok", None)), vec!["has the key `x` in row 10"]),
            (but(1, (11, "k11", Some(0), "error", Some("limit"))), vec!["has the target `0` in row 11"]),
            (but(2, (12, "k12", None, "ok", None)), vec!["has the target `null` in row 12"]),
            (
                but(2, (13, "k13", None, "ok", None)),
                vec!["holds row 13, which is not in this part of the plan", "is missing row 12 (`k12`)"],
            ),
            (but(2, (12, "k12", Some(2), "fine", None)), vec!["has the status `fine` in row 2"]),
            (
                but(1, (11, "k11", None, "error", None)),
                vec!["has a row 1 whose `status` and `error_kind` contradict each other"],
            ),
        ] {
            assert_eq!(found, wanted);
        }
        let swapped = [GOOD[1], GOOD[0], GOOD[2]];
        assert_eq!(check(&swapped).1, ["holds row 10 after a later one"]);
    }

    #[test]
    fn of_many_wrong_rows_the_first_are_named_and_all_counted() {
        let planned: Vec<Sample> = (0..100).map(|row_id| sample(row_id, None)).collect();
        let planned = Planned::Images(planned);
        let (_, defects) = RowCheck::new("part", Some(&planned)).finish();
        assert_eq!((defects.first().len(), defects.count()), (NAMED, 100));
    }

    #[test]
    fn ids_at_the_ends_of_their_type_are_told_and_do_not_overflow() {
        for id in [i64::MIN, i64::MAX, -1] {
            let what = format!("holds row {id}, which is not in this part of the plan");
            assert_eq!(but(0, (id, "k", None, "ok", None))[0], what);
        }
    }

    fn of_shard(rows: &[Found<'_>], known: Option<u32>) -> Vec<String> {
        of_object(rows, known, false)
    }

    fn of_object(rows: &[Found<'_>], known: Option<u32>, has_own_keys: bool) -> Vec<String> {
        let planned = Planned::Whole {
            key: "a.tar".into(),
            has_own_keys,
            etag: Some("e".into()),
            first: 1 << 32,
            rows: known,
        };
        let mut check = RowCheck::new("part", Some(&planned));
        assert!(check.push(&batch(rows)));
        check.finish().1.first().iter().map(|defect| defect.what.clone()).collect()
    }

    #[test]
    fn rows_with_keys_of_a_column_may_have_any_key() {
        let rows = [(1 << 32, "cat", None, "ok", None), ((1 << 32) + 1, "cat", None, "ok", None)];
        assert_eq!(of_object(&rows, None, true), Vec::<String>::new());
        assert!(of_object(&rows, None, false)[0].contains("has the key `cat`"));
    }

    #[test]
    fn the_rows_of_a_shard_are_numbered_without_a_gap_and_lie_in_it() {
        let at = |offset: i64| (1 << 32) + offset;
        let good = [(at(0), "a.tar!x.jpg", None, "ok", None), (at(1), "a.tar!y.jpg", None, "ok", None)];
        assert_eq!(of_shard(&good, None), Vec::<String>::new());
        let alone = [(at(0), "a.tar", None, "error", Some("corrupt"))];
        assert_eq!(of_shard(&alone, None), Vec::<String>::new());
        let gap = [good[0], (at(2), "a.tar!y.jpg", None, "ok", None)];
        assert!(of_shard(&gap, None)[0].contains("holds row 4294967298"));
        let other = [good[0], (at(1), "a.tarry!y.jpg", None, "ok", None)];
        assert!(of_shard(&other, None)[0].contains("`a.tarry!y.jpg`"));
        assert!(of_shard(&good, Some(3))[0].contains("holds 2 rows"));
    }
}
