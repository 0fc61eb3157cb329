//! Targets that replace those of written rows: from a file of the ImageNet validation set, or a manifest of keys and
//! targets.

use std::collections::HashMap;

use futures::TryStreamExt;

use crate::classes;
use crate::dataset::manifest::{Manifest, ManifestSource};
use crate::dataset::{Convention, PlanSource, Roots, TargetNames, Truth, ValidationTruth, split_address};
use crate::failure::{Exit, Failure};
use crate::job::{Frozen, JobError, Sets};
use crate::output::Activation;
use crate::sample::Target;
use crate::store::{Location, Role, Settings};

/// Ends of names that only manifests have.
const MANIFESTS: [&str; 4] = [".tsv", ".jsonl", ".ndjson", ".parquet"];

/// Targets by key, in place of those in the rows.
#[derive(Debug)]
pub struct TargetOverride {
    source: TargetSource,
    described: String,
    sets: Option<Sets>,
}

#[derive(Debug)]
enum TargetSource {
    Validation(ValidationTruth),
    Manifest(HashMap<String, Target>),
}

impl TargetOverride {
    /// Reads a truth for the rows of a job.
    ///
    /// # Errors
    /// The file does not exist or is neither, or its targets are none of the model's.
    pub async fn open(address: &str, frozen: &Frozen, settings: Settings) -> Result<TargetOverride, Failure> {
        if frozen.model.classes == 0 {
            return Err(JobError::Mismatch(format!(
                "`--targets` does not go with the job `{}`: its model gives an embedding and no classes that could be \
                 scored",
                frozen.name
            ))
            .into());
        }
        let name = address.to_ascii_lowercase();
        let truth = if MANIFESTS.iter().any(|end| name.ends_with(end)) {
            TargetOverride::manifest(Manifest::open(address, settings).await?, frozen, settings).await?
        } else if name.ends_with(".csv") {
            let manifest = Manifest::open(address, settings).await?;
            // Kaggle's file of the validation set
            if manifest.has_column("ImageId") {
                TargetOverride::validation(address, frozen, settings).await?
            } else {
                TargetOverride::manifest(manifest, frozen, settings).await?
            }
        } else {
            TargetOverride::validation(address, frozen, settings).await?
        };
        let masked = frozen.truth.as_ref().is_some_and(|truth| truth.among.is_some());
        if masked && truth.sets.is_some() {
            return Err(JobError::Mismatch(format!(
                "`--targets` gives sets of classes, but the rows of the job `{}` are scored among some classes alone, \
                 where an image has one; give one target an image",
                frozen.name
            ))
            .into());
        }
        Ok(truth)
    }

    async fn validation(
        address: &str,
        frozen: &Frozen,
        settings: Settings,
    ) -> Result<TargetOverride, Failure> {
        let truth = ValidationTruth::open(address, settings).await?;
        let (wanted, found) = (classes::imagenet_1k().len(), frozen.model.classes);
        if wanted != found {
            return Err(JobError::Mismatch(format!(
                "the targets of `{}` are ImageNet-1k's {wanted} classes, but the model has {found}",
                truth.uri()
            ))
            .into());
        }
        let sets = (truth.convention() == Convention::Real).then_some(Sets::AnyIsRight);
        let described =
            format!("{} {} (sha256 {})", truth.convention().as_str(), truth.uri(), truth.sha256());
        Ok(TargetOverride { source: TargetSource::Validation(truth), described, sets })
    }

    async fn manifest(
        manifest: Manifest,
        frozen: &Frozen,
        settings: Settings,
    ) -> Result<TargetOverride, Failure> {
        let described = format!("manifest {} ({})", manifest.uri(), manifest.identity());
        let multi_label = activation(frozen) == Some(Activation::Sigmoid);
        let names = TargetNames::new(frozen.model.classes, frozen.model.labels.as_deref());
        let names = if multi_label { names.with_sets() } else { names };
        let extension = match frozen.components.get("input.format").and_then(|format| format.as_str()) {
            Some("webdataset") => "tar",
            Some("parquet") => "parquet",
            _ => "",
        };
        let (folder, _) = split_address(&frozen.input, extension);
        let input = Location::open_with(folder, Role::Input, settings)?;
        let roots = Roots::open(&frozen.roots(), &input)?;
        let source = ManifestSource::new(manifest, &input, Some(Truth::Beside(names)), Vec::new());
        let source = source.with_roots(roots);
        let mut targets = HashMap::new();
        let mut rows = source.rows(None);
        while let Some(row) = rows.try_next().await? {
            if let Some(target) = row.target {
                targets.insert(row.key, target);
            }
        }
        let sets = multi_label.then_some(Sets::MultiLabel);
        Ok(TargetOverride { source: TargetSource::Manifest(targets), described, sets })
    }

    /// The target of a row.
    pub fn target(&self, key: &str) -> Option<Target> {
        match &self.source {
            TargetSource::Manifest(targets) => targets.get(key).cloned(),
            // of an image in a shard, the name after the shard's
            TargetSource::Validation(truth) => {
                truth.target(key).or_else(|| truth.target(key.rsplit_once('!')?.1))
            }
        }
    }

    /// What a set of targets means, if it gives sets.
    pub(crate) fn sets(&self) -> Option<Sets> {
        self.sets
    }

    /// Which truth it is.
    pub(crate) fn described(&self) -> &str {
        &self.described
    }

    /// The failure if it knows none of an output's rows.
    pub(crate) fn knows_none(&self, output: &Location, first: &str) -> Failure {
        let expected = match self.source {
            TargetSource::Validation(_) => {
                "names of the ImageNet validation set, `ILSVRC2012_val_` and eight digits"
            }
            TargetSource::Manifest(_) => "keys as they are in the rows",
        };
        let first = first.chars().take(200).flat_map(char::escape_debug).collect::<String>();
        Failure::new(
            Exit::Config,
            format!(
                "no row of `{}` has a target in the {} (the first row is `{first}`): it knows {expected}",
                output.uri(),
                self.described
            ),
        )
    }
}

/// How the job's logits became probabilities.
pub(crate) fn activation(frozen: &Frozen) -> Option<Activation> {
    serde_json::from_value(frozen.components.get("output.activation")?.clone()).ok()
}

/// The same, if the logits are kept.
pub(crate) fn logits(frozen: &Frozen) -> Option<Activation> {
    let kept = frozen.components.get("output.logits").is_some_and(|kept| kept == true);
    activation(frozen).filter(|_| kept)
}
