//! `readers.rs` under `loom`: no file waits without a thread that reads it, and the threads end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use crate::sync::modelled as sync;

use self::readers::Readers;
use self::sync::{block_on, blocking_threads_end, each_takes, model, spawn};
use super::{FetchError, StoreError, buffers, reader_queue};

#[allow(clippy::duplicate_mod, dead_code)]
#[path = "readers.rs"]
mod readers;

/// Files that hold their own path.
mod local {
    use std::fs::File;
    use std::path::Path;
    use std::sync::Arc;

    use bytes::Bytes;

    use super::FetchError;
    use super::buffers::Buffers;

    pub fn open(_: &Path, _: Option<&str>) -> Result<File, FetchError> {
        File::open("/dev/null").map_err(|_| FetchError::NotFound)
    }

    pub fn read(
        _: File,
        path: &Path,
        _: Option<&str>,
        _: u64,
        _: &Arc<Buffers>,
    ) -> Result<(Bytes, String), FetchError> {
        Ok((path.to_str().unwrap_or_default().to_owned().into(), String::new()))
    }
}

fn is_read(readers: &Arc<Readers>, path: &str) -> bool {
    matches!(block_on(readers.read(PathBuf::from(path), None, 1)), Ok((bytes, _)) if bytes == path)
}

/// Two files asked for by two threads, where each read takes this long.
fn two_askers(each: Duration) {
    model(move || {
        each_takes(each);
        let readers = Arc::new(Readers::default());
        let other = spawn({
            let readers = readers.clone();
            move || is_read(&readers, "first")
        });
        assert!(is_read(&readers, "second"));
        assert!(other.join().unwrap());
        blocking_threads_end();
        assert_eq!(readers.count(), 0);
    });
}

#[test]
fn two_threads_each_get_their_file_from_a_fast_disk_and_the_readers_end() {
    two_askers(Duration::ZERO);
}

#[test]
fn two_threads_each_get_their_file_from_a_slow_disk_and_the_readers_end() {
    two_askers(Duration::from_secs(1));
}

#[test]
fn a_file_is_read_after_the_asker_of_another_went_away() {
    model(|| {
        each_takes(Duration::from_secs(1));
        let readers = Arc::new(Readers::default());
        assert!(readers.read(PathBuf::from("first"), None, 1).now_or_never().is_none());
        assert!(is_read(&readers, "second"));
        blocking_threads_end();
        assert_eq!(readers.count(), 0);
    });
}
