//! `open_parts.rs` under `loom`: the last row of a part wakes its task, and no row before it.

use std::sync::Arc;

use arrow_array::{Int32Array, RecordBatch};

use crate::ids::{AttemptId, PartId};
use crate::sync::modelled as sync;

use self::open_parts::OpenParts;
use self::sync::{block_on, join, model, spawn};

#[allow(clippy::duplicate_mod, dead_code)]
#[path = "open_parts.rs"]
mod open_parts;

const ATTEMPT: AttemptId = AttemptId(3);
const PART: (PartId, Option<u32>) = (PartId(0), Some(2));

/// A batch of one row.
fn batch(value: i32) -> RecordBatch {
    let values: arrow_array::ArrayRef = Arc::new(Int32Array::from(vec![value]));
    RecordBatch::try_from_iter([("value", values)]).unwrap()
}

#[test]
fn a_part_is_whole_with_its_last_row_and_its_count_in_any_order_and_has_them_in_plan_order() {
    let batches = [batch(0), batch(1)];
    model(move || {
        let guard = Arc::new(OpenParts::default()).open(ATTEMPT, PART);
        let added = batches.clone().into_iter().zip(0..).map(|(batch, offset)| {
            let part = guard.part.clone();
            spawn(move || assert!(part.add(offset, batch)))
        });
        let mut threads: Vec<_> = added.collect();
        let part = guard.part.clone();
        threads.push(spawn(move || part.expect(2)));
        // a wake-up that is lost leaves this thread waiting, which `loom` reports
        assert_eq!(block_on(guard.part.whole()), batches);
        join(threads);
    });
}

#[test]
fn a_row_of_a_part_that_is_given_up_was_counted_and_comes_back_or_is_refused() {
    let batches = [batch(0), batch(1)];
    model(move || {
        let guard = Arc::new(OpenParts::default()).open(ATTEMPT, PART);
        let added = batches.clone().into_iter().zip(0..).map(|(batch, offset)| {
            let part = guard.part.clone();
            spawn(move || part.add(offset, batch))
        });
        let threads: Vec<_> = added.collect();
        let back = guard.part.abandon();
        let counted = threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>();
        assert_eq!(back.len(), counted);
        assert!(guard.part.abandon().is_empty());
    });
}

#[test]
fn a_row_that_comes_while_its_attempt_closes_is_counted_or_finds_no_attempt() {
    let batch = batch(0);
    model(move || {
        let parts = Arc::new(OpenParts::default());
        let guard = parts.open(ATTEMPT, PART);
        let thread = spawn({
            let (parts, batch) = (parts.clone(), batch.clone());
            move || parts.get(ATTEMPT).is_none_or(|part| part.add(0, batch))
        });
        let left = parts.rows_left();
        assert!(left == [(PartId(0), 2)] || left == [(PartId(0), 1)], "{left:?}");
        drop(guard);
        assert!(parts.get(ATTEMPT).is_none() && parts.rows_left().is_empty());
        assert!(thread.join().unwrap());
    });
}
