//! Points at which a process stops until the test lets it go.

use std::path::PathBuf;
use std::process::{Child, Command};

use tempfile::TempDir;

use crate::support::job::reaches;
use crate::support::scratch;

/// The folder in which points that are reached make their files.
pub struct Held(TempDir);

impl Held {
    pub fn new() -> Held {
        Held(tempfile::tempdir_in(scratch()).unwrap())
    }

    /// The command with the folder in its environment.
    pub fn on<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("FAILPOINTS_REACHED", self.0.path())
    }

    fn file(&self, point: &str) -> PathBuf {
        self.0.path().join(point.replace([':', '/'], "-"))
    }

    #[track_caller]
    pub fn until_reached(&self, child: &mut Child, point: &str) {
        let file = self.file(point);
        assert!(reaches(child, 1, || usize::from(file.exists())), "it ended before `{point}`");
    }

    pub fn let_go(&self, point: &str) {
        std::fs::remove_file(self.file(point)).unwrap();
    }
}
