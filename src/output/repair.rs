//! `_repair.json`: what a repair removes, from before the first removal until after the last.
//!
//! While it exists, no run, report or `exclude_done` uses the output: a repair that was killed half-way cannot leave an
//! output that a run seals with a damaged part in it.

use serde::{Deserialize, Serialize};

use crate::failpoints;
use crate::store::Location;
use crate::telemetry::clock::now;

use super::{Layout, OutputError};

/// The parts that a repair removes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// Fingerprint of the job.
    pub fingerprint: String,
    /// When it was begun, RFC 3339.
    pub begun: String,
    /// Names of the part files, ascending.
    pub parts: Vec<String>,
}

impl Repair {
    /// A repair that removes these parts.
    pub fn new(fingerprint: &str, mut parts: Vec<String>) -> Repair {
        parts.sort_unstable();
        parts.dedup();
        Repair { fingerprint: fingerprint.to_owned(), begun: now(), parts }
    }

    /// Reads the repair that has begun on an output, or `None` if none has.
    ///
    /// # Errors
    /// The file names anything but parts of this job.
    pub async fn read(output: &Location, fingerprint: &str) -> Result<Option<Repair>, OutputError> {
        let Some(bytes) = output.read(Layout::REPAIR).await? else { return Ok(None) };
        let foreign = |why: String| OutputError::Foreign { name: Layout::REPAIR.into(), why };
        let repair: Repair =
            serde_json::from_slice(&bytes).map_err(|error| foreign(format!("is not ours: {error}")))?;
        let layout = Layout::new(fingerprint);
        if repair.fingerprint != fingerprint || repair.parts.iter().any(|name| layout.part_id(name).is_none())
        {
            return Err(foreign("names parts of another job".into()));
        }
        Ok(Some(repair))
    }

    /// Refuses an output on which a repair has begun and not ended.
    ///
    /// # Errors
    /// [`OutputError::Repairing`] if a repair has; the store cannot be read.
    pub async fn refuse_begun(output: &Location) -> Result<(), OutputError> {
        match output.size(Layout::REPAIR).await? {
            Some(_) => Err(OutputError::Repairing { uri: output.uri() }),
            None => Ok(()),
        }
    }

    /// Removes `_SUCCESS`, the report and the parts. `_repair.json` is written before and removed after that. A repair
    /// that was stopped at any step can be carried out again.
    ///
    /// # Errors
    /// A file cannot be written or removed; `_report/` cannot be listed.
    pub async fn carry_out(&self, output: &Location) -> Result<(), OutputError> {
        let json = serde_json::to_vec_pretty(self).map_err(|error| OutputError::Encode(error.to_string()))?;
        failpoints::reach("repair.before", Layout::REPAIR);
        output.overwrite(Layout::REPAIR, json.into()).await?;
        failpoints::reach("repair.after", Layout::REPAIR);
        output.remove(Layout::SUCCESS).await?;
        failpoints::reach("repair.after", Layout::SUCCESS);
        let layout = Layout::new(&self.fingerprint);
        for file in output.files(Layout::REPORT).await? {
            if layout.writes(&file.key) {
                output.remove(&file.key).await?;
            }
        }
        failpoints::reach("repair.after", Layout::REPORT);
        for name in &self.parts {
            output.remove(name).await?;
            failpoints::reach("repair.after", name);
        }
        output.remove(Layout::REPAIR).await?;
        failpoints::reach("repair.after", "all");
        Ok(())
    }
}
