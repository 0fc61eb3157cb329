//! Slots on their way: free, being filled by many workers, ready for the device.
//!
//! A batch becomes ready by the count of its rows alone; nobody waits for anybody. Sends never block: a
//! channel holds as many items as there are slots.

use std::sync::PoisonError;

use crate::ids::AttemptId;
use crate::sample::{ContentHash, ErrorKind, ImageFacts, RowError, RowOutcome, Sample};
use crate::tensor::RowMut;

use super::Slot;
use super::owners::Owner;
use super::sync::{AtomicBool, Mutex, MutexGuard, Ordering, Receiver, Sender, bounded};

/// A batch whose rows are all written, or failed.
#[derive(Debug)]
pub struct Ready {
    /// Its memory.
    pub slot: Slot,
    /// The attempt at a part that it belongs to.
    pub attempt: AttemptId,
    /// Offset of its first row in that part.
    pub first_offset: u32,
    /// How each row ended, in order.
    pub rows: Vec<RowOutcome>,
}

/// All slots of a run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SlotPool {
    free: (Sender<Slot>, Receiver<Slot>),
    ready: (Sender<Ready>, Receiver<Ready>),
}

impl SlotPool {
    /// A pool that owns these slots.
    pub fn new(slots: Vec<Slot>) -> SlotPool {
        let count = slots.len().max(1);
        let pool = SlotPool { free: bounded(count), ready: bounded(count) };
        for slot in slots {
            pool.give_back(slot);
        }
        pool
    }

    /// Waits for a free slot and begins a batch; `None` once the pool is closed.
    pub async fn acquire(&self, attempt: AttemptId, first_offset: u32) -> Option<Filling> {
        let slot = self.free.1.recv().await.ok()?;
        let capacity = slot.capacity();
        let batch = Batch {
            slot,
            attempt,
            first_offset,
            rows: Mutex::new(Vec::with_capacity(capacity)),
            abandoned: AtomicBool::new(false),
        };
        Some(Filling { owner: Some(Owner::new(batch)), pool: self.clone(), taken: 0, capacity })
    }

    /// The queue that engine threads take from.
    pub fn ready(&self) -> Receiver<Ready> {
        self.ready.1.clone()
    }

    /// Returns a slot whose batch is done with. Never waits.
    pub fn give_back(&self, slot: Slot) {
        // there is room for every slot, so this fails only once the pool is closed: then memory is freed
        drop(self.free.0.try_send(slot));
    }

    /// Ends all waiting: no slot is handed out any more, and nothing becomes ready.
    pub fn close(&self) {
        self.free.0.close();
        self.ready.0.close();
    }

    fn left(&self, owner: Owner<Batch>) {
        let Some(batch) = owner.leave() else { return };
        let rows = batch.rows.into_inner().unwrap_or_else(PoisonError::into_inner);
        let whole: Option<Vec<RowOutcome>> = rows.into_iter().collect();
        match whole {
            Some(rows) if !batch.abandoned.into_inner() && !rows.is_empty() => {
                let ready = Ready {
                    slot: batch.slot,
                    attempt: batch.attempt,
                    first_offset: batch.first_offset,
                    rows,
                };
                drop(self.ready.0.try_send(ready));
            }
            _ => self.give_back(batch.slot),
        }
    }
}

/// What the owners of one batch share.
struct Batch {
    slot: Slot,
    attempt: AttemptId,
    first_offset: u32,
    rows: Mutex<Vec<Option<RowOutcome>>>,
    abandoned: AtomicBool,
}

/// A batch that still takes rows. Dropped without [`Filling::seal`], the batch is abandoned.
pub struct Filling {
    owner: Option<Owner<Batch>>,
    pool: SlotPool,
    taken: usize,
    capacity: usize,
}

impl Filling {
    /// True when every row is taken: seal it.
    pub fn is_full(&self) -> bool {
        self.taken == self.capacity
    }

    /// Takes the next row for a sample; `None` when the batch is full.
    pub fn row(&mut self, sample: Sample) -> Option<RowSlot> {
        if self.is_full() {
            return None;
        }
        let owner = self.owner.as_ref()?.share();
        let index = self.taken;
        self.taken += 1;
        owner.with(|batch| lock(&batch.rows).push(None));
        let pool = self.pool.clone();
        Some(RowSlot { owner: Some(owner), pool, index, sample: Some(sample), content_hash: None })
    }

    /// No more rows come: the batch is ready as soon as the last of its rows is.
    pub fn seal(mut self) {
        if let Some(owner) = self.owner.take() {
            self.pool.left(owner);
        }
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.with(|batch| batch.abandoned.store(true, Ordering::Relaxed));
            self.pool.left(owner);
        }
    }
}

/// One row of a batch, owned: written once, by whichever thread decodes its image.
///
/// Dropped without an end, which only a panic does, it is a `decoder_panic`.
pub struct RowSlot {
    owner: Option<Owner<Batch>>,
    pool: SlotPool,
    index: usize,
    sample: Option<Sample>,
    content_hash: Option<ContentHash>,
}

impl RowSlot {
    /// Keeps the hash of the image's encoded bytes.
    pub fn set_content_hash(&mut self, hash: ContentHash) {
        self.content_hash = Some(hash);
    }

    /// The image that the row belongs to.
    pub fn sample_mut(&mut self) -> Option<&mut Sample> {
        self.sample.as_mut()
    }

    /// Lets `write` fill the row.
    pub fn write<R>(&mut self, write: impl FnOnce(RowMut<'_>) -> R) -> Option<R> {
        let index = self.index;
        let owner = self.owner.as_ref()?;
        // SAFETY: `Filling::row` gave this index to this `RowSlot` alone, `&mut self` makes the access
        // exclusive, and the device gets the slot only after this owner has left.
        owner.with(|batch| write(unsafe { batch.slot.row(index) }))
    }

    /// The row holds the image.
    pub fn done(self, facts: ImageFacts) {
        self.end(Some(facts), None);
    }

    /// The row holds no image: it is zeroed and carries the error.
    pub fn fail(mut self, facts: Option<ImageFacts>, error: RowError) {
        self.zero();
        self.end(facts, Some(error));
    }

    /// The whole batch is worthless, because its part is given up.
    pub fn abandon(mut self) {
        if let Some(owner) = self.owner.take() {
            owner.with(|batch| batch.abandoned.store(true, Ordering::Relaxed));
            self.pool.left(owner);
        }
    }

    fn zero(&mut self) {
        self.write(|row| match row {
            RowMut::F16(row) => row.fill(half::f16::ZERO),
            RowMut::F32(row) => row.fill(0.0),
            RowMut::U8(row) => row.fill(0),
        });
    }

    fn end(mut self, facts: Option<ImageFacts>, error: Option<RowError>) {
        self.finish(facts, error);
    }

    fn finish(&mut self, facts: Option<ImageFacts>, error: Option<RowError>) {
        let (Some(owner), Some(sample)) = (self.owner.take(), self.sample.take()) else { return };
        let content_hash = self.content_hash;
        owner.with(|batch| {
            if let Some(row) = lock(&batch.rows).get_mut(self.index) {
                *row = Some(RowOutcome { sample, facts, error, content_hash });
            }
        });
        self.pool.left(owner);
    }
}

impl Drop for RowSlot {
    fn drop(&mut self) {
        if self.owner.is_some() {
            self.zero();
            self.finish(
                None,
                Some(RowError::new(ErrorKind::DecoderPanic, "the decoder panicked on this image")),
            );
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
