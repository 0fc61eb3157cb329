//! One process a share on a local disk. The kernel frees the lock however the process ends.
//!
//! The lock saves work; correctness does not depend on it, so a file system without locks is no error.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::failure::{Exit, Failure};
use crate::output::Layout;
use crate::store::{Location, StoreError};

use crate::pipeline::share::Share;
use crate::telemetry::clock::now;

/// Holds locks until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code)] Vec<File>);

/// The result of trying to lock a file.
enum Taken {
    Locked(File),
    /// The process that holds it, as far as the file shows.
    By(String),
    /// The file system has no locks.
    Unknown,
}

/// Locks the share, or fails with 75 and names the process that holds it. No repair can begin while it is held.
pub(crate) fn take(output: &Location, share: Share) -> Result<Lock, Failure> {
    let Some(root) = output.local_path() else { return Ok(Lock(Vec::new())) };
    let repair = match lock(&root.join(Layout::lock(REPAIR)), File::try_lock_shared)? {
        Taken::Locked(file) => file,
        Taken::By(holder) => return Err(busy(output, "a repair of it", &holder)),
        Taken::Unknown => return Ok(Lock(Vec::new())),
    };
    match lock(&root.join(Layout::lock(&share.name())), File::try_lock)? {
        Taken::Locked(file) => {
            sign(&file, output)?;
            Ok(Lock(vec![repair, file]))
        }
        Taken::By(holder) => Err(Failure::new(
            Exit::TryAgain,
            format!("{share} of this job is already running on `{}`: {holder}", output.uri()),
        )),
        Taken::Unknown => Ok(Lock(vec![repair])),
    }
}

/// Takes the locks of all shares, or fails with 75 and names the process that holds one. A store has no locks.
pub(crate) fn take_all(output: &Location) -> Result<Lock, Failure> {
    let Some(root) = output.local_path() else { return Ok(Lock(Vec::new())) };
    let repair = root.join(Layout::lock(REPAIR));
    let folder = repair.parent().unwrap_or(root).to_owned();
    // runs of this version hold it too
    let whole = lock(&repair, File::try_lock)?;
    let mut held = Vec::new();
    let io = |error| failure(error, &folder);
    for item in std::fs::read_dir(&folder).map_err(io)? {
        let path = item.map_err(io)?.path();
        if path == repair || path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        match lock(&path, File::try_lock)? {
            Taken::Locked(file) => held.push(file),
            Taken::By(holder) => return Err(busy(output, "a run", &holder)),
            Taken::Unknown => {}
        }
    }
    match whole {
        Taken::Locked(file) => {
            sign(&file, output)?;
            held.push(file);
        }
        Taken::By(holder) => return Err(busy(output, "a run or another repair", &holder)),
        Taken::Unknown => {}
    }
    Ok(Lock(held))
}

/// The name of the lock that runs hold shared and a repair holds exclusively.
const REPAIR: &str = "repair";

fn busy(output: &Location, what: &str, holder: &str) -> Failure {
    let text = format!("{what} is running on `{}`: {holder}; try again when it has ended", output.uri());
    Failure::new(Exit::TryAgain, text)
}

fn failure(error: std::io::Error, path: &Path) -> Failure {
    StoreError::io(error, format!("locking `{}`", path.display())).into()
}

fn lock(path: &Path, try_lock: impl Fn(&File) -> Result<(), TryLockError>) -> Result<Taken, Failure> {
    let io = |error: std::io::Error| failure(error, path);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
    match try_lock(&file) {
        Ok(()) => Ok(Taken::Locked(file)),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            drop(file.read_to_string(&mut holder));
            let holder = holder.trim();
            Ok(Taken::By(if holder.is_empty() { "another process" } else { holder }.to_owned()))
        }
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, "this disk has no locks: nothing keeps a second process from the same share");
            Ok(Taken::Unknown)
        }
    }
}

/// Writes who holds a lock into its file.
fn sign(mut file: &File, output: &Location) -> Result<(), Failure> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let text = format!("process {} on {} since {}\n", std::process::id(), host.trim(), now());
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
    written.map_err(|error| StoreError::io(error, format!("locking `{}`", output.uri())).into())
}
