//! SIGTERM and SIGINT: the first finishes what is open, the second ends the process at once.

use std::sync::Arc;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::engine::exit_at_once;
use crate::failure::{Exit, Failure};
use crate::pipeline::shutdown::Shutdown;
use crate::telemetry;

use super::metrics::MetricsFile;
use super::print;

/// Listens until the process ends. A second signal still leaves the metrics of an interrupted run.
pub(super) fn listen(shutdown: Shutdown, metrics: Option<Arc<MetricsFile>>) -> Result<(), Failure> {
    let install = |kind| {
        signal(kind).map_err(|error| Failure::caused(Exit::Unavailable, "cannot listen for signals", error))
    };
    // a file size limit then is an error of the write, and not the end of the process
    let mut too_large = install(SignalKind::from_raw(libc::SIGXFSZ))?;
    let mut term = install(SignalKind::terminate())?;
    let mut interrupt = install(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = too_large.recv() => continue,
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            if asked {
                leave(metrics.as_deref());
            }
            asked = true;
            print::note("stopping: open parts that can end soon are finished; a second signal ends at once");
            shutdown.interrupt();
        }
    });
    Ok(())
}

fn leave(metrics: Option<&MetricsFile>) -> ! {
    let exit = Exit::TryAgain;
    if let Some(metrics) = metrics {
        metrics.leave(exit);
    }
    print::line(json!({
        "command": "run",
        "exit": exit.code(),
        "run_id": telemetry::run_id(),
        "error": "ended by a second signal; run again",
    }));
    exit_at_once(exit.code())
}
