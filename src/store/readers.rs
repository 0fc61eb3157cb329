//! The threads that read local files: as few as keep up, since each that is woken costs more than a small file
//! that lies in the page cache; more of them as soon as the disk makes them wait.

use std::collections::VecDeque;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::buffers::Buffers;
use super::{FetchError, StoreError, local};

/// A read that took longer waited for a disk.
const SLOW: Duration = Duration::from_millis(1);
/// Files that may wait for each reader, however fast it was.
const WAITING: usize = 16;

/// A file's bytes and its tag.
type Read = Result<(Bytes, String), FetchError>;

/// Reads whole files.
#[derive(Debug)]
pub(super) struct Readers {
    /// [`local::open`]; a test has another that hangs.
    open: fn(&Path, Option<&str>) -> Result<File, FetchError>,
    state: Mutex<State<ReadRequest>>,
    buffers: Arc<Buffers>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State<R> {
    waiting: VecDeque<R>,
    /// Threads that read, or are about to.
    readers: usize,
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
    pub async fn read(self: &Arc<Self>, path: PathBuf, tag: Option<String>, limit: u64) -> Read {
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut state = self.state();
            state.waiting.push_back(ReadRequest { path, tag, limit, answer });
            state.begins(WAITING)
        };
        if begins {
            self.begin();
        }
        // every file that a reader takes is answered, so that this one was never taken
        let gone = || StoreError::local("reading a file", "no thread came for it");
        answered.await.map_err(|_| gone())?
    }

    fn state(&self) -> MutexGuard<'_, State<ReadRequest>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>) {
        let readers = self.clone();
        tokio::task::spawn_blocking(move || readers.work());
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
            // whoever asked may have gone meanwhile
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

impl<R> Default for State<R> {
    fn default() -> Self {
        State { waiting: VecDeque::new(), readers: 0 }
    }
}

impl<R> State<R> {
    fn next(&mut self) -> Option<R> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.readers -= 1;
        }
        next
    }

    /// Counts one more reader in where none reads, or more files wait than `waiting` for each.
    fn begins(&mut self, waiting: usize) -> bool {
        let begins = self.readers == 0 || self.waiting.len() > waiting * self.readers;
        self.readers += usize::from(begins);
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::collections::HashSet;

    fn files(many: usize) -> (tempfile::TempDir, Vec<PathBuf>) {
        let root = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..many).map(|number| root.path().join(number.to_string())).collect();
        paths.iter().for_each(|path| std::fs::write(path, path.to_str().unwrap()).unwrap());
        (root, paths)
    }

    async fn is_read(readers: &Arc<Readers>, path: &Path) -> bool {
        let read = readers.read(path.to_owned(), None, 1000).await;
        matches!(read, Ok((bytes, _)) if bytes == path.to_str().unwrap())
    }

    /// Everything that askers and readers share, between two of the sections that hold the lock.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Moment {
        state: State<()>,
        /// Askers that have not asked, readers that read a file, and readers that come for one.
        askers: usize,
        reading: usize,
        coming: usize,
    }

    fn follow(moment: Moment, seen: &mut HashSet<Moment>) {
        if !seen.insert(moment.clone()) {
            return;
        }
        let Moment { ref state, askers, reading, coming } = moment;
        assert_eq!(state.readers, reading + coming, "the count of readers is theirs");
        assert!(
            askers + reading + coming > 0 || state.waiting.is_empty(),
            "a file waits and no reader comes"
        );
        if askers > 0 {
            let mut next = Moment { askers: askers - 1, ..moment.clone() };
            next.state.waiting.push_back(());
            next.coming += usize::from(next.state.begins(2));
            follow(next, seen);
        }
        if coming > 0 {
            let mut next = Moment { coming: coming - 1, ..moment.clone() };
            next.reading += usize::from(next.state.next().is_some());
            follow(next, seen);
        }
        if reading > 0 {
            for slow in [false, true] {
                let mut next = Moment { reading: reading - 1, coming: coming + 1, ..moment.clone() };
                next.coming += usize::from(slow && next.state.begins(0));
                follow(next, seen);
            }
        }
    }

    #[test]
    fn in_no_order_of_asking_and_reading_is_a_file_left_without_a_reader() {
        let mut seen = HashSet::new();
        follow(Moment { state: State::default(), askers: 8, reading: 0, coming: 0 }, &mut seen);
        assert!(seen.len() > 100, "{} moments", seen.len());
    }

    #[tokio::test]
    async fn every_asker_gets_its_own_file_and_the_readers_leave() {
        let (_root, paths) = files(200);
        let readers = Arc::default();
        for _ in 0..3 {
            let read = join_all(paths.iter().map(|path| is_read(&readers, path))).await;
            assert!(read.into_iter().all(|read| read));
        }
        // one that found nothing to read leaves behind the answer to the last
        while readers.state().readers > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_file_that_hangs_does_not_hold_up_the_others_for_ever() {
        let (root, paths) = files(WAITING + 1);
        let pipe = root.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let hanging = |path: &Path, _: Option<&str>| File::open(path).map_err(|_| FetchError::NotFound);
        let readers = Arc::new(Readers { open: hanging, ..Readers::default() });
        let mut hangs = Box::pin(readers.read(pipe.clone(), None, 1000));
        assert!(futures::poll!(&mut hangs).is_pending());
        let read = join_all(paths.iter().map(|path| is_read(&readers, path))).await;
        assert!(read.into_iter().all(|read| read));
        assert!(futures::poll!(&mut hangs).is_pending());
        drop(std::fs::OpenOptions::new().write(true).open(&pipe).unwrap());
        assert!(hangs.await.is_ok_and(|(bytes, _)| bytes.is_empty()));
    }
}
