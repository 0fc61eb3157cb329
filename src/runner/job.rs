//! A job from its file to its `_SUCCESS`: resolve, freeze, load, run, finish.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::dataset::{Excluding, FolderTargets, LeftOut, Planner, PlannerOptions, Planning};
use crate::engine::{Choice, EngineError, has_int8_dot};
use crate::failure::{Exit, Failure};
use crate::job::{ExcludedOutput, Frozen, JobError, JobSpec, LoadedModel, ResolvedJob, Source, load};
use crate::output::{Layout, PartContext, Success};
use crate::report::Verdict;
use crate::store::{Location, Role, Settings};
use crate::telemetry;

use super::device::{Devices, WarmUp, choice_for, doubt, for_defaults};
use super::finish::{Finished, Outcome, Wishes, failed_gates, finish, judge};
use super::inputs::Input;
use super::preflight::preflight;
use super::{exclude, lock};
use crate::pipeline::decode::isolate::Isolation;
use crate::pipeline::device_summary::DeviceSummary;
use crate::pipeline::opening::{Opening, check_range};
use crate::pipeline::progress::{Progress, Snapshot};
use crate::pipeline::run::{Stages, execute};
use crate::pipeline::share::Share;
use crate::pipeline::shutdown::Shutdown;
use crate::telemetry::clock::now;

/// A process that does not plan waits so long for the next segment of the one that does.
const PLANNER_PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Drafts on a local disk that no living writer can still be at.
const OLD_DRAFT: Duration = Duration::from_secs(60 * 60);

/// What a person asked for.
#[derive(Debug, Clone)]
pub struct Invocation<'a> {
    /// The job file.
    pub file: &'a Path,
    /// Overrides and date.
    pub source: Source<'a>,
    /// `--onnxruntime`.
    pub onnxruntime: Option<&'a Path>,
    /// `--worker` or `--parts`.
    pub share: Share,
    /// Where images are decoded.
    pub isolation: Isolation,
}

