//! Files of `src/pipeline` whose types no other crate sees, compiled a second time here, as the tests of threads do it.
//! So the bench runs the program's code and no copy of it.

#![allow(dead_code, unused_imports)]

#[path = "../../src/pipeline/meters.rs"]
pub mod meters;
#[path = "../../src/pipeline/open_parts.rs"]
pub mod open_parts;

/// The module from which `open_parts` takes its locks.
mod sync {
    pub use std::sync::{Mutex, MutexGuard};
    pub use tokio::sync::Notify;
}

use std::time::Instant;

use tresnet_batch::pipeline::progress::Progress;

/// The counters of a run.
#[derive(Default)]
pub struct Counters {
    meters: meters::Meters,
    progress: Progress,
}

impl Counters {
    /// Counts an image as admission, reading, the queue and decoding do.
    pub fn image(&self) {
        let Counters { meters, progress } = self;
        for meter in [&meters.wait_row, &meters.wait_bytes, &meters.fetch, &meters.queue, &meters.decode] {
            meter.since(Instant::now());
        }
        progress.read(100_000);
    }
}
