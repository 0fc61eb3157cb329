//! From a resolved job to what its first process freezes, and the comparison of a later one with that.

use crate::dataset::FolderTargets;

use super::error::JobError;
use super::fingerprint::differences;
use super::frozen::{ExcludedOutput, Frozen, PROTOCOL};
use super::resolved::ResolvedJob;

impl ResolvedJob {
    /// Fails if the output belongs to another job, naming every difference.
    ///
    /// # Errors
    /// [`JobError::OtherJob`] if the fingerprints differ.
    pub fn check_against(&self, frozen: &Frozen) -> Result<(), JobError> {
        if frozen.fingerprint == self.fingerprint {
            return Ok(());
        }
        Err(JobError::OtherJob {
            uri: self.output.clone(),
            differences: differences(&frozen.components, &self.components).join("; "),
        })
    }

    /// What its first process freezes on the output.
    pub fn freeze(
        &self,
        created: String,
        folder_targets: Option<FolderTargets>,
        excluded: Vec<ExcludedOutput>,
    ) -> Frozen {
        Frozen {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            created,
            name: self.name.clone(),
            fingerprint: self.fingerprint.clone(),
            components: self.components.clone(),
            input: self.input.clone(),
            preprocess: self.preprocess_text(),
            model: self.model.clone(),
            folder_targets,
            truth: self.truth.clone(),
            excluded,
        }
    }
}
