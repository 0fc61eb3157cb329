//! The data path of a run: reading, decoding, inference, rows, parts. Data flows one way, ownership with it.
//!
//! Resources are taken in one order — part permit, turn, place, bytes, request, slot — and what a task waits for comes
//! free without it, so nothing can deadlock. Only admission waits; every later hand-off is owned and cannot fail.

#[allow(clippy::duplicate_mod)]
pub(crate) mod admission;
#[cfg(test)]
#[allow(clippy::duplicate_mod)]
mod admission_model;
#[cfg(test)]
mod admission_tests;
pub(crate) mod aside;
pub(crate) mod canary;
mod collected;
pub mod decode;
pub(crate) mod decode_pool;
pub(crate) mod demand;
pub(crate) mod device_summary;
mod engine_thread;
pub(crate) mod error_budget;
pub(crate) mod failed_images;
mod intake;
pub(crate) mod memory;
pub(crate) mod meters;
#[allow(clippy::duplicate_mod)]
pub(crate) mod open_parts;
#[cfg(test)]
mod open_parts_model;
pub mod opening;
pub(crate) mod part;
pub mod progress;
pub mod run;
pub mod share;
pub(crate) mod shared;
pub mod shutdown;
mod upcoming;
pub(crate) mod utilisation;
pub(crate) mod work_queue;

use crate::sync;
