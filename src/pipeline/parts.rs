//! The parts that are open: whose rows are still being made.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use tokio::sync::Notify;

use crate::output::Assembler;

/// One part between its first row and its last.
pub(super) struct OpenPart {
    rows: u32,
    assembler: Mutex<Option<Assembler>>,
    whole: Notify,
}

impl OpenPart {
    fn assembler(&self) -> MutexGuard<'_, Option<Assembler>> {
        self.assembler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Assembler)) {
        let mut assembler = self.assembler();
        let assembler = assembler.get_or_insert_default();
        change(assembler);
        if assembler.is_whole() {
            self.whole.notify_one();
        }
    }

    fn rows_left(&self) -> u32 {
        self.rows.saturating_sub(self.assembler().as_ref().map_or(0, Assembler::rows))
    }

    /// A batch's rows are made.
    pub fn add(&self, first_offset: u32, batch: RecordBatch) {
        self.change(|assembler| assembler.add(first_offset, batch));
    }

    /// Reading ended well after so many rows.
    pub fn expect(&self, rows: u32) {
        self.change(|assembler| assembler.expect(rows));
    }

    /// Waits for the last row, and takes all in plan order.
    pub async fn whole(&self) -> Vec<RecordBatch> {
        loop {
            {
                let mut assembler = self.assembler();
                if assembler.as_ref().is_some_and(Assembler::is_whole)
                    && let Some(assembler) = assembler.take()
                {
                    return assembler.into_batches();
                }
            }
            self.whole.notified().await;
        }
    }
}

/// All open parts, by id. A part that is not here is given up: whatever still comes of it is dropped.
#[derive(Default)]
pub(super) struct OpenParts(Mutex<HashMap<u32, Arc<OpenPart>>>);

impl OpenParts {
    fn map(&self) -> MutexGuard<'_, HashMap<u32, Arc<OpenPart>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a part of so many rows; it closes when the guard is dropped.
    pub fn open(self: &Arc<Self>, id: u32, rows: u32) -> OpenGuard {
        let part = Arc::new(OpenPart { rows, assembler: Mutex::default(), whole: Notify::new() });
        self.map().insert(id, part.clone());
        OpenGuard { parts: self.clone(), id, part }
    }

    /// Rows that are still to come of each open part, in plan order.
    pub fn rows_left(&self) -> Vec<(u32, u32)> {
        let mut left: Vec<(u32, u32)> = self.map().iter().map(|(&id, part)| (id, part.rows_left())).collect();
        left.sort_unstable();
        left
    }

    /// The part, while it is open.
    pub fn get(&self, id: u32) -> Option<Arc<OpenPart>> {
        self.map().get(&id).cloned()
    }
}

/// Keeps a part open.
pub(super) struct OpenGuard {
    parts: Arc<OpenParts>,
    id: u32,
    pub part: Arc<OpenPart>,
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.parts.map().remove(&self.id);
    }
}
