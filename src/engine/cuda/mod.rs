//! ONNX Runtime's CUDA provider as an [`Engine`], with a separate data path around it.
//!
//! ```text
//!  pinned slot ──copy──► input ──one captured graph──► logits │ embedding ──copy──► pinned results
//!             stream in │      │    compute stream     (one block)        │ stream out
//!                       └event─┘                                 └──event─┘
//! ```
//!
//! Two lanes of this run over one session, so that one batch is copied while the other is computed. ONNX Runtime
//! would copy too, but on the compute stream, or read pinned memory over the bus from inside the first kernel: so
//! input and outputs are bound to the device, and what moves between host and device are our copies alone.
//!
//! A captured graph belongs to the thread that captured it. The engine therefore has a separate thread, which
//! makes the session, warms it up and runs it ([`owner`]); any thread may hold the engine. Slots stay with the holder:
//! the engine's thread sees addresses only, so a slot cannot be lost if that thread fails.

mod device;
mod memory;
mod operators;
mod options;
mod owner;

use std::collections::VecDeque;
use std::sync::Arc;

use device::{Setup, Source};
pub use operators::{OwnOperators, own_operators};
pub use options::{ConvSearch, CudaOptions, Operators};
use owner::{Command, Owner};

use super::contract::Submission;
use super::driver::Context;
use super::session::GraphFiles;
use super::slot::HostMemory;
use super::{Engine, EngineError, EngineSpec, Failed, GraphNames, Outputs, Runtime, Slot};

/// One session on one CUDA device. [`Engine::submit`] returns while the device works.
pub struct CudaEngine {
    // first, so that it is dropped first: nothing is copied any more when slots and results go
    owner: Owner,
    in_flight: VecDeque<InFlight>,
    /// Where each lane's results arrive.
    results: Vec<Arc<HostMemory>>,
    /// Number of the first float of `embedding` in them.
    embedding_at: usize,
    /// The lane of the next batch.
    next: usize,
    spec: EngineSpec,
    context: Arc<Context>,
    pinned: bool,
}

/// A batch that the device has.
struct InFlight {
    lane: usize,
    slot: Slot,
    outputs: Outputs,
    rows: usize,
}

impl CudaEngine {
    /// Loads a graph for batches of `batch` rows and runs it once on each lane, so that memory is taken, algorithms
    /// are chosen and graphs are captured before the first image. Engines of one process are loaded one after the
    /// other, before any of them runs: a capture does not bear other work on the device.
    ///
    /// # Errors
    /// [`EngineError::Provider`] where the library has no CUDA provider or that needs a library that is missing,
    /// [`EngineError::NoDevice`] where no device answers, [`EngineError::OutOfMemory`] where the batch is too large for
    /// it, [`EngineError::Model`] where the graph has other inputs or outputs, [`EngineError::Load`] where it, or an
    /// operator of it, is not for this provider.
    pub fn load<'a>(
        runtime: &Runtime,
        graph: impl Into<GraphFiles<'a>>,
        names: GraphNames,
        batch: usize,
        options: &CudaOptions,
    ) -> Result<CudaEngine, EngineError> {
        options.check()?;
        if batch == 0 {
            return Err(EngineError::Load("a batch of no rows".into()));
        }
        if !runtime.providers().contains(&"cuda") {
            return Err(EngineError::Provider {
                provider: "cuda",
                why: format!(
                    "`{}` is built without it; run `make setup-cuda` in the project, or give a library that has it by \
                     `--onnxruntime PATH`",
                    runtime.path().display()
                ),
            });
        }
        let context = Context::open(options.device_id)?;
        let GraphFiles { graph, weights } = graph.into();
        let (owner, ready) = Owner::start(Setup {
            runtime: runtime.clone(),
            graph: graph.to_vec(),
            weights: weights.to_vec(),
            names,
            batch,
            options: options.clone(),
            context: context.clone(),
        })?;
        Ok(CudaEngine {
            owner,
            in_flight: VecDeque::with_capacity(options.lanes),
            results: ready.results,
            embedding_at: ready.embedding_at,
            next: 0,
            spec: ready.spec,
            context,
            pinned: options.pinned,
        })
    }

    /// Copies a lane's results to where the rows are made from.
    fn take_results(&self, lane: usize, outputs: &mut Outputs, rows: usize) {
        let EngineSpec { classes, dim, .. } = self.spec;
        let start = self.results[lane].as_ptr().cast::<f32>().cast_const();
        for (at, width, target) in
            [(0, classes, &mut outputs.logits), (self.embedding_at, dim, &mut outputs.embedding)]
        {
            let count = rows * width;
            // SAFETY: the block holds both outputs of a whole batch, `rows` is no more than that, and the memory was
            // zeroed; the copy into it has ended, and the next begins when this lane is submitted again, which
            // `&self` excludes.
            let values = unsafe { std::slice::from_raw_parts(start.add(at), count) };
            target[..count].copy_from_slice(values);
        }
    }
}

impl Engine for CudaEngine {
    fn spec(&self) -> &EngineSpec {
        &self.spec
    }

    fn provider(&self) -> &str {
        "cuda"
    }

    fn allocate(&mut self, capacity: usize) -> Result<(Slot, Outputs), EngineError> {
        let bytes = self.spec.row_bytes() * capacity;
        let memory = memory::host_memory(&self.context, bytes, self.pinned)
            .map_err(|refusal| memory::too_large(refusal, capacity))?;
        Ok((Slot::over(memory, &self.spec, capacity), Outputs::new(&self.spec, capacity)))
    }

    fn submit(&mut self, slot: Slot, outputs: Outputs, rows: usize) -> Result<(), Box<Failed>> {
        let submission = Submission { slot: &slot, outputs: &outputs, rows, computed: rows };
        let started = match submission.refusal(&self.spec, self.in_flight.len()) {
            Some(why) => Err(EngineError::Run(why)),
            None => {
                let source = Source { pointer: slot.as_ptr(), bytes: rows * slot.row_bytes() };
                self.owner.ask(Command::Submit { lane: self.next, source })
            }
        };
        if let Err(error) = started {
            return Err(Box::new(Failed { slot, outputs, error }));
        }
        self.in_flight.push_back(InFlight { lane: self.next, slot, outputs, rows });
        self.next = (self.next + 1) % self.results.len();
        Ok(())
    }

    fn finish(&mut self) -> Option<(Slot, Outputs, Result<(), EngineError>)> {
        let InFlight { lane, slot, mut outputs, rows } = self.in_flight.pop_front()?;
        let ended = self.owner.ask(Command::Finish { lane });
        if ended.is_ok() {
            self.take_results(lane, &mut outputs, rows);
        }
        Some((slot, outputs, ended))
    }
}
