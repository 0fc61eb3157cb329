//! The lock of a blob, which `huggingface_hub` takes on the same file in the same way (`flock`).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// Other users of a shared cache wait for it, too.
const MODE: u32 = 0o664;

/// Holds a lock until it is dropped.
#[derive(Debug)]
pub(super) struct BlobLock(#[allow(dead_code)] File);

/// Takes a lock, waiting for its holder; `waits` is called once if there is one.
pub(super) async fn take(path: &Path, waits: impl FnOnce()) -> io::Result<BlobLock> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut waits = Some(waits);
    loop {
        let file = OpenOptions::new().create(true).append(true).mode(MODE).open(path)?;
        // whatever the umask is; only the owner can set it, and needs to
        drop(file.set_permissions(fs::Permissions::from_mode(MODE)));
        match file.try_lock() {
            // its holder may have removed it before this lock was taken
            Ok(()) if is_at(&file, path) => return Ok(BlobLock(file)),
            Ok(()) => continue,
            // a file system without locks: a double download, and no damage
            Err(TryLockError::Error(error)) if has_no_locks(&error) => return Ok(BlobLock(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {}
        }
        if let Some(waits) = waits.take() {
            waits();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// True for the answers of a file system without locks; NFS without its lock service returns `ENOLCK`.
fn has_no_locks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(libc::ENOLCK)
}

fn is_at(file: &File, path: &Path) -> bool {
    let same =
        |one: &fs::Metadata, other: &fs::Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(one), Ok(other)) if same(&one, &other))
}
