//! Runs the parts of a plan: opens them in order, lets them overlap, commits each by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::dataset::{Dataset, Pass, Planner, Segment, Unit};
use crate::engine::Engine;
use crate::failure::{Exit, Failure};
use crate::image;
use crate::job::Limits;
use crate::output::{self, Layout, PartContext, PartFile};
use crate::store::Location;

use super::admission::Admission;
use super::aside::{abandon, aside};
use super::canary::Canary;
use super::collected::{Collected, Tasks, drain, run_again};
use super::decode::isolate::Isolation;
use super::decode_pool::DecodePool;
use super::demand;
use super::engine_thread::EngineThread;
use super::memory::{Memory, common_spec, open_parts};
use super::meters::Setup;
use super::open_parts::OpenParts;
use super::opening::{Opening, Plan};
use super::part::run_part;
use super::progress::Progress;
use super::share::Share;
use super::shared::Shared;
use super::shutdown::Shutdown;
use super::upcoming::Upcoming;
use super::work_queue::WorkQueue;

/// Segments planned ahead of the parts. The plan is frozen as soon as the listing allows, whatever inference
/// does; a segment's head and footer take about a megabyte.
const SEGMENTS_AHEAD: usize = 128;
/// Time that threads have to end the work in progress once the run is given up.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Providers that compute on the cores that also decode.
pub(crate) const SHARES_CORES: [&str; 2] = ["cpu", "noise"];

/// Everything that a run is made of. The stages are built by the caller, from a resolved job.
pub struct Stages<'a> {
    /// Reads parts.
    pub dataset: Arc<dyn Dataset>,
    /// Walks the plan.
    pub planner: Planner<'a>,
    /// Which parts are run.
    pub share: Share,
    /// The devices, loaded: one or more, all with the same model.
    pub engines: Vec<Box<dyn Engine>>,
    /// How images become rows of pixels.
    pub image: image::Options,
    /// Where that happens.
    pub isolation: Isolation,
    /// What the rows hold.
    pub rows: output::Options,
    /// The metadata of the parts' footers.
    pub context: PartContext,
    /// Where parts go.
    pub output: Location,
    /// What they are called.
    pub layout: Layout,
}

/// What a run found and did. Every part of its share is committed, unless the run ended early, which is an error.
#[derive(Debug)]
pub struct Executed {
    /// The plan, as far as it was walked.
    pub plan: Plan,
    /// Receipts of this run.
    pub committed: Vec<PartFile>,
}

