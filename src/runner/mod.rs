//! A job from its file to its `_SUCCESS`: opened, planned, loaded, run, finished.

mod ahead;
pub(crate) mod devices;
mod exclude;
pub mod finish;
pub(crate) mod inputs;
mod lock;
pub(crate) mod metrics;
pub(crate) mod opened;
pub(crate) mod plan;
pub mod preflight;
pub(crate) mod provider;
pub(crate) mod repair;
pub(crate) mod repeated_keys;
pub(crate) mod run;
pub(crate) mod session;
pub(crate) mod widths;
