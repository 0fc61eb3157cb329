//! Logs: to standard error, filtered by `TRESNET_BATCH_LOG`.
//!
//! Standard output belongs to results; its last line is JSON for machines. [`trace`] writes timelines.

pub mod trace;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The variable that sets the filter, such as `debug` or `tresnet_batch::store=debug`.
pub const FILTER: &str = "TRESNET_BATCH_LOG";

/// Starts logging for the life of the process; a second call does nothing.
pub fn init() {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new("warn"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // an embedding program may have its own subscriber already
    drop(logs.try_init());
}
