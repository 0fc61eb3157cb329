//! A job from its file to its `_SUCCESS`: resolve, freeze, load, run, finish.

use std::sync::Arc;
use std::time::Duration;

use crate::dataset::Planning;
use crate::failure::{Exit, Failure};
use crate::job::HubOrigin;
use crate::open_files;
use crate::output::{Layout, Success};
use crate::pipeline::device_summary::DeviceSummary;
use crate::pipeline::opening::{Opening, check_range};
use crate::pipeline::progress::{Progress, Snapshot};
use crate::pipeline::run::{Stages, execute};
use crate::pipeline::shutdown::Shutdown;
use crate::report::Verdict;
use crate::store::Location;

use super::ahead::{Ahead, Kept};
use super::devices::{Devices, WarmUp};
use super::finish::{FinishOptions, Finished, Outcome, failed_gates, finish, judge};
use super::lock;
use super::opened::{Invocation, Opened, context, open_job};
use super::preflight::preflight;

/// A process that does not plan waits so long for the next segment of the one that does.
const PLANNER_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How a run of a job ended well.
#[derive(Debug)]
pub enum Ended {
    /// It was finished before; only the gates were judged again.
    Before {
        /// What `_SUCCESS` says.
        success: Box<Success>,
        /// The gates by its metrics.
        verdicts: Vec<Verdict>,
        /// Where it stands.
        output: Location,
    },
    /// It is finished now.
    Now {
        /// Report and totals.
        finished: Box<Finished>,
        /// The counters of this run.
        run: Snapshot,
        /// The rule that gave targets, if any did.
        rule: Option<String>,
        /// The commit of a hub that the model is from, if it is of one.
        model: Option<HubOrigin>,
        /// What the machine costs an hour, as the job says.
        price_per_hour: Option<f64>,
        /// What computed the rows of this run.
        device: Box<DeviceSummary>,
        /// Where the images are.
        input: Location,
        /// Where the rows are.
        output: Location,
    },
    /// This process has done its share; parts of others are missing.
    Share {
        /// The counters of this run.
        run: Snapshot,
        /// The commit of a hub that the model is from, if it is of one.
        model: Option<HubOrigin>,
        /// What computed the rows of this run.
        device: Box<DeviceSummary>,
        /// What the machine costs an hour, as the job says.
        price_per_hour: Option<f64>,
        /// Parts of others that do not stand; none where the plan is not whole yet.
        missing: Option<usize>,
        /// Where the images are.
        input: Location,
        /// Where the rows are.
        output: Location,
    },
}

impl Ended {
    /// The failure of gates that do not hold, if any.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Ended::Before { verdicts, .. } => failed_gates(verdicts),
            Ended::Now { finished, .. } => failed_gates(&finished.verdicts),
            Ended::Share { .. } => None,
        }
    }
}

/// Runs a job, or this process's share of it, to its end. A signal before the first part ends it at once.
pub async fn run_job(
    invocation: &Invocation<'_>,
    progress: Arc<Progress>,
    shutdown: Shutdown,
) -> Result<Ended, Failure> {
    let before_work = async {
        shutdown.draining().await;
        if progress.has_begun() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        ended = run_to_end(invocation, progress.clone(), shutdown.clone()) => ended,
        () = before_work => Err(shutdown.take_cause().unwrap_or_else(|| {
            Failure::new(Exit::TryAgain, "interrupted before the first part; the same command begins again")
        })),
    }
}

async fn run_to_end(
    invocation: &Invocation<'_>,
    progress: Arc<Progress>,
    shutdown: Shutdown,
) -> Result<Ended, Failure> {
    let mut opened = open_job(invocation).await?;
    shutdown.set_grace(opened.job.limits.grace);
    if opened.input.location.local_path().is_none() {
        open_files::check_requests(opened.job.limits.requests)?;
    }
    progress.opened(&opened.input.location, &opened.output);
    if let Some(success) = opened.finished_before().await? {
        success.check_parts(&opened.output).await?;
        let (verdicts, _) = judge(&opened.job.gates, &success);
        return Ok(Ended::Before { success: Box::new(success), verdicts, output: opened.output });
    }
    let share = invocation.share;
    let planning = if share.plans() { Planning::Make } else { Planning::Follow(PLANNER_PATIENCE) };
    let (output, kept, kept_again) = (opened.output.clone(), Kept::new(), Kept::new());
    // if both fail, the model's error is the one that is reported
    let listing = async { Ok(opened.list_ahead(&kept, &output, planning).await) };
    let (mut devices, ahead) = tokio::try_join!(Devices::load(&opened, WarmUp::Short), listing)?;
    let Ahead { found, mut planner } = ahead?;
    let mut folders = found.targets.clone();
    let before = (opened.job.precision, opened.job.image.image_size);
    let (frozen, is_ours) = opened.freeze(invocation.file, found).await?;
    if (opened.job.precision, opened.job.image.image_size) != before {
        // a device may not have room for both
        drop(devices);
        devices = Devices::load(&opened, WarmUp::Short).await?;
    }
    opened.job.limits.batch_size = devices.device.batch_size;
    let _lock = lock::take(&output, share)?;
    preflight(&output, &frozen).await?;

    let Devices { engines, device, .. } = devices;
    progress.loaded(&device);
    if !is_ours {
        let source;
        (source, folders) = opened.source().await?;
        planner = opened.planner(kept_again.get_or_init(|| source).as_ref(), &output, planning);
    }
    let Opened { job, input, settings, .. } = opened;
    let rule = job.rule(folders.as_ref());
    let model = job.model.hub.clone();
    let layout = job.layout();
    let own = layout.clone();
    output.sweep_drafts(&Layout::FOLDERS, move |name, age| own.is_garbage(name, age, false)).await?;
    let opening = Opening::begin(share, output.clone(), layout.clone()).await?;
    let dataset = input.dataset(&job, &output).await?;
    let stages = Stages {
        dataset,
        planner,
        share,
        context: context(&job, &device),
        engines,
        image: job.image,
        isolation: invocation.isolation.clone(),
        rows: job.rows.clone(),
        output: output.clone(),
        layout: layout.clone(),
    };
    let executed = execute(stages, &job.limits, opening, progress.clone(), shutdown.clone()).await?;
    let (run, device, price_per_hour) = (progress.end(), Box::new(device), job.price_per_hour);
    check_range(share, &executed.plan)?;
    let options = FinishOptions {
        formats: &job.report_formats,
        gates: &job.gates,
        max_error_fraction: job.limits.max_error_fraction,
        max_damaged_inputs: job.limits.max_damaged_inputs,
        storage: settings,
    };
    let finishing = finish(&output, &layout, &frozen, executed.plan, &options);
    match shutdown.until(job.limits.grace, finishing).await? {
        Outcome::Finished(finished) => {
            let input = input.location;
            Ok(Ended::Now { finished, run, rule, model, price_per_hour, device, input, output })
        }
        Outcome::PartsMissing { missing } if !share.is_whole() => {
            let input = input.location;
            Ok(Ended::Share { run, model, device, price_per_hour, missing, input, output })
        }
        Outcome::PartsMissing { missing } => {
            let missing = missing.map_or_else(String::new, |missing| format!("{missing} "));
            let why = format!("{missing}parts vanished from `{}` while the job ran; run again", output.uri());
            Err(Failure::new(Exit::TryAgain, why))
        }
    }
}
