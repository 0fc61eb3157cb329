//! What the images are: their frozen plan, their ground truth, and how a part of them is read.
//!
//! A dataset owns reading: it asks the [`Intake`] for a row before it asks the store for bytes, in plan order.
//! It never decodes, and it never decides what a failed image means beyond [`crate::sample::RowError`].

mod ahead;
mod braces;
mod carried;
mod error;
mod extensions;
mod folder;
mod glob;
mod hidden;
mod images;
mod intake;
#[cfg(test)]
mod kept;
pub mod manifest;
mod named;
mod objects;
pub mod parquet;
mod plan;
mod probe;
mod roots;
mod spelling;
mod targets;
mod truth;
mod unreadable;
mod validation;
pub mod webdataset;

pub use ahead::Warm;
pub use carried::CarriedColumn;
pub use error::{DatasetError, ReadError};
pub use extensions::{IMAGE_EXTENSIONS, ImageNames};
pub use folder::FolderSource;
pub use glob::Glob;
pub use hidden::is_hidden;
pub use images::FolderDataset;
pub use intake::{Arrival, Dataset, Intake, PartEnd, Pass, ReadAheadLimits, Stop, Ticket};
pub use named::{NameTruth, Truth};
pub use objects::{is_shard, shard_of, split_address};
pub use plan::{
    DoneImage, DoneImages, EarlierRules, Excluding, LeftOut, Part, PlanPosition, PlanRow, PlanShape,
    PlanSource, Planner, PlannerOptions, Planning, RowGroup, Segment, SegmentHead, Unit, group_key,
    segments_of,
};
pub use roots::Roots;
pub use targets::{FolderRule, FolderTargets};
pub use truth::TargetNames;
pub use validation::{Convention, ValidationTruth};
