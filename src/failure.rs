//! How a command ends: the exit code that a scheduler acts on, and the one error that a person reads.
//!
//! Every module has its own error enum and maps it to an exit code here; nothing else decides an exit code.

use std::error::Error;
use std::fmt;

use crate::telemetry::explain;

/// Exit codes of the program (after BSD's `sysexits.h`, with a scheduler's needs in mind).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for is done.
    Complete = 0,
    /// The command line makes no sense.
    Usage = 64,
    /// Too many error rows, or a gate of the report failed.
    Rejected = 65,
    /// The input is missing, empty or holds a key that cannot be read.
    NoInput = 66,
    /// Storage, the credentials service or the device does not answer: try again.
    Unavailable = 69,
    /// A bug of ours.
    Bug = 70,
    /// The output cannot be written safely.
    CannotCreate = 73,
    /// Disk full or another I/O error.
    Io = 74,
    /// Interrupted, or parts left to do: run again.
    TryAgain = 75,
    /// Access denied.
    Denied = 77,
    /// Bad configuration: job file, fingerprint, model, provider or batch size.
    Config = 78,
}

impl Exit {
    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// The failure of a whole command: an exit code, what happened, and its causes.
#[derive(Debug)]
pub struct Failure {
    /// What the process ends with.
    pub exit: Exit,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure without an underlying error.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, message: message.into(), source: None }
    }

    /// A failure that keeps its cause.
    pub fn caused(
        exit: Exit,
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Failure { exit, message: message.into(), source: Some(source.into()) }
    }

    /// A failure that is this error: its text, its causes.
    pub fn of(exit: Exit, error: impl Error + Send + Sync + 'static) -> Self {
        Failure { exit, message: error.to_string(), source: Some(Box::new(error)) }
    }

    /// The same failure with another exit code.
    pub fn exiting(self, exit: Exit) -> Self {
        Failure { exit, ..self }
    }

    /// Prefixes the message with `context`: where it happened.
    pub fn within(self, context: impl fmt::Display) -> Self {
        Failure { message: format!("{context}: {}", self.message), ..self }
    }

    /// The message and each cause that adds something, redacted, for a person: one paragraph.
    pub fn explain(&self) -> String {
        explain(self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as &(dyn Error + 'static))
    }
}
