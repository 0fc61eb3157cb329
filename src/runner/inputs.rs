//! The input of a job by its format: what is seen of it before the job is resolved, its plan, and its reader.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use crate::dataset::manifest::{Manifest, ManifestSource};
use crate::dataset::parquet::{ParquetDataset, ParquetOptions, ParquetSource, TableColumns};
use crate::dataset::webdataset::{ShardDataset, ShardOptions, ShardRules, ShardSource};
use crate::dataset::{
    CarriedColumn, Dataset, DatasetError, FolderDataset, FolderSource, FolderTargets, NameTruth, PlanRow,
    PlanSource, Roots, Truth, ValidationTruth,
};
use crate::failure::{Exit, Failure};
use crate::job::{Format, InputFacts, JobSpec, ResolvedJob, TargetsSpec, TruthFile};
use crate::store::{Location, Role, Settings, escaped};

/// Shards that are probed to check whether the input can still be read.
const WITNESSES: usize = 16;

/// Images that are checked before the targets are taken for those of another dataset.
const LOOKED_AT: usize = 1000;

/// An input, opened.
pub(crate) struct Input {
    format: Format,
    /// The folder of all keys that are no addresses.
    pub location: Location,
    /// Those below which the addresses are.
    pub roots: Roots,
    /// Its shards to read, if the address names them.
    pattern: Option<String>,
    manifest: Option<Manifest>,
    truth: Option<Arc<ValidationTruth>>,
    observed: InputFacts,
}

impl Input {
    /// Opens what the job names, and reads what decides the rows beside the job itself.
    ///
    /// # Errors
    /// An address is invalid; the manifest or the targets file cannot be read, or the latter is of another
    /// convention. A carried column is missing from the manifest or the first Parquet file.
    pub async fn open(spec: &JobSpec, settings: Settings) -> Result<Input, Failure> {
        let (folder, pattern) = spec.input.address();
        let location = Location::open_with(folder, Role::Input, settings)?;
        let roots = Roots::open(&spec.input.roots()?, &location)?;
        let names = spec.input.carry_columns.as_deref().unwrap_or_default();
        let mut carried: Vec<CarriedColumn> = names.iter().map(|name| CarriedColumn::text(name)).collect();
        let mut has_later_targets = false;
        let mut table = TableColumns::default();
        let manifest = match (&spec.input.manifest, spec.input.format) {
            (Some(address), Format::Manifest) => {
                let manifest = Manifest::open_with(address, spec.input.column_names(), settings).await?;
                carried = manifest.carried(names)?;
                let targets = spec.input.targets == TargetsSpec::Manifest;
                let (later, notices) = manifest.look_at_lines(targets).await?;
                has_later_targets = later;
                for notice in manifest.notices(targets).into_iter().chain(notices) {
                    tracing::warn!(manifest = manifest.uri(), "{notice}");
                }
                Some(manifest)
            }
            _ => None,
        };
        if spec.input.format == Format::Parquet {
            let files = ParquetSource::new(location.clone(), pattern)?;
            let facts = files.look(&spec.input.table_columns(), names).await?;
            (carried, table) = (facts.carried, facts.columns);
        }
        let truth = match &spec.input.targets_file {
            Some(address) => Some(Arc::new(open_truth(address, spec.input.targets, settings).await?)),
            None => None,
        };
        let observed = InputFacts {
            carried,
            manifest: manifest.as_ref().map(Manifest::identity),
            has_later_targets,
            table,
            truth: truth.as_ref().map(|truth| TruthFile {
                uri: truth.uri().to_owned(),
                sha256: truth.sha256().to_owned(),
                convention: truth.convention().as_str().to_owned(),
                images: truth.images(),
            }),
        };
        let pattern = pattern.map(str::to_owned);
        Ok(Input { format: spec.input.format, location, roots, pattern, manifest, truth, observed })
    }

    /// Returns what was observed of it.
    pub fn observed(&self) -> &InputFacts {
        &self.observed
    }

    /// Where targets come from; those of folders, as far as these are known.
    fn truth(&self, job: &ResolvedJob, folders: Option<FolderTargets>) -> Option<Truth> {
        if job.folder_targets {
            return folders.map(|folders| Truth::Named(NameTruth::Folders(folders)));
        }
        if let Some(truth) = &self.truth {
            return Some(Truth::Named(NameTruth::Validation(truth.clone())));
        }
        match job.targets {
            TargetsSpec::None => None,
            targets => Some(match targets.folder_rule() {
                Some(rule) => Truth::Named(NameTruth::Rule(rule)),
                None => Truth::Beside(job.target_names()),
            }),
        }
    }

    fn folder(&self, job: &ResolvedJob, truth: Option<NameTruth>) -> Result<FolderSource, DatasetError> {
        FolderSource::new(self.location.clone(), job.any_extension, truth)
            .with_hidden(job.has_earlier_folders)
            .without_obstacles(job.has_earlier_names)
            .with_names(job.image_names())
            .matching(self.pattern.as_deref())
    }

    /// The classes that the folders of the input are.
    ///
    /// # Errors
    /// The input cannot be listed; no rule gives its folders classes of the model.
    pub async fn folder_targets(&self, job: &ResolvedJob) -> Result<FolderTargets, Failure> {
        let (labels, classes) = (job.model.labels.as_deref(), job.model.classes);
        let source = self.folder(job, None)?;
        Ok(source.observe_targets(job.targets.folder_rule(), labels, classes).await?)
    }

