//! The output: what is committed there, and which writes the store allows.

use bytes::Bytes;

use crate::failure::{Exit, Failure};
use crate::output::{CommittedParts, Layout};
use crate::runner::opened::Opened;
use crate::runner::preflight::created_twice;
use crate::store::{Location, Race, StoreError};
use crate::telemetry;

use super::check::Findings;

/// Creators of one object at the same time.
const RACERS: usize = 8;

/// Reports whether the job is new, begun or complete.
pub(super) async fn standing(opened: &Opened, other: Option<Failure>, found: &mut Findings<'_>) {
    if let Some(other) = other {
        return found.fail("output", &other);
    }
    let uri = opened.output.uri();
    if opened.output.local_path().is_some_and(|path| path.exists() && !path.is_dir()) {
        let why = format!("`{uri}` is no folder");
        return found.fail("output", &Failure::new(Exit::CannotCreate, why));
    }
    match opened.finished_before().await {
        Err(failure) => return found.fail("output", &failure),
        Ok(Some(success)) => {
            return found.warn(
                "output",
                format!(
                    "this job is complete at `{uri}` since {}: a run checks only its gates; for inputs added \
                     later take another `output.uri` with `[input] exclude_done` on this one",
                    success.finished
                ),
            );
        }
        Ok(None) => {}
    }
    let Some(committed) =
        found.take("output", CommittedParts::list(&opened.output, &opened.job.layout()).await)
    else {
        return;
    };
    match &opened.frozen {
        Some(frozen) => found.ok(
            "output",
            format!(
                "this job was begun at `{uri}` on {}, parts that are committed: {}. A run resumes it",
                frozen.created,
                committed.parts.len()
            ),
        ),
        None => found.ok("output", format!("no job has begun at `{uri}`")),
    }
}

/// The results of the test writes.
struct Tried {
    /// None if conditional writes are switched off.
    race: Option<Race>,
    is_safe: bool,
}

/// Creates test objects below a folder of control data, and deletes them.
pub(super) async fn writes(output: &Location, found: &mut Findings<'_>) {
    let folder = Layout::probe(telemetry::run_id());
    let scratch = output.scratch(&folder);
    let names = ["once", "race"].map(|name| format!("{folder}/{name}"));
    let tried = attempt(output, &names).await;
    let left = match scratch.remove(&names).await {
        Ok(()) => "what was written for this is gone again".to_owned(),
        Err(error) => {
            format!("what was written for this stays below `{folder}` and does no harm: {error}")
        }
    };
    let Some(Tried { race, is_safe }) = found.take("writes", tried) else { return };
    let unsafe_race = race.as_ref().and_then(Race::fault);
    match race {
        None => found.warn(
            "writes",
            format!(
                "objects can be created; conditional writes are switched off, so let only one process at a time plan; \
                 {left}"
            ),
        ),
        Some(_) if !is_safe => found.fail("writes", &created_twice(output)),
        Some(Race { racers, .. }) => match unsafe_race {
            Some(fault) => found.fail("writes", &created_twice(output).within(fault)),
            None => found.ok(
                "writes",
                format!(
                    "an object can be created only once, also by {racers} writers at the same time; {left}"
                ),
            ),
        },
    }
}

async fn attempt(output: &Location, [once, race]: &[String; 2]) -> Result<Tried, StoreError> {
    let bytes = Bytes::from_static(b"tresnet-batch doctor\n");
    output.create_once(once, bytes.clone()).await?;
    if !output.conditional_put() {
        return Ok(Tried { race: None, is_safe: true });
    }
    let is_safe = output.refuses_to_create_again(once, bytes).await?;
    Ok(Tried { race: Some(output.race_to_create(race, RACERS).await?), is_safe })
}
