//! The beginning of the plan, listed while the model loads.

use std::sync::OnceLock;

use crate::dataset::{PlanSource, Planner, Planning};
use crate::failure::Failure;
use crate::output::Layout;
use crate::store::Location;

use super::opened::{Found, Opened};

/// What a planner borrows its source from.
pub(super) type Kept = OnceLock<Box<dyn PlanSource>>;

/// A planner that has listed the first segment.
pub(super) struct Ahead<'a> {
    /// What the job is frozen with.
    pub found: Found,
    pub planner: Planner<'a>,
}

impl Opened {
    /// Finds what the job plans, and reads or lists its first segment. Writes nothing: a job whose model does not load
    /// leaves no trace on its output.
    ///
    /// # Errors
    /// Those of [`Opened::find`] and [`Opened::source_of`]. An error of the listing is the planner's first segment.
    pub(super) async fn list_ahead<'a>(
        &self,
        kept: &'a Kept,
        output: &'a Location,
        planning: Planning,
    ) -> Result<Ahead<'a>, Failure> {
        let found = self.find().await?;
        let source = self.source_of(&found).await?;
        let mut planner = self.planner(kept.get_or_init(|| source).as_ref(), output, planning);
        planner.list_first().await;
        Ok(Ahead { found, planner })
    }

    /// A planner at the beginning of the plan.
    pub(super) fn planner<'a>(
        &self,
        source: &'a dyn PlanSource,
        output: &'a Location,
        planning: Planning,
    ) -> Planner<'a> {
        Planner::new(source, output, Layout::segment, self.job.planner_options(planning))
    }
}
