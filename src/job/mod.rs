//! The job: what a person typed, and everything resolved from it.
//!
//! Parse, then resolve, then act: nothing after [`ResolvedJob`] knows a default, and nothing before it opens
//! a store for writing.

mod choices;
mod components;
mod draft;
mod embedding_alone;
mod engine;
mod error;
mod fingerprint;
mod freeze;
mod frozen;
mod graph;
mod input;
mod keys;
mod limits;
mod load;
mod mode;
mod model;
mod model_request;
mod origin;
mod preprocess;
mod resolve;
mod resolved;
mod schema;
mod spec;
mod storage;
mod units;
mod weights;

pub use draft::Draft;
pub use embedding_alone::check_gates as check_gates_without_classes;
pub use error::JobError;
pub use fingerprint::{Components, fingerprint};
pub use frozen::{ExcludedOutput, Frozen, FrozenModel, FrozenTruth, PROTOCOL, Sets, TruthFile};
pub use input::InputFacts;
pub use keys::nearest_key;
pub use limits::Limits;
pub use load::{Source, load, name_of, parse_text};
pub use model::{LoadedModel, read_labels};
pub use model_request::ModelRequest;
pub use origin::HubOrigin;
pub use resolved::ResolvedJob;
pub use schema::SCHEMA;
pub use spec::{Format, JobSpec, Precision, ReportFormat, TargetsSpec};
pub use weights::LocatedModel;
