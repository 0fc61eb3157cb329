//! `[input]` resolved: which keys go with which format, and what was seen of the input itself.

use serde_json::{Value, json};

use crate::dataset::manifest::ColumnNames;
use crate::dataset::parquet::TableColumns;
use crate::dataset::{CarriedColumn, FolderRule, split_address};
use crate::output::{self, Activation};
use crate::store::{ObjectUri, without_secrets};

use super::error::JobError;
use super::fingerprint::Components;
use super::frozen::{FrozenTruth, Sets, TruthFile};
use super::spec::{Duplicates, Format, Input, TargetsSpec};

/// What must be read of an input before its job can be resolved.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InputFacts {
    /// The columns of `input.carry_columns` with their types.
    pub carried: Vec<CarriedColumn>,
    /// What identifies the manifest: its hash, or its size and tag on a store.
    pub manifest: Option<Value>,
    /// Whether the manifest has targets only under names that version 0.1.0 read as no targets.
    pub has_later_targets: bool,
    /// The file of `input.targets_file`.
    pub truth: Option<TruthFile>,
    /// The columns of Parquet files that are typed, or that the first file shows.
    pub table: TableColumns,
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

    /// The rule by which folders are classes, for datasets whose folders are known.
    pub fn folder_rule(self) -> Option<FolderRule> {
        match self {
            TargetsSpec::ImagenetV2 => Some(FolderRule::ImagenetV2),
            TargetsSpec::ImagenetA => Some(FolderRule::ImagenetA),
            TargetsSpec::ImagenetR => Some(FolderRule::ImagenetR),
            _ => None,
        }
    }

    /// Returns whether the targets are in a separate file.
    pub fn needs_file(self) -> bool {
        matches!(self, TargetsSpec::ImagenetVal | TargetsSpec::ImagenetReal)
    }

    /// Returns whether the targets are indices of ImageNet-1k, whatever the model's classes are.
    pub fn is_imagenet(self) -> bool {
        self.needs_file() || self.folder_rule().is_some()
    }
}

impl Input {
    /// Returns the folder that all keys are below, and its objects to read, if the address names them.
    pub fn address(&self) -> (&str, Option<&str>) {
        match self.format {
            Format::Webdataset => split_address(&self.uri, "tar"),
            Format::Parquet => split_address(&self.uri, "parquet"),
            Format::Folder => split_address(&self.uri, ""),
            Format::Manifest => (&self.uri, None),
        }
    }

    /// Returns whether a listing decides which objects are read.
    pub(super) fn is_listed(&self) -> bool {
        match (self.format, self.address().1) {
            (Format::Manifest, _) => false,
            (Format::Folder, _) => true,
            (Format::Webdataset | Format::Parquet, pattern) => {
                pattern.is_none_or(|pattern| pattern.contains('*'))
            }
        }
    }

    /// Returns whether targets are stored with the images.
    pub fn has_own_targets(&self) -> bool {
        matches!(self.targets, TargetsSpec::Manifest | TargetsSpec::Webdataset | TargetsSpec::Parquet)
    }

    /// Returns whether an image has several classes, each scored separately.
    pub fn is_multi_label(&self, activation: Activation) -> bool {
        self.has_own_targets() && activation == Activation::Sigmoid
    }

    /// The names of the manifest's columns, if they are typed.
    pub fn column_names(&self) -> ColumnNames {
        ColumnNames { key: self.path_column.clone(), target: self.target_column.clone() }
    }

    /// The names of the columns of Parquet files, if they are typed.
    pub fn table_columns(&self) -> TableColumns {
        TableColumns { image: self.image_column.clone(), key: self.key_column.clone() }
    }

    /// Whether rows of an image that an earlier row has are left out.
    pub fn skips_duplicates(&self) -> bool {
        self.duplicates == Some(Duplicates::Skip)
    }

