//! A job resolved against its output: what every command that takes a job file begins with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dataset::webdataset::ShardRules;
use crate::dataset::{
    DatasetError, EarlierRules, Excluding, FolderTargets, PlanSource, PlannerOptions, Planning, is_hidden,
};
use crate::engine::{Choice, EngineError, has_int8_dot};
use crate::failpoints;
use crate::failure::Failure;
use crate::job::{
    ExcludedOutput, Format, Frozen, JobError, JobSpec, LoadedModel, LocatedModel, ResolvedJob, Source, load,
};
use crate::model::Head;
use crate::output::{Layout, PartContext, Success};
use crate::pipeline::aside::aside;
use crate::pipeline::decode::isolate::Isolation;
use crate::pipeline::device_summary::DeviceSummary;
use crate::store::{Location, Role, Settings};
use crate::telemetry;
use crate::telemetry::clock::now;

use super::exclude;
use super::inputs::Input;
use super::provider::{choice_for, doubt, for_defaults};
use super::widths::settle;

/// What a person asked for.
#[derive(Debug, Clone)]
pub struct Invocation<'a> {
    /// The job file.
    pub file: &'a Path,
    /// Overrides and date.
    pub source: Source<'a>,
    /// `--onnxruntime`.
    pub onnxruntime: Option<&'a Path>,
    /// Where images are decoded.
    pub isolation: Isolation,
}

/// A job resolved against its output, before anything is written.
pub struct Opened {
    pub(crate) spec: JobSpec,
    pub(crate) settings: Settings,
    pub(crate) model: Arc<LoadedModel>,
    /// What will compute, as detected on this machine when the job was opened.
    pub choice: Result<Choice, EngineError>,
    pub(crate) onnxruntime: Option<PathBuf>,
    /// The resolved job.
    pub job: ResolvedJob,
    pub(crate) input: Input,
    /// Where the rows go.
    pub output: Location,
    /// The job that is already frozen on the output.
    pub frozen: Option<Frozen>,
}

/// What a job is frozen with, beside itself.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The classes that the folders of the input are, if these are the targets.
    pub targets: Option<FolderTargets>,
    excluded: Vec<ExcludedOutput>,
}

/// Reads the job file, the model and the job that is frozen on the output, and resolves them. Writes nothing.
///
/// # Errors
/// The job file, the model or the input cannot be read; the output or its `job.json` cannot be read. Their settings
/// do not fit together, or the output belongs to another job.
pub async fn open_job(invocation: &Invocation<'_>) -> Result<Opened, Failure> {
    let spec = load(invocation.file, &invocation.source)?;
    let asked = spec.model.clone();
    let located = LocatedModel::of_job(&spec).await?;
    let read = move || {
        failpoints::reach("load", "model");
        located.read_for(&asked)
    };
    let stores = async {
        spec.input.check()?;
        let settings = spec.storage_settings()?;
        let input = Input::open(&spec, settings).await?;
        let output = Location::open_with(&spec.output.uri, Role::Output, settings)?;
        let frozen = Frozen::read(&output).await?;
        Ok::<_, Failure>((settings, input, output, frozen))
    };
    // if both fail, the model's error is the one that is reported
    let (model, stores) = tokio::try_join!(aside(read), async { Ok(stores.await) })?;
    let (settings, input, output, frozen) = stores?;
    let onnxruntime = invocation.onnxruntime;
    let asked = (spec.clone(), frozen.clone(), onnxruntime.map(Path::to_owned));
    // asks the drivers of devices
    let choose = move || {
        let ((spec, frozen, onnxruntime), mut model) = (asked, model);
        let choice = choice_for(&spec, &model, onnxruntime.as_deref())?;
        settle(&mut model, &spec, frozen.as_ref(), &choice)?;
        Ok((Arc::new(model), choice))
    };
    let (model, choice) = aside(choose).await?;
    let provider = for_defaults(spec.device(), &choice);
    let observed = input.observed();
    let job = ResolvedJob::resolve(&spec, invocation.file, &model, provider, frozen.as_ref(), observed)?;
    if let Some(frozen) = &frozen {
        job.check_against(frozen)?;
    }
    if let Some(doubt) = doubt(provider, job.precision, has_int8_dot()) {
        tracing::warn!("{doubt}");
    }
    for doubt in job.preprocess_doubt().into_iter().chain(job.weights_doubt(&model)) {
        tracing::warn!("{doubt}");
    }
    let onnxruntime = onnxruntime.map(Path::to_owned);
    Ok(Opened { spec, settings, model, choice, onnxruntime, job, input, output, frozen })
}

impl Opened {
    /// Returns the planning side of the input, with the targets that job.json holds or that the folders show, and
    /// without what excluded outputs have done.
    ///
    /// # Errors
    /// Those of [`Opened::find`] and [`Opened::source_of`].
    pub async fn source(&self) -> Result<(Box<dyn PlanSource>, Option<FolderTargets>), Failure> {
        let found = self.find().await?;
        Ok((self.source_of(&found).await?, found.targets))
    }

