//! What a job reads of its manifest's rows.

use crate::dataset::plan::LeftOutCounter;
use crate::dataset::{CarriedColumn, Truth};

use super::columns::Holds;
use super::file::Manifest;
use super::keys::Keys;
use super::rows::{JsonColumns, JsonTargets};
use super::rules::{LaterTargets, ManifestRules};

/// A manifest, and what is read of it.
pub(super) struct Reading {
    pub manifest: Manifest,
    pub keys: Keys,
    /// Where targets come from, if from anywhere.
    pub targets: Option<Truth>,
    pub carried: Vec<CarriedColumn>,
    /// `None` where no job reads it.
    pub rules: Option<ManifestRules>,
    pub left_out: LeftOutCounter,
}

impl Reading {
    fn later_targets(&self) -> LaterTargets {
        self.rules.map_or(LaterTargets::Read, |rules| rules.later_targets)
    }

    pub fn json_columns(&self) -> JsonColumns<'_> {
        let targets = match (self.beside(), self.later_targets()) {
            (false, _) => JsonTargets::None,
            (true, LaterTargets::Read) => JsonTargets::All,
            (true, LaterTargets::Unread | LaterTargets::Refused) => JsonTargets::Earlier,
        };
        JsonColumns { names: &self.manifest.names, targets, carried: &self.carried }
    }

    /// Refuses a JSON line whose target version 0.1.0, which began the job, did not read.
    ///
    /// # Errors
    /// The target is in a field that version 0.1.0 did not read, and that version began the job.
    pub fn check_earlier(&self, line: &str) -> Result<(), String> {
        if self.later_targets() != LaterTargets::Refused || !self.beside() {
            return Ok(());
        }
        let object = serde_json::from_str(line).unwrap_or_default();
        match Holds::Targets.later_name(&object, &self.manifest.names) {
            None => Ok(()),
            Some(name) => Err(format!(
                "its target is in `{name}`, which version 0.1.0, which began this job, did not read; take a new \
                 `output.uri` (with `[input] exclude_done` its rows are kept), or finish it with version 0.1.0"
            )),
        }
    }

    /// Whether targets are in the manifest.
    pub fn beside(&self) -> bool {
        self.targets.as_ref().is_some_and(|truth| truth.beside().is_some())
    }
}
