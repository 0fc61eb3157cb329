//! The parts that run: how each ended, and those that are run once more.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinError, JoinSet};

use crate::dataset::{Part, Pass, Warm};
use crate::failure::{Exit, Failure};
use crate::ids::PartId;
use crate::output::PartFile;

use super::error_budget::too_damaged;
use super::opening::Opening;
use super::part::{PartRun, run_part};
use super::shared::Shared;

/// The parts that run.
pub(super) type Tasks = JoinSet<Result<PartRun, Failure>>;

/// The parts that ended.
#[derive(Default)]
pub(super) struct Collected {
    /// Receipts of this run.
    pub committed: Vec<PartFile>,
    /// Parts that are run once more after all others.
    given_up: Vec<Part>,
}

impl Collected {
    /// Takes the end of one part to the books.
    pub fn receive(&mut self, ended: Result<Result<PartRun, Failure>, JoinError>, shared: &Shared) {
        match ended {
            Ok(Ok(PartRun::Committed(receipt))) => {
                shared.progress.part();
                let damaged = shared.progress.damage(receipt.damaged);
                if damaged > shared.max_damaged_inputs {
                    shared.shutdown.fail(too_damaged(damaged, shared.max_damaged_inputs));
                }
                self.committed.push(receipt);
            }
            Ok(Ok(PartRun::GivenUp(part))) => self.given_up.push(part),
            Ok(Err(failure)) => shared.shutdown.fail(failure),
            Err(error) if error.is_cancelled() => {}
            Err(error) => {
                shared.shutdown.fail_now(Failure::caused(Exit::Bug, "a part's task panicked", error));
            }
        }
    }
}

/// Runs the parts that were given up once more, in plan order, unless another process has made them meanwhile.
pub(super) async fn run_again(
    opening: &mut Opening,
    permits: &Arc<Semaphore>,
    collected: &mut Collected,
    shared: &Arc<Shared>,
) {
    let mut parts = std::mem::take(&mut collected.given_up);
    parts.sort_by_key(|part| part.id);
    let (mut tasks, mut handles) = (Tasks::new(), BTreeMap::new());
    for part in parts {
        let next = async {
            let permit = permits.clone().acquire_owned().await;
            (permit, opening.is_missing(part.id).await)
        };
        let next = tokio::select! {
            biased;
            () = shared.shutdown.draining() => break,
            next = next => next,
        };
        let permit = match next {
            (Ok(permit), Ok(true)) => permit,
            (Ok(_), Ok(false)) => {
                shared.progress.resume(part.rows.map_or(0, u64::from));
                shared.progress.resume_parts(1);
                continue;
            }
            (Err(_), _) => break,
            (_, Err(failure)) => {
                shared.shutdown.fail(failure);
                break;
            }
        };
        let (id, task) = (part.id, shared.clone());
        let handle = tasks.spawn(async move {
            let ended = run_part(&task, part, Pass::Again, Warm::default()).await;
            drop(permit);
            ended
        });
        handles.insert(id, handle);
    }
    drain(tasks, &handles, collected, shared).await;
}

/// Waits for the open parts; after a signal only for those that can end within the grace.
pub(super) async fn drain(
    mut tasks: Tasks,
    handles: &BTreeMap<PartId, AbortHandle>,
    collected: &mut Collected,
    shared: &Shared,
) {
    let grace = async {
        shared.shutdown.draining().await;
        give_up_late_parts(handles, shared);
        tokio::time::sleep(shared.grace).await;
    };
    tokio::pin!(grace);
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(ended) => collected.receive(ended, shared),
                None => break,
            },
            () = &mut grace => break,
            () = shared.shutdown.aborting() => break,
        }
    }
    if !tasks.is_empty() || shared.shutdown.is_draining() {
        shared.shutdown.abort();
        tasks.shutdown().await;
        shared.pool.forget_waiting();
        shared.queue.forget_images();
    }
}

/// Gives up the open parts that cannot end within the grace at the rate measured so far: what is done of them
/// is lost either way.
fn give_up_late_parts(handles: &BTreeMap<PartId, AbortHandle>, shared: &Shared) {
    let rate = shared.progress.snapshot().rate();
    if rate <= 0.0 {
        return;
    }
    let mut rows = 0;
    for (id, left) in shared.parts.rows_left() {
        rows += u64::from(left);
        let seconds = rows as f64 / rate;
        if seconds > shared.grace.as_secs_f64()
            && let Some(handle) = handles.get(&id)
        {
            tracing::info!(part = id.0, rows_left = left, "would not end within the grace and is given up");
            handle.abort();
        }
    }
}
