//! Slots on their way: the order of rows, rows that panicked, batches that were given up.

use crate::ids::AttemptId;
use crate::sample::{ErrorKind, ImageFacts, Sample};
use crate::tensor::{Dtype, Layout, RowMut};

use super::binding::Binding;
use super::{EngineSpec, Filling, RowSlot, Slot, SlotPool};

fn pool(slots: usize, capacity: usize) -> SlotPool {
    let spec = EngineSpec {
        dtype: Dtype::F32,
        layout: Layout::Nchw,
        channels: 1,
        height: 1,
        width: 2,
        classes: 1,
        dim: 1,
        fixed_batch: None,
        depth: 1,
    };
    SlotPool::new((0..slots).map(|_| Slot::on_heap(&spec, capacity)).collect(), 1)
}

fn sample(row_id: i64) -> Sample {
    Sample { row_id, key: row_id.to_string(), etag: None, size: None, target: None, carried: Vec::new() }
}

const FACTS: ImageFacts = ImageFacts { width: 1, height: 1, format: "png" };

fn set(row: RowMut<'_>, value: f32) {
    let RowMut::F32(row) = row else { unreachable!("the pool holds f32") };
    row.fill(value);
}

#[test]
fn rows_written_in_any_order_come_out_in_their_own() {
    let pool = pool(1, 3);
    let mut filling = pool.begin(AttemptId(5), 7).unwrap();
    let rows: Vec<RowSlot> = (0..3).map(|id| filling.row(sample(id)).unwrap()).collect();
    assert!(filling.is_full() && filling.row(sample(9)).is_none());
    filling.seal();
    let threads = rows.into_iter().rev().map(|mut row| {
        std::thread::spawn(move || {
            let value = row.sample_mut().unwrap().row_id as f32;
            row.write(|row| set(row, value));
            row.done(FACTS);
        })
    });
    threads.for_each(|thread| thread.join().unwrap());
    let mut ready = pool.ready().try_recv().unwrap();
    assert_eq!((ready.attempt, ready.first_offset), (AttemptId(5), 7));
    let ids: Vec<i64> = ready.rows.iter().map(|row| row.sample.row_id).collect();
    assert_eq!(ids, [0, 1, 2]);
    let floats: Vec<f32> =
        ready.slot.bytes(3).chunks(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect();
    assert_eq!(floats, [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
}

#[test]
fn a_row_dropped_by_a_panic_is_zeroed_and_an_error() {
    let pool = pool(1, 1);
    let mut filling = pool.begin(AttemptId(0), 0).unwrap();
    let mut row = filling.row(sample(0)).unwrap();
    filling.seal();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        row.write(|row| set(row, 3.0));
        panic!("a decoder's bug");
    }));
    assert!(panic.is_err());
    let mut ready = pool.ready().try_recv().unwrap();
    assert_eq!(ready.rows[0].error.as_ref().unwrap().kind, ErrorKind::DecoderPanic);
    assert!(ready.slot.bytes(1).iter().all(|byte| *byte == 0));
}

#[test]
fn an_abandoned_batch_gives_only_its_slot_back() {
    let pool = pool(1, 2);
    for unsealed in [true, false] {
        let mut filling = pool.begin(AttemptId(0), 0).unwrap();
        let (first, second) = (filling.row(sample(0)).unwrap(), filling.row(sample(1)).unwrap());
        first.done(FACTS);
        if unsealed {
            drop(filling);
            second.done(FACTS);
        } else {
            filling.seal();
            second.abandon();
        }
        assert!(pool.ready().try_recv().is_err());
    }
    let mut filling = pool.begin(AttemptId(0), 0).unwrap();
    assert!(filling.row(sample(0)).unwrap().write(|_| ()).is_some());
}

/// A batch of `rows` rows that takes no more.
fn sealed(pool: &SlotPool, rows: i64) -> Vec<RowSlot> {
    let mut filling = pool.begin(AttemptId(0), 0).unwrap();
    let taken = (0..rows).map(|id| filling.row(sample(id)).unwrap()).collect();
    filling.seal();
    taken
}

/// Ends a row as soon as its batch has a slot.
fn end(row: RowSlot) {
    row.when_bound(|mut row| {
        row.write(|row| set(row, 1.0)).unwrap();
        row.done(FACTS);
    });
}

#[test]
fn a_row_that_comes_before_its_batch_has_a_slot_is_written_once_it_has_one() {
    let pool = pool(1, 1);
    let (first, mut second) = (sealed(&pool, 1), sealed(&pool, 1));
    assert!(second[0].write(|_| ()).is_none());
    second.drain(..).for_each(end);
    assert!(pool.ready().try_recv().is_err());
    first.into_iter().for_each(end);
    let ready = pool.ready().try_recv().unwrap();
    assert!(pool.ready().try_recv().is_err());
    pool.give_back(ready.slot);
    let mut ready = pool.ready().try_recv().unwrap();
    assert!(ready.slot.bytes(1).iter().any(|byte| *byte != 0));
}

#[test]
fn a_whole_batch_does_not_wait_for_the_slot_of_an_earlier_one_that_waits_for_images() {
    let pool = pool(2, 2);
    let slow = sealed(&pool, 2);
    // the third batch gets what the second one returns; only the first has a slot and waits for images
    for _ in 0..3 {
        let mut rows = sealed(&pool, 2);
        end(rows.remove(0));
        assert!(rows[0].write(|_| ()).is_none());
        rows.into_iter().for_each(end);
        pool.give_back(pool.ready().try_recv().unwrap().slot);
    }
    slow.into_iter().for_each(end);
    assert!(pool.ready().try_recv().is_ok());
}

#[test]
fn batches_without_a_slot_are_given_up_together_and_drop_what_waits_for_them() {
    let pool = pool(1, 1);
    let first = sealed(&pool, 1);
    let kept = std::sync::Arc::new(());
    for row in sealed(&pool, 1) {
        let kept = kept.clone();
        row.when_bound(move |_| drop(kept));
    }
    assert_eq!(std::sync::Arc::strong_count(&kept), 2);
    pool.forget_waiting();
    assert_eq!(std::sync::Arc::strong_count(&kept), 1);
    first.into_iter().for_each(end);
    pool.give_back(pool.ready().try_recv().unwrap().slot);
    assert!(pool.ready().try_recv().is_err());
    pool.close();
    assert!(pool.begin(AttemptId(0), 0).map(Filling::seal).is_none());
}

#[test]
fn slots_go_to_the_earliest_batches_and_beyond_their_share_only_to_whole_ones() {
    let mut binding = Binding::new(2);
    (1..=6).for_each(|batch| binding.begin(batch));
    assert_eq!([binding.next(), binding.next(), binding.next()], [Some(1), Some(2), None]);
    binding.complete(5);
    binding.complete(4);
    assert_eq!([binding.next(), binding.next(), binding.next()], [Some(4), Some(5), None]);
    binding.complete(1);
    assert_eq!([binding.next(), binding.next()], [Some(3), None]);
    binding.forget(6);
    binding.complete(2);
    binding.complete(3);
    assert_eq!(binding.next(), None);
    binding.begin(7);
    assert_eq!(binding.next(), Some(7));
}
