//! What the stages of a job are measured with: its input, its engine, and how much is measured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dataset::{Part, PlanSource, Planner, PlannerOptions, Planning, Unit};
use crate::engine::{Engine, SharedEngine};
use crate::failure::Failure;
use crate::job::{Limits, ResolvedJob};
use crate::output::Layout;
use crate::pipeline::decode::isolate::Isolation;
use crate::pipeline::device_summary::DeviceSummary;
use crate::pipeline::opening::Opening;
use crate::pipeline::progress::{Progress, Snapshot};
use crate::pipeline::run::{SHARES_CORES, Stages, execute};
use crate::pipeline::share::Share;
use crate::pipeline::shutdown::Shutdown;
use crate::runner::inputs::Input;
use crate::runner::opened::context;
use crate::store::Location;
use crate::workbench::sampling::some_images::SomeImages;

/// Shards whose images are taken, at most: how many each holds is known when it has been read.
const SHARDS: u64 = 16;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct BenchOptions {
    /// Number of images, from the start of the plan; decoders and network reuse them if the plan has fewer.
    pub images: u64,
    /// Time of each stage in each round, at most.
    pub time: Duration,
    /// Rounds, of which the medians are reported.
    pub rounds: usize,
    /// Whether the commit is measured, which writes to the output.
    pub commit: bool,
}

/// What every stage is measured with.
pub(super) struct Bench {
    pub job: ResolvedJob,
    pub input: Input,
    pub engine: SharedEngine,
    pub device: DeviceSummary,
    pub options: BenchOptions,
}

impl Bench {
    /// A job's limits without those that end a run early.
    fn limits(&self) -> Limits {
        Limits { max_error_fraction: 1.0, max_damaged_inputs: u64::MAX, ..self.job.limits.clone() }
    }

    pub fn shares_cores(&self) -> bool {
        SHARES_CORES.contains(&self.engine.provider())
    }

    fn planner<'a>(
        &self,
        source: &'a dyn PlanSource,
        output: &'a Location,
        rows_per_part: u32,
    ) -> Planner<'a> {
        let mut options = PlannerOptions { rows_per_part, ..self.job.planner_options(Planning::Make) };
        let most = if source.shape().unit == Unit::Shard { SHARDS } else { self.options.images };
        options.limit = Some(options.limit.map_or(most, |limit| limit.min(most)));
        Planner::new(source, output, Layout::segment, options)
    }

    /// The reading side, which ends after the images that are wanted.
    async fn dataset(&self, plan: &Location) -> Result<Arc<SomeImages>, Failure> {
        let dataset = self.input.dataset(&self.job, plan).await?;
        Ok(Arc::new(SomeImages::new(dataset, self.options.images)))
    }

    /// Plans the first images. Returns their parts and the side that reads them.
    ///
    /// # Errors
    /// The input cannot be listed; those of [`Input::dataset`].
    pub async fn plan(
        &self,
        source: &dyn PlanSource,
        output: &Location,
    ) -> Result<(Vec<Part>, Arc<SomeImages>), Failure> {
        let mut planner = self.planner(source, output, self.job.rows_per_part);
        let mut parts = Vec::new();
        while let Some(segment) = planner.next_segment().await? {
            parts.extend(segment.parts());
        }
        Ok((parts, self.dataset(output).await?))
    }

    /// The whole pipeline, as a run has it, up to the time that is given to it.
    ///
    /// # Errors
    /// Those of [`Input::dataset`], and of [`execute`] if it ends before that time.
    pub async fn together(
        &self,
        source: &dyn PlanSource,
        output: &Location,
        rows_per_part: u32,
    ) -> Result<Snapshot, Failure> {
        let layout = self.job.layout();
        let stages = Stages {
            dataset: self.dataset(output).await?,
            planner: self.planner(source, output, rows_per_part),
            share: Share::WHOLE,
            engines: vec![Box::new(self.engine.clone())],
            image: self.job.image,
            isolation: Isolation::Off,
            rows: self.job.rows.clone(),
            context: context(&self.job, &self.device),
            output: output.clone(),
            layout: layout.clone(),
        };
        let opening = Opening::begin(Share::WHOLE, output.clone(), layout).await?;
        let (progress, shutdown) = (Arc::new(Progress::default()), Shutdown::default());
        let limits = self.limits();
        let running = execute(stages, &limits, opening, progress.clone(), shutdown.clone());
        tokio::pin!(running);
        tokio::select! {
            ended = &mut running => {
                ended?;
                Ok(progress.snapshot())
            }
            () = tokio::time::sleep(self.options.time) => {
                let so_far = progress.snapshot();
                shutdown.interrupt();
                shutdown.abort();
                // the interruption is our own; what failed before it would have ended the run
                drop(running.await);
                Ok(so_far)
            }
        }
    }
}

/// True once the time that a stage has is over.
pub(super) fn is_over(began: Instant, time: Duration) -> bool {
    began.elapsed() >= time
}