    /// Finds what the job is frozen with, or returns what it froze.
    ///
    /// # Errors
    /// The store cannot be read; targets or excluded outputs do not fit the job. Version 0.1.0 began the job and ignored
    /// its preprocessing, or read other probabilities.
    pub(crate) async fn find(&self) -> Result<Found, Failure> {
        if let Some(ignored) = &self.job.ignored_by_earlier
            && self.finished_before().await?.is_none()
        {
            let output = &self.job.output;
            let why =
                format!("the job on `{output}` is not continued: {ignored}, or take another `output.uri`");
            return Err(JobError::Mismatch(why).into());
        }
        if self.frozen.is_none() {
            self.input.check(&self.job, self.input_uri()).await?;
        }
        if self.job.has_earlier_head && self.finished_before().await?.is_none() {
            return Err(self.earlier_head());
        }
        let targets = self.targets().await?;
        let excluded = match &self.frozen {
            Some(frozen) => frozen.excluded.clone(),
            None => exclude::discover(&self.job.exclude_done, &self.output, self.settings).await?,
        };
        Ok(Found { targets, excluded })
    }

    /// The planning side of the input, with what was found.
    ///
    /// # Errors
    /// An excluded output cannot be read; the input cannot be opened. Version 0.1.0 began the job and took hidden folders
    /// for classes.
    pub(crate) async fn source_of(&self, found: &Found) -> Result<Box<dyn PlanSource>, Failure> {
        let Found { targets, excluded } = found;
        let done = exclude::open(excluded, self.input.location.uri(), &self.job, self.settings).await?;
        let mut source = self.input.source(&self.job, targets.clone())?;
        if self.job.has_earlier_keys {
            source = Box::new(EarlierRules::of_keys(source));
        }
        let source: Box<dyn PlanSource> = Box::new(Excluding::new(source, done));
        let has_earlier_shards =
            self.job.format == Format::Webdataset && self.job.shard_rules == ShardRules::SameAsEarlier;
        let is_affected = self.job.has_earlier_folders || has_earlier_shards;
        if !is_affected || self.finished_before().await?.is_some() {
            return Ok(source);
        }
        let source: Box<dyn PlanSource> = match has_earlier_shards {
            true => Box::new(EarlierRules::of_shards(source)),
            false => source,
        };
        if !self.job.has_earlier_folders {
            return Ok(source);
        }
        let mut folders = targets.iter().flat_map(|targets| targets.folders.keys());
        match folders.find(|folder| is_hidden(folder)) {
            Some(folder) => Err(DatasetError::EarlierHiddenClass { folder: folder.clone() }.into()),
            None => Ok(Box::new(EarlierRules::of_hidden(source))),
        }
    }

    async fn targets(&self) -> Result<Option<FolderTargets>, Failure> {
        Ok(match &self.frozen {
            _ if !self.job.folder_targets => None,
            Some(frozen) => frozen.folder_targets.clone(),
            None => Some(self.input.folder_targets(&self.job).await?),
        })
    }

    /// Where the images are, for a person.
    pub fn input_uri(&self) -> &str {
        &self.job.input
    }

    /// The resolved job, its input and its output.
    pub(crate) fn into_parts(self) -> (ResolvedJob, Input, Location) {
        (self.job, self.input, self.output)
    }

    /// Freezes the job on its output with what was found, or takes over what another process froze first. Returns also
    /// whether what was found is what is frozen.
    pub(crate) async fn freeze(&mut self, file: &Path, found: Found) -> Result<(Frozen, bool), Failure> {
        if let Some(frozen) = &self.frozen {
            return Ok((frozen.clone(), true));
        }
        let ours = self.job.freeze(now(), found.targets, found.excluded);
        let standing = ours.create(&self.output).await?;
        let is_ours = standing == ours;
        match is_ours {
            true => self.frozen = Some(standing.clone()),
            false => self.adopt(file, standing.clone())?,
        }
        Ok((standing, is_ours))
    }

    /// Takes over what another process has frozen since the job was opened, if one has.
    pub(crate) async fn follow(&mut self, file: &Path) -> Result<(), Failure> {
        if self.frozen.is_some() {
            return Ok(());
        }
        match Frozen::read(&self.output).await? {
            Some(standing) => self.adopt(file, standing),
            None => Ok(()),
        }
    }

    /// Resolves the job once more, against what another process has frozen.
    fn adopt(&mut self, file: &Path, standing: Frozen) -> Result<(), Failure> {
        let (spec, model, observed) = (&self.spec, &self.model, self.input.observed());
        let provider = for_defaults(spec.device(), &self.choice);
        self.job = ResolvedJob::resolve(spec, file, model, provider, Some(&standing), observed)?;
        self.job.check_against(&standing)?;
        self.frozen = Some(standing);
        Ok(())
    }

    /// Why a job that version 0.1.0 began is not resumed.
    fn earlier_head(&self) -> Failure {
        let head = self.model.head().map_or("softmax", Head::as_str);
        JobError::Mismatch(format!(
            "version 0.1.0 began this job, and its rows have probabilities of what the {head} at the end of the ONNX graph \
             gives; this version reads the logits before it: start again with another `output.uri`"
        ))
        .into()
    }

    /// Returns `_SUCCESS` if the job is finished.
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

/// Returns what is written into every part's footer.
pub(crate) fn context(job: &ResolvedJob, device: &DeviceSummary) -> PartContext {
    let pairs = [
        ("schema", "1"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("run_id", telemetry::run_id()),
        ("fingerprint", &job.fingerprint),
        ("model_sha256", &job.model.sha256),
        ("arch", &job.model.arch),
        ("precision", &device.precision),
        ("provider", device.provider),
        ("devices", &device.devices_text()),
        ("batch_size", &device.batch_size.to_string()),
        ("engine", &device.options),
        ("onnxruntime", &device.onnxruntime),
        ("preprocess", &job.preprocess_text()),
    ];
    PartContext {
        schema: job.rows.schema(),
        pairs: pairs.map(|(key, value)| (format!("tresnet.{key}"), value.to_owned())).to_vec(),
        compress: job.compress,
    }
}
