//! Which batch gets the next free slot.

use std::collections::BTreeSet;

/// Batches that wait for a slot, and those that have one and still wait for images. Batches are numbered in the order in
/// which they began, which is that of their images.
///
/// At most `filling` batches wait for images with a slot in their hands, and these are the earliest ones. All other slots
/// are for batches whose images have all come: those need no more than decoders and the device, so their slots come
/// free whatever the store does.
#[derive(Debug)]
pub(super) struct Binding {
    filling: usize,
    /// Without a slot.
    unbound: BTreeSet<u64>,
    /// Those of them that wait for nothing else.
    complete: BTreeSet<u64>,
    /// With a slot, and not complete.
    held: BTreeSet<u64>,
}

impl Binding {
    pub fn new(filling: usize) -> Self {
        let (unbound, complete, held) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Binding { filling: filling.max(1), unbound, complete, held }
    }

    /// A batch begins.
    pub fn begin(&mut self, batch: u64) {
        self.unbound.insert(batch);
    }

    /// All images of a batch have come.
    pub fn complete(&mut self, batch: u64) {
        if !self.held.remove(&batch) && self.unbound.contains(&batch) {
            self.complete.insert(batch);
        }
    }

    /// The batch that gets the slot that is free now, if one may have it.
    pub fn next(&mut self) -> Option<u64> {
        let batch = match self.held.len() < self.filling {
            true => *self.unbound.first()?,
            false => *self.complete.first()?,
        };
        self.unbound.remove(&batch);
        if !self.complete.remove(&batch) {
            self.held.insert(batch);
        }
        Some(batch)
    }

    /// The batch has ended, or is given up.
    pub fn forget(&mut self, batch: u64) {
        self.unbound.remove(&batch);
        self.complete.remove(&batch);
        self.held.remove(&batch);
    }
}
