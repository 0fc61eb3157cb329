//! Work for the decode pool: images to decode and batches whose rows are to be made, rows first.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::engine::{Outputs, RowSlot};
use crate::ids::{AttemptId, PartId};
use crate::sample::RowOutcome;
use crate::telemetry::trace::Fact;
use bytes::Bytes;

use super::admission::Place;

/// An image to decode into its row, whose batch has a slot. Its place comes free with it.
pub(crate) struct DecodeJob {
    pub row: RowSlot,
    pub bytes: Bytes,
    pub place: Option<Place>,
    /// Since when it waits for a worker.
    pub since: Instant,
}

/// A batch whose numbers are there.
pub(crate) struct Done {
    pub attempt: AttemptId,
    pub first_offset: u32,
    pub rows: Vec<RowOutcome>,
    pub outputs: Outputs,
}

/// Work for the pool. It needs no separate bound: a decode job holds a row of a slot and a finished batch holds
/// outputs of a pool, so both lists are as short as those pools are small.
#[derive(Default)]
pub(crate) struct WorkQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    rows: VecDeque<Done>,
    decode: VecDeque<DecodeJob>,
    closed: bool,
}

// it lives on a worker's stack for as long as the work; in the queue each kind has its own list
#[expect(clippy::large_enum_variant)]
pub(crate) enum Work {
    Rows(Done),
    Decode(DecodeJob),
}

impl WorkQueue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn decode(&self, job: DecodeJob) {
        self.state().decode.push_back(job);
        self.changed.notify_one();
    }

    pub fn rows(&self, done: Done) {
        self.state().rows.push_back(done);
        self.changed.notify_one();
    }

    /// Drops the images that wait: their parts are given up.
    pub fn forget_images(&self) {
        let images = std::mem::take(&mut self.state().decode);
        drop(images);
    }

    /// No more work comes; what is queued is still done.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Waits for the next piece of work; `None` once there is none and the queue is closed.
    pub fn next(&self) -> Option<Work> {
        let mut state = self.state();
        loop {
            if let Some(done) = state.rows.pop_front() {
                return Some(Work::Rows(done));
            }
            if let Some(job) = state.decode.pop_front() {
                return Some(Work::Decode(job));
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What a span says of a batch; one whose attempt was given up belongs to no part.
pub(crate) fn batch_facts(part: Option<PartId>, rows: usize) -> [(&'static str, Fact<'static>); 2] {
    [("part", Fact::Number(part.map_or(-1, |part| i64::from(part.0)))), ("rows", Fact::Number(rows as i64))]
}
