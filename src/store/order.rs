//! Whether the listings of a location are collected and sorted.

use std::sync::atomic::{AtomicBool, Ordering};

/// A store that does not list keys in byte order is listed whole and sorted. A plan that was begun so is continued only
/// so: a listing from its last key on would hide what the store orders before that key. Clones of a location share
/// this.
#[derive(Debug, Default)]
pub struct ListingOrder(AtomicBool);

impl ListingOrder {
    /// True if listings are sorted from now on.
    pub fn is_sorted(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Sorts every listing that begins from now on.
    pub fn sort(&self) {
        self.0.store(true, Ordering::Release);
    }
}
