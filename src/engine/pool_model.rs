//! `pool.rs` under `loom`: however the rows of a batch end, it becomes ready once and whole, or its slot is free again.

use crate::ids::AttemptId;
use crate::sample::{ErrorKind, ImageFacts, Sample};
use crate::sync::modelled as sync;
use crate::tensor::RowMut;

use self::pool::{Filling, Ready, RowSlot, SlotPool};
use self::sync::{UnsafeCell, block_on, join, model, spawn};

#[path = "owners.rs"]
mod owners;
#[allow(dead_code)]
#[path = "pool.rs"]
mod pool;

/// The rows of a slot, one number each. `loom` fails where two threads may reach a row at the same time.
#[derive(Debug)]
struct Slot(Vec<UnsafeCell<[f32; 1]>>);
// SAFETY: as for the memory of a real slot, each row has one owner; `loom` checks it.
unsafe impl Sync for Slot {}

impl Slot {
    fn new(rows: usize) -> Slot {
        Slot((0..rows).map(|_| UnsafeCell::new([0.0])).collect())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }

    #[allow(clippy::mut_from_ref)]
    unsafe fn row(&self, index: usize) -> RowMut<'_> {
        // SAFETY: the caller vouches for exclusivity, as in `slot.rs`.
        self.0[index].with_mut(|row| RowMut::F32(unsafe { &mut *row }))
    }

    fn values(&self) -> Vec<f32> {
        // SAFETY: the device has the slot alone.
        self.0.iter().map(|row| row.with(|row| unsafe { (*row)[0] })).collect()
    }
}

fn sample(row_id: i64) -> Sample {
    Sample { row_id, key: String::new(), etag: None, size: None, target: None, carried: Vec::new() }
}

fn begin(pool: &SlotPool) -> Filling {
    block_on(pool.acquire(AttemptId(0), 0)).unwrap()
}

fn fill(row: &mut RowSlot) {
    let value = row.sample_mut().unwrap().row_id as f32 + 1.0;
    row.write(|row| {
        let RowMut::F32(row) = row else { unreachable!("the pool holds f32") };
        row.fill(value);
    });
}

fn decode(mut row: RowSlot) {
    fill(&mut row);
    row.done(ImageFacts { width: 1, height: 1, format: "png" });
}

fn ids(ready: &Ready) -> Vec<i64> {
    ready.rows.iter().map(|row| row.sample.row_id).collect()
}

#[test]
fn a_sealed_batch_is_handed_over_once_with_every_row_that_its_threads_wrote() {
    model(|| {
        let pool = SlotPool::new(vec![Slot::new(2)]);
        let mut filling = begin(&pool);
        // the first row may end before the second is taken
        let threads = [0, 1].map(|id| {
            let row = filling.row(sample(id)).unwrap();
            spawn(move || decode(row))
        });
        filling.seal();
        // the device reads the rows while the threads that wrote them may still run
        let ready = block_on(pool.ready().recv()).unwrap();
        assert_eq!(ids(&ready), [0, 1]);
        assert_eq!(ready.slot.values(), [1.0, 2.0]);
        pool.give_back(ready.slot);
        join(threads);
        assert!(pool.ready().try_recv().is_err());
        drop(begin(&pool));
    });
}

#[test]
fn a_row_whose_decoder_panicked_is_zero_and_an_error_when_its_batch_is_handed_over() {
    model(|| {
        let pool = SlotPool::new(vec![Slot::new(2)]);
        let mut filling = begin(&pool);
        let [first, mut second] = [0, 1].map(|id| filling.row(sample(id)).unwrap());
        let threads = [
            spawn(move || decode(first)),
            spawn(move || {
                fill(&mut second);
                drop(second);
            }),
        ];
        filling.seal();
        let ready = block_on(pool.ready().recv()).unwrap();
        assert_eq!(ready.slot.values(), [1.0, 0.0]);
        let kinds: Vec<_> = ready.rows.iter().map(|row| row.error.as_ref().map(|error| error.kind)).collect();
        assert_eq!(kinds, [None, Some(ErrorKind::DecoderPanic)]);
        join(threads);
    });
}

#[test]
fn a_batch_that_one_row_abandons_is_never_ready_and_its_slot_is_free_again() {
    model(|| {
        let pool = SlotPool::new(vec![Slot::new(2)]);
        let mut filling = begin(&pool);
        let [first, second] = [0, 1].map(|id| filling.row(sample(id)).unwrap());
        let threads = [spawn(move || decode(first)), spawn(move || second.abandon())];
        filling.seal();
        drop(begin(&pool));
        join(threads);
        assert!(pool.ready().try_recv().is_err());
    });
}

#[test]
fn a_batch_that_is_dropped_unsealed_is_never_ready_and_its_slot_is_free_again() {
    model(|| {
        let pool = SlotPool::new(vec![Slot::new(2)]);
        let mut filling = begin(&pool);
        let threads = [0, 1].map(|id| {
            let row = filling.row(sample(id)).unwrap();
            spawn(move || decode(row))
        });
        drop(filling);
        drop(begin(&pool));
        join(threads);
        assert!(pool.ready().try_recv().is_err());
    });
}

#[test]
fn every_part_that_waits_for_the_one_slot_gets_it_in_turn() {
    model(|| {
        let pool = SlotPool::new(vec![Slot::new(1)]);
        let filling = begin(&pool);
        let threads = [0, 1].map(|_| {
            let pool = pool.clone();
            spawn(move || drop(begin(&pool)))
        });
        // sealed without a row: nothing for the device
        filling.seal();
        join(threads);
        assert!(pool.ready().try_recv().is_err());
        drop(begin(&pool));
    });
}

#[test]
fn closing_the_pool_ends_every_wait_and_leaves_no_half_of_a_batch() {
    model(|| {
        let pool = SlotPool::new(vec![Slot::new(1)]);
        let mut filling = begin(&pool);
        let row = filling.row(sample(0)).unwrap();
        filling.seal();
        let threads = [
            spawn(move || decode(row)),
            spawn({
                let pool = pool.clone();
                move || assert!(block_on(pool.acquire(AttemptId(1), 0)).is_none())
            }),
            spawn({
                let pool = pool.clone();
                move || pool.close()
            }),
        ];
        if let Ok(ready) = block_on(pool.ready().recv()) {
            assert_eq!(ids(&ready), [0]);
            assert_eq!(ready.slot.values(), [1.0]);
        }
        join(threads);
        // closed and empty, so that this does not wait
        assert!(block_on(pool.ready().recv()).is_err());
    });
}
