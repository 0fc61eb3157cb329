//! Pairs of hand-made rows.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};

use super::super::testing::{TestRow, batch};
use super::super::{Classes, Gate, Provenance, SliceBy};
use super::*;

/// The rows with their keys.
fn keyed(rows: &[(&str, TestRow)]) -> RecordBatch {
    let plain = batch(&rows.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>());
    let keys: ArrayRef = Arc::new(rows.iter().map(|(key, _)| Some(*key)).collect::<StringArray>());
    let columns = plain.schema_ref().fields().iter().zip(plain.columns());
    let columns = columns.map(|(field, column)| (field.name().clone(), column.clone(), true));
    RecordBatch::try_from_iter_with_nullable(columns.chain([("key".to_owned(), keys, true)])).unwrap()
}

fn sums(by: Option<SliceBy>) -> PairSums {
    let options = CompareOptions { by, examples: 10, changes: true };
    PairSums::new(Classes::Count(6), Classes::Count(6), options).unwrap()
}

fn aligned(a: &[(&str, TestRow)], b: &[(&str, TestRow)]) -> Result<ComparisonReport, CompareError> {
    let mut sums = sums(None);
    sums.push(&keyed(a), &keyed(b))?;
    Ok(sums.finish(Provenance::default(), Provenance::default(), JoinMethod::SamePlan, None))
}

fn five(first: i32) -> Vec<i32> {
    (0..5).map(|at| (first + at) % 6).collect()
}

fn ok(target: impl Into<Option<i32>>, first: i32) -> TestRow {
    TestRow::ok(target, &five(first)).probs(&[0.5, 0.2]).image("jpeg", 100, 100)
}

