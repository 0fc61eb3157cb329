//! Batches on a device. One thread owns one session; everybody else holds slots.
//!
//! Knows nothing of images, jobs or storage: pixels come in through [`RowSlot`]s, numbers leave in
//! [`Outputs`]. The only room that names `ort`.

#[allow(clippy::duplicate_mod)]
mod batch;
#[allow(clippy::duplicate_mod)]
mod binding;
mod choice;
mod contract;
mod cuda;
mod driver;
mod error;
mod installed;
mod library;
mod machine;
mod noise;
mod nvidia;
mod observe;
mod options;
mod ort_cpu;
#[allow(clippy::duplicate_mod)]
mod owners;
#[allow(clippy::duplicate_mod)]
mod pool;
mod provider;
mod runtime;
mod session;
mod shared;
mod slot;
mod spec;
mod trial;
mod widths;

/// `owners.rs` and `pool.rs`, with what they rest on, against `loom`, which tries the interleavings of their threads.
#[cfg(test)]
#[allow(clippy::duplicate_mod)]
mod owners_model;
#[cfg(test)]
#[allow(clippy::duplicate_mod)]
mod pool_model;
#[cfg(test)]
mod pool_tests;

use crate::sync;

pub use choice::{Choice, DeviceRequest, Survey, choose};
pub use contract::{Engine, Failed};
pub use cuda::{ConvSearch, CudaEngine, CudaOptions, Operators, OwnOperators, own_operators};
pub use driver::device_memory_in_use;
pub use error::{EngineError, RuntimeError};
pub use library::installed_library;
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
pub use session::{FreeAxes, GraphFiles, GraphNames};
pub use shared::SharedEngine;
pub use slot::{Outputs, Slot};
pub use spec::EngineSpec;
pub use trial::{Repeated, Trial, best_size, next_size, try_size, warm_up};
pub use widths::{Widths, find_widths};
