//! Where a sample comes from: a job's input, or a folder of images.

use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use crate::dataset::FolderTargets;
use crate::engine::Provider;
use crate::failure::{Exit, Failure};
use crate::job::{JobSpec, LoadedModel, ResolvedJob, Source, load};
use crate::model::quantize::check;
use crate::model::{Form, Metadata, Precision};
use crate::runner::inputs::Input;

use crate::workbench::sampling::images::{self, SampleSize, Sampled};

use super::options::CalibrationOptions;

/// Nothing is written, but a job names where it would be.
const NOWHERE: &str = "s3://nowhere/none";

/// An input with a model.
pub(super) struct Opened {
    pub model: LoadedModel,
    pub job: ResolvedJob,
    input: Input,
    folders: Option<FolderTargets>,
    /// Why its images have no targets, if they have none.
    pub no_targets: Option<String>,
    address: String,
}

impl Opened {
    /// Opens `address` with the model that is measured, whatever model a job names.
    ///
    /// # Errors
    /// The job file or the model cannot be read, or they do not fit together; the input cannot be listed.
    pub async fn open(measuring: &CalibrationOptions<'_>, address: &str) -> Result<Opened, Failure> {
        let is_job = Path::new(address).is_file();
        if is_job {
            let source = Source { overrides: &[], date: crate::telemetry::clock::now()[..10].to_owned() };
            return Self::with(measuring, address, load(Path::new(address), &source)?).await;
        }
        // class folders if they fit the model, else plain images
        match Self::with(measuring, address, folder(address, "folder")?).await {
            Err(failure) if failure.exit == Exit::Config => {
                let mut opened = Self::with(measuring, address, folder(address, "none")?).await?;
                opened.no_targets = Some(failure.explain());
                Ok(opened)
            }
            opened => opened,
        }
    }

    async fn with(
        measuring: &CalibrationOptions<'_>,
        address: &str,
        mut spec: JobSpec,
    ) -> Result<Opened, Failure> {
        spec.model.path = measuring.model.display().to_string();
        spec.model.precision = None;
        spec.model.weights = measuring.weights.map(Into::into);
        if let Some(config) = measuring.config {
            spec.model.config = Some(config.display().to_string());
        }
        if measuring.image_size.is_some() {
            spec.preprocess.image_size = measuring.image_size;
        }
        let model = LoadedModel::of_job(&spec.model)?;
        if model.fixed_precision().is_some() {
            check(&model.graph(Precision::Fp32, 0, Form::PLAIN, &Metadata::default())?)?;
        }
        spec.input.check()?;
        let within = |failure: Failure| mistaken(failure, address);
        let input = Input::open(&spec, spec.storage_settings()?).await.map_err(within)?;
        let job =
            ResolvedJob::resolve(&spec, Path::new(address), &model, Provider::Cpu, None, input.observed())?;
        let folders = match job.folder_targets {
            true => Some(input.folder_targets(&job).await.map_err(within)?),
            false => None,
        };
        let no_targets =
            (folders.is_none() && job.truth.is_none()).then(|| "the job has `targets = \"none\"`".to_owned());
        Ok(Opened { model, job, input, folders, no_targets, address: address.to_owned() })
    }

    /// Reads a sample.
    ///
    /// # Errors
    /// The input has no image (78), cannot be listed, or cannot be read.
    pub async fn sample(&self, wanted: SampleSize) -> Result<Sampled, Failure> {
        let read = images::read(&self.input, &self.job, self.folders.clone(), wanted).await;
        read.map_err(|failure| mistaken(failure, &self.address))
    }
}

/// A failure with the sample's address. One without an image is an option that is wrong, like another.
fn mistaken(failure: Failure, address: &str) -> Failure {
    let failure = failure.within(format!("the sample `{address}`"));
    let exit = if failure.exit == Exit::NoInput { Exit::Config } else { failure.exit };
    failure.exiting(exit)
}

/// A job over a folder of images.
fn folder(address: &str, targets: &str) -> Result<JobSpec, Failure> {
    let table = |entries: &[(&str, &str)]| {
        let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value)));
        Value::Table(entries.collect::<Table>())
    };
    let job: Table = [
        ("input".to_owned(), table(&[("uri", address), ("targets", targets)])),
        ("model".to_owned(), table(&[("path", "")])),
        ("output".to_owned(), table(&[("uri", NOWHERE)])),
    ]
    .into_iter()
    .collect();
    JobSpec::deserialize(Value::Table(job))
        .map_err(|error| Failure::caused(Exit::Bug, "a folder makes no job", error))
}
