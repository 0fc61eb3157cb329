//! Slots on their way: the order of rows, rows that panicked, batches that were given up.

use crate::ids::AttemptId;
use crate::sample::{ErrorKind, ImageFacts, Sample};
use crate::tensor::{Dtype, Layout, RowMut};

use super::{EngineSpec, RowSlot, Slot, SlotPool};

fn pool(capacity: usize) -> SlotPool {
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
    SlotPool::new(vec![Slot::on_heap(&spec, capacity)])
}

fn sample(row_id: i64) -> Sample {
    Sample { row_id, key: row_id.to_string(), etag: None, size: None, target: None, carried: Vec::new() }
}

const FACTS: ImageFacts = ImageFacts { width: 1, height: 1, format: "png" };

fn set(row: RowMut<'_>, value: f32) {
    let RowMut::F32(row) = row else { unreachable!("the pool holds f32") };
    row.fill(value);
}

#[tokio::test]
async fn rows_written_in_any_order_come_out_in_their_own() {
    let pool = pool(3);
    let mut filling = pool.acquire(AttemptId(5), 7).await.unwrap();
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

#[tokio::test]
async fn a_row_dropped_by_a_panic_is_zeroed_and_an_error() {
    let pool = pool(1);
    let mut filling = pool.acquire(AttemptId(0), 0).await.unwrap();
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

#[tokio::test]
async fn an_abandoned_batch_gives_only_its_slot_back() {
    let pool = pool(2);
    for unsealed in [true, false] {
        let mut filling = pool.acquire(AttemptId(0), 0).await.unwrap();
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
    assert!(pool.acquire(AttemptId(0), 0).await.is_some());
}
