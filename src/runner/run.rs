//! A job from its file to its `_SUCCESS`: resolve, freeze, load, run, finish.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::dataset::{Planner, Planning};
use crate::engine::{Engine, SharedEngine};
use crate::failure::{Exit, Failure};
use crate::job::{Frozen, HubOrigin};
use crate::open_files;
use crate::output::{Layout, Success};
use crate::pipeline::device_summary::DeviceSummary;
use crate::pipeline::opening::{Opening, check_range};
use crate::pipeline::progress::{Progress, Snapshot};
use crate::pipeline::run::{Stages, execute};
use crate::pipeline::share::Share;
use crate::pipeline::shutdown::Shutdown;
use crate::report::Verdict;
use crate::store::{Location, Requests};

use super::ahead::{Ahead, Listed, Sources};
use super::devices::{Devices, WarmUp};
use super::finish::{FinishOptions, Finished, Outcome, failed_gates, finish, judge};
use super::lock;
use super::opened::{Invocation, Opened, context, open_job};
use super::preflight::preflight;

/// How long a process that does not plan waits for the next segment of the one that does.
const PLANNER_PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The requests to the stores for one share.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RequestsOfShare {
    /// Where the images are.
    pub input: Requests,
    /// Where the rows are.
    pub output: Requests,
}

/// How a run of a job finished successfully.
#[derive(Debug)]
pub enum Ended {
    /// It was finished before; only the gates were judged again.
    Before {
        /// The content of `_SUCCESS`.
        success: Box<Success>,
        /// The gates by its metrics.
        verdicts: Vec<Verdict>,
        /// Its output.
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
        /// What the machine costs an hour, from the job.
        price_per_hour: Option<f64>,
        /// What computed the rows of this run.
        device: Box<DeviceSummary>,
        /// What was asked of input and output for this share.
        requests: RequestsOfShare,
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
        /// What the machine costs an hour, from the job.
        price_per_hour: Option<f64>,
        /// Parts of others that are not committed; `None` if the plan is not whole yet.
        missing: Option<usize>,
        /// What was asked of input and output for this share.
        requests: RequestsOfShare,
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

/// A job that is opened and loaded once, and whose shares are run one after the other.
pub struct JobRunner<'a> {
    invocation: Invocation<'a>,
    /// More shares may follow.
    keeps_model: bool,
    opened: Option<Opened>,
    /// Loaded before the first share.
    prepared: Option<Devices>,
    loaded: Option<Loaded>,
    sources: Sources,
    /// The requests to the stores up to the end of the last share.
    asked: RequestsOfShare,
}

impl<'a> JobRunner<'a> {
    /// Runs one share, and releases the devices with its last part.
    pub fn of_one(invocation: Invocation<'a>) -> JobRunner<'a> {
        JobRunner {
            invocation,
            keeps_model: false,
            opened: None,
            prepared: None,
            loaded: None,
            sources: Sources::default(),
            asked: RequestsOfShare::default(),
        }
    }

    /// Runs many shares, and keeps the job and the model between them.
    pub fn of_many(invocation: Invocation<'a>) -> JobRunner<'a> {
        JobRunner { keeps_model: true, ..JobRunner::of_one(invocation) }
    }

    /// Opens the job and loads the model before the first share is known, unless the job is finished. Writes nothing.
    ///
    /// # Errors
    /// As [`JobRunner::run`]; 75 after a signal.
    pub async fn prepare(&mut self, shutdown: &Shutdown) -> Result<(), Failure> {
        let JobRunner { invocation, opened, prepared, .. } = self;
        let load = async {
            let opened = open(opened, invocation, shutdown).await?;
            if opened.finished_before().await?.is_none() {
                *prepared = Some(Devices::load(opened, WarmUp::Short).await?);
            }
            Ok::<(), Failure>(())
        };
        tokio::select! {
            biased;
            loaded = load => loaded,
            () = shutdown.draining() => Err(interrupted(shutdown)),
        }
    }

    /// Runs a share to its end. A signal before its first part ends it at once.
    ///
    /// # Errors
    /// Whatever ends a run. The runner may hold the reason, a device for example, and is not used again.
    pub async fn run(
        &mut self,
        share: Share,
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
            ended = self.run_to_end(share, progress.clone(), shutdown.clone()) => ended,
            () = before_work => Err(interrupted(&shutdown)),
        }
    }

    async fn run_to_end(
        &mut self,
        share: Share,
        progress: Arc<Progress>,
        shutdown: Shutdown,
    ) -> Result<Ended, Failure> {
        let JobRunner { invocation, keeps_model, opened, prepared, loaded, sources, asked } = self;
        let opened = open(opened, invocation, &shutdown).await?;
        progress.opened(&opened.input.location, &opened.output);
        if let Some(success) = opened.finished_before().await? {
            success.check_parts(&opened.output).await?;
            let (verdicts, _) = judge(&opened.job.gates, &success);
            let output = opened.output.clone();
            return Ok(Ended::Before { success: Box::new(success), verdicts, output });
        }
        let (to, planning) = (opened.output.clone(), planning_of(share));
        let (loaded, planner) = match (loaded, sources.last()) {
            (Some(loaded), Some(source)) => (loaded, opened.planner(source, &to, planning)),
            (loaded, _) => {
                let ahead = Ahead { sources, output: &to, planning };
                let (first, planner) = Loaded::load(opened, prepared.take(), invocation.file, ahead).await?;
                (loaded.insert(first), planner)
            }
        };
        let _lock = lock::take(&opened.output, share)?;
        preflight(&opened.output, &loaded.frozen).await?;

        progress.loaded(&loaded.device);
        let engines = loaded.engines(*keeps_model);
        let Loaded { device, frozen, rule, .. } = loaded;
        let Opened { job, input, output, settings, .. } = &*opened;
        let layout = job.layout();
        let own = layout.clone();
        output.sweep_drafts(&Layout::FOLDERS, move |name, age| own.is_garbage(name, age, false)).await?;
        let opening = Opening::begin(share, output.clone(), layout.clone()).await?;
        let dataset = input.dataset(job, output).await?;
        let stages = Stages {
            dataset,
            planner,
            share,
            context: context(job, device),
            engines,
            image: job.image,
            isolation: invocation.isolation.clone(),
            rows: job.rows.clone(),
            output: output.clone(),
            layout: layout.clone(),
        };
        let executed = execute(stages, &job.limits, opening, progress.clone(), shutdown.clone()).await?;
        let (run, price_per_hour) = (progress.end(), job.price_per_hour);
        check_range(share, &executed.plan)?;
        let options = FinishOptions {
            formats: &job.report_formats,
            gates: &job.gates,
            max_error_fraction: job.limits.max_error_fraction,
            max_damaged_inputs: job.limits.max_damaged_inputs,
            storage: *settings,
        };
        let finishing = finish(output, &layout, frozen, executed.plan, &options);
        let outcome = shutdown.until(job.limits.grace, finishing).await?;
        let (model, device, output) = (job.model.hub.clone(), Box::new(device.clone()), output.clone());
        let requests = asked.since(&input.location, &output);
        match outcome {
            Outcome::Finished(finished) => {
                let rule = rule.clone();
                Ok(Ended::Now { finished, run, rule, model, price_per_hour, device, requests, output })
            }
            Outcome::PartsMissing { missing } if !share.is_whole() => {
                Ok(Ended::Share { run, model, device, price_per_hour, missing, requests, output })
            }
            Outcome::PartsMissing { missing } => {
                let missing = missing.map_or_else(String::new, |missing| format!("{missing} "));
                let why =
                    format!("{missing}parts vanished from `{}` while the job ran; run again", output.uri());
                Err(Failure::new(Exit::TryAgain, why))
            }
        }
    }
}

/// Returns why a run ended before it began a part.
fn interrupted(shutdown: &Shutdown) -> Failure {
    shutdown.take_cause().unwrap_or_else(|| {
        Failure::new(Exit::TryAgain, "interrupted before the first part; the same command begins again")
    })
}

/// Returns the job, which is opened for the first share.
async fn open<'a>(
    opened: &'a mut Option<Opened>,
    invocation: &Invocation<'_>,
    shutdown: &Shutdown,
) -> Result<&'a mut Opened, Failure> {
    if opened.is_none() {
        let first = opened.insert(open_job(invocation).await?);
        shutdown.set_grace(first.job.limits.grace);
        if first.input.location.local_path().is_none() {
            open_files::check_requests(first.job.limits.requests)?;
        }
    }
    opened.as_mut().ok_or_else(|| Failure::new(Exit::Bug, "a job that was opened is not there"))
}

