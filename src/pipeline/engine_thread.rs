//! The thread that owns one session: takes ready batches, keeps the device busy, hands results on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use async_channel::Receiver;

use crate::engine::{Engine, EngineError, Failed, Outputs, Ready, Slot, SlotPool};
use crate::failpoints;
use crate::failure::{Exit, Failure};
use crate::ids::{AttemptId, PartId};
use crate::sample::RowOutcome;
use crate::telemetry::trace::Lane;

use super::open_parts::OpenParts;
use super::progress::Progress;
use super::shutdown::Shutdown;
use super::work_queue::{Done, WorkQueue, batch_facts};

pub(super) struct EngineThread {
    pub engine: Box<dyn Engine>,
    pub pool: SlotPool,
    pub ready: Receiver<Ready>,
    pub outputs: Receiver<Outputs>,
    pub queue: Arc<WorkQueue>,
    pub parts: Arc<OpenParts>,
    pub progress: Arc<Progress>,
    pub shutdown: Shutdown,
}

/// What is known of a batch while the device has it.
struct InFlight {
    attempt: AttemptId,
    first_offset: u32,
    rows: Vec<RowOutcome>,
    began: Instant,
    lane: Lane,
    part: PartId,
}

/// A batch that is no more in flight.
type Ended = (Slot, Outputs, Result<(), EngineError>);

/// Makes a batch fail where a test has set a failpoint.
fn planted(point: &str, ended: Ended) -> Ended {
    let (slot, outputs, result) = ended;
    let fault = if failpoints::on(point) {
        Err(EngineError::Run("a failpoint".into()))
    } else if failpoints::on("engine.has_no_memory") {
        Err(EngineError::Run("a failpoint: bad allocation".into()))
    } else {
        Ok(())
    };
    (slot, outputs, result.and(fault))
}

/// The first keys of a batch, for a person.
fn first_keys(rows: &[RowOutcome]) -> String {
    const SHOWN: usize = 3;
    let keys = rows.iter().take(SHOWN).map(|row| format!("`{}`", row.sample.key.escape_debug()));
    let keys = keys.collect::<Vec<_>>().join(", ");
    match rows.len().saturating_sub(SHOWN) {
        0 => keys,
        more => format!("{keys} and {more} more"),
    }
}

impl EngineThread {
    /// Starts the thread of one engine of the run; all of them take from the same queue.
    ///
    /// # Errors
    /// The system starts no thread (69).
    pub fn start(mut self, number: usize) -> Result<JoinHandle<()>, Failure> {
        std::thread::Builder::new()
            .name(format!("engine-{number}"))
            .spawn(move || {
                match catch_unwind(AssertUnwindSafe(|| self.work())) {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        let is_repeated = matches!(error, EngineError::Repeated { .. });
                        let mut failure = Failure::from(error);
                        if !is_repeated {
                            failure.exit = Exit::TryAgain;
                        }
                        self.shutdown
                            .fail_now(failure.within("the engine stopped; its parts are not committed"));
                    }
                    Err(_) => self.shutdown.fail_now(Failure::new(Exit::Bug, "the engine's thread panicked")),
                }
                // no batch is filled for a device that is gone: waiting admissions end here
                self.pool.close();
            })
            .map_err(|error| Failure::caused(Exit::Unavailable, "cannot start the engine thread", error))
    }

    /// Blocks for a ready batch only when the device has nothing; else takes one if it is there, or waits for
    /// the oldest in flight.
    fn work(&mut self) -> Result<(), EngineError> {
        let depth = self.engine.spec().depth.max(1);
        let mut in_flight: VecDeque<InFlight> = VecDeque::with_capacity(depth);
        loop {
            while in_flight.len() < depth {
                let ready = if in_flight.is_empty() {
                    let began = Instant::now();
                    match self.ready.recv_blocking() {
                        Ok(ready) => {
                            self.progress.meters.wait_batch.since(began);
                            self.progress.trace.span("batch wait", began, &[]);
                            ready
                        }
                        Err(_) => return Ok(()),
                    }
                } else {
                    match self.ready.try_recv() {
                        Ok(ready) => ready,
                        Err(_) => break,
                    }
                };
                let Some(open) = self.parts.get(ready.attempt) else {
                    self.pool.give_back(ready.slot);
                    continue;
                };
                let waited = Instant::now();
                let Ok(outputs) = self.outputs.recv_blocking() else { return Ok(()) };
                let began = Instant::now();
                self.progress.meters.wait_outputs.took(began.duration_since(waited));
                let lane = self.progress.trace.lane("device");
                failpoints::reach("engine", "submit");
                let batch = InFlight {
                    attempt: ready.attempt,
                    first_offset: ready.first_offset,
                    rows: ready.rows,
                    began,
                    lane,
                    part: open.part(),
                };
                if let Err(failed) = self.engine.submit(ready.slot, outputs, batch.rows.len()) {
                    let Failed { slot, outputs, error } = *failed;
                    self.settle(batch, began, (slot, outputs, Err(error)))?;
                    continue;
                }
                self.progress.meters.engine.since(began);
                in_flight.push_back(batch);
            }
            let waited = Instant::now();
            let (Some(ended), Some(batch)) = (self.engine.finish(), in_flight.pop_front()) else {
                continue;
            };
            self.settle(batch, waited, planted("engine.fails", ended))?;
        }
    }

    /// Passes on the results of a finished batch, or runs it again where that may show why it failed.
    fn settle(&mut self, batch: InFlight, waited: Instant, ended: Ended) -> Result<(), EngineError> {
        let ended = match ended {
            (slot, outputs, Err(error)) if self.engine.repeats() && !error.is_about_memory() => {
                self.again(&batch.rows, slot, outputs, error)?
            }
            ended => ended,
        };
        let (slot, outputs, result) = ended;
        let InFlight { attempt, first_offset, rows, began, lane, part } = batch;
        self.progress.ran(waited, rows.len());
        lane.span("infer", began, &batch_facts(Some(part), rows.len()));
        self.pool.give_back(slot);
        if let Err(error) = result {
            self.drain();
            return Err(error);
        }
        self.queue.rows(Done { attempt, first_offset, rows, outputs });
        Ok(())
    }

    /// Runs a batch once more. One that fails in the same words would do so in every run that resumes the job.
    fn again(
        &mut self,
        rows: &[RowOutcome],
        slot: Slot,
        outputs: Outputs,
        first: EngineError,
    ) -> Result<Ended, EngineError> {
        tracing::warn!(rows = rows.len(), error = %first, "a batch failed and is run once more");
        let ended = match self.engine.submit(slot, outputs, rows.len()) {
            Ok(()) => {
                self.engine.finish().ok_or_else(|| EngineError::Run("the engine lost a batch".into()))?
            }
            Err(failed) => (failed.slot, failed.outputs, Err(failed.error)),
        };
        let (slot, outputs, second) = planted("engine.fails_again", ended);
        let second = second.map_err(|second| {
            let why = second.to_string();
            if why != first.to_string() {
                return second;
            }
            EngineError::Repeated { rows: rows.len(), keys: first_keys(rows), why }
        });
        Ok((slot, outputs, second))
    }

    fn drain(&mut self) {
        while let Some((slot, _, _)) = self.engine.finish() {
            self.pool.give_back(slot);
        }
    }
}
