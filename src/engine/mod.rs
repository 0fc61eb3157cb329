//! Batches on a device. One thread owns one session; everybody else holds slots.
//!
//! Knows nothing of images, jobs or storage: pixels come in through [`RowSlot`]s, numbers leave in
//! [`Outputs`]. The only room that names `ort`.

mod choice;
mod contract;
mod cuda;
mod driver;
mod error;
mod library;
mod machine;
mod noise;
mod nvidia;
mod observe;
mod options;
mod ort_cpu;
#[allow(clippy::duplicate_mod)]
mod owners;
mod pool;
mod provider;
mod runtime;
mod session;
mod slot;
mod spec;
mod trial;

/// What `owners.rs` is built from, here the standard library's.
mod sync {
    pub use std::cell::UnsafeCell;
    pub use std::sync::Arc;
    pub use std::sync::atomic::{AtomicUsize, Ordering, fence};

    pub fn peek<T, R>(cell: &UnsafeCell<T>, look: impl FnOnce(*const T) -> R) -> R {
        look(cell.get())
    }

    pub fn take<T, R>(cell: &UnsafeCell<T>, take: impl FnOnce(*mut T) -> R) -> R {
        take(cell.get())
    }
}

/// The same file against `loom`, which tries every interleaving of the owners.
#[cfg(test)]
#[allow(clippy::duplicate_mod)]
mod owners_model;

pub use choice::{Choice, DeviceRequest, Survey, choose};
pub use contract::{Engine, Failed};
pub use cuda::{ConvSearch, CudaEngine, CudaOptions, Operators};
pub use driver::device_memory_in_use;
pub use error::{EngineError, RuntimeError};
pub use machine::{
    available_memory, free_disk, give_back_memory, has_int8_dot, has_plenty, processor, resident_memory,
    room_for, share_heaps,
};
pub use noise::NoiseEngine;
pub use nvidia::{Driver, Gpu};
pub use observe::Observer;
pub use options::{Batch, Options};
pub use ort_cpu::{OrtCpu, OrtOptions};
pub use pool::{Filling, Ready, RowSlot, SlotPool};
pub use provider::Provider;
pub use runtime::{Runtime, exit_at_once};
pub use session::GraphNames;
pub use slot::{Outputs, Slot};
pub use spec::EngineSpec;
pub use trial::{Repeated, Trial, best_size, next_size, try_size, warm_up};
