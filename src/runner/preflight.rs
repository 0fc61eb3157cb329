//! Before anything of a job is written: does the output refuse to create an object twice?

use crate::failure::{Exit, Failure};
use crate::job::Frozen;
use crate::output::Layout;
use crate::store::Location;

/// A store that allows creating an object that already exists would let two workers write one part.
///
/// # Errors
/// `job.json` was created twice (73); the store refuses the write in another way, or does not answer.
pub async fn preflight(output: &Location, frozen: &Frozen) -> Result<(), Failure> {
    if !output.conditional_put() {
        tracing::warn!("conditional writes are switched off: only one process at a time may plan");
        return Ok(());
    }
    match output.refuses_to_create_again(Layout::JOB, frozen.to_json()?.into()).await? {
        true => Ok(()),
        false => Err(created_twice(output)),
    }
}

/// Returns the failure for an output that allows an object to be created twice.
pub(crate) fn created_twice(output: &Location) -> Failure {
    Failure::new(
        Exit::CannotCreate,
        format!(
            "`{}` lets an object be created twice, so exactly-once writing is not safe there (a store without \
             conditional writes, or a disk without hard links); take another `output.uri`, or set \
             `[storage] conditional_put = \"off\"` and let only one process at a time plan",
            output.uri()
        ),
    )
}
