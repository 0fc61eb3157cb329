//! What the owners of one batch share: its slot, once it has one, and how each of its rows ended.

use std::sync::PoisonError;

use crate::ids::AttemptId;
use crate::sample::RowOutcome;
use crate::tensor::RowMut;

use super::Slot;
use super::sync::{AtomicBool, Mutex, MutexGuard, OnceLock, Ordering};

/// What the owners of one batch share.
pub(super) struct Batch {
    /// Batches are numbered in the order in which they began.
    pub number: u64,
    /// The attempt at a part that it belongs to.
    pub attempt: AttemptId,
    /// Offset of its first row in that part.
    pub first_offset: u32,
    slot: OnceLock<Slot>,
    rows: Mutex<Vec<Option<RowOutcome>>>,
    abandoned: AtomicBool,
}

impl Batch {
    pub fn new(number: u64, attempt: AttemptId, first_offset: u32, capacity: usize) -> Self {
        Batch {
            number,
            attempt,
            first_offset,
            slot: OnceLock::new(),
            rows: Mutex::new(Vec::with_capacity(capacity)),
            abandoned: AtomicBool::new(false),
        }
    }

    /// Gives the batch its slot, once.
    pub fn bind(&self, slot: Slot) {
        let other = self.slot.set(slot);
        debug_assert!(other.is_ok(), "a batch is bound once");
    }

    pub fn is_bound(&self) -> bool {
        self.slot.get().is_some()
    }

    /// The batch is worthless, because its part is given up.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    /// Counts one more row.
    pub fn begin_row(&self) {
        lock(&self.rows).push(None);
    }

    /// Notes how a row ended.
    pub fn end_row(&self, index: usize, outcome: RowOutcome) {
        if let Some(row) = lock(&self.rows).get_mut(index) {
            *row = Some(outcome);
        }
    }

    /// Lets `write` fill a row, if the batch has a slot.
    ///
    /// # Safety
    /// No other thread may look at or write row `index` meanwhile.
    pub unsafe fn write<R>(&self, index: usize, write: impl FnOnce(RowMut<'_>) -> R) -> Option<R> {
        let slot = self.slot.get()?;
        // SAFETY: the caller vouches for exclusivity.
        Some(write(unsafe { slot.row(index) }))
    }

    /// Its slot, if it has one, and its rows, if they all ended and count.
    pub fn end(self) -> (Option<Slot>, Option<Vec<RowOutcome>>) {
        let rows = self.rows.into_inner().unwrap_or_else(PoisonError::into_inner);
        let rows: Option<Vec<RowOutcome>> = rows.into_iter().collect();
        let is_abandoned = self.abandoned.into_inner();
        (self.slot.into_inner(), rows.filter(|rows| !is_abandoned && !rows.is_empty()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
