//! A repair of an output: no run may write to it meanwhile.

use crate::failure::{Exit, Failure};
use crate::job::Frozen;
use crate::output::verify::Verified;
use crate::output::{OutputError, Repair};
use crate::store::Location;

use super::lock::{self, Lock};

/// The right to repair an output. On a local disk it holds every share's lock.
#[derive(Debug)]
pub struct Repairing<'a> {
    output: &'a Location,
    fingerprint: &'a str,
    /// A repair that was begun before and did not end.
    begun: Option<Repair>,
    _lock: Lock,
}

impl<'a> Repairing<'a> {
    /// Takes every share's lock, and reads what an earlier repair has left.
    ///
    /// # Errors
    /// A run is active on the output: 75.
    pub async fn begin(output: &'a Location, frozen: &'a Frozen) -> Result<Repairing<'a>, Failure> {
        let lock = lock::take_all(output)?;
        let fingerprint = &frozen.fingerprint;
        let begun = Repair::read(output, fingerprint).await?;
        Ok(Repairing { output, fingerprint, begun, _lock: lock })
    }

    /// What is to be removed after a check, or `None` if nothing is.
    ///
    /// # Errors
    /// The plan or `job.json` is damaged, so that no run can make the parts again.
    pub fn repair(&self, verified: &Verified) -> Result<Option<Repair>, Failure> {
        let begun = self.begun.as_ref();
        let is_sealed_wrongly = verified.defects.of_success() > 0;
        if begun.is_none() && verified.damaged.is_empty() && !is_sealed_wrongly {
            return Ok(None);
        }
        if verified.defects.of_plan() > 0 {
            let what = format!(
                "the plan or the job of `{}` is damaged, so its parts cannot be made again: nothing is removed; take \
                 another `output.uri`",
                self.output.uri()
            );
            return Err(Failure::new(Exit::Rejected, what));
        }
        let parts = begun.iter().flat_map(|begun| begun.parts.iter()).chain(&verified.damaged);
        Ok(Some(Repair::new(self.fingerprint, parts.cloned().collect())))
    }

    /// Removes what `repair` names.
    ///
    /// # Errors
    /// Those of [`Repair::carry_out`].
    pub async fn carry_out(self, repair: &Repair) -> Result<(), OutputError> {
        repair.carry_out(self.output).await
    }
}
