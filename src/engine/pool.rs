//! Batches and the slots that they get: begun without memory, bound to a slot in order, filled by many workers, ready for
//! the device.
//!
//! A batch becomes ready by the count of its rows alone; nothing waits for anything. A row that comes before its batch
//! has a slot is kept with what is to be done to it, and goes on as soon as the batch has one. Sends never block: a
//! channel holds as many items as there are slots.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::PoisonError;

use crate::ids::AttemptId;
use crate::sample::{ContentHash, ErrorKind, ImageFacts, RowError, RowOutcome, Sample};
use crate::tensor::RowMut;

use super::Slot;
use super::batch::Batch;
use super::binding::Binding;
use super::owners::Owner;
use super::sync::{Arc, Mutex, MutexGuard, Receiver, Sender, bounded};

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

/// All slots of a run, and the batches that wait for them. Cheap to clone.
#[derive(Clone)]
pub struct SlotPool {
    state: Arc<Mutex<State>>,
    ready: (Sender<Ready>, Receiver<Ready>),
    /// Rows of a batch.
    capacity: usize,
}

struct State {
    free: Vec<Slot>,
    binding: Binding,
    /// The batches that wait for a slot or for images, by number.
    batches: BTreeMap<u64, Waiting>,
    begun: u64,
    closed: bool,
}

/// A batch that waits for a slot or for images.
struct Waiting {
    /// Until it has a slot.
    owner: Option<Owner<Batch>>,
    /// Images that came, or failed.
    delivered: usize,
    /// Rows, once no more of them come.
    rows: Option<usize>,
    kept: Vec<Kept>,
}

/// A row that came before its batch had a slot, and what is to be done to it.
struct Kept {
    row: RowSlot,
    then: Box<dyn FnOnce(RowSlot) + Send>,
}

impl Waiting {
    fn is_complete(&self) -> bool {
        self.rows == Some(self.delivered)
    }

    /// Gives the batch up.
    fn abandon(self, pool: &SlotPool) {
        let Waiting { owner, kept, .. } = self;
        if let Some(owner) = owner {
            owner.with(Batch::abandon);
            pool.left(owner);
        }
        kept.into_iter().for_each(|kept| kept.row.abandon());
    }
}

impl State {
    /// No more is to come of a batch than what has come, if it is so.
    fn complete(&mut self, number: u64) {
        let Some(waiting) = self.batches.get(&number).filter(|waiting| waiting.is_complete()) else { return };
        let is_bound = waiting.owner.is_none();
        self.binding.complete(number);
        if is_bound {
            self.batches.remove(&number);
        }
    }

    /// Forgets a batch that has no slot yet.
    fn take_unbound(&mut self, number: u64) -> Option<Waiting> {
        self.batches.get(&number).filter(|waiting| waiting.owner.is_some())?;
        self.binding.forget(number);
        self.batches.remove(&number)
    }
}

