//! The thread that owns one session: takes ready batches, keeps the device busy, hands results on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use async_channel::Receiver;

use crate::engine::{Engine, EngineError, Outputs, Ready, SlotPool};
use crate::failpoints;
use crate::failure::{Exit, Failure};
use crate::sample::RowOutcome;

use super::parts::OpenParts;
use super::work::{Done, WorkQueue};
use super::{Progress, Shutdown};

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
    part: u32,
    first_offset: u32,
    rows: Vec<RowOutcome>,
}

impl EngineThread {
    pub fn start(mut self) -> Result<JoinHandle<()>, Failure> {
        std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || {
                match catch_unwind(AssertUnwindSafe(|| self.work())) {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        let mut failure = Failure::from(error);
                        failure.exit = Exit::TryAgain;
                        self.shutdown
                            .fail_now(failure.within("the engine stopped; its parts are not committed"));
                    }
                    Err(_) => self.shutdown.fail_now(Failure::new(Exit::Bug, "the engine's thread panicked")),
                }
                // nobody fills a batch for a device that is gone: waiting admissions end here
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
                    match self.ready.recv_blocking() {
                        Ok(ready) => ready,
                        Err(_) => return Ok(()),
                    }
                } else {
                    match self.ready.try_recv() {
                        Ok(ready) => ready,
                        Err(_) => break,
                    }
                };
                if self.parts.get(ready.part).is_none() {
                    self.pool.give_back(ready.slot);
                    continue;
                }
                let Ok(outputs) = self.outputs.recv_blocking() else { return Ok(()) };
                let rows = ready.rows.len();
                let started = Instant::now();
                if failpoints::on("engine.fails") {
                    return Err(EngineError::Run("a failpoint".into()));
                }
                if let Err(failed) = self.engine.submit(ready.slot, outputs, rows) {
                    self.pool.give_back(failed.slot);
                    self.drain();
                    return Err(failed.error);
                }
                self.progress.inferred(started);
                in_flight.push_back(InFlight {
                    part: ready.part,
                    first_offset: ready.first_offset,
                    rows: ready.rows,
                });
            }
            let started = Instant::now();
            let (Some((slot, outputs, result)), Some(batch)) = (self.engine.finish(), in_flight.pop_front())
            else {
                continue;
            };
            self.progress.inferred(started);
            self.pool.give_back(slot);
            if let Err(error) = result {
                self.drain();
                return Err(error);
            }
            let InFlight { part, first_offset, rows } = batch;
            self.queue.rows(Done { part, first_offset, rows, outputs });
        }
    }

    fn drain(&mut self) {
        while let Some((slot, _, _)) = self.engine.finish() {
            self.pool.give_back(slot);
        }
    }
}
