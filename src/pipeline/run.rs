//! Runs the parts of a plan: opens them in order, lets them overlap, commits each by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::dataset::{Dataset, LeftOut, Planner, Segment, Unit};
use crate::engine::{Engine, SlotPool};
use crate::failure::{Exit, Failure};
use crate::image;
use crate::job::Limits;
use crate::output::{self, Layout, PartContext, PartFile, Standing};
use crate::store::Location;

use super::engine_thread::EngineThread;
use super::intake::ByteBudget;
use super::part::run_part;
use super::parts::OpenParts;
use super::work::{WorkQueue, Workshop};
use super::{Progress, Shutdown};

/// Segments planned ahead of the parts. The plan is frozen as soon as the listing allows, whatever inference
/// does; a segment's head and footer take about a megabyte.
const SEGMENTS_AHEAD: usize = 128;
/// The list of standing parts is read again before a part is opened when it is older than this: another
/// process may be at work on the same share.
const STANDING_AGE: Duration = Duration::from_secs(30);
/// Open parts get this long to end after a signal.
const GRACE: Duration = Duration::from_secs(25);

/// Everything that a run is made of. The stages are built by the caller, from a resolved job.
pub struct Stages<'a> {
    /// Reads parts.
    pub dataset: Arc<dyn Dataset>,
    /// Walks the plan.
    pub planner: Planner<'a>,
    /// The device, loaded.
    pub engine: Box<dyn Engine>,
    /// How images become rows of pixels.
    pub image: image::Options,
    /// What the rows hold.
    pub rows: output::Options,
    /// What footers say.
    pub context: PartContext,
    /// Where parts go.
    pub output: Location,
    /// What they are called.
    pub layout: Layout,
}

/// A part as it was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPart {
    /// Rows; of a shard the part's footer alone knows them.
    pub rows: Option<u32>,
    /// Hash of its rows.
    pub plan: String,
}

/// What a run found and did. Every planned part stands, unless the run ended early, which is an error.
#[derive(Debug)]
pub struct Executed {
    /// All parts of the plan, by id.
    pub planned: Vec<PlannedPart>,
    /// What the listing left out.
    pub left_out: LeftOut,
    /// Receipts of this run.
    pub committed: Vec<PartFile>,
}

/// What the tasks of all parts share.
pub(super) struct Shared {
    pub dataset: Arc<dyn Dataset>,
    pub pool: SlotPool,
    pub budget: ByteBudget,
    /// One part admits rows at a time, in plan order: a part fills several batches by itself, and a stop then
    /// finds one part half done and not all of them.
    pub admitting: Arc<Semaphore>,
    pub queue: Arc<WorkQueue>,
    pub parts: Arc<OpenParts>,
    pub context: PartContext,
    pub output: Location,
    pub layout: Layout,
    pub progress: Arc<Progress>,
    pub shutdown: Shutdown,
    /// Numbers attempts at parts: a batch of one that was given up never counts for the next.
    pub attempts: AtomicU32,
}

