//! `owners.rs` under `loom`: the last owner to leave sees every write, and exactly one leaves last.

use crate::sync::modelled as sync;

#[path = "owners.rs"]
mod owners;

use loom::cell::UnsafeCell;
use owners::Owner;

/// Rows of one batch, each written by one owner.
struct Rows(Vec<UnsafeCell<u32>>);
// SAFETY: in the model each row is written by the one thread that has its index.
unsafe impl Sync for Rows {}

#[test]
fn exactly_one_owner_gets_the_buffer_and_sees_all_rows() {
    loom::model(|| {
        let first = Owner::new(Rows((0..2).map(|_| UnsafeCell::new(0)).collect()));
        let threads: Vec<_> = (0..2)
            .map(|index| {
                let owner = first.share();
                loom::thread::spawn(move || {
                    owner.with(|rows| {
                        // SAFETY: this thread alone writes this row.
                        rows.0[index].with_mut(|row| unsafe { *row = index as u32 + 1 });
                    });
                    owner.leave().map(read)
                })
            })
            .collect();
        let mut ends = vec![first.leave().map(read)];
        ends.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
        let winners: Vec<Vec<u32>> = ends.into_iter().flatten().collect();
        assert_eq!(winners, [[1, 2]]);
    });
}

#[test]
fn an_owner_dropped_without_leaving_still_counts() {
    loom::model(|| {
        let first = Owner::new(Rows(vec![UnsafeCell::new(7)]));
        let second = first.share();
        let thread = loom::thread::spawn(move || drop(second));
        let before = first.leave().map(read);
        thread.join().unwrap();
        assert!(before.is_none_or(|rows| rows == [7]));
    });
}

fn read(rows: Rows) -> Vec<u32> {
    // SAFETY: the rows are owned here.
    rows.0.iter().map(|row| row.with(|row| unsafe { *row })).collect()
}