/// A job resolved against its output, before anything is written.
pub struct Opened {
    pub(crate) spec: JobSpec,
    pub(crate) settings: Settings,
    pub(crate) model: LoadedModel,
    /// What will compute, as far as this machine could tell when the job was opened.
    pub choice: Result<Choice, EngineError>,
    pub(crate) onnxruntime: Option<PathBuf>,
    /// The resolved job.
    pub job: ResolvedJob,
    pub(crate) input: Input,
    /// Where the rows go.
    pub output: Location,
    /// What stands on the output already.
    pub frozen: Option<Frozen>,
}

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
        /// What the machine costs an hour, as the job says.
        price_per_hour: Option<f64>,
        /// What computed the rows of this run.
        ran: Box<DeviceSummary>,
        /// Where the images are.
        input: Location,
        /// Where the rows are.
        output: Location,
    },
    /// This process has done its share; parts of others are missing.
    Share {
        /// The counters of this run.
        run: Snapshot,
        /// What computed the rows of this run.
        ran: Box<DeviceSummary>,
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

/// Reads job file, model and what stands on the output, and resolves them. Writes nothing.
pub async fn open_job(invocation: &Invocation<'_>) -> Result<Opened, Failure> {
    let spec = load(invocation.file, &invocation.source)?;
    let model = LoadedModel::read(Path::new(&spec.model.path), spec.model.config.as_deref().map(Path::new))?;
    spec.input.check()?;
    let settings = spec.storage_settings()?;
    let input = Input::open(&spec, settings).await?;
    let output = Location::open_with(&spec.output.uri, Role::Output, settings)?;
    let frozen = Frozen::read(&output).await?;
    let onnxruntime = invocation.onnxruntime;
    let choice = choice_for(&spec, &model, onnxruntime)?;
    let provider = for_defaults(spec.device(), &choice);
    let observed = input.observed();
    let job = ResolvedJob::resolve(&spec, invocation.file, &model, provider, frozen.as_ref(), observed)?;
    if let Some(frozen) = &frozen {
        job.check_against(frozen)?;
    }
    if let Some(doubt) = doubt(provider, job.precision, has_int8_dot()) {
        tracing::warn!("{doubt}");
    }
    if let Some(doubt) = job.preprocess_doubt() {
        tracing::warn!("{doubt}");
    }
    let onnxruntime = onnxruntime.map(Path::to_owned);
    Ok(Opened { spec, settings, model, choice, onnxruntime, job, input, output, frozen })
}

impl Opened {
    /// The planning side of the input, with the targets that job.json holds or that the folders show, and
    /// without what excluded outputs have done.
    pub async fn source(&self) -> Result<(Excluding<'static>, Option<FolderTargets>), Failure> {
        if self.frozen.is_none() {
            self.input.check(&self.job, self.input_uri()).await?;
        }
        let targets = self.targets().await?;
        let excluded = match &self.frozen {
            Some(frozen) => frozen.excluded.clone(),
            None => self.excluded().await?,
        };
        let done =
            exclude::open(&excluded, self.input.location.uri(), self.job.format, self.settings).await?;
        Ok((Excluding::new(self.input.source(&self.job, targets.clone())?, done), targets))
    }

    async fn targets(&self) -> Result<Option<FolderTargets>, Failure> {
        Ok(match &self.frozen {
            _ if !self.job.folder_targets => None,
            Some(frozen) => frozen.folder_targets.clone(),
            None => Some(self.input.folder_targets(&self.job).await?),
        })
    }

    async fn excluded(&self) -> Result<Vec<ExcludedOutput>, Failure> {
        exclude::discover(&self.job.exclude_done, &self.output, self.settings).await
    }

    /// Where the images are, for a person.
    pub fn input_uri(&self) -> &str {
        &self.job.input
    }

    /// The resolved job, its input and its output.
    pub(crate) fn into_parts(self) -> (ResolvedJob, Input, Location) {
        (self.job, self.input, self.output)
    }

    /// Freezes the job on its output, or takes over what another process froze first.
    async fn freeze(&mut self, file: &Path) -> Result<Frozen, Failure> {
        if let Some(frozen) = &self.frozen {
            return Ok(frozen.clone());
        }
        self.input.check(&self.job, self.input_uri()).await?;
        let ours = self.job.freeze(now(), self.targets().await?, self.excluded().await?);
        let standing = ours.create(&self.output).await?;
        if standing != ours {
            let (spec, model, observed) = (&self.spec, &self.model, self.input.observed());
            let provider = for_defaults(spec.device(), &self.choice);
            self.job = ResolvedJob::resolve(spec, file, model, provider, Some(&standing), observed)?;
            self.job.check_against(&standing)?;
        }
        self.frozen = Some(standing.clone());
        Ok(standing)
    }

    /// What stands where the job is finished.
    pub(crate) async fn finished_before(&self) -> Result<Option<Success>, Failure> {
        let Some(success) = Success::read(&self.output).await? else { return Ok(None) };
        if success.fingerprint != self.job.fingerprint {
            let why = "the output is finished for another job; take another `output.uri`".into();
            return Err(JobError::Mismatch(why).into());
        }
        Ok(Some(success))
    }
}

impl ResolvedJob {
    pub(crate) fn planner_options(&self, planning: Planning) -> PlannerOptions {
        PlannerOptions {
            fingerprint: self.fingerprint.clone(),
            rows_per_part: self.rows_per_part,
            limit: self.limit,
            planning,
            sorted: self.sorted_listing,
            disorder: Layout::DISORDER,
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
    progress.opened(&opened.input.location, &opened.output);
    if let Some(success) = opened.finished_before().await? {
        let (verdicts, _) = judge(&opened.job.gates, &success);
        return Ok(Ended::Before { success: Box::new(success), verdicts, output: opened.output });
    }
    let share = invocation.share;
    let mut devices = opened.devices(WarmUp::Short).await?;
    let before = (opened.job.precision, opened.job.image.image_size);
    let frozen = opened.freeze(invocation.file).await?;
    if (opened.job.precision, opened.job.image.image_size) != before {
        // a device may not have room for both
        drop(devices);
        devices = opened.devices(WarmUp::Short).await?;
    }
    opened.job.limits.batch_size = devices.ran.batch_size;
    let _lock = lock::take(&opened.output, share)?;
    preflight(&opened.output, &frozen).await?;

    let Devices { engines, ran, .. } = devices;
    progress.loaded(&ran);
    let (source, folders) = opened.source().await?;
    let Opened { job, input, output, settings, .. } = opened;
    let rule = job.rule(folders.as_ref());
    let layout = job.layout();
    output.sweep_drafts(&Layout::FOLDERS, OLD_DRAFT).await?;
    let opening = Opening::begin(share, output.clone(), layout.clone()).await?;
    let planning = if share.plans() { Planning::Make } else { Planning::Follow(PLANNER_PATIENCE) };
    let planner = Planner::new(&source, &output, Layout::segment, job.planner_options(planning));
    let dataset = input.dataset(&job, &output).await?;
    let stages = Stages {
        dataset,
        planner,
        share,
        context: context(&job, &ran),
        engines,
        image: job.image,
        isolation: invocation.isolation.clone(),
        rows: job.rows.clone(),
        output: output.clone(),
        layout: layout.clone(),
    };
    let executed = execute(stages, &job.limits, opening, progress.clone(), shutdown.clone()).await?;
    let (run, ran, price_per_hour) = (progress.end(), Box::new(ran), job.price_per_hour);
    check_range(share, &executed.plan)?;
    let wishes = Wishes {
        formats: &job.report_formats,
        gates: &job.gates,
        max_error_fraction: job.limits.max_error_fraction,
        max_damaged_inputs: job.limits.max_damaged_inputs,
        storage: settings,
    };
    let finishing = finish(&output, &layout, &frozen, executed.plan, &wishes);
    match shutdown.until(job.limits.grace, finishing).await? {
        Outcome::Finished(finished) => {
            let input = input.location;
            Ok(Ended::Now { finished, run, rule, price_per_hour, ran, input, output })
        }
        Outcome::PartsMissing { missing } if !share.is_whole() => {
            let input = input.location;
            Ok(Ended::Share { run, ran, price_per_hour, missing, input, output })
        }
        Outcome::PartsMissing { missing } => {
            let missing = missing.map_or_else(String::new, |missing| format!("{missing} "));
            let why = format!("{missing}parts vanished from `{}` while the job ran; run again", output.uri());
            Err(Failure::new(Exit::TryAgain, why))
        }
    }
}

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

/// Freezes a job and writes its whole plan; a plan that stands is read.
pub async fn write_plan(opened: &mut Opened, file: &Path) -> Result<Planned, Failure> {
    let frozen = opened.freeze(file).await?;
    if opened.finished_before().await?.is_none() {
        preflight(&opened.output, &frozen).await?;
    }
    let (source, _) = opened.source().await?;
    let options = opened.job.planner_options(Planning::Make);
    let mut planner = Planner::new(&source, &opened.output, Layout::segment, options);
    let mut planned = Planned { parts: 0, rows: 0, left_out: LeftOut::default() };
    while let Some(segment) = planner.next_segment().await? {
        planned.parts += segment.head().parts.len() as u64;
        planned.rows += segment.head().rows();
        planned.left_out.add(&segment.head().left_out);
    }
    Ok(planned)
}

/// What every part's footer says.
pub(crate) fn context(job: &ResolvedJob, ran: &DeviceSummary) -> PartContext {
    let pairs = [
        ("schema", "1"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("run_id", telemetry::run_id()),
        ("fingerprint", &job.fingerprint),
        ("model_sha256", &job.model.sha256),
        ("arch", &job.model.arch),
        ("precision", &ran.precision),
        ("provider", ran.provider),
        ("devices", &ran.devices_text()),
        ("batch_size", &ran.batch_size.to_string()),
        ("engine", &ran.options),
        ("onnxruntime", &ran.onnxruntime),
        ("preprocess", &job.preprocess_text()),
    ];
    PartContext {
        schema: job.rows.schema(),
        pairs: pairs.map(|(key, value)| (format!("tresnet.{key}"), value.to_owned())).to_vec(),
        compress: job.compress,
    }
}
