//! A job from its file to its `_SUCCESS`: resolve, freeze, load, run, finish.

use std::path::Path;
use std::sync::Arc;

use crate::dataset::{FolderSource, FolderTargets, PlanSource, Planner, PlannerOptions};
use crate::engine::{Engine, OrtCpu, OrtOptions, Runtime};
use crate::failure::{Exit, Failure};
use crate::job::{Frozen, JobError, JobSpec, LoadedModel, ResolvedJob, Source, load};
use crate::output::{Layout, PartContext, Standing, Success};
use crate::report::Verdict;
use crate::store::{Location, Role};

use super::finish::{Finished, Wishes, failed_gates, finish, judge, now};
use super::inputs::{Input, any_row};
use super::run::{Stages, execute};
use super::{Progress, Shutdown, Snapshot};

/// What a person asked for.
#[derive(Debug, Clone)]
pub struct Invocation<'a> {
    /// The job file.
    pub file: &'a Path,
    /// Overrides and date.
    pub source: Source<'a>,
    /// `--onnxruntime`.
    pub onnxruntime: Option<&'a Path>,
}

/// A job resolved against its output, before anything is written.
pub struct Opened {
    spec: JobSpec,
    model: LoadedModel,
    /// The resolved job.
    pub job: ResolvedJob,
    input: Input,
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
        /// The provider that ran; none where every part stood already.
        provider: String,
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
        }
    }
}

/// Reads job file, model and what stands on the output, and resolves them. Writes nothing.
pub async fn open_job(invocation: &Invocation<'_>) -> Result<Opened, Failure> {
    let spec = load(invocation.file, &invocation.source)?;
    let model = LoadedModel::read(Path::new(&spec.model.path), spec.model.config.as_deref().map(Path::new))?;
    spec.input.check()?;
    let input = Input::open(&spec).await?;
    let output = Location::open(&spec.output.uri, Role::Output)?;
    let frozen = Frozen::read(&output).await?;
    let job = ResolvedJob::resolve(&spec, invocation.file, &model, frozen.as_ref(), input.observed())?;
    if let Some(frozen) = &frozen {
        job.check_against(frozen)?;
    }
    Ok(Opened { spec, model, job, input, output, frozen })
}

impl Opened {
    /// The planning side of the input, with the targets that job.json holds or that the folders show.
    pub async fn source(&self) -> Result<(Box<dyn PlanSource>, Option<FolderTargets>), Failure> {
        if self.frozen.is_none() {
            any_row(self.input.source(&self.job, None)?.as_ref()).await?;
        }
        let targets = match &self.frozen {
            _ if !self.job.folder_targets => None,
            Some(frozen) => frozen.folder_targets.clone(),
            None => {
                let labels = self.job.model.labels.as_deref();
                let (any, classes) = (self.job.any_extension, self.job.model.classes);
                Some(FolderSource::observe_targets(&self.input.location, any, labels, classes).await?)
            }
        };
        Ok((self.input.source(&self.job, targets.clone())?, targets))
    }

    /// Where the images are, for a person.
    pub fn input_uri(&self) -> &str {
        &self.job.input
    }

    /// The device with the model on it.
    fn engine(&self, runtime: &Runtime) -> Result<Box<dyn Engine>, Failure> {
        let job = &self.job;
        let graph = self.model.graph(job.precision, job.image.image_size, &job.metadata())?;
        let options = OrtOptions { threads: job.engine_threads };
        let engine = OrtCpu::load(runtime, &graph, self.model.names(), options)?;
        let spec = engine.spec();
        let size = job.image.image_size as usize;
        if (spec.height, spec.width, spec.classes, spec.dim) != (size, size, job.rows.classes, job.rows.dim) {
            return Err(JobError::Mismatch(format!(
                "the graph takes {}×{} pixels and gives {} classes and {} features; the job has {size}×{size}, {} and {}",
                spec.height, spec.width, spec.classes, spec.dim, job.rows.classes, job.rows.dim
            ))
            .into());
        }
        Ok(Box::new(engine))
    }

