//! The beginning of the plan, listed while the model loads.

use std::sync::OnceLock;

use crate::dataset::{FolderTargets, PlanSource, Planner, Planning};
use crate::failure::Failure;
use crate::output::Layout;
use crate::store::Location;

use super::opened::{Found, Opened};

/// The planning side of the input, which planners borrow.
#[derive(Default)]
pub(super) struct Sources {
    /// With what this process found.
    found: OnceLock<Box<dyn PlanSource>>,
    /// With what another process froze meanwhile, if one did.
    frozen: OnceLock<Box<dyn PlanSource>>,
}

impl Sources {
    /// The one that the job is frozen with, once there is one.
    pub fn last(&self) -> Option<&dyn PlanSource> {
        self.frozen.get().or(self.found.get()).map(Box::as_ref)
    }
}

/// What a listing needs beside the job.
pub(super) struct Ahead<'a> {
    pub sources: &'a Sources,
    pub output: &'a Location,
    pub planning: Planning,
}

/// A planner that has listed the first segment.
pub(super) struct Listed<'a> {
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
    pub(super) async fn list_ahead<'a>(&self, ahead: &Ahead<'a>) -> Result<Listed<'a>, Failure> {
        let found = self.find().await?;
        let source = self.source_of(&found).await?;
        let source = ahead.sources.found.get_or_init(|| source).as_ref();
        let mut planner = self.planner(source, ahead.output, ahead.planning);
        planner.list_first().await;
        Ok(Listed { found, planner })
    }

    /// A planner of what another process froze after [`Opened::list_ahead`], and its classes, if folders are the targets.
    ///
    /// # Errors
    /// Those of [`Opened::source`].
    pub(super) async fn list_again<'a>(
        &self,
        ahead: &Ahead<'a>,
    ) -> Result<(Planner<'a>, Option<FolderTargets>), Failure> {
        let (source, folders) = self.source().await?;
        let source = ahead.sources.frozen.get_or_init(|| source).as_ref();
        Ok((self.planner(source, ahead.output, ahead.planning), folders))
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