impl SlotPool {
    /// A pool that owns these slots, all of one size. At most `filling` batches have one while they wait for images.
    pub fn new(slots: Vec<Slot>, filling: usize) -> SlotPool {
        let (count, capacity) = (slots.len().max(1), slots.first().map_or(1, Slot::capacity));
        let (binding, batches) = (Binding::new(filling), BTreeMap::new());
        let state = State { free: slots, binding, batches, begun: 0, closed: false };
        SlotPool { state: Arc::new(Mutex::new(state)), ready: bounded(count), capacity }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a batch, which needs no slot yet; `None` once the pool is closed.
    pub fn begin(&self, attempt: AttemptId, first_offset: u32) -> Option<Filling> {
        let mut state = self.state();
        if state.closed {
            return None;
        }
        state.begun += 1;
        let number = state.begun;
        let owner = Owner::new(Batch::new(number, attempt, first_offset, self.capacity));
        let waiting = Waiting { owner: Some(owner.share()), delivered: 0, rows: None, kept: Vec::new() };
        state.batches.insert(number, waiting);
        state.binding.begin(number);
        self.bind(state);
        Some(Filling { owner: Some(owner), pool: self.clone(), number, taken: 0 })
    }

    /// The queue that engine threads take from.
    pub fn ready(&self) -> Receiver<Ready> {
        self.ready.1.clone()
    }

    /// Returns a slot whose batch is done with. Never waits.
    pub fn give_back(&self, slot: Slot) {
        let mut state = self.state();
        // memory is freed once the pool is closed
        if !state.closed {
            state.free.push(slot);
            self.bind(state);
        }
    }

    /// Gives up the batches that have no slot.
    pub fn forget_waiting(&self) {
        let mut state = self.state();
        let numbers: Vec<u64> = state.batches.keys().copied().collect();
        let waiting: Vec<Waiting> =
            numbers.into_iter().filter_map(|number| state.take_unbound(number)).collect();
        drop(state);
        waiting.into_iter().for_each(|waiting| waiting.abandon(self));
    }

    /// Ends the pool: no batch begins or gets a slot any more, and nothing becomes ready.
    pub fn close(&self) {
        let free = {
            let mut state = self.state();
            state.closed = true;
            std::mem::take(&mut state.free)
        };
        drop(free);
        self.ready.0.close();
        self.forget_waiting();
    }

    /// Binds free slots to the batches that may have them, and lets their rows go on.
    fn bind(&self, mut state: MutexGuard<'_, State>) {
        let (mut owners, mut rows) = (Vec::new(), Vec::new());
        while !state.free.is_empty()
            && let Some(number) = state.binding.next()
        {
            let Some(slot) = state.free.pop() else { break };
            let Some(waiting) = state.batches.get_mut(&number) else {
                state.free.push(slot);
                continue;
            };
            rows.append(&mut waiting.kept);
            if let Some(owner) = waiting.owner.take() {
                owner.with(|batch| batch.bind(slot));
                owners.push(owner);
            }
            if waiting.is_complete() {
                state.batches.remove(&number);
            }
        }
        drop(state);
        owners.into_iter().for_each(|owner| self.left(owner));
        rows.into_iter().for_each(|Kept { row, then }| then(row));
    }

    /// An image has come for a row, which goes on now or when its batch has a slot.
    fn deliver(&self, row: RowSlot, then: impl FnOnce(RowSlot) + Send + 'static) {
        let mut state = self.state();
        let (number, is_bound) = (row.number, row.is_bound());
        let now = match state.batches.get_mut(&number) {
            Some(waiting) => {
                waiting.delivered += 1;
                if is_bound {
                    Some((row, then))
                } else {
                    waiting.kept.push(Kept { row, then: Box::new(then) });
                    None
                }
            }
            None if is_bound => Some((row, then)),
            // its batch is given up
            None => {
                drop(state);
                return row.abandon();
            }
        };
        state.complete(number);
        self.bind(state);
        if let Some((row, then)) = now {
            then(row);
        }
    }

    /// A batch is given up by one of its owners. If it has a slot, that comes free with the last of them.
    fn abandon(&self, owner: Owner<Batch>, number: u64) {
        owner.with(Batch::abandon);
        let waiting = self.state().take_unbound(number);
        if let Some(waiting) = waiting {
            waiting.abandon(self);
        }
        self.left(owner);
    }

    /// An owner of a batch is done with it.
    fn left(&self, owner: Owner<Batch>) {
        let Some(batch) = owner.leave() else { return };
        let (number, attempt, first_offset) = (batch.number, batch.attempt, batch.first_offset);
        let (slot, rows) = batch.end();
        {
            // one that is given up may still count among those that wait for images
            let mut state = self.state();
            state.binding.forget(number);
            state.batches.remove(&number);
        }
        match (slot, rows) {
            (Some(slot), Some(rows)) => {
                drop(self.ready.0.try_send(Ready { slot, attempt, first_offset, rows }))
            }
            (Some(slot), None) => return self.give_back(slot),
            (None, _) => {}
        }
        self.bind(self.state());
    }
}

impl fmt::Debug for SlotPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotPool(batches of {})", self.capacity)
    }
}

