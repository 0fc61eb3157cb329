//! SIGTERM and SIGINT: the first finishes what is open, the second ends the process at once.
//!
//! A thread ends a process that does not end by itself within the grace, whatever keeps it: a library, a disk.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::engine::exit_at_once;
use crate::failure::{Exit, Failure};
use crate::pipeline::shutdown::Shutdown;
use crate::telemetry::{self, screen};

use super::metrics::MetricsFile;
use super::print;

/// A run has this time beyond its grace to end by itself.
const BEYOND_GRACE: Duration = Duration::from_millis(1500);
/// Time for each last write: the disk, or the reader of a pipe, may be what hangs.
const LAST_WRITE: Duration = Duration::from_millis(300);

/// Listens until the process ends. A second signal still leaves the metrics of an interrupted run.
pub(super) fn listen(shutdown: Shutdown, metrics: Option<Arc<MetricsFile>>) -> Result<(), Failure> {
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
                leave(metrics.clone(), "ended by a second signal; run again");
            }
            asked = true;
            print::note("stopping: open parts that can end soon are finished; a second signal ends at once");
            shutdown.interrupt();
            watch(shutdown.grace() + BEYOND_GRACE, metrics.clone());
        }
    });
    Ok(())
}

/// Runs work that changes nothing, until it is done or a signal comes.
///
/// # Errors
/// Those of the work; 75 after a signal.
pub(super) async fn unless_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let (mut term, mut interrupt) = (install(SignalKind::terminate())?, install(SignalKind::interrupt())?);
    tokio::select! {
        done = work => done,
        _ = term.recv() => Err(interrupted()),
        _ = interrupt.recv() => Err(interrupted()),
    }
}

fn interrupted() -> Failure {
    Failure::new(Exit::TryAgain, "interrupted; nothing was changed")
}

fn install(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::caused(Exit::Unavailable, "cannot listen for signals", error))
}

/// Ends the process after this time.
fn watch(time: Duration, metrics: Option<Arc<MetricsFile>>) {
    let end = move || {
        std::thread::sleep(time);
        leave(metrics, "interrupted, and did not end within the grace; what is committed stays, run again");
    };
    if let Err(error) = std::thread::Builder::new().name("signals".into()).spawn(end) {
        tracing::warn!(%error, "nothing ends this process if it hangs");
    }
}

/// Ends the process now; one that is ending already gets a moment to print its result.
fn leave(metrics: Option<Arc<MetricsFile>>, why: &'static str) -> ! {
    let exit = Exit::TryAgain;
    if let Err(code) = print::may_end(exit.code()) {
        std::thread::sleep(LAST_WRITE);
        exit_at_once(code);
    }
    if let Some(metrics) = metrics {
        within(LAST_WRITE, move || metrics.leave(exit));
    }
    within(LAST_WRITE, move || {
        screen::hide();
        print::repeated();
        print::error(why, exit.code());
        print::result(json!({
            "command": "run",
            "exit": exit.code(),
            "run_id": telemetry::run_id(),
            "error": why,
        }));
    });
    exit_at_once(exit.code())
}

/// Does something in another thread, and waits for it no longer than `time`.
fn within(time: Duration, work: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::Builder::new().spawn(move || {
        work();
        let _ = done.send(());
    });
    if thread.is_ok() {
        let _ = wait.recv_timeout(time);
    }
}