/// Runs every part that is not committed yet.
///
/// # Errors
/// The devices take different rows or have no memory for their batches; a thread or decode process does not start.
/// Otherwise the first failure of the plan, a part, an engine or a limit; 75 after a signal.
pub async fn execute(
    stages: Stages<'_>,
    limits: &Limits,
    opening: Opening,
    progress: Arc<Progress>,
    shutdown: Shutdown,
) -> Result<Executed, Failure> {
    let Stages { dataset, planner, share, mut engines, image, isolation, rows, context, output, layout } =
        stages;
    let spec = common_spec(&engines)?;
    let setup = Setup {
        workers: limits.decode_threads.max(1),
        requests: limits.requests,
        engines: engines.len(),
        shares_cores: engines.iter().any(|engine| SHARES_CORES.contains(&engine.provider())),
    };
    let wanted = limits.clone();
    let allocate = move || {
        let mut devices: Vec<&mut dyn Engine> = engines.iter_mut().map(|engine| &mut **engine as _).collect();
        let memory = Memory::allocate(&mut devices, &wanted)?;
        Ok((engines, memory))
    };
    let (engines, Memory { pool, outputs, .. }) = aside(allocate).await?;
    let (outputs_in, outputs_out) = async_channel::bounded(outputs.len());
    for outputs in outputs {
        drop(outputs_in.try_send(outputs));
    }
    let queue = Arc::new(WorkQueue::default());
    let (parts, canary) = (Arc::new(OpenParts::default()), Arc::new(Canary::default()));
    let start = |(number, engine)| {
        EngineThread {
            engine,
            pool: pool.clone(),
            ready: pool.ready(),
            outputs: outputs_out.clone(),
            queue: queue.clone(),
            parts: parts.clone(),
            progress: progress.clone(),
            shutdown: shutdown.clone(),
        }
        .start(number)
    };
    let (mut engine_threads, mut failed) = (Vec::new(), None);
    for engine in engines.into_iter().enumerate() {
        match start(engine) {
            Ok(thread) => engine_threads.push(thread),
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    let largest = image.limits.max_encoded_bytes;
    let decoders = DecodePool {
        queue: queue.clone(),
        image,
        isolation,
        layout: spec.layout,
        output: rows,
        outputs: outputs_in,
        parts: parts.clone(),
        canary: canary.clone(),
        progress: progress.clone(),
        shutdown: shutdown.clone(),
        max_error_fraction: limits.max_error_fraction,
        is_whole: share.is_whole(),
    };
    let workers = match failed {
        None => {
            let threads = limits.decode_threads.max(1);
            // decode processes may be slow to start
            aside(move || decoders.open(threads)).await
        }
        Some(failure) => Err(failure),
    };
    let workers = match workers {
        Ok(workers) => workers,
        Err(failure) => {
            // what was started waits for work that never comes
            pool.close();
            queue.close();
            let join = move || engine_threads.into_iter().for_each(|thread| drop(thread.join()));
            drop(tokio::task::spawn_blocking(join).await);
            return Err(failure);
        }
    };
    // the windows of a dataset have a share that images never wait for
    let bytes = limits.in_flight_bytes.saturating_sub(dataset.read_ahead().bytes);
    let beside = demand::beside(limits.decode_threads, limits.batch_size);
    let admission = Admission::new(limits.requests + beside, bytes, largest);
    let shared = Arc::new(Shared {
        dataset,
        pool: pool.clone(),
        admission,
        admitting: Arc::new(Semaphore::new(1)),
        queue: queue.clone(),
        parts,
        canary,
        context,
        output,
        layout,
        progress,
        shutdown: shutdown.clone(),
        grace: limits.grace,
        attempts: AtomicU32::new(0),
        max_damaged_inputs: limits.max_damaged_inputs,
    });

    shared.progress.meters.set_up(setup);
    shared.progress.begin();
    let (segments, arrivals) = mpsc::channel(SEGMENTS_AHEAD);
    let planning = plan(planner, share, segments, &shared);
    let working = work(arrivals, opening, open_parts(limits), &shared);
    let executed = tokio::select! {
        biased;
        ((), executed) = async { tokio::join!(planning, working) } => executed,
        never = demand::follow(&shared.progress, &shared.admission, limits, beside) => match never {},
    };

    // nothing is open any more: the threads see their queues close and end
    pool.close();
    queue.close();
    let join = move || {
        let threads = engine_threads.into_iter().chain(workers);
        // every thread is joined, also after one that panicked
        threads.map(|thread| thread.join().is_err()).filter(|panicked| *panicked).count() == 0
    };
    let joined = tokio::task::spawn_blocking(join);
    let late = async {
        shutdown.aborting().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        biased;
        joined = joined => if !joined.unwrap_or(false) {
            shutdown.fail(Failure::new(Exit::Bug, "a worker thread panicked"));
        },
        // an image or a batch that does not end; its part is given up already
        () = late => abandon(),
    }
    match shutdown.take_cause() {
        Some(failure) => Err(failure),
        None => Ok(executed),
    }
}

/// Walks the plan ahead of the work.
async fn plan(mut planner: Planner<'_>, share: Share, segments: mpsc::Sender<Arc<Segment>>, shared: &Shared) {
    loop {
        if share.ends_before(planner.next_part()) {
            // this process's parts are known; the rest only shows whether the job can be finished
            planner.only_look();
        }
        let next = tokio::select! {
            biased;
            () = shared.shutdown.draining() => return,
            next = planner.next_segment() => next,
        };
        match next {
            Ok(Some(segment)) => {
                let head = segment.head();
                let own = || head.first_part.and_after().zip(&head.parts).filter(|(id, _)| share.takes(*id));
                shared.progress.plan_parts(own().count() as u64, head.last);
                // what is in a shard is known when it has been read
                if head.unit != Unit::Shard {
                    shared.progress.plan(head.rows(), own().map(|(_, (rows, _))| u64::from(*rows)).sum());
                    if head.last {
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
    segments: mpsc::Receiver<Arc<Segment>>,
    mut opening: Opening,
    most_open: usize,
    shared: &Arc<Shared>,
) -> Executed {
    let mut collected = Collected::default();
    let permits = Arc::new(Semaphore::new(most_open));
    let mut tasks: Tasks = JoinSet::new();
    let mut handles = BTreeMap::new();
    let mut upcoming = Upcoming::new(segments, shared);
    loop {
        let next = tokio::select! {
            biased;
            () = shared.shutdown.draining() => break,
            next = upcoming.next(&mut opening, shared) => next,
        };
        let Some((part, warm)) = next else { break };
        let permit = tokio::select! {
            biased;
            () = shared.shutdown.draining() => break,
            permit = upcoming.beside(permits.clone().acquire_owned(), &mut opening, shared) => permit,
        };
        let Ok(permit) = permit else { break };
        let missing = tokio::select! {
            biased;
            () = shared.shutdown.draining() => break,
            missing = opening.is_missing(part.id) => missing,
        };
        match missing {
            Ok(true) => {}
            Ok(false) => {
                shared.progress.resume(part.rows.map_or(0, u64::from));
                shared.progress.resume_parts(1);
                continue;
            }
            Err(failure) => {
                shared.shutdown.fail(failure);
                break;
            }
        }
        let (id, task) = (part.id, shared.clone());
        let handle = tasks.spawn(async move {
            let ended = run_part(&task, part, Pass::First, warm).await;
            drop(permit);
            ended
        });
        handles.insert(id, handle);
        while let Some(ended) = tasks.try_join_next() {
            collected.receive(ended, shared);
        }
    }
    // nothing is read ahead for parts that will not be opened
    drop(upcoming);
    drain(tasks, &handles, &mut collected, shared).await;
    run_again(&mut opening, &permits, &mut collected, shared).await;
    Executed { plan: opening.plan, committed: collected.committed }
}
