//! Files that a person asks for by name: whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};

/// Writes a file: beside the place first, then renamed.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut draft = Draft::create(path)?;
    draft.write_all(bytes).map_err(|error| refused(path, error))?;
    draft.finish()
}

/// A file that is being written beside its place. Dropped before [`Draft::finish`], it leaves nothing.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    draft: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Draft {
    /// Creates the draft beside `path`.
    ///
    /// # Errors
    /// No file can be created in the folder of `path` (73, or 74 if the disk is full).
    pub fn create(path: &Path) -> Result<Draft, Failure> {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.part", std::process::id()));
        let draft = path.with_file_name(name);
        let file = File::create(&draft).map_err(|error| refused(path, error))?;
        Ok(Draft { path: path.to_owned(), draft, file: Some(BufWriter::new(file)) })
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// The rest of the file cannot be written or synced, or the draft cannot be renamed.
    pub fn finish(mut self) -> Result<(), Failure> {
        let file = self.file.take();
        let written = file.map_or(Ok(()), |mut file| file.flush().and_then(|()| file.get_ref().sync_all()));
        let renamed = written.and_then(|()| std::fs::rename(&self.draft, &self.path));
        renamed.map_err(|error| refused(&self.path, error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.draft));
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Err(io::ErrorKind::NotFound.into()), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

/// The failure of a file that could not be written.
pub(super) fn refused(path: &Path, error: impl Into<io::Error>) -> Failure {
    let error = error.into();
    let exit = match error.kind() {
        io::ErrorKind::StorageFull => Exit::Io,
        _ => Exit::CannotCreate,
    };
    Failure::caused(exit, format!("cannot write `{}`", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_becomes_the_file_whole_or_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        let mut draft = Draft::create(&path).unwrap();
        draft.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(draft);
        assert_eq!(names(), 0);
        write(&path, b"whole").unwrap();
        assert_eq!((std::fs::read(&path).unwrap().as_slice(), names()), (b"whole".as_slice(), 1));
        let failure = write(&folder.path().join("none/a.txt"), b"x").unwrap_err();
        assert_eq!(failure.exit, Exit::CannotCreate);
    }
}
