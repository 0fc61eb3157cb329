//! Each stage of a job alone, then all together, on the job's own input and model.
//!
//! The stages are those of a run, fed and emptied by this module: the same admission, workers, engine, encoder
//! and commit. Plan and rows go to memory; only the commit, measured alone, writes to the job's output, below a
//! folder of control data that no reader takes for rows, and takes away what it wrote.

mod alone;
mod engine;
mod lent;
mod report;
mod scratch;

pub use engine::{EngineBenchOptions, EngineReport, Measured, Table, bench_engine};
use report::Runs;
pub use report::{BenchReport, CommitRate};

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dataset::{Part, PlanSource, Planner, PlannerOptions, Planning, Unit};
use crate::engine::Engine;
use crate::failure::{Exit, Failure};
use crate::job::{Limits, ResolvedJob};
use crate::output::Layout;
use crate::store::Location;
use crate::telemetry;

use crate::pipeline::decode::isolate::Isolation;
use crate::pipeline::device_summary::DeviceSummary;
use crate::pipeline::opening::Opening;
use crate::pipeline::progress::{Progress, Snapshot};
use crate::pipeline::run::{SHARES_CORES, Stages, execute};
use crate::pipeline::share::Share;
use crate::pipeline::shutdown::Shutdown;
use crate::runner::device::{Devices, WarmUp};
use crate::runner::inputs::{Input, any_row};
use crate::runner::job::{Invocation, Opened, context, open_job};

use super::sampling::some_images::SomeImages;
use alone::{Alone, Kept};
use lent::Lent;

/// Shards whose images are taken, at most: how many each holds is known when it has been read.
const SHARDS: u64 = 16;
/// Parts that the whole pipeline is to finish in its time, where the job's own would take too long.
const PARTS: usize = 2;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct BenchOptions {
    /// Images of the plan's beginning; decoders and network take them several times where the plan has fewer.
    pub images: u64,
    /// Time of each stage in each round, at most.
    pub time: Duration,
    /// Rounds, of which the medians are reported.
    pub rounds: usize,
    /// Whether the commit is measured, which writes to the output.
    pub commit: bool,
}

/// Measures a job. `tell` hears what is being done.
pub async fn bench_job(
    invocation: &Invocation<'_>,
    options: BenchOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<BenchReport, Failure> {
    let opened = open_job(invocation).await?;
    tell("loading the model");
    let devices = opened.devices(WarmUp::Full).await?;
    let (source, _) = opened.source().await?;
    any_row(&source).await?;
    measure(opened, devices, &source, options, tell).await
}

/// As [`bench_job`], of a job whose devices are loaded and whose images, as `source` lists them, are there.
pub(super) async fn measure(
    opened: Opened,
    devices: Devices,
    source: &dyn PlanSource,
    options: BenchOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<BenchReport, Failure> {
    let Devices { mut engines, ran, .. } = devices;
    // of several devices, the first
    let engine = Lent::new(engines.swap_remove(0));
    let (mut job, input, output) = opened.into_parts();
    job.limits.batch_size = ran.batch_size;
    let bench = Bench { job, input, engine, ran, options };

    tell("listing the first images");
    let plan = Location::in_memory("plan")?;
    let (parts, dataset) = bench.plan(source, &plan).await?;
    let alone = Alone::new(&bench, &plan)?;
    let mut runs = Runs::default();
    let mut kept = Kept::default();
    for round in 1..=options.rounds {
        let of = format!("round {round} of {}", options.rounds);
        tell(&format!("{of}: fetch"));
        runs.fetch.push(alone.fetch(&dataset, &parts, &mut kept).await?);
        if kept.images.is_empty() {
            return Err(Failure::new(Exit::NoInput, "none of the first images could be read"));
        }
        tell(&format!("{of}: decode"));
        runs.decode.push(alone.decode(&mut kept).await?);
        tell(&format!("{of}: engine"));
        runs.engine.push(alone.engine(&mut kept, round == 1).await?);
        tell(&format!("{of}: together"));
        let rows = Location::in_memory("rows")?;
        let rows_in_time = runs.slower_rate() * options.time.as_secs_f64();
        let part = bench.job.rows_per_part.min(short_part(rows_in_time, bench.job.limits.batch_size));
        runs.together.push(bench.together(source, &rows, part).await?);
        tell(&format!("{of}: encode and commit"));
        let files = alone.encode(&rows, &mut runs.encode).await?;
        if options.commit {
            let folder = format!("{}-{round}", telemetry::run_id());
            scratch::commit(&output, &folder, files, &mut runs.commit).await?;
        }
    }
    Ok(runs.report(&bench, kept.mean_bytes()))
}

/// What every stage is measured with.
struct Bench {
    job: ResolvedJob,
    input: Input,
    engine: Lent,
    ran: DeviceSummary,
    options: BenchOptions,
}

impl Bench {
    /// A job's limits without those that end a run early.
    fn limits(&self) -> Limits {
        Limits { max_error_fraction: 1.0, max_damaged_inputs: u64::MAX, ..self.job.limits.clone() }
    }

    fn shares_cores(&self) -> bool {
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

    async fn plan(
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
    async fn together(
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
            context: context(&self.job, &self.ran),
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

/// Rows of a part in full batches, of which two are done while so many rows are: what is in an open part when the
/// time is over cannot be encoded.
fn short_part(rows_in_time: f64, batch: usize) -> u32 {
    let batches = rows_in_time as usize / (PARTS * batch.max(1));
    u32::try_from(batches.max(1) * batch).unwrap_or(u32::MAX)
}

/// True once the time that a stage has is over.
fn is_over(began: Instant, time: Duration) -> bool {
    began.elapsed() >= time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_part_is_of_full_batches_and_two_of_them_fit_into_the_time() {
        assert_eq!(short_part(400.0, 32), 192);
        // a network that is slower than a batch in the time still gets one
        assert_eq!(short_part(10.0, 32), 32);
        assert_eq!(short_part(f64::INFINITY, 32), u32::MAX);
    }
}
