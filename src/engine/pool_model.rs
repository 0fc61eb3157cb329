//! `pool.rs` under `loom`: however the rows of a batch end, it becomes ready once and whole, or its slot is free again.

use crate::ids::AttemptId;
use crate::sample::{ErrorKind, ImageFacts, Sample};
use crate::sync::modelled as sync;
use crate::tensor::RowMut;

use self::pool::{Filling, Ready, RowSlot, SlotPool};
use self::sync::{UnsafeCell, block_on, join, model, spawn};

#[path = "batch.rs"]
mod batch;
#[path = "binding.rs"]
mod binding;
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
    pool.begin(AttemptId(0), 0).unwrap()
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

/// A new batch gets the slot at once: no other has it.
fn is_free(pool: &SlotPool) -> bool {
    let mut filling = begin(pool);
    let mut row = filling.row(sample(0)).unwrap();
    row.write(|_| ()).is_some()
}

fn ids(ready: &Ready) -> Vec<i64> {
    ready.rows.iter().map(|row| row.sample.row_id).collect()
}

#[test]
fn a_sealed_batch_is_handed_over_once_with_every_row_that_its_threads_wrote() {
    model(|| {
        let pool = SlotPool::new(vec![Slot::new(2)], 1);
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
        assert!(is_free(&pool));
    });
}

#[test]
fn a_row_whose_decoder_panicked_is_zero_and_an_error_when_its_batch_is_handed_over() {
    model(|| {
        let pool = SlotPool::new(vec![Slot::new(2)], 1);
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
        let pool = SlotPool::new(vec![Slot::new(2)], 1);
        let mut filling = begin(&pool);
        let [first, second] = [0, 1].map(|id| filling.row(sample(id)).unwrap());
        let threads = [spawn(move || decode(first)), spawn(move || second.abandon())];
        filling.seal();
        join(threads);
        assert!(is_free(&pool));
        assert!(pool.ready().try_recv().is_err());
    });
}

#[test]
fn a_batch_that_is_dropped_unsealed_is_never_ready_and_its_slot_is_free_again() {
    model(|| {
        let pool = SlotPool::new(vec![Slot::new(2)], 1);
        let mut filling = begin(&pool);
        let threads = [0, 1].map(|id| {
            let row = filling.row(sample(id)).unwrap();
            spawn(move || decode(row))
        });
        drop(filling);
        join(threads);
        assert!(is_free(&pool));
        assert!(pool.ready().try_recv().is_err());
    });
}

#[test]
fn every_batch_that_waits_for_the_one_slot_gets_it_and_no_row_is_lost() {
    model(|| {
        let pool = SlotPool::new(vec![Slot::new(1)], 1);
        // no one else has begun a batch: the first one has the slot
        let rows = [0, 1].map(|id| {
            let mut filling = begin(&pool);
            let row = filling.row(sample(id)).unwrap();
            filling.seal();
            row
        });
        // the second image may come before the slot is free, while it comes free, or after
        let threads = rows.map(|row| spawn(move || row.when_bound(decode)));
        for id in [0, 1] {
            let ready = block_on(pool.ready().recv()).unwrap();
            assert_eq!((ids(&ready), ready.slot.values()), (vec![id], vec![id as f32 + 1.0]));
            pool.give_back(ready.slot);
        }
        join(threads);
        assert!(is_free(&pool));
    });
}

#[test]
fn a_whole_batch_gets_the_second_slot_while_an_earlier_one_waits_for_an_image() {
    model(|| {
        let pool = SlotPool::new((0..2).map(|_| Slot::new(2)).collect(), 1);
        let mut slow = begin(&pool);
        let late = slow.row(sample(9)).unwrap();
        let mut filling = begin(&pool);
        let threads = [0, 1].map(|id| {
            let row = filling.row(sample(id)).unwrap();
            spawn(move || row.when_bound(decode))
        });
        // its last image, or the end of its rows: whichever comes last binds it
        filling.seal();
        let ready = block_on(pool.ready().recv()).unwrap();
        assert_eq!((ids(&ready), ready.slot.values()), (vec![0, 1], vec![1.0, 2.0]));
        join(threads);
        late.when_bound(decode);
        slow.seal();
        assert_eq!(ids(&block_on(pool.ready().recv()).unwrap()), [9]);
    });
}

#[test]
fn a_batch_that_is_given_up_before_it_has_a_slot_drops_its_images_and_takes_none() {
    model(|| {
        let pool = SlotPool::new(vec![Slot::new(1)], 1);
        let mut first = begin(&pool);
        let row = first.row(sample(0)).unwrap();
        first.seal();
        let mut filling = begin(&pool);
        let image = filling.row(sample(1)).unwrap();
        let threads = [
            spawn(move || image.when_bound(decode)),
            spawn(move || drop(filling)),
            spawn(move || row.when_bound(decode)),
        ];
        let ready = block_on(pool.ready().recv()).unwrap();
        assert_eq!(ids(&ready), [0]);
        pool.give_back(ready.slot);
        join(threads);
        assert!(pool.ready().try_recv().is_err());
        assert!(is_free(&pool));
    });
}

#[test]
fn closing_the_pool_drops_what_waits_and_leaves_no_half_of_a_batch() {
    model(|| {
        let pool = SlotPool::new(vec![Slot::new(1)], 1);
        let rows = [0, 1].map(|id| {
            let mut filling = begin(&pool);
            let row = filling.row(sample(id)).unwrap();
            filling.seal();
            row
        });
        let mut threads: Vec<_> = rows.map(|row| spawn(move || row.when_bound(decode))).into();
        threads.push(spawn({
            let pool = pool.clone();
            move || pool.close()
        }));
        if let Ok(ready) = block_on(pool.ready().recv()) {
            assert_eq!((ids(&ready), ready.slot.values()), (vec![0], vec![1.0]));
        }
        join(threads);
        assert!(pool.begin(AttemptId(1), 0).is_none());
        // closed and empty, so that this does not wait
        assert!(block_on(pool.ready().recv()).is_err());
    });
}
