//! The threads that read local files: as few as keep up, since waking one costs more than reading a small file from
//! the page cache; more of them as soon as the disk makes them wait.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::buffers::Buffers;
use super::reader_queue::ReaderQueue;
use super::sync::{Instant, Mutex, MutexGuard, spawn_blocking};
use super::{FetchError, StoreError, local};

/// A read that took longer waited for a disk.
const SLOW: Duration = Duration::from_millis(1);
/// Files that may wait for each reader, however fast it was.
pub(super) const WAITING: usize = 16;

/// A file's bytes and its tag.
type Read = Result<(Bytes, String), FetchError>;

/// Reads whole files.
#[derive(Debug)]
pub(super) struct Readers {
    /// [`local::open`]; a test has another that hangs.
    open: fn(&Path, Option<&str>) -> Result<File, FetchError>,
    state: Mutex<ReaderQueue<ReadRequest>>,
    /// Answers of other stores are collected into them, too.
    pub(super) buffers: Arc<Buffers>,
}

#[derive(Debug)]
struct ReadRequest {
    path: PathBuf,
    tag: Option<String>,
    limit: u64,
    answer: oneshot::Sender<Read>,
}

impl Default for Readers {
    fn default() -> Self {
        Readers { open: local::open, state: Mutex::default(), buffers: Arc::default() }
    }
}

impl Readers {
    /// Reads one file as [`local::read`] does, in the order of asking.
    ///
    /// # Errors
    /// Those of [`local::open`] and [`local::read`], and a read that panics.
    pub async fn read(self: &Arc<Self>, path: PathBuf, tag: Option<String>, limit: u64) -> Read {
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut state = self.state();
            state.push(ReadRequest { path, tag, limit, answer });
            state.begins(WAITING)
        };
        if begins {
            self.begin();
        }
        // every file that a reader takes is answered, so that this one was never taken
        let gone = || StoreError::local("reading a file", "no thread came for it");
        answered.await.map_err(|_| gone())?
    }

    fn state(&self) -> MutexGuard<'_, ReaderQueue<ReadRequest>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>) {
        let readers = self.clone();
        spawn_blocking(move || readers.work());
    }

    fn work(self: &Arc<Self>) {
        while let Some(ReadRequest { path, tag, limit, answer }) = self.next() {
            if answer.is_closed() {
                continue;
            }
            let began = Instant::now();
            let read = || {
                let file = (self.open)(&path, tag.as_deref())?;
                local::read(file, &path, tag.as_deref(), limit, &self.buffers)
            };
            let read = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
                let what = format!("reading `{}`", path.display());
                Err(StoreError::local(what, "it panicked").into())
            });
            // the caller may have gone meanwhile
            drop(answer.send(read));
            if began.elapsed() > SLOW && self.state().begins(0) {
                self.begin();
            }
        }
    }

    /// The next file for a reader; one that gets none is not counted any more.
    fn next(&self) -> Option<ReadRequest> {
        self.state().next()
    }
}

#[cfg(test)]
impl Readers {
    /// Readers whose files are opened by `open`.
    pub fn opened_by(open: fn(&Path, Option<&str>) -> Result<File, FetchError>) -> Self {
        Readers { open, ..Readers::default() }
    }

    /// Threads that read, or are about to.
    pub fn count(&self) -> usize {
        self.state().readers()
    }
}