/// Runs every part that does not stand yet.
pub async fn execute(
    stages: Stages<'_>,
    limits: &Limits,
    standing: Standing,
    progress: Arc<Progress>,
    shutdown: Shutdown,
) -> Result<Executed, Failure> {
    let Stages { dataset, planner, mut engine, image, rows, context, output, layout } = stages;
    let spec = engine.spec().clone();
    let batch_size = spec.fixed_batch.unwrap_or(limits.batch_size).max(1);
    // enough batches being filled that one slow image idles nobody, one on the device, one waiting for it
    let filling = 2.max(limits.requests.div_ceil(batch_size));
    let (mut slots, mut buffers) = (Vec::new(), Vec::new());
    for _ in 0..spec.depth + 1 + filling {
        let (slot, outputs) = engine.allocate(batch_size)?;
        slots.push(slot);
        buffers.push(outputs);
    }
    // outputs in flight, one whose rows are being made, one in hand
    buffers.truncate(spec.depth + 2);
    let (outputs_in, outputs_out) = async_channel::bounded(buffers.len());
    for outputs in buffers {
        drop(outputs_in.try_send(outputs));
    }
    let pool = SlotPool::new(slots);
    let queue = Arc::new(WorkQueue::default());
    let parts = Arc::new(OpenParts::default());
    let engine_thread = EngineThread {
        engine,
        pool: pool.clone(),
        ready: pool.ready(),
        outputs: outputs_out,
        queue: queue.clone(),
        parts: parts.clone(),
        progress: progress.clone(),
        shutdown: shutdown.clone(),
    }
    .start()?;
    let workers = Workshop {
        queue: queue.clone(),
        image,
        layout: spec.layout,
        output: rows,
        outputs: outputs_in,
        parts: parts.clone(),
        progress: progress.clone(),
        shutdown: shutdown.clone(),
    }
    .open(limits.decode_threads.max(1))?;
    let shared = Arc::new(Shared {
        dataset,
        pool: pool.clone(),
        budget: ByteBudget::new(limits.in_flight_bytes),
        admitting: Arc::new(Semaphore::new(1)),
        queue: queue.clone(),
        parts,
        context,
        output,
        layout,
        progress,
        shutdown: shutdown.clone(),
        attempts: AtomicU32::new(0),
    });

    shared.progress.begin();
    let (segments, arrivals) = mpsc::channel(SEGMENTS_AHEAD);
    let planning = plan(planner, segments, &shared);
    let working = work(arrivals, filling + 2, limits, standing, &shared);
    let ((), executed) = tokio::join!(planning, working);

    // nothing is open any more: the threads see their queues close and end
    pool.close();
    queue.close();
    let join = move || {
        let ended = engine_thread.join().is_ok();
        workers.into_iter().fold(ended, |all, worker| worker.join().is_ok() && all)
    };
    if !tokio::task::spawn_blocking(join).await.unwrap_or(false) {
        shutdown.fail(Failure::new(Exit::Bug, "a worker thread panicked"));
    }
    match shutdown.take_cause() {
        Some(failure) => Err(failure),
        None => Ok(executed),
    }
}

/// Walks the plan ahead of the work.
async fn plan(mut planner: Planner<'_>, segments: mpsc::Sender<Arc<Segment>>, shared: &Shared) {
    loop {
        let next = tokio::select! {
            biased;
            () = shared.shutdown.draining() => return,
            next = planner.next_segment() => next,
        };
        match next {
            Ok(Some(segment)) => {
                // what is in a shard is known when it has been read
                if segment.head().unit != Unit::Shard {
                    shared.progress.plan(segment.head().rows());
                    if segment.head().last {
                        shared.progress.plan_ends();
                    }
                }
                if segments.send(segment).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return shared.shutdown.fail(error.into()),
        }
    }
}

/// Opens parts in plan order while permits last, and collects receipts.
async fn work(
    mut segments: mpsc::Receiver<Arc<Segment>>,
    most_open: usize,
    limits: &Limits,
    standing: Standing,
    shared: &Arc<Shared>,
) -> Executed {
    let mut executed = Executed { planned: Vec::new(), left_out: LeftOut::default(), committed: Vec::new() };
    let mut standing: BTreeSet<u32> = standing.parts.into_keys().collect();
    let mut listed = Instant::now();
    let permits = Arc::new(Semaphore::new(most_open));
    let mut tasks: JoinSet<Result<PartFile, Failure>> = JoinSet::new();
    while let Some(segment) = segments.recv().await {
        executed.left_out.add(&segment.head().left_out);
        for part in segment.parts() {
            executed.planned.push(PlannedPart { rows: part.rows, plan: part.plan.clone() });
            if standing.contains(&part.id) {
                shared.progress.resume(part.rows.map_or(0, u64::from));
                continue;
            }
            let permit = tokio::select! {
                biased;
                () = shared.shutdown.draining() => break,
                permit = permits.clone().acquire_owned() => permit,
            };
            let Ok(permit) = permit else { break };
            if listed.elapsed() > STANDING_AGE {
                match Standing::list(&shared.output, &shared.layout).await {
                    Ok(now) => standing = now.parts.into_keys().collect(),
                    Err(error) => shared.shutdown.fail(error.into()),
                }
                listed = Instant::now();
                if standing.contains(&part.id) {
                    shared.progress.resume(part.rows.map_or(0, u64::from));
                    continue;
                }
            }
            let task = shared.clone();
            tasks.spawn(async move {
                let receipt = run_part(&task, part).await;
                drop(permit);
                receipt
            });
            while let Some(ended) = tasks.try_join_next() {
                receive(ended, &mut executed, limits, shared);
            }
        }
        if shared.shutdown.is_draining() {
            break;
        }
    }
    drain(tasks, &mut executed, limits, shared).await;
    executed
}

/// Waits for the open parts; after a signal only as long as the grace lasts.
async fn drain(
    mut tasks: JoinSet<Result<PartFile, Failure>>,
    executed: &mut Executed,
    limits: &Limits,
    shared: &Shared,
) {
    let grace = async {
        shared.shutdown.draining().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::pin!(grace);
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(ended) => receive(ended, executed, limits, shared),
                None => return,
            },
            () = &mut grace => break,
            () = shared.shutdown.aborting() => break,
        }
    }
    shared.shutdown.abort();
    tasks.shutdown().await;
    shared.queue.forget_images();
}

