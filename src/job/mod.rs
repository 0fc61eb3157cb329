//! The job: what a person typed, and everything resolved from it.
//!
//! Parse, then resolve, then act: nothing behind [`ResolvedJob`] knows a default, and nothing before it opens
//! a store for writing.

mod choices;
mod components;
mod draft;
mod engine;
mod error;
mod fingerprint;
mod freeze;
mod frozen;
mod input;
mod keys;
mod limits;
mod load;
mod mode;
mod model;
mod preprocess;
mod resolve;
mod resolved;
mod schema;
mod spec;
mod storage;
mod units;

pub use draft::Draft;
pub use error::JobError;
pub use fingerprint::{Components, fingerprint};
pub use frozen::{ExcludedOutput, Frozen, FrozenModel, FrozenTruth, PROTOCOL, Sets, TruthFile};
pub use input::InputFacts;
pub use limits::Limits;
pub use load::{Source, load, name_of, parse_text};
pub use model::{LoadedModel, read_labels};
pub use resolved::ResolvedJob;
pub use schema::SCHEMA;
pub use spec::{Format, JobSpec, Precision, ReportFormat, TargetsSpec};