/// A batch that still takes rows. Dropped without [`Filling::seal`], the batch is abandoned.
pub struct Filling {
    owner: Option<Owner<Batch>>,
    pool: SlotPool,
    number: u64,
    taken: usize,
}

impl Filling {
    /// True when every row is taken: seal it.
    pub fn is_full(&self) -> bool {
        self.taken == self.pool.capacity
    }

    /// Takes the next row for a sample; `None` when the batch is full.
    pub fn row(&mut self, sample: Sample) -> Option<RowSlot> {
        if self.is_full() {
            return None;
        }
        let owner = self.owner.as_ref()?.share();
        let index = self.taken;
        self.taken += 1;
        owner.with(Batch::begin_row);
        let (pool, number) = (self.pool.clone(), self.number);
        Some(RowSlot { owner: Some(owner), pool, number, index, sample: Some(sample), content_hash: None })
    }

    /// No more rows come: the batch is ready as soon as the last of its rows is.
    pub fn seal(mut self) {
        let Some(owner) = self.owner.take() else { return };
        let mut state = self.pool.state();
        if let Some(waiting) = state.batches.get_mut(&self.number) {
            waiting.rows = Some(self.taken);
        }
        state.complete(self.number);
        self.pool.bind(state);
        self.pool.left(owner);
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            self.pool.abandon(owner, self.number);
        }
    }
}

/// One row of a batch, owned: written once, by whichever thread decodes its image.
///
/// Dropped without an end, which only a panic does, it is a `decoder_panic`.
pub struct RowSlot {
    owner: Option<Owner<Batch>>,
    pool: SlotPool,
    number: u64,
    index: usize,
    sample: Option<Sample>,
    content_hash: Option<ContentHash>,
}

impl RowSlot {
    /// Goes on with the row as soon as its batch has a slot: at once, or on the thread that a slot comes from. Once for
    /// each row. A batch that is given up drops `then`.
    pub fn when_bound(self, then: impl FnOnce(RowSlot) + Send + 'static) {
        let pool = self.pool.clone();
        pool.deliver(self, then);
    }

    fn is_bound(&self) -> bool {
        self.owner.as_ref().and_then(|owner| owner.with(Batch::is_bound)).unwrap_or(false)
    }

    /// Keeps the hash of the image's encoded bytes.
    pub fn set_content_hash(&mut self, hash: ContentHash) {
        self.content_hash = Some(hash);
    }

    /// The image that the row belongs to.
    pub fn sample_mut(&mut self) -> Option<&mut Sample> {
        self.sample.as_mut()
    }

    /// Lets `write` fill the row, if its batch has a slot.
    pub fn write<R>(&mut self, write: impl FnOnce(RowMut<'_>) -> R) -> Option<R> {
        let index = self.index;
        let owner = self.owner.as_ref()?;
        // SAFETY: `Filling::row` gave this index to this `RowSlot` alone, `&mut self` makes the access
        // exclusive, and the device gets the slot only after this owner has left.
        owner.with(|batch| unsafe { batch.write(index, write) })?
    }

    /// The row holds the image.
    pub fn done(mut self, facts: ImageFacts) {
        self.finish(Some(facts), None);
    }

    /// The row holds no image: it is zeroed and carries the error.
    pub fn fail(mut self, facts: Option<ImageFacts>, error: RowError) {
        self.zero();
        self.finish(facts, Some(error));
    }

    /// The whole batch is worthless, because its part is given up.
    pub fn abandon(mut self) {
        if let Some(owner) = self.owner.take() {
            self.pool.abandon(owner, self.number);
        }
    }

    fn zero(&mut self) {
        self.write(|row| match row {
            RowMut::F16(row) => row.fill(half::f16::ZERO),
            RowMut::F32(row) => row.fill(0.0),
            RowMut::U8(row) => row.fill(0),
        });
    }

    fn finish(&mut self, facts: Option<ImageFacts>, error: Option<RowError>) {
        let (Some(owner), Some(sample)) = (self.owner.take(), self.sample.take()) else { return };
        let outcome = RowOutcome { sample, facts, error, content_hash: self.content_hash };
        owner.with(|batch| batch.end_row(self.index, outcome));
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
