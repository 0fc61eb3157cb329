//! The parts that are open: whose rows are still being made.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use arrow_array::RecordBatch;

use crate::ids::{AttemptId, PartId};
use crate::output::Assembler;

use super::sync::{Mutex, MutexGuard, Notify};

/// One part between its first row and its last.
pub(crate) struct OpenPart {
    /// Its id, and how many rows it has where that is known.
    part: (PartId, Option<u32>),
    rows: Mutex<Rows>,
    whole: Notify,
}

#[derive(Default)]
enum Rows {
    #[default]
    None,
    Some(Assembler),
    /// Given up: what still comes is not counted.
    Abandoned,
}

impl OpenPart {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its id in the plan.
    pub fn part(&self) -> PartId {
        self.part.0
    }

    fn rows_left(&self) -> Option<(PartId, u32)> {
        let (id, rows) = self.part;
        let made = match &*self.rows() {
            Rows::Some(assembler) => assembler.rows(),
            Rows::None | Rows::Abandoned => 0,
        };
        Some((id, rows?.saturating_sub(made)))
    }

    fn change(&self, change: impl FnOnce(&mut Assembler)) -> bool {
        let mut rows = self.rows();
        if matches!(*rows, Rows::None) {
            *rows = Rows::Some(Assembler::default());
        }
        let Rows::Some(assembler) = &mut *rows else { return false };
        change(assembler);
        if assembler.is_whole() {
            self.whole.notify_one();
        }
        true
    }

    /// A batch's rows are made. False where the part has been given up.
    pub fn add(&self, first_offset: u32, batch: RecordBatch) -> bool {
        self.change(|assembler| assembler.add(first_offset, batch))
    }

    /// Records that reading finished successfully after `rows` rows.
    pub fn expect(&self, rows: u32) {
        self.change(|assembler| assembler.expect(rows));
    }

    /// Abandons the part, and returns the batches that were counted.
    pub fn abandon(&self) -> Vec<RecordBatch> {
        match std::mem::replace(&mut *self.rows(), Rows::Abandoned) {
            Rows::Some(assembler) => assembler.into_batches(),
            Rows::None | Rows::Abandoned => Vec::new(),
        }
    }

    /// Waits for the last row, and takes all in plan order.
    pub async fn whole(&self) -> Vec<RecordBatch> {
        loop {
            {
                let mut rows = self.rows();
                if matches!(&*rows, Rows::Some(assembler) if assembler.is_whole())
                    && let Rows::Some(assembler) = std::mem::take(&mut *rows)
                {
                    return assembler.into_batches();
                }
            }
            self.whole.notified().await;
        }
    }
}

/// All open attempts at a part, by their number. One that is not here is given up: whatever still comes of it
/// is dropped.
#[derive(Default)]
pub(crate) struct OpenParts(Mutex<HashMap<AttemptId, Arc<OpenPart>>>);

impl OpenParts {
    fn map(&self) -> MutexGuard<'_, HashMap<AttemptId, Arc<OpenPart>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens an attempt at a part (its id, and its rows where they are known); it closes when the guard is dropped.
    pub fn open(self: &Arc<Self>, attempt: AttemptId, part: (PartId, Option<u32>)) -> OpenGuard {
        let part = Arc::new(OpenPart { part, rows: Mutex::default(), whole: Notify::new() });
        self.map().insert(attempt, part.clone());
        OpenGuard { parts: self.clone(), attempt, part }
    }

    /// Ids of the open parts whose rows are known, in the order in which they were opened, and how many rows of each
    /// are still to come.
    pub fn rows_left(&self) -> Vec<(PartId, u32)> {
        let map = self.map();
        let mut attempts: Vec<AttemptId> = map.keys().copied().collect();
        attempts.sort_unstable();
        attempts.iter().filter_map(|attempt| map[attempt].rows_left()).collect()
    }

    /// The attempt, while it is open.
    pub fn get(&self, attempt: AttemptId) -> Option<Arc<OpenPart>> {
        self.map().get(&attempt).cloned()
    }
}

/// Keeps a part open.
pub(crate) struct OpenGuard {
    parts: Arc<OpenParts>,
    attempt: AttemptId,
    pub part: Arc<OpenPart>,
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.parts.map().remove(&self.attempt);
    }
}
