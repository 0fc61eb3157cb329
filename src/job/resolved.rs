//! The job with nothing left open, as everything after it reads it.

use std::path::PathBuf;

use crate::dataset::manifest::ManifestRules;
use crate::dataset::parquet::TableColumns;
use crate::dataset::webdataset::ShardRules;
use crate::dataset::{FolderTargets, ImageNames, TargetNames};
use crate::engine;
use crate::image;
use crate::model::{Metadata, Precision, Preprocessing};
use crate::output::{self, Layout};
use crate::report::Gate;

use super::fingerprint::Components;
use super::frozen::{FrozenModel, FrozenTruth};
use super::limits::{Limits, MAX_PART_BYTES};
use super::spec::{Format, ReportFormat, TargetsSpec};

/// A job with nothing left open.
#[derive(Debug, Clone)]
pub struct ResolvedJob {
    /// For logs and reports.
    pub name: String,
    /// What the machine costs an hour, in any currency.
    pub price_per_hour: Option<f64>,
    /// Where the images are, resolved.
    pub input: String,
    /// Take every file for an image.
    pub any_extension: bool,
    /// Images in all, at most.
    pub limit: Option<u64>,
    /// The input's whole listing is collected and sorted.
    pub sorted_listing: bool,
    /// True if version 0.1.0 began the job, whose keys on a store were not the store's own for every object.
    pub has_earlier_keys: bool,
    /// True if version 0.1.0 began the job and the graph ends in a softmax or sigmoid: it computed that, and made
    /// probabilities of probabilities.
    pub has_earlier_head: bool,
    /// True if version 0.1.0 began the job and listed its input: it took hidden files for images, and hidden folders
    /// for classes.
    pub has_earlier_folders: bool,
    /// True if version 0.1.0 began the job and listed a local disk: it left out, and counted, links to nothing and
    /// files whose names are no text.
    pub has_earlier_names: bool,
    /// How the members of a shard become rows.
    pub shard_rules: ShardRules,
    /// How rows of a manifest are read.
    pub manifest_rules: ManifestRules,
    /// The columns of Parquet files, if they are typed, frozen, or no others than the first file has.
    pub table: TableColumns,
    /// True if version 0.1.0 began the job and its images are in Parquet files: it took no float for a class and read
    /// no image by its path.
    pub has_earlier_tables: bool,
    /// Addresses of outputs whose images are left out.
    pub exclude_done: Vec<String>,
    /// How the images are stored there.
    pub format: Format,
    /// Whether folders of the input are classes.
    pub folder_targets: bool,
    /// How images get their targets, if they get any.
    pub truth: Option<FrozenTruth>,
    /// Where ground truth comes from.
    pub targets: TargetsSpec,
    /// The model's file.
    pub model_path: PathBuf,
    /// Facts about the model.
    pub model: FrozenModel,
    /// Arithmetic of the graph.
    pub precision: Precision,
    /// From image to input.
    pub image: image::Options,
    /// The same for the graph's metadata.
    pub preprocessing: Preprocessing,
    /// The crop share by name, also if a square that is not cropped ignores it.
    pub crop_pct: f64,
    /// Whether both sides are resized by timm's rule and cropped, which version 0.1.0 did not do.
    pub squash_is_timms: bool,
    /// What version 0.1.0, which began the job, ignored of its preprocessing; such a job is not continued.
    pub ignored_by_earlier: Option<String>,
    /// True if neither the model nor the job sets all of it, and TResNet's usual values were used.
    pub assumes_preprocessing: bool,
    /// True if the model's file has several sets of weights, and the job does not choose.
    pub assumes_weights: bool,
    /// What computes, and how.
    pub engine: engine::Options,
    /// What is held at once.
    pub limits: Limits,
    /// Where the rows go, as typed.
    pub output: String,
    /// What they hold.
    pub rows: output::Options,
    /// Rows of a part.
    pub rows_per_part: u32,
    /// Compress part files.
    pub compress: bool,
    /// Files of the report.
    pub report_formats: Vec<ReportFormat>,
    /// Gates.
    pub gates: Vec<Gate>,
    /// What decides the rows.
    pub components: Components,
    /// Its hash.
    pub fingerprint: String,
}

impl ResolvedJob {
    /// Which files and members are images; a job that version 0.1.0 began takes those that it took.
    pub fn image_names(&self) -> ImageNames {
        match self.image.rules {
            image::Rules::Earlier => ImageNames::Earlier,
            image::Rules::Current => ImageNames::Current,
        }
    }

    /// The names of its files.
    pub fn layout(&self) -> Layout {
        Layout::new(&self.fingerprint)
    }

    /// What goes into the graph's metadata.
    pub fn metadata(&self) -> Metadata {
        Metadata { preprocessing: self.preprocessing.clone(), classes: self.model.labels.clone() }
    }

    /// Most rows of one part.
    pub fn most_rows(&self) -> u32 {
        u32::try_from(MAX_PART_BYTES / self.rows.row_bytes()).unwrap_or(u32::MAX)
    }

    /// The name of the rule that gives targets, if one does.
    pub fn rule(&self, folders: Option<&FolderTargets>) -> Option<String> {
        let of_folders = folders.map(|folders| folders.rule.as_str().to_owned());
        of_folders.or_else(|| self.truth.as_ref().map(|truth| truth.rule.clone()))
    }

    /// The model's classes, as a target beside an image may name them.
    pub fn target_names(&self) -> TargetNames {
        let names = TargetNames::new(self.model.classes, self.model.labels.as_deref());
        if self.rows.sets { names.with_sets() } else { names }
    }
}
