//! One process a share on a local disk. The kernel frees the lock however the process ends.
//!
//! The lock saves work; correctness does not rest on it, so a file system without locks is no error.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};

use crate::failure::{Exit, Failure};
use crate::output::Layout;
use crate::store::{Location, StoreError};

use crate::pipeline::share::Share;
use crate::telemetry::clock::now;

/// Holds the share until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code)] Option<File>);

/// Takes the share, or fails with 75, naming who has it.
pub(crate) fn take(output: &Location, share: Share) -> Result<Lock, Failure> {
    let Some(root) = output.local_path() else { return Ok(Lock(None)) };
    let path = root.join(Layout::lock(&share.name()));
    let io =
        |error: std::io::Error| Failure::from(StoreError::io(error, format!("locking `{}`", path.display())));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            drop(file.read_to_string(&mut holder));
            let holder =
                if holder.is_empty() { "another process".to_owned() } else { holder.trim().to_owned() };
            return Err(Failure::new(
                Exit::TryAgain,
                format!("{share} of this job is already at work on `{}`: {holder}", output.uri()),
            ));
        }
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, "this disk has no locks: nothing keeps a second process from the same share");
            return Ok(Lock(None));
        }
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let text = format!("process {} on {} since {}\n", std::process::id(), host.trim(), now());
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(text.as_bytes()))
        .map_err(io)?;
    Ok(Lock(Some(file)))
}
