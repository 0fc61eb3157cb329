//! The frozen plan: a chain of segments, each a Parquet file with one row group a part.
//!
//! The process that creates a segment first decides it; all others read it. No process holds the whole plan: a
//! segment's footer lists its parts, and one ranged read returns one part's rows.

mod earlier_rules;
mod excluding;
mod left_out;
mod planner;
mod row;
mod segment;
mod source;

pub use earlier_rules::EarlierRules;
pub use excluding::{DoneImage, DoneImages, Excluding, group_key};
pub use left_out::LeftOut;
pub(super) use left_out::{LeftOutCounter, extension_of};
pub use planner::{Planner, PlannerOptions, Planning, segments_of};
pub use row::{PlanPosition, PlanRow, RowGroup, Unit};
pub use segment::{Part, Segment, SegmentHead};
pub use source::{PlanShape, PlanSource};