type Rows = Vec<(&'static str, TestRow)>;

fn lists() -> (Rows, Rows) {
    let a = vec![
        ("same", ok(1, 1)),
        ("lost", ok(2, 2)),
        ("gained", ok(3, 4)),
        ("wrong", ok(4, 0)),
        ("untold", ok(None, 0)),
        ("broke in b", ok(5, 5)),
        ("broke in a", TestRow::error("corrupt").target(5)),
        ("broke", TestRow::error("limit")),
        ("only given by b", ok(None, 1)),
    ];
    let b = vec![
        ("same", ok(1, 1).probs(&[0.25])),
        ("lost", ok(2, 3)),
        ("gained", ok(3, 3)),
        ("wrong", ok(4, 2)),
        ("untold", ok(None, 1)),
        ("broke in b", TestRow::error("truncated").target(5)),
        ("broke in a", ok(5, 5)),
        ("broke", TestRow::error("limit")),
        ("only given by b", ok(1, 1)),
    ];
    (a, b)
}

#[test]
fn rows_are_counted_by_what_became_of_them() {
    let (a, b) = lists();
    let found = aligned(&a, &b).unwrap();
    let c = found.counts;
    assert_eq!((c.joined, c.both_ok, c.failed_both, c.failed_only_a, c.failed_only_b), (9, 6, 1, 1, 1));
    assert_eq!((c.with_target, c.scored, c.changed), (7, 5, 4));
    assert_eq!(found.top1.pairs, super::super::Paired { both: 2, only_a: 1, only_b: 1, neither: 1 });
    assert_eq!(found.top1_all.pairs, super::super::Paired { both: 2, only_a: 2, only_b: 2, neither: 1 });
    assert_eq!(found.agreement.map(|share| (share.hits, share.of)), Some((2, 6)));
    assert_eq!(found.prob_drift.worst, Some(0.25));
    let keys = |flips: &[Flip]| flips.iter().map(|flip| flip.key.clone()).collect::<Vec<_>>();
    assert_eq!((keys(&found.lost), keys(&found.gained)), (vec!["lost".to_owned()], vec!["gained".into()]));
    assert_eq!(
        (found.failed_only_a, found.failed_only_b),
        (vec!["broke in a".into()], vec!["broke in b".into()])
    );
}

#[test]
fn a_table_finds_the_same_pairs_in_any_order() {
    let (a, mut b) = lists();
    let mut expected = aligned(&a, &b).unwrap();
    b.reverse();
    b.insert(3, ("only b", ok(1, 1)));
    let a = [vec![("only a", ok(1, 1))], a].concat();
    let mut sums = sums(None);
    let mut table = KeyTable::new(a.len() as u64, &sums);
    a.chunks(4).for_each(|rows| table.add(&sums, &keyed(rows)).unwrap());
    b.chunks(3).for_each(|rows| table.join(&mut sums, &keyed(rows)).unwrap());
    table.finish(&mut sums);
    let changes = sums.take_changes();
    assert_eq!(changes.len(), 4);
    let found = sums.finish(Provenance::default(), Provenance::default(), JoinMethod::SamePlan, None);
    expected.counts.only_a = 1;
    expected.counts.only_b = 1;
    expected.counts.rows_a += 1;
    expected.counts.rows_b += 1;
    assert_eq!(found, expected);
}

#[test]
fn a_key_that_comes_again_is_joined_in_its_order() {
    let mut sums = sums(None);
    let mut table = KeyTable::new(3, &sums);
    table.add(&sums, &keyed(&[("x", ok(1, 1)), ("x", ok(2, 2)), ("x", ok(3, 3))])).unwrap();
    table.join(&mut sums, &keyed(&[("x", ok(1, 1)), ("x", ok(2, 2))])).unwrap();
    table.finish(&mut sums);
    let found = sums.finish(Provenance::default(), Provenance::default(), JoinMethod::KeyTable, None);
    assert_eq!((found.counts.joined, found.counts.only_a, found.top1.pairs.both), (2, 1, 2));
}

#[test]
fn slices_are_told_apart_on_either_side() {
    let (a, b) = lists();
    let mut sums = sums(Some(SliceBy::Format));
    sums.push(&keyed(&a), &keyed(&b)).unwrap();
    let found = sums.finish(Provenance::default(), Provenance::default(), JoinMethod::SamePlan, None);
    let slices = found.slices.unwrap();
    let values: Vec<_> = slices.values.iter().map(|slice| (slice.value.as_str(), slice.rows)).collect();
    assert_eq!(values, [("(null)", 2), ("jpeg", 7)]);
    assert_eq!(slices.values[1].top1.pairs.only_a, 1);
}

#[test]
fn other_truths_and_broken_rows_are_refused_and_named() {
    let refused = |a: TestRow, b: TestRow| aligned(&[("k", a)], &[("k", b)]).unwrap_err().to_string();
    assert!(refused(ok(1, 1), ok(2, 1)).starts_with("row `k` has target 1 in A and 2 in B"));
    assert_eq!(
        refused(ok(1, 1), ok(1, 1).status(Some("fine"))),
        "output B: row 0: status is `fine` where `ok` or `error` is needed"
    );
    assert!(refused(TestRow::ok(None, &[9]), ok(None, 1)).starts_with("output A: row 0: `index` is null"));
    assert!(refused(ok(7, 1), ok(7, 1)).starts_with("output A: row 0: target `7` is outside"));
    assert!(refused(ok(1, 1).probs(&[f32::NAN]), ok(1, 1)).contains("output A: row 0: `prob` is `NaN`"));
}

#[test]
fn every_listed_metric_has_a_value_or_a_reason_and_gates_read_them() {
    let (a, b) = lists();
    for compared in [aligned(&[], &[]).unwrap(), aligned(&a, &b).unwrap()] {
        let metrics = compared.metrics();
        for metric in &METRICS {
            assert_ne!(
                metrics.get(metric.name).is_some(),
                metrics.why_missing(metric.name).is_some(),
                "{}",
                metric.name
            );
        }
    }
    let metrics = aligned(&a, &b).unwrap().metrics();
    for (gate, expected) in [
        ("top1_drop <= 0", "top1_drop <= 0 holds: top1_drop is 0 points"),
        ("agreement>=50", "agreement >= 50 does not hold: agreement is 33.33 %"),
        (
            "cosine_min > 0.9",
            "cosine_min > 0.9 does not hold: cosine_min is not known: no row is ok in both and has an embedding",
        ),
        (
            "slice_drop_max < 1",
            "slice_drop_max < 1 does not hold: slice_drop_max is not known: there are no slices without --by",
        ),
    ] {
        assert_eq!(Gate::parse_of(&METRICS, gate).unwrap().check(&metrics).to_string(), expected);
    }
    let unknown = Gate::parse_of(&METRICS, "top1 >= 80").unwrap_err().to_string();
    assert!(
        unknown.contains("no metric is called `top1`") && unknown.contains("top1_drop_high"),
        "{unknown}"
    );
}

#[test]
fn names_in_another_order_are_matched_before_rows_are() {
    let named = |names: [&str; 3]| Classes::Named(names.map(str::to_owned).to_vec());
    let mut sums =
        PairSums::new(named(["x", "y", "z"]), named(["z", "x", "y"]), CompareOptions::default()).unwrap();
    sums.push(&keyed(&[("k", TestRow::ok(0, &[0, 1, 2]))]), &keyed(&[("k", TestRow::ok(1, &[1, 2, 0]))]))
        .unwrap();
    let found = sums.finish(Provenance::default(), Provenance::default(), JoinMethod::SamePlan, None);
    assert_eq!((found.top1.pairs.both, found.top5.pairs.both, found.counts.changed), (1, 1, 0));
}

#[test]
fn foreign_text_stays_one_harmless_cell() {
    let (mut a, mut b) = lists();
    a[1].0 = "<b>|\n![x](y)";
    b[1].0 = a[1].0;
    let text = aligned(&a, &b).unwrap().to_markdown(&[]);
    assert!(text.contains(r"&lt;b&gt;\| \!\[x\](y)"), "{text}");
    assert!(!text.contains("<b>"));
    let page = aligned(&a, &b).unwrap().to_html(&[]).unwrap();
    assert!(page.contains("&lt;b&gt;| ![x](y)") && !page.contains("<b>|"), "{page}");
    assert!(page.contains("default-src 'none'") && !page.contains("<script"));
    for outside in ["http:", "https:", "@import", "url(", " style=", "onclick"] {
        assert!(!page.contains(outside), "{outside}");
    }
}