    /// The folders of `input.roots`, each once.
    ///
    /// # Errors
    /// Naming the first that is no folder of a store or a web server; quotes no query and no user info.
    pub fn roots(&self) -> Result<Vec<ObjectUri>, JobError> {
        let mut folders = Vec::new();
        for typed in self.roots.iter().flatten() {
            let folder = ObjectUri::folder(typed).map_err(|why| {
                JobError::Mismatch(format!(
                    "`input.roots` names `{}`, which {why}; a root is the address of a folder, such as \
                     `s3://bucket/folder/` or `https://host/folder/`",
                    without_secrets(typed)
                ))
            })?;
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        Ok(folders)
    }

    /// Refuses keys of manifests and of Parquet files with other formats, and a column of targets without targets.
    fn check_columns(&self) -> Result<(), JobError> {
        let typed = [
            ("path_column", self.path_column.is_some()),
            ("target_column", self.target_column.is_some()),
            ("duplicates", self.duplicates.is_some()),
            ("roots", self.roots.is_some()),
        ];
        if self.format != Format::Manifest
            && let Some((key, _)) = typed.iter().find(|(_, is_typed)| *is_typed)
        {
            return Err(JobError::Mismatch(format!(
                "`input.{key}` is set, but `input.format` is \"{}\"; it goes with `format = \"manifest\"`",
                self.format.as_str()
            )));
        }
        let typed = [("image_column", &self.image_column), ("key_column", &self.key_column)];
        if self.format != Format::Parquet
            && let Some((key, _)) = typed.iter().find(|(_, typed)| typed.is_some())
        {
            return Err(JobError::Mismatch(format!(
                "`input.{key}` is set, but `input.format` is \"{}\"; it goes with `format = \"parquet\"`",
                self.format.as_str()
            )));
        }
        if self.target_column.is_some() && self.targets != TargetsSpec::Manifest {
            return Err(JobError::Mismatch(format!(
                "`input.target_column` is set, but `input.targets` is \"{}\"; write `targets = \"manifest\"`",
                self.targets.as_str()
            )));
        }
        Ok(())
    }

    /// How images get their targets.
    pub(super) fn truth(&self, observed: &InputFacts, activation: Activation) -> Option<FrozenTruth> {
        let sets = match self.targets {
            TargetsSpec::ImagenetReal => Some(Sets::AnyIsRight),
            _ if self.is_multi_label(activation) => Some(Sets::MultiLabel),
            _ => None,
        };
        let rule = match &observed.truth {
            Some(file) => file.convention.clone(),
            None => self.targets.as_str().to_owned(),
        };
        (self.targets != TargetsSpec::None).then(|| FrozenTruth {
            rule,
            file: observed.truth.clone(),
            sets,
            among: self.targets.folder_rule().and_then(FolderRule::among).map(<[i32]>::to_vec),
        })
    }

    fn check_targets_file(&self) -> Result<(), JobError> {
        let targets = self.targets.as_str();
        match (&self.targets_file, self.targets.needs_file()) {
            (Some(_), true) | (None, false) => Ok(()),
            (None, true) => Err(JobError::Mismatch(format!(
                "`input.targets` is \"{targets}\", whose truth is in a separate file: name it with \
                 `input.targets_file` (if the images are in wnid folders, `targets = \"folder\"` needs none)"
            ))),
            (Some(_), false) => Err(JobError::Mismatch(format!(
                "`input.targets_file` is set, but `input.targets` is \"{targets}\", which reads no such file; it goes \
                 with \"imagenet-val\" and \"imagenet-real\""
            ))),
        }
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
        self.check_targets_file()?;
        self.check_columns()?;
        self.roots()?;
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
    pub(super) fn name_components(&self, observed: &InputFacts, components: &mut Components) {
        if let Some(manifest) = &observed.manifest {
            components.insert("input.manifest".into(), manifest.clone());
        }
        if let Some(truth) = &observed.truth {
            let decides = json!({ "sha256": truth.sha256, "convention": truth.convention });
            components.insert("input.targets_file".into(), decides);
        }
        for (key, typed) in
            [("input.path_column", &self.path_column), ("input.target_column", &self.target_column)]
        {
            if let Some(typed) = typed {
                components.insert(key.into(), json!(typed));
            }
        }
        if self.skips_duplicates() {
            components.insert("input.duplicates".into(), json!("skip"));
        }
        let mut roots: Vec<String> =
            self.roots().unwrap_or_default().iter().map(|root| format!("{root}/")).collect();
        if !roots.is_empty() {
            // their order decides nothing
            roots.sort_unstable();
            components.insert("input.roots".into(), json!(roots));
        }
        if !observed.carried.is_empty() {
            components.insert("input.carry_columns".into(), json!(observed.carried));
        }
    }
}
