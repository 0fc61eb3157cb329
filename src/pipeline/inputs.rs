//! The input of a job by its format: what is seen of it before the job is resolved, its plan, and its reader.

use std::sync::Arc;

use futures::TryStreamExt;

use crate::dataset::manifest::{Manifest, ManifestSource};
use crate::dataset::parquet::{ParquetDataset, ParquetOptions, ParquetSource};
use crate::dataset::webdataset::{ShardDataset, ShardOptions, ShardSource};
use crate::dataset::{
    CarriedColumn, Dataset, DatasetError, FolderDataset, FolderSource, FolderTargets, PlanSource, TargetNames,
};
use crate::failure::{Exit, Failure};
use crate::job::{Format, JobSpec, Observed, ResolvedJob};
use crate::store::{Location, Role, Settings};

/// Shards that are asked whether the input can still be read.
const WITNESSES: usize = 16;

/// An input, opened.
pub(super) struct Input {
    format: Format,
    /// The folder below which all keys stand.
    pub location: Location,
    /// The shards of it that are meant, where the address names them.
    pattern: Option<String>,
    manifest: Option<Manifest>,
    observed: Observed,
}

impl Input {
    /// Opens what the job names, and reads what decides the rows beside the job itself.
    pub async fn open(spec: &JobSpec, settings: Settings) -> Result<Input, Failure> {
        let (folder, pattern) = spec.input.address();
        let location = Location::open_with(folder, Role::Input, settings)?;
        let names = spec.input.carry_columns.as_deref().unwrap_or_default();
        let mut carried: Vec<CarriedColumn> = names.iter().map(|name| CarriedColumn::text(name)).collect();
        let manifest = match (&spec.input.manifest, spec.input.format) {
            (Some(address), Format::Manifest) => {
                let manifest = Manifest::open(address).await?;
                carried = manifest.carried(names)?;
                Some(manifest)
            }
            _ => None,
        };
        if spec.input.format == Format::Parquet {
            let files = ParquetSource::new(location.clone(), pattern, None, Vec::new(), u32::MAX)?;
            carried = files.types(names).await?;
        }
        let observed = Observed { carried, manifest: manifest.as_ref().map(Manifest::identity) };
        let pattern = pattern.map(str::to_owned);
        Ok(Input { format: spec.input.format, location, pattern, manifest, observed })
    }

    /// What was seen of it.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    fn names(job: &ResolvedJob) -> Option<TargetNames> {
        (!job.folder_targets && job.targets != crate::job::TargetsSpec::None).then(|| job.target_names())
    }

    fn shards(&self) -> Result<ShardSource, DatasetError> {
        ShardSource::new(self.location.clone(), self.pattern.as_deref())
    }

    fn files(&self, job: &ResolvedJob) -> Result<ParquetSource, DatasetError> {
        let (location, pattern) = (self.location.clone(), self.pattern.as_deref());
        let carried = job.rows.carried.clone();
        ParquetSource::new(location, pattern, Input::names(job), carried, job.most_rows())
    }

    /// The planning side, with the folder targets that were frozen or seen.
    pub fn source(
        &self,
        job: &ResolvedJob,
        folders: Option<FolderTargets>,
    ) -> Result<Box<dyn PlanSource>, Failure> {
        let location = self.location.clone();
        Ok(match (self.format, &self.manifest) {
            (Format::Folder, _) => Box::new(FolderSource::new(location, job.any_extension, folders)),
            (Format::Manifest, Some(manifest)) => {
                let carried = job.rows.carried.clone();
                Box::new(ManifestSource::new(manifest.clone(), location, Input::names(job), carried))
            }
            (Format::Webdataset, _) => Box::new(self.shards()?),
            (Format::Parquet, _) => Box::new(self.files(job)?),
            (Format::Manifest, None) => {
                return Err(Failure::new(
                    Exit::Config,
                    "`input.format` is \"manifest\" without `input.manifest`",
                ));
            }
        })
    }

    /// The reading side.
    pub async fn dataset(&self, job: &ResolvedJob, output: &Location) -> Result<Arc<dyn Dataset>, Failure> {
        let (input, output) = (self.location.clone(), output.clone());
        let max_encoded_bytes = job.image.limits.max_encoded_bytes;
        Ok(match self.format {
            Format::Webdataset => {
                let options = ShardOptions {
                    max_encoded_bytes,
                    targets: Input::names(job),
                    carried: job.rows.carried.clone(),
                    most_rows: job.most_rows(),
                };
                let others = self.shards()?.some(WITNESSES).await?;
                Arc::new(ShardDataset::new(input, output, options, others))
            }
            Format::Parquet => {
                let options = ParquetOptions {
                    max_encoded_bytes,
                    targets: Input::names(job),
                    carried: job.rows.carried.clone(),
                };
                let others = self.files(job)?.some(WITNESSES).await?;
                Arc::new(ParquetDataset::new(input, output, options, others))
            }
            Format::Folder | Format::Manifest => {
                Arc::new(FolderDataset::new(input, output, max_encoded_bytes))
            }
        })
    }
}

/// Fails where a source gives no row at all, saying what it holds instead.
pub(super) async fn any_row(source: &dyn PlanSource) -> Result<(), Failure> {
    match source.rows(None).try_next().await? {
        Some(_) => Ok(()),
        None => Err(source.nothing_there().into()),
    }
}
