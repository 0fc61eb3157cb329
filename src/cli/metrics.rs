//! `run --metrics FILE`: writes the run's metrics every few seconds and at its end.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::job::{Source, load, name_of};
use crate::pipeline::progress::Progress;
use crate::pipeline::share::Share;
use crate::regular_file;
use crate::runner::metrics::{Metrics, RunEnd, job_of_metrics};

use super::files;

const EVERY: Duration = Duration::from_secs(2);

/// The file, from the run's start to its end.
pub(super) struct MetricsFile {
    path: PathBuf,
    progress: Arc<Progress>,
    metrics: Mutex<Metrics>,
}

/// Writes the file until the run has ended. A thread does it: the runtime's own may be busy with loading a model.
pub(super) struct Writer {
    file: Arc<MetricsFile>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Writes the file for the first time; carries over the metrics that the previous run left in it.
    ///
    /// # Errors
    /// `path` does not end in `.prom` (64). The file cannot be read or written, or holds something other than these
    /// metrics (73). No thread can be started (69).
    pub fn start(
        path: &Path,
        job: &Path,
        source: &Source<'_>,
        share: Share,
        progress: Arc<Progress>,
    ) -> Result<Writer, Failure> {
        if path.extension().is_none_or(|extension| extension != "prom") {
            return Err(Failure::new(
                Exit::Usage,
                format!(
                    "--metrics `{}`: node_exporter reads files whose names end in .prom only; name it so",
                    path.display()
                ),
            ));
        }
        let before = earlier(path)?;
        // the run itself reports a job file that cannot be read; its metrics keep the name of the same job
        let name = load(job, source).map(|spec| spec.name(job));
        let name = name.ok().or_else(|| job_of_metrics(&before)).unwrap_or_else(|| name_of(job));
        let metrics = Mutex::new(Metrics::new(name, share, &before));
        let file = Arc::new(MetricsFile { path: path.to_owned(), progress, metrics });
        file.write()?;
        let (stop, stopped) = channel();
        let writing = file.clone();
        let thread = std::thread::Builder::new().name("metrics".into()).spawn(move || {
            let mut warned = false;
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if let Err(failure) = writing.write()
                    && !std::mem::replace(&mut warned, true)
                {
                    tracing::warn!("the run goes on without metrics: {}", failure.explain());
                }
            }
        });
        let thread = thread.map_err(|error| {
            Failure::caused(Exit::Unavailable, "cannot start the thread that writes metrics", error)
        })?;
        Ok(Writer { file, stop: Some(stop), thread: Some(thread) })
    }

    /// The file, for the code that ends the process at once.
    pub fn file(&self) -> Arc<MetricsFile> {
        self.file.clone()
    }

    /// Writes the file for the last time. Metrics that could not be written are no reason to fail a run.
    pub fn end(mut self, end: RunEnd) -> Value {
        self.stop();
        self.file.metrics.lock().unwrap_or_else(PoisonError::into_inner).end(end);
        let path = &self.file.path;
        match self.file.write() {
            Ok(()) => json!({ "file": path }),
            Err(failure) => {
                tracing::warn!("the metrics of the run's end are not written: {}", failure.explain());
                json!({ "file": path, "error": failure.explain() })
            }
        }
    }

    fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // the panic hook has already reported a thread that panicked
            drop(thread.join());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let has_ended = self.thread.is_none();
        self.stop();
        if !has_ended {
            // a panic came through here
            self.file.leave(Exit::Bug);
        }
    }
}

impl MetricsFile {
    fn write(&self) -> Result<(), Failure> {
        // held while the file is written: two drafts of one process would have one name
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        files::write(&self.path, metrics.page(&self.progress).as_bytes())
    }

    /// Writes the file before the process ends in another way than by its run's end. Skips it while the file is being
    /// written, so that the process does not wait for a disk.
    pub fn leave(&self, exit: Exit) {
        let mut metrics = match self.metrics.try_lock() {
            Ok(metrics) => metrics,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        metrics.end(RunEnd { exit: exit.code(), is_success: false, is_complete: false });
        let page = metrics.page(&self.progress);
        if let Err(failure) = files::write(&self.path, page.as_bytes()) {
            tracing::warn!("the metrics of the run's end are not written: {}", failure.explain());
        }
    }
}

/// Reads the metrics in the file; it must be this program's file, since it is overwritten.
fn earlier(path: &Path) -> Result<String, Failure> {
    let text = match regular_file::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        Err(error) if error.kind() == ErrorKind::InvalidData => "not even text".to_owned(),
        Err(error) => {
            let what = format!("cannot read `{}`, which holds the metrics of the run before", path.display());
            return Err(Failure::caused(Exit::CannotCreate, what, error));
        }
    };
    if text.is_empty() || job_of_metrics(&text).is_some() {
        return Ok(text);
    }
    Err(Failure::new(
        Exit::CannotCreate,
        format!(
            "--metrics `{}` holds something else than metrics of this program, and would be written over; take another \
             name",
            path.display()
        ),
    ))
}
