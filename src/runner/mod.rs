//! A job from its file to its `_SUCCESS`: resolved, frozen, loaded, run, finished.

pub(crate) mod device;
pub(crate) mod exclude;
pub mod finish;
pub(crate) mod inputs;
pub(crate) mod job;
mod lock;
pub(crate) mod metrics;
pub mod preflight;
