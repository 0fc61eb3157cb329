//! One shard that is being read.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::dataset::ahead::{Cuts, Turn};
use crate::dataset::intake::{Intake, Pass};
use crate::dataset::plan::{Part, PlanRow};
use crate::dataset::{DatasetError, ReadError};
use crate::sample::{ErrorKind, RowError, Sample};
use crate::store::{Window, escaped};

use super::error::TarError;

/// One shard that is being read.
pub(super) struct Reading<'a> {
    pub part: &'a Part,
    pub shard: &'a PlanRow,
    /// As planned; where it was not, the first window's tag holds for all.
    pub etag: OnceLock<String>,
    pub intake: &'a dyn Intake,
    pub pass: Pass,
    pub rows: AtomicU32,
    pub turn: Turn<PlanRow, Window>,
    /// Where the first window of this reading begins.
    pub begin: AtomicU64,
    /// Bytes of a window.
    pub window: u64,
}

impl Reading<'_> {
    /// The number of the window that begins at a byte.
    pub fn index(&self, at: u64) -> u64 {
        (at - self.begin.load(Ordering::Relaxed)) / self.window
    }

    /// Begins to read the shard once more, from a byte of it on.
    pub fn restart(&self, from: u64, size: u64) {
        self.begin.store(from, Ordering::Relaxed);
        self.turn.restart(Cuts::Even { from, until: size, window: self.window });
    }

    /// Whether a window that was read ahead is of the version that is being read. If the plan has no tag, it may have been
    /// asked for by the tag of an earlier version.
    pub fn is_same_version(&self, window: &Window) -> bool {
        match (self.etag.get(), &window.etag) {
            (Some(read), Some(found)) => read == found,
            _ => true,
        }
    }

    pub fn rows(&self) -> u32 {
        self.rows.load(Ordering::Relaxed)
    }

    /// The one row of a shard that cannot be read.
    pub fn whole(&self) -> Sample {
        Sample {
            row_id: self.part.first_row,
            key: escaped(&self.shard.key),
            etag: self.etag.get().cloned(),
            size: self.shard.size,
            target: None,
            carried: Vec::new(),
        }
    }

    pub fn damaged(&self, kind: ErrorKind, why: &str) -> ReadError {
        ReadError::Damaged { row: Box::new(self.whole()), error: RowError::new(kind, why) }
    }

    /// What becomes of a shard that cannot be read to its end.
    pub fn broken(&self, error: &TarError) -> ReadError {
        let kind = match error {
            TarError::NotTar { .. } => ErrorKind::Unsupported,
            TarError::Broken { .. } | TarError::Packed { .. } => ErrorKind::Corrupt,
            TarError::Truncated { .. } => ErrorKind::Truncated,
            TarError::Limit { .. } => ErrorKind::Limit,
            TarError::OtherRules { why } => return self.other_rules(why).into(),
        };
        self.damaged(kind, &format!("the shard {error}"))
    }

    /// The end of a job of version 0.1.0 that comes to a shard which is read otherwise now.
    pub fn other_rules(&self, why: &str) -> DatasetError {
        DatasetError::EarlierShard { key: escaped(&self.shard.key), why: why.to_owned() }
    }
}
