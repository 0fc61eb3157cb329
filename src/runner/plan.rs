//! The plan of a job, written before it runs.

use std::path::Path;

use crate::dataset::{LeftOut, Planner, Planning};
use crate::failure::Failure;
use crate::output::Layout;

use super::opened::Opened;
use super::preflight::preflight;

/// The plan of a job, written.
#[derive(Debug)]
pub struct Planned {
    /// Parts.
    pub parts: u64,
    /// Rows of all parts.
    pub rows: u64,
    /// What the listing left out.
    pub left_out: LeftOut,
}

/// Freezes a job and writes its whole plan; reads the plan if it is already written.
///
/// # Errors
/// The input cannot be listed, or has no image. The output lets an object be created twice, belongs to another job,
/// or has a damaged segment; the store refuses a write.
pub async fn write_plan(opened: &mut Opened, file: &Path) -> Result<Planned, Failure> {
    let found = opened.find().await?;
    let (frozen, _) = opened.freeze(file, found).await?;
    if opened.finished_before().await?.is_none() {
        preflight(&opened.output, &frozen).await?;
    }
    let (source, _) = opened.source().await?;
    let options = opened.job.planner_options(Planning::Make);
    let mut planner = Planner::new(source.as_ref(), &opened.output, Layout::segment, options);
    let mut planned = Planned { parts: 0, rows: 0, left_out: LeftOut::default() };
    while let Some(segment) = planner.next_segment().await? {
        planned.parts += segment.head().parts.len() as u64;
        planned.rows += segment.head().rows();
        planned.left_out.add(&segment.head().left_out);
    }
    Ok(planned)
}
