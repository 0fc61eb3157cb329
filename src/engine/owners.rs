//! One buffer with many owners, handed on whole by the last owner to leave.
//!
//! The counting and the hand-off that a batch depends on, with nothing else in the file: it is compiled once
//! against `std` and once, in its test, against `loom`, which tries every interleaving.

use super::sync::{Arc, AtomicUsize, Ordering, UnsafeCell, fence, take};

struct Shared<B> {
    buffer: UnsafeCell<Option<B>>,
    owners: AtomicUsize,
}

// SAFETY: while owners remain, the buffer is only shared (`B: Sync`); it is moved out by the last owner alone,
// on its own thread (`B: Send`).
unsafe impl<B: Send + Sync> Sync for Shared<B> {}
// SAFETY: owning the cell is owning the buffer.
unsafe impl<B: Send> Send for Shared<B> {}

/// One share of a buffer.
pub(super) struct Owner<B>(Option<Arc<Shared<B>>>);

impl<B> Owner<B> {
    /// The first and only owner.
    pub fn new(buffer: B) -> Self {
        Owner(Some(Arc::new(Shared { buffer: UnsafeCell::new(Some(buffer)), owners: AtomicUsize::new(1) })))
    }

    /// Adds an owner. The caller owns a share itself, so the count cannot have reached zero.
    pub fn share(&self) -> Self {
        if let Some(shared) = &self.0 {
            shared.owners.fetch_add(1, Ordering::Relaxed);
        }
        Owner(self.0.clone())
    }

    /// Looks at the buffer through one share.
    pub fn with<R>(&self, look: impl FnOnce(&B) -> R) -> Option<R> {
        let shared = self.0.as_ref()?;
        // SAFETY: this share counts, so the buffer has not been taken, and no owner may change it through a
        // shared reference except as `B` itself allows.
        super::sync::peek(&shared.buffer, |buffer| unsafe { (*buffer).as_ref() }.map(look))
    }

    /// Gives the share up. The last to leave gets the buffer, with everything the others did to it visible.
    pub fn leave(mut self) -> Option<B> {
        Self::release(self.0.take()?)
    }

    fn release(shared: Arc<Shared<B>>) -> Option<B> {
        // Release: what this owner wrote happens before the last owner's Acquire below.
        if shared.owners.fetch_sub(1, Ordering::Release) != 1 {
            return None;
        }
        fence(Ordering::Acquire);
        // SAFETY: the count fell from 1 to 0 here and cannot be raised again, so this is the only access.
        take(&shared.buffer, |buffer| unsafe { (*buffer).take() })
    }
}

impl<B> Drop for Owner<B> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            drop(Self::release(shared));
        }
    }
}
