//! `[input]` resolved: which keys go with which format, and what was seen of the input itself.

use serde_json::{Value, json};

use crate::dataset::{CarriedColumn, TargetNames, split_address};
use crate::output;

use super::resolve::MAX_PART_BYTES;
use super::spec::{Format, Input, TargetsSpec};
use super::{Components, JobError, ResolvedJob};

/// What must be read of an input before its job can be resolved.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// The columns of `input.carry_columns` with their types.
    pub carried: Vec<CarriedColumn>,
    /// What identifies the manifest: its hash, or its size and tag on a store.
    pub manifest: Option<Value>,
}

impl Format {
    /// The spelling in a job file.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Folder => "folder",
            Format::Manifest => "manifest",
            Format::Webdataset => "webdataset",
            Format::Parquet => "parquet",
        }
    }
}

impl TargetsSpec {
    /// The spelling in a job file.
    pub fn as_str(self) -> &'static str {
        match self {
            TargetsSpec::None => "none",
            TargetsSpec::Folder => "folder",
            TargetsSpec::Manifest => "manifest",
            TargetsSpec::Webdataset => "webdataset",
            TargetsSpec::Parquet => "parquet",
            TargetsSpec::ImagenetVal => "imagenet-val",
            TargetsSpec::ImagenetReal => "imagenet-real",
            TargetsSpec::ImagenetV2 => "imagenet-v2",
            TargetsSpec::ImagenetA => "imagenet-a",
            TargetsSpec::ImagenetR => "imagenet-r",
        }
    }
}

impl Input {
    /// The folder below which all keys stand, and the objects of it that are meant, where the address names them.
    pub fn address(&self) -> (&str, Option<&str>) {
        match self.format {
            Format::Webdataset => split_address(&self.uri, "tar"),
            Format::Parquet => split_address(&self.uri, "parquet"),
            _ => (&self.uri, None),
        }
    }

    /// Do targets come from beside the images?
    pub fn has_own_targets(&self) -> bool {
        matches!(self.targets, TargetsSpec::Manifest | TargetsSpec::Webdataset | TargetsSpec::Parquet)
    }

    /// Refuses keys that do not go with the format.
    ///
    /// # Errors
    /// Naming the keys that contradict each other.
    pub fn check(&self) -> Result<(), JobError> {
        let refuse = |why: String| Err(JobError::Mismatch(why));
        let format = self.format.as_str();
        let home = match self.targets {
            TargetsSpec::Folder => Some(Format::Folder),
            TargetsSpec::Manifest => Some(Format::Manifest),
            TargetsSpec::Webdataset => Some(Format::Webdataset),
            TargetsSpec::Parquet => Some(Format::Parquet),
            _ => None,
        };
        if let Some(home) = home.filter(|home| *home != self.format) {
            let targets = home.as_str();
            return refuse(format!(
                "`input.targets` is \"{targets}\", but `input.format` is \"{format}\"; targets of that kind come with \
                 `format = \"{targets}\"`: write `targets = \"{format}\"` or \"none\""
            ));
        }
        match (self.format, &self.manifest) {
            (Format::Manifest, None) => {
                return refuse("`input.format` is \"manifest\": name the file with `input.manifest`".into());
            }
            (Format::Manifest, Some(_)) | (_, None) => {}
            (_, Some(_)) => {
                return refuse(format!(
                    "`input.manifest` is set, but `input.format` is \"{format}\"; write `format = \"manifest\"`"
                ));
            }
        }
        if self.format == Format::Webdataset && self.limit.is_some() {
            return refuse(
                "`input.limit` does not go with `format = \"webdataset\"`, since a shard is one part and is read whole; \
                 choose shards by a range in the address: `…/{000000..000003}.tar`"
                    .into(),
            );
        }
        let carried = self.carry_columns.as_deref().unwrap_or_default();
        if self.format == Format::Folder && !carried.is_empty() {
            return refuse("`input.carry_columns` is set, but a folder of images has no columns".into());
        }
        for (at, name) in carried.iter().enumerate() {
            if output::COLUMNS.contains(&name.as_str()) {
                return refuse(format!(
                    "`input.carry_columns` names `{name}`, which is a column of the output itself; rename it in the input"
                ));
            }
            if carried[..at].contains(name) {
                return refuse(format!("`input.carry_columns` names `{name}` twice"));
            }
        }
        Ok(())
    }

    /// What of it decides the rows, beside address, format and targets. Nothing for a folder.
    pub(super) fn name_components(&self, observed: &Observed, components: &mut Components) {
        if let Some(manifest) = &observed.manifest {
            components.insert("input.manifest".into(), manifest.clone());
        }
        if !observed.carried.is_empty() {
            components.insert("input.carry_columns".into(), json!(observed.carried));
        }
    }
}

impl ResolvedJob {
    /// Most rows of one part.
    pub fn most_rows(&self) -> u32 {
        u32::try_from(MAX_PART_BYTES / self.rows.row_bytes()).unwrap_or(u32::MAX)
    }

    /// The model's classes, as a target beside an image may name them.
    pub fn target_names(&self) -> TargetNames {
        TargetNames::new(self.model.classes, self.model.labels.as_deref())
    }
}
