//! One engine that several users have in turn, so that a model is loaded once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Engine, EngineError, EngineSpec, Failed, Outputs, Slot};

/// A handle on an engine. One user at a time has batches in flight.
#[derive(Clone)]
pub struct SharedEngine {
    engine: Arc<Mutex<Box<dyn Engine>>>,
    spec: EngineSpec,
    provider: String,
    repeats: bool,
}

impl SharedEngine {
    /// The first handle on an engine.
    pub fn new(engine: Box<dyn Engine>) -> SharedEngine {
        let (spec, provider) = (engine.spec().clone(), engine.provider().to_owned());
        let repeats = engine.repeats();
        SharedEngine { engine: Arc::new(Mutex::new(engine)), spec, provider, repeats }
    }

    fn engine(&self) -> MutexGuard<'_, Box<dyn Engine>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for SharedEngine {
    fn spec(&self) -> &EngineSpec {
        &self.spec
    }

    fn repeats(&self) -> bool {
        self.repeats
    }

    fn provider(&self) -> &str {
        &self.provider
    }

    fn allocate(&mut self, capacity: usize) -> Result<(Slot, Outputs), EngineError> {
        self.engine().allocate(capacity)
    }

    fn submit(&mut self, slot: Slot, outputs: Outputs, rows: usize) -> Result<(), Box<Failed>> {
        self.engine().submit(slot, outputs, rows)
    }

    fn finish(&mut self) -> Option<(Slot, Outputs, Result<(), EngineError>)> {
        self.engine().finish()
    }
}