    /// Freezes the job on its output, or takes over what another process froze first.
    async fn freeze(&mut self, file: &Path) -> Result<Frozen, Failure> {
        if let Some(frozen) = &self.frozen {
            return Ok(frozen.clone());
        }
        let (_, targets) = self.source().await?;
        let ours = self.job.freeze(now(), targets);
        self.output.create_once(Layout::JOB, ours.to_json()?.into()).await?;
        let standing = Frozen::read(&self.output).await?.ok_or_else(|| {
            Failure::new(Exit::CannotCreate, format!("`{}` vanished after it was written", Layout::JOB))
        })?;
        if standing != ours {
            self.job =
                ResolvedJob::resolve(&self.spec, file, &self.model, Some(&standing), self.input.observed())?;
            self.job.check_against(&standing)?;
        }
        self.frozen = Some(standing.clone());
        Ok(standing)
    }
}

/// Runs a job to its end.
pub async fn run_job(
    invocation: &Invocation<'_>,
    progress: Arc<Progress>,
    shutdown: Shutdown,
) -> Result<Ended, Failure> {
    let mut opened = open_job(invocation).await?;
    if let Some(success) = Success::read(&opened.output).await? {
        if success.fingerprint != opened.job.fingerprint {
            let why = "the output is finished for another job; take another `output.uri`".into();
            return Err(JobError::Mismatch(why).into());
        }
        let (verdicts, _) = judge(&opened.job.gates, &success);
        return Ok(Ended::Before { success: Box::new(success), verdicts, output: opened.output });
    }
    let runtime = Runtime::load(invocation.onnxruntime).map_err(crate::engine::EngineError::from)?;
    let mut engine = opened.engine(&runtime)?;
    let before = (opened.job.precision, opened.job.image.image_size);
    let frozen = opened.freeze(invocation.file).await?;
    if (opened.job.precision, opened.job.image.image_size) != before {
        engine = opened.engine(&runtime)?;
    }
    preflight(&opened.output, &frozen).await?;

    let provider = engine.provider().to_owned();
    let (source, _) = opened.source().await?;
    let Opened { job, input, output, .. } = opened;
    let layout = job.layout();
    let standing = Standing::list(&output, &layout).await?;
    let planner = Planner::new(
        source.as_ref(),
        &output,
        Layout::segment,
        PlannerOptions {
            fingerprint: job.fingerprint.clone(),
            rows_per_part: job.rows_per_part,
            limit: job.limit,
        },
    );
    let dataset = input.dataset(&job, &output).await?;
    let stages = Stages {
        dataset,
        planner,
        context: context(&job, &provider),
        engine,
        image: job.image,
        rows: job.rows.clone(),
        output: output.clone(),
        layout: layout.clone(),
    };
    let executed = execute(stages, &job.limits, standing, progress.clone(), shutdown).await?;
    let run = progress.snapshot();
    let wishes = Wishes {
        formats: &job.report_formats,
        gates: &job.gates,
        max_error_fraction: job.limits.max_error_fraction,
        max_damaged_inputs: job.limits.max_damaged_inputs,
    };
    let finished = finish(&output, &layout, &frozen, &executed.planned, executed.left_out, &wishes).await?;
    Ok(Ended::Now { finished: Box::new(finished), run, provider, output })
}

/// A store that lets one create what already stands would let two workers write one part.
async fn preflight(output: &Location, frozen: &Frozen) -> Result<(), Failure> {
    if output.refuses_to_create_again(Layout::JOB, frozen.to_json()?.into()).await? {
        return Ok(());
    }
    Err(Failure::new(
        Exit::CannotCreate,
        format!(
            "`{}` lets an object be created twice, so exactly-once writing is not safe there (a store without \
             conditional writes, or a disk without hard links); take another `output.uri`",
            output.uri()
        ),
    ))
}

/// What every part's footer says.
fn context(job: &ResolvedJob, provider: &str) -> PartContext {
    let pairs = [
        ("schema", "1"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("run_id", &run_id()),
        ("fingerprint", &job.fingerprint),
        ("model_sha256", &job.model.sha256),
        ("arch", &job.model.arch),
        ("precision", &job.model.precision),
        ("provider", provider),
        ("preprocess", &job.preprocess_text()),
    ];
    PartContext {
        schema: job.rows.schema(),
        pairs: pairs.map(|(key, value)| (format!("tresnet.{key}"), value.to_owned())).to_vec(),
        compress: job.compress,
    }
}

/// Tells runs apart in logs and footers; nothing depends on it.
fn run_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}", RandomState::new().hash_one((now(), std::process::id())))
}
