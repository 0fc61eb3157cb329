//! What the tasks of all parts of a run share.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::dataset::Dataset;
use crate::engine::SlotPool;
use crate::output::{Layout, PartContext};
use crate::store::Location;

use super::admission::Admission;
use super::canary::Canary;
use super::open_parts::OpenParts;
use super::progress::Progress;
use super::shutdown::Shutdown;
use super::work_queue::WorkQueue;

/// What the tasks of all parts share.
pub(crate) struct Shared {
    pub dataset: Arc<dyn Dataset>,
    pub pool: SlotPool,
    pub admission: Admission,
    /// One part admits rows at a time, in plan order: a part fills several batches by itself, and a stop then
    /// finds one part half done and not all of them.
    pub admitting: Arc<Semaphore>,
    pub queue: Arc<WorkQueue>,
    pub parts: Arc<OpenParts>,
    pub canary: Arc<Canary>,
    pub context: PartContext,
    pub output: Location,
    pub layout: Layout,
    pub progress: Arc<Progress>,
    pub shutdown: Shutdown,
    /// Numbers attempts at parts: a batch of one that was given up never counts for the next.
    pub attempts: AtomicU32,
    /// Open parts get this long to end after a signal.
    pub grace: Duration,
    /// Inputs that may be damaged.
    pub max_damaged_inputs: u64,
}
