//! `_tresnet/job.json`: the resolved job as its first process froze it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::dataset::FolderTargets;
use crate::failure::{Exit, Failure};
use crate::output::Layout;
use crate::store::{Location, ObjectUri};

use super::error::JobError;
use super::fingerprint::Components;
use super::origin::HubOrigin;

/// Version of the commit protocol and of the files below `_tresnet`.
pub const PROTOCOL: u32 = 1;

/// The component of jobs over shards that version 0.1.0 did not begin.
pub(super) const SHARD_RULES: &str = "rules.shards";

/// The content of `job.json`. Reports, later runs and other workers read it instead of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frozen {
    /// Version of the commit protocol.
    pub protocol: u32,
    /// Version of the program that created it.
    pub version: String,
    /// When, RFC 3339.
    pub created: String,
    /// The job's name.
    pub name: String,
    /// Hash of the components.
    pub fingerprint: String,
    /// What decides the rows, by name.
    pub components: Components,
    /// Where the images are.
    pub input: String,
    /// The preprocessing, in words.
    pub preprocess: String,
    /// Facts about the model.
    pub model: FrozenModel,
    /// Ground truth by folder, if that is the rule.
    pub folder_targets: Option<FolderTargets>,
    /// How images got their targets, and what that means for a report; none in outputs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<FrozenTruth>,
    /// Finished outputs whose images are left out of the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<ExcludedOutput>,
}

/// A finished output whose images are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludedOutput {
    /// Its address.
    pub uri: String,
    /// Fingerprint of its job.
    pub fingerprint: String,
}

/// How images got their targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenTruth {
    /// The rule: `input.targets`, or the convention of the truth file. The rule by which folders are classes is stored
    /// in `folder_targets`.
    pub rule: String,
    /// The truth file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<TruthFile>,
    /// What the column `targets` means, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sets: Option<Sets>,
    /// The classes among which alone images are scored, ascending; absent for all of the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub among: Option<Vec<i32>>,
}

/// A truth file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthFile {
    /// Its address when it was read.
    pub uri: String,
    /// Hash of its bytes.
    pub sha256: String,
    /// How it is written.
    pub convention: String,
    /// Images that have a target in it.
    pub images: usize,
}

/// What a set of targets means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sets {
    /// Each of them would be right (ReaL).
    AnyIsRight,
    /// All of them are there, and no other class is.
    MultiLabel,
}

/// What is known of the model without the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrozenModel {
    /// Architecture.
    pub arch: String,
    /// SHA-256 of the weights' file.
    pub sha256: String,
    /// `fp32` or `fp16`.
    pub precision: String,
    /// C.
    pub classes: usize,
    /// D.
    pub dim: usize,
    /// Class names by index, if known.
    pub labels: Option<Vec<String>>,
    /// Which weights were taken of a training checkpoint that has several: `ema` or `raw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Its parameters, if they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// The commit of a hub that it is from, if it is of one. The hash of the weights decides rows, and this does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubOrigin>,
}

impl Frozen {
    /// Reads the job that is frozen on an output; returns `None` on a new one.
    ///
    /// # Errors
    /// The store cannot be read; `job.json` is of another version or another protocol.
    pub async fn read(output: &Location) -> Result<Option<Frozen>, JobError> {
        let Some(bytes) = output.read(Layout::JOB).await? else { return Ok(None) };
        let frozen: Frozen = serde_json::from_slice(&bytes).map_err(|error| {
            JobError::Mismatch(format!(
                "this version did not write `{}/{}` ({error}); take another `output.uri`",
                output.uri(),
                Layout::JOB
            ))
        })?;
        if frozen.protocol != PROTOCOL {
            return Err(JobError::Mismatch(format!(
                "the output `{}` follows protocol {}, this program {PROTOCOL}; take another `output.uri`",
                output.uri(),
                frozen.protocol
            )));
        }
        Ok(Some(frozen))
    }

    /// Freezes the job, unless another process did; returns the frozen job, read back from the output.
    ///
    /// # Errors
    /// The store refuses the write; those of [`Frozen::read`]; `job.json` vanished after it was written (73).
    pub async fn create(&self, output: &Location) -> Result<Frozen, Failure> {
        output.create_once(Layout::JOB, self.to_json()?.into()).await?;
        Frozen::read(output).await?.ok_or_else(|| {
            Failure::new(Exit::CannotCreate, format!("`{}` vanished after it was written", Layout::JOB))
        })
    }

    /// True if version 0.1.0 began the job, and its shards were read by that version's rules.
    pub fn has_earlier_shards(&self) -> bool {
        !self.components.contains_key(SHARD_RULES)
    }

    /// The folders of other stores below which its rows may be.
    pub fn roots(&self) -> Vec<ObjectUri> {
        let typed = self.components.get("input.roots").and_then(|roots| roots.as_array());
        let addresses = typed.into_iter().flatten().filter_map(|root| root.as_str());
        addresses.filter_map(|address| ObjectUri::folder(address).ok()).collect()
    }

    /// The bytes of `job.json`.
    ///
    /// # Errors
    /// None is known; serialisation to memory is only fallible by its signature.
    pub fn to_json(&self) -> Result<Vec<u8>, JobError> {
        serde_json::to_vec_pretty(self).map_err(|error| JobError::Mismatch(format!("job.json: {error}")))
    }
}

/// What an earlier run froze: the default of keys that decide rows and are not typed.
pub(super) struct EarlierRun<'a>(pub Option<&'a Frozen>);

impl EarlierRun<'_> {
    /// True if there is one, and it was frozen before this component existed.
    pub fn is_without(&self, component: &str) -> bool {
        self.0.is_some_and(|frozen| !frozen.components.contains_key(component))
    }

    /// True if version 0.1.0 began the job.
    pub fn is_of_first_version(&self) -> bool {
        self.is_without("rules.formats")
    }

    /// True if there is one, and it has this component.
    pub fn has(&self, component: &str) -> bool {
        self.0.is_some_and(|frozen| frozen.components.contains_key(component))
    }

    pub fn value<T: DeserializeOwned>(&self, component: &str) -> Option<T> {
        serde_json::from_value(self.0?.components.get(component)?.clone()).ok()
    }
}