/// Takes the end of one part to the books.
fn receive(
    ended: Result<Result<PartFile, Failure>, tokio::task::JoinError>,
    executed: &mut Executed,
    limits: &Limits,
    shared: &Shared,
) {
    match ended {
        Ok(Ok(receipt)) => {
            shared.progress.part(&receipt.errors);
            let damaged = shared.progress.damage(receipt.damaged);
            if damaged > limits.max_damaged_inputs {
                shared.shutdown.fail(too_damaged(damaged, limits.max_damaged_inputs));
            }
            executed.committed.push(receipt);
            let now = shared.progress.snapshot();
            let budget = limits.max_error_fraction * now.planned as f64;
            if now.plan_is_whole && now.errors as f64 > budget {
                shared.shutdown.fail(over_budget(
                    now.errors,
                    now.planned,
                    limits.max_error_fraction,
                    &now.by_kind,
                ));
            }
        }
        Ok(Err(failure)) => shared.shutdown.fail(failure),
        Err(error) if error.is_cancelled() => {}
        Err(error) => shared.shutdown.fail_now(Failure::caused(Exit::Bug, "a part's task panicked", error)),
    }
}

/// The failure of a run over too many inputs that could not be read to their end.
pub(super) fn too_damaged(damaged: u64, most: u64) -> Failure {
    Failure::new(
        Exit::Rejected,
        format!(
            "{damaged} inputs could not be read to their end, more than `limits.max_damaged_inputs` = {most} allows; each              left a row that says why (`error_kind`, `error_message`, its key begins with the input's name): replace them              and run into another `output.uri`, or accept them with a higher limit"
        ),
    )
}

/// The failure of a run with too many error rows.
pub(super) fn over_budget(errors: u64, planned: u64, most: f64, by_kind: &BTreeMap<String, u64>) -> Failure {
    let kinds: Vec<String> = by_kind.iter().map(|(kind, rows)| format!("{rows} {kind}")).collect();
    Failure::new(
        Exit::Rejected,
        format!(
            "{errors} of {planned} rows are errors ({}), more than `limits.max_error_fraction` = {most} allows; look at \
             them with `tresnet-batch report JOB --partial` or in the rows (`error_kind`, `error_message`), and accept \
             them with a higher limit",
            kinds.join(", ")
        ),
    )
}
