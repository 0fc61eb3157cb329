//! What the images are: their frozen plan, their ground truth, and how a part of them is read.
//!
//! A dataset owns reading: it asks the [`Intake`] for a row before it asks the store for bytes, in plan order.
//! It never decodes, and it never decides what a failed image means beyond [`crate::sample::RowError`].

mod braces;
mod carried;
mod error;
mod folder;
mod glob;
mod intake;
pub mod manifest;
mod named;
mod objects;
pub mod parquet;
mod plan;
mod targets;
mod truth;
mod validation;
pub mod webdataset;
mod witness;

pub use carried::CarriedColumn;
pub use error::{DatasetError, ReadError};
pub use folder::{FolderDataset, FolderSource, IMAGE_EXTENSIONS};
pub use glob::Glob;
pub use intake::{Arrival, Intake, Stop, Ticket};
pub use named::{NameTruth, Truth};
pub use objects::split_address;
pub use plan::{
    DoneImage, DoneImages, Excluding, LeftOut, Part, PlanPosition, PlanRow, PlanSource, Planner,
    PlannerOptions, Planning, RowGroup, Segment, SegmentHead, Unit, group_key, segments_of,
};
pub use targets::{FolderRule, FolderTargets};
pub use truth::TargetNames;
pub use validation::{Convention, ValidationTruth};

use futures::future::BoxFuture;

/// How the reading of one part ended well: every ticket was delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PartEnd {
    /// Rows admitted, errors among them.
    pub rows: u32,
    /// Items left out on purpose (links and devices of a tar).
    pub skipped: u32,
    /// Inputs that broke half-way and became one error row.
    pub damaged: u32,
}

/// A set of images whose plan stands.
pub trait Dataset: Send + Sync {
    /// Reads one part in order, a row of the intake for each of its samples.
    ///
    /// # Errors
    /// A fault that belongs to no single image. The caller must then forget the part: it is not committed.
    fn read<'a>(
        &'a self,
        part: &'a Part,
        intake: &'a dyn Intake,
    ) -> BoxFuture<'a, Result<PartEnd, ReadError>>;
}