    /// Fails if there is no image at all, or if the first of them show that the targets are of another
    /// dataset.
    ///
    /// # Errors
    /// The input cannot be listed, or has no image. [`DatasetError::NoTargets`] if none of the first images has a
    /// target.
    pub async fn check(&self, job: &ResolvedJob, uri: &str) -> Result<(), Failure> {
        let source = self.source(job, None)?;
        any_row(source.as_ref()).await?;
        let Some(Truth::Named(truth)) = self.truth(job, None) else { return Ok(()) };
        // of shards and Parquet files, the names are known when they are read
        if matches!(self.format, Format::Webdataset | Format::Parquet) {
            return Ok(());
        }
        let first: Vec<PlanRow> = source.rows(None).take(LOOKED_AT).try_collect().await?;
        match first.first() {
            Some(row) if first.iter().all(|row| row.target.is_none()) => Err(DatasetError::NoTargets {
                uri: uri.to_owned(),
                looked: first.len(),
                key: escaped(&row.key),
                expected: truth.expected(),
            }
            .into()),
            _ => Ok(()),
        }
    }

    fn shards(&self, job: &ResolvedJob) -> Result<ShardSource, DatasetError> {
        let shards = ShardSource::new(self.location.clone(), self.pattern.as_deref())?;
        Ok(shards.with_hidden(job.has_earlier_folders).without_obstacles(job.has_earlier_names))
    }

    fn files(&self, job: &ResolvedJob) -> Result<ParquetSource, DatasetError> {
        let (location, pattern) = (self.location.clone(), self.pattern.as_deref());
        let carried = job.rows.carried.clone();
        let files = ParquetSource::new(location, pattern)?;
        let (columns, truth) = (job.table.clone(), self.truth(job, None));
        let files = files.with_columns(columns, truth, carried, job.most_rows());
        Ok(files.with_hidden(job.has_earlier_folders).without_obstacles(job.has_earlier_names))
    }

    /// The planning side, with the folder targets that were frozen or seen.
    ///
    /// # Errors
    /// The pattern of `input.uri` is invalid or names an object twice; `input.manifest` is not set.
    pub fn source(
        &self,
        job: &ResolvedJob,
        folders: Option<FolderTargets>,
    ) -> Result<Box<dyn PlanSource>, Failure> {
        Ok(match (self.format, &self.manifest) {
            (Format::Folder, _) => {
                let truth = match self.truth(job, folders) {
                    Some(Truth::Named(truth)) => Some(truth),
                    Some(Truth::Beside(_)) | None => None,
                };
                Box::new(self.folder(job, truth)?)
            }
            (Format::Manifest, Some(manifest)) => {
                let carried = job.rows.carried.clone();
                let truth = self.truth(job, None);
                let source = ManifestSource::new(manifest.clone(), &self.location, truth, carried);
                Box::new(source.with_rules(job.manifest_rules).with_roots(self.roots.clone()))
            }
            (Format::Webdataset, _) => Box::new(self.shards(job)?),
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
    ///
    /// # Errors
    /// The pattern of `input.uri` is invalid or names an object twice; shards or Parquet files cannot be listed.
    pub async fn dataset(&self, job: &ResolvedJob, output: &Location) -> Result<Arc<dyn Dataset>, Failure> {
        let (input, output) = (self.location.clone(), output.clone());
        let max_encoded_bytes = job.image.limits.max_encoded_bytes;
        let most = usize::try_from(job.limits.max_unreadable).unwrap_or(usize::MAX);
        let window_bytes = job.limits.in_flight_bytes / 2;
        Ok(match self.format {
            Format::Webdataset => {
                let truth = self.truth(job, None);
                let options = ShardOptions {
                    max_encoded_bytes,
                    targets: match job.shard_rules {
                        ShardRules::Current => truth.map(Truth::with_whole_floats),
                        ShardRules::Earlier | ShardRules::SameAsEarlier => truth,
                    },
                    carried: job.rows.carried.clone(),
                    most_rows: job.most_rows(),
                    image_names: job.image_names(),
                    rules: job.shard_rules,
                };
                let others = self.shards(job)?.some_keys(WITNESSES).await?;
                let shards = ShardDataset::new(input, output, options, others).with_most_unreadable(most);
                Arc::new(shards.with_window_bytes(window_bytes))
            }
            Format::Parquet => {
                let options = ParquetOptions {
                    columns: job.table.clone(),
                    targets: self.truth(job, None),
                    carried: job.rows.carried.clone(),
                    has_earlier_rules: job.has_earlier_tables,
                    ..ParquetOptions::new(max_encoded_bytes)
                };
                let others = self.files(job)?.some_keys(WITNESSES).await?;
                let files = ParquetDataset::new(input, output, options, others).with_most_unreadable(most);
                Arc::new(files.with_window_bytes(window_bytes))
            }
            Format::Folder | Format::Manifest => {
                let images = FolderDataset::new(input, output, max_encoded_bytes);
                Arc::new(images.with_most_unreadable(most).with_roots(self.roots.clone()))
            }
        })
    }
}

async fn open_truth(
    address: &str,
    targets: TargetsSpec,
    settings: Settings,
) -> Result<ValidationTruth, DatasetError> {
    let truth = ValidationTruth::open(address, settings).await?;
    match truth.convention().goes_with() == targets.as_str() {
        true => Ok(truth),
        false => Err(truth.not_for(targets.as_str())),
    }
}

/// Fails if a source has no row at all; the error names what it holds instead.
pub(crate) async fn any_row(source: &dyn PlanSource) -> Result<(), Failure> {
    match source.rows(None).try_next().await? {
        Some(_) => Ok(()),
        None => Err(source.empty_error().into()),
    }
}
