//! Threads, locks and queues for the modules whose interleavings are tested: `engine/owners`, `engine/pool`,
//! `pipeline/admission`, `pipeline/open_parts` and `store/readers`.
//!
//! Each of them takes these names from `super::sync`. Their tests compile the same file a second time with
//! `modelled` under that name, so that `loom` runs the program's code and no copy of it. The flag
//! `--cfg loom` for a whole build does not work here: tokio has no sockets under it.

pub(crate) use std::cell::UnsafeCell;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
pub(crate) use std::time::Instant;

pub(crate) use async_channel::{Receiver, Sender, bounded};
pub(crate) use tokio::sync::Notify;
pub(crate) use tokio::task::spawn_blocking;

#[cfg(test)]
pub(crate) mod modelled;

/// Reads through a cell's pointer.
pub(crate) fn peek<T, R>(cell: &UnsafeCell<T>, look: impl FnOnce(*const T) -> R) -> R {
    look(cell.get())
}

/// Writes through a cell's pointer.
pub(crate) fn take<T, R>(cell: &UnsafeCell<T>, take: impl FnOnce(*mut T) -> R) -> R {
    take(cell.get())
}
