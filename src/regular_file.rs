//! Opening files of the user without waiting: a FIFO, a socket or a device in place of a file would hang its reader, or
//! never end.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

const FOLDER: &str = "folder";

/// What is at a path in place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is a {kind}, not a file")]
pub struct NotRegular {
    /// A word for it.
    kind: &'static str,
}

impl NotRegular {
    fn of(kind: FileType) -> Option<NotRegular> {
        let kind = match () {
            () if kind.is_file() => return None,
            () if kind.is_dir() => FOLDER,
            () if kind.is_fifo() => "FIFO",
            () if kind.is_socket() => "socket",
            () => "device",
        };
        Some(NotRegular { kind })
    }

    /// Returns whether `error` is a [`NotRegular`] of this module.
    pub fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|cause| cause.is::<NotRegular>())
    }
}

fn refused(kind: NotRegular) -> io::Error {
    let class = if kind.kind == FOLDER { ErrorKind::IsADirectory } else { ErrorKind::InvalidInput };
    io::Error::new(class, kind)
}

/// Opens a regular file to be read.
///
/// # Errors
/// Those of the system, and [`NotRegular`] for anything but a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    // `O_NOCTTY`: a terminal must not become that of this process
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            // a socket, or a device that is not there, cannot be opened at all
            let found = path.metadata().ok().and_then(|found| NotRegular::of(found.file_type()));
            let special = found.filter(|_| error.kind() != ErrorKind::PermissionDenied);
            return match special {
                Some(kind) => Err(refused(kind)),
                // another process holds a lease on the file and is asked for it: that ends by itself
                None if error.kind() == ErrorKind::WouldBlock => File::open(path),
                None => Err(error),
            };
        }
    };
    match NotRegular::of(file.metadata()?.file_type()) {
        None => Ok(file),
        Some(kind) => Err(refused(kind)),
    }
}

/// Looks at a path without opening it.
///
/// # Errors
/// [`NotRegular`] for what is neither a regular file nor a folder, and those of the system.
pub fn check(path: &Path) -> io::Result<()> {
    match NotRegular::of(path.metadata()?.file_type()) {
        Some(kind) if kind.kind != FOLDER => Err(refused(kind)),
        _ => Ok(()),
    }
}

/// Reads a regular file whole.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a regular file as text.
///
/// # Errors
/// As [`open`], and `InvalidData` for what is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    text(read(path)?)
}

/// Reads at most `limit` bytes of text from a regular file, or from a pipe that the caller opened for this process:
/// `/dev/stdin`, and `/dev/fd/…` as shells write it for `<(…)`. Such a pipe has a writer, so it does not wait for one.
///
/// # Errors
/// As [`read_to_string`], and `FileTooLarge` beyond the limit.
pub fn read_given(path: &Path, limit: u64) -> io::Result<String> {
    let piped = is_descriptor(path) && path.metadata().is_ok_and(|found| found.file_type().is_fifo());
    let file = if piped { File::open(path)? } else { open(path)? };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {limit} bytes")));
    }
    text(bytes)
}

fn is_descriptor(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let [file, fifo, socket, link] =
            ["file", "fifo", "socket", "link"].map(|name| folder.path().join(name));
        std::fs::write(&file, "text").unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let _listening = UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        assert_eq!(read(&file).unwrap(), b"text");
        for (path, kind) in [
            (fifo.as_path(), "a FIFO"),
            (&link, "a FIFO"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
            (folder.path(), "a folder"),
        ] {
            let error = open(path).unwrap_err();
            assert!(NotRegular::is_cause_of(&error), "{error}");
            assert!(error.to_string().contains(kind), "{error}");
        }
        let error = open(&folder.path().join("none")).unwrap_err();
        assert!(error.kind() == ErrorKind::NotFound && !NotRegular::is_cause_of(&error), "{error}");
    }

    #[test]
    fn what_is_given_has_a_limit_and_a_fifo_is_no_open_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let [file, fifo] = ["file", "fifo"].map(|name| folder.path().join(name));
        std::fs::write(&file, "text").unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert_eq!(read_given(&file, 4).unwrap(), "text");
        assert_eq!(read_given(&file, 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert!(NotRegular::is_cause_of(&read_given(&fifo, 4).unwrap_err()));
    }
}
