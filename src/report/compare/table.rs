//! A's rows in memory, for outputs whose rows come in different orders.

use std::collections::HashMap;

use arrow_array::{Array, RecordBatch};
use sha2::{Digest, Sha256};

use super::super::rows::Row;
use super::super::slice_by::SliceBy;
use super::super::slices::VALUES;
use super::columns::SideColumns;
use super::error::CompareError;
use super::row_pair::{RowPair, is_ok};
use super::sums::{OTHER, PairSums};

/// Classes kept of each row: as many as top-5 needs.
const KEPT: usize = 5;

/// What is kept of a row: 64 bytes, whatever its key and its vectors are.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The first half of the SHA-256 of its key.
    hash: [u64; 2],
    best: [i32; KEPT],
    at: u32,
    /// −1 if there is none.
    target: i32,
    /// 0 if there is none.
    rank: i32,
    /// NaN where there is none.
    prob: f32,
    target_prob: f32,
    slice: u16,
    /// [`PairSums::sign`] of its set of targets.
    set: u16,
    kept: u8,
    ok: bool,
    found: bool,
}

/// A's rows by the hash of their keys: 64 bytes a row. Embeddings are not kept, so there are no cosines.
#[derive(Debug)]
pub struct KeyTable {
    entries: Vec<Entry>,
    sorted: bool,
    slices: Vec<String>,
    by: Option<SliceBy>,
    classes: usize,
    /// Whether A has the column that rows are grouped by.
    has_slices: bool,
}

impl KeyTable {
    /// A table for this many rows, to be joined into `sums`.
    pub fn new(rows: u64, sums: &PairSums) -> Self {
        let entries = Vec::with_capacity(usize::try_from(rows).unwrap_or(0));
        let (by, classes) = (sums.options.by.clone(), sums.classes());
        KeyTable { entries, sorted: false, slices: Vec::new(), by, classes, has_slices: false }
    }

    /// Takes rows of A.
    ///
    /// # Errors
    /// They are not what `tresnet-batch` writes.
    pub fn add(&mut self, sums: &PairSums, batch: &RecordBatch) -> Result<(), CompareError> {
        let by = self.by.clone();
        let side = SideColumns::of(batch, 'A', self.classes, by.as_ref())?;
        let mut ids: HashMap<String, u16> = self.slices.iter().cloned().zip(0..).collect();
        for i in 0..side.key.len() {
            let row = side.rows.row(i);
            let slice = side.slice(i).map_or(0, |slice| self.slice_id(&mut ids, slice));
            self.has_slices |= side.slice(i).is_some();
            let kept = row.index.len().min(KEPT);
            let mut best = [0; KEPT];
            best[..kept].copy_from_slice(&row.index[..kept]);
            let ok = is_ok(&row, self.entries.len() as u64);
            let ok = ok.map_err(|error| CompareError::Rows { side: 'A', error })?;
            self.entries.push(Entry {
                hash: hash(side.key.value(i)),
                best,
                at: self.entries.len() as u32,
                target: row.target.unwrap_or(-1),
                rank: row.target_rank.unwrap_or(0),
                prob: row.first_prob.unwrap_or(f32::NAN),
                target_prob: row.target_prob.unwrap_or(f32::NAN),
                slice,
                set: sums.sign('A', side.set(i)),
                kept: kept as u8,
                ok,
                found: false,
            });
        }
        Ok(())
    }

    fn slice_id(&mut self, ids: &mut HashMap<String, u16>, slice: &str) -> u16 {
        if let Some(&id) = ids.get(slice) {
            return id;
        }
        if self.slices.len() > VALUES {
            return VALUES as u16;
        }
        let id = self.slices.len() as u16;
        let name = if self.slices.len() == VALUES { OTHER } else { slice };
        self.slices.push(name.to_owned());
        ids.insert(name.to_owned(), id);
        id
    }

    /// Joins rows of B: the n-th row of a key with A's n-th.
    ///
    /// # Errors
    /// As [`PairSums::push`].
    pub fn join(&mut self, sums: &mut PairSums, batch: &RecordBatch) -> Result<(), CompareError> {
        if !std::mem::replace(&mut self.sorted, true) {
            self.entries.sort_unstable_by_key(|entry| (entry.hash, entry.at));
        }
        let side = SideColumns::of(batch, 'B', self.classes, self.by.as_ref())?;
        for i in 0..side.key.len() {
            let key = side.key.value(i);
            let hash = hash(key);
            let first = self.entries.partition_point(|entry| entry.hash < hash);
            let same = self.entries[first..].iter_mut().take_while(|entry| entry.hash == hash);
            let Some(entry) = same.into_iter().find(|entry| !entry.found) else {
                sums.only_b(1);
                continue;
            };
            entry.found = true;
            let entry = *entry;
            let slice = if self.has_slices {
                self.slices.get(entry.slice as usize).map(String::as_str)
            } else {
                side.slice(i)
            };
            let sets = [entry.set, sums.sign('B', side.set(i))];
            sums.pair(&RowPair { key, a: &entry.row(), b: &side.rows.row(i), sets, slice })?;
        }
        Ok(())
    }

    /// Counts what B does not have.
    pub fn finish(self, sums: &mut PairSums) {
        sums.only_a(self.entries.iter().filter(|entry| !entry.found).count() as u64);
    }
}

impl Entry {
    fn row(&self) -> Row<'_> {
        let known = |value: f32| (!value.is_nan()).then_some(value);
        Row {
            status: Some(if self.ok { "ok" } else { "error" }),
            error_kind: None,
            target: (self.target >= 0).then_some(self.target),
            index: &self.best[..usize::from(self.kept)],
            first_prob: known(self.prob),
            target_prob: known(self.target_prob),
            target_rank: (self.rank != 0).then_some(self.rank),
            width: None,
            height: None,
            format: None,
            logits: None,
        }
    }
}

fn hash(key: &str) -> [u64; 2] {
    let digest: [u8; 32] = Sha256::digest(key).into();
    let half = |at: usize| digest[at..at + 8].iter().fold(0, |whole, &byte| whole << 8 | u64::from(byte));
    [half(0), half(8)]
}

#[cfg(test)]
mod size {
    #[test]
    fn a_row_takes_the_bytes_that_are_promised() {
        assert_eq!(size_of::<super::Entry>(), 64);
    }
}