fn planning_of(share: Share) -> Planning {
    if share.plans() { Planning::Make } else { Planning::Follow(PLANNER_PATIENCE) }
}

/// What is created for the first share and used for all.
struct Loaded {
    engines: Vec<SharedEngine>,
    device: DeviceSummary,
    frozen: Frozen,
    /// The rule of the targets, if there is one.
    rule: Option<String>,
}

impl Loaded {
    /// Loads the model, unless `prepared` has it, lists the beginning of the plan meanwhile, and freezes the job.
    async fn load<'a>(
        opened: &mut Opened,
        prepared: Option<Devices>,
        file: &Path,
        ahead: Ahead<'a>,
    ) -> Result<(Loaded, Planner<'a>), Failure> {
        let before = (opened.job.precision, opened.job.image.image_size);
        let (mut devices, listed) = match prepared {
            Some(devices) => {
                // the first share may come long after the job was opened
                opened.follow(file).await?;
                (devices, opened.list_ahead(&ahead).await?)
            }
            None => {
                // if both fail, the model's error is the one that is reported
                let listing = async { Ok(opened.list_ahead(&ahead).await) };
                let (devices, listed) = tokio::try_join!(Devices::load(opened, WarmUp::Short), listing)?;
                (devices, listed?)
            }
        };
        let Listed { found, mut planner } = listed;
        let mut folders = found.targets.clone();
        let (frozen, is_ours) = opened.freeze(file, found).await?;
        if (opened.job.precision, opened.job.image.image_size) != before {
            // a device may not have room for both
            drop(devices);
            devices = Devices::load(opened, WarmUp::Short).await?;
        }
        let Devices { engines, device, .. } = devices;
        opened.job.limits.batch_size = device.batch_size;
        if !is_ours {
            (planner, folders) = opened.list_again(&ahead).await?;
        }
        let engines = engines.into_iter().map(SharedEngine::new).collect();
        let rule = opened.job.rule(folders.as_ref());
        Ok((Loaded { engines, device, frozen, rule }, planner))
    }

    /// The engines for a share: handles on them, or for the last share the engines themselves, which end with it.
    fn engines(&mut self, keeps: bool) -> Vec<Box<dyn Engine>> {
        let engines = if keeps { self.engines.clone() } else { std::mem::take(&mut self.engines) };
        engines.into_iter().map(|engine| Box::new(engine) as Box<dyn Engine>).collect()
    }
}

impl RequestsOfShare {
    /// Returns the requests since the last call.
    fn since(&mut self, input: &Location, output: &Location) -> RequestsOfShare {
        let now = RequestsOfShare { input: input.requests(), output: output.requests() };
        let before = std::mem::replace(self, now.clone());
        RequestsOfShare { input: now.input.less(&before.input), output: now.output.less(&before.output) }
    }
}
