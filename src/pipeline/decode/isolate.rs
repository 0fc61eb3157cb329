//! Decoding in processes apart, so that an image which kills its decoder (abort, stack overflow, out of memory)
//! costs its own row and no more.
//!
//! Each decode worker owns one such process: this program again, with a hidden command, that gets encoded images
//! over a socket, one at a time, and answers with the square of pixels or the fault. The pixels are packed into
//! the row here, by the code that packs without isolation, from the same bytes. The socket is the process's
//! standard input; when it closes, however its owner ended, the process ends.
//!
//! An image whose process dies or hangs gets a second one before it becomes an error row, because the image may not be
//! the cause: a kill from outside, a machine out of memory, a container that was frozen.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::failure::{Exit, Failure};
use crate::image::{self, Packer};
use crate::pipeline::shutdown::Shutdown;
use crate::telemetry;
use crate::tensor::{Layout, RowMut};

use super::fault::{Decoded, Fault};
use super::frame;
use super::line::Line;

/// The hidden command that a decode process is started with.
pub const COMMAND: &str = "decode-process";

/// The largest image that the limits allow takes seconds; who has not answered now never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// A process whose socket is closed is about to end.
const FAREWELL: Duration = Duration::from_secs(5);
/// Attempts to start a process: a start may fail because of a signal that comes before the process ignores signals.
const STARTS: usize = 3;
/// What a decode process may know of the environment; credentials are not among it.
const ENVIRONMENT: [&str; 3] = ["LD_LIBRARY_PATH", "RUST_BACKTRACE", telemetry::FILTER];

/// Where images are decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Isolation {
    /// On threads of this process.
    #[default]
    Off,
    /// In processes of this program, which must know [`COMMAND`].
    Process(PathBuf),
}

impl Isolation {
    /// Decoding in processes of the running program.
    ///
    /// # Errors
    /// There is no `/proc`, and the system does not report the program's path (69).
    pub fn on() -> Result<Isolation, Failure> {
        // the kernel's own link still works after the program's file was replaced by another version
        let linked = PathBuf::from("/proc/self/exe");
        if linked.exists() {
            return Ok(Isolation::Process(linked));
        }
        let program = std::env::current_exe().map_err(|error| {
            Failure::caused(Exit::Unavailable, "cannot find the program that decodes apart", error)
        })?;
        Ok(Isolation::Process(program))
    }
}

/// A decoder in a separate process, restarted when it dies.
pub struct Apart {
    program: PathBuf,
    options: image::Options,
    packer: Packer,
    process: Option<Process>,
    square: Vec<u8>,
    shutdown: Option<Shutdown>,
}

impl Apart {
    /// Starts the process.
    pub(super) fn new(program: PathBuf, options: image::Options) -> Result<Apart, Failure> {
        let packer = Packer::new(options.mean, options.std);
        let mut apart = Apart { program, options, packer, process: None, square: Vec::new(), shutdown: None };
        apart.process = Some(apart.start()?);
        Ok(apart)
    }

    /// Has waits for the process end when the run is given up.
    pub(super) fn end_with(&mut self, shutdown: Shutdown) {
        if let Some(process) = &mut self.process {
            process.line.end_with(shutdown.clone());
        }
        self.shutdown = Some(shutdown);
    }

    pub(super) fn process(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }

    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        layout: Layout,
        row: RowMut<'_>,
    ) -> Result<Decoded, Failure> {
        let expected = 4 * (self.options.image_size as usize).pow(2);
        let mut second = false;
        loop {
            let mut process = match self.process.take() {
                Some(process) => process,
                None => self.start()?,
            };
            let lost = match process.ask(bytes, &mut self.square, expected) {
                Ok(answer) => {
                    self.process = Some(process);
                    if matches!(answer, Decoded::Pixels(_)) {
                        self.packer.pack(&self.square, layout, row);
                    }
                    return Ok(answer);
                }
                // dropped, the process is killed
                Err(Lost::GivenUp) => return Err(Failure::new(Exit::TryAgain, "the run was given up")),
                Err(lost) => lost,
            };
            let how = process.end(lost);
            tracing::error!("a decode process {how}");
            if second {
                return Ok(Decoded::Fault(Fault::fatal(format!(
                    "the decoder's process {how} on this image"
                ))));
            }
            second = true;
        }
    }

    fn start(&self) -> Result<Process, Failure> {
        let mut tried = 0;
        loop {
            tried += 1;
            match Process::start(&self.program, &self.options, self.shutdown.clone()) {
                Ok(process) => return Ok(process),
                Err(failure) if tried == STARTS => return Err(failure),
                Err(failure) => tracing::warn!("{}; trying again", failure.explain()),
            }
        }
    }
}

/// Why no answer came.
enum Lost {
    /// Its end of the socket is closed.
    Gone,
    /// It took too long.
    Hung,
    /// Its answer is no longer needed.
    GivenUp,
    /// It answered something else.
    Nonsense(String),
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Lost {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Lost::Hung,
            io::ErrorKind::ConnectionAborted => Lost::GivenUp,
            io::ErrorKind::InvalidData => Lost::Nonsense(error.to_string()),
            _ => Lost::Gone,
        }
    }
}

struct Process {
    child: Child,
    line: Line,
}

impl Process {
    fn start(
        program: &PathBuf,
        options: &image::Options,
        shutdown: Option<Shutdown>,
    ) -> Result<Process, Failure> {
        let refused =
            |error| Failure::caused(Exit::Unavailable, "cannot start a process for decoding", error);
        let (stream, theirs) = UnixStream::pair().map_err(refused)?;
        let line = Line::new(stream, shutdown).map_err(refused)?;
        let mut command = Command::new(program);
        // a separate process group: signals that a terminal sends to our group are for this process to handle
        command.arg0("tresnet-batch").arg(COMMAND).process_group(0);
        // it logs to the same place as this process, with the same run id
        command.args(["--run-id", telemetry::run_id()]);
        if telemetry::format() == telemetry::Format::Json {
            command.args(["--log-format", "json"]);
        }
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        command.env_clear();
        let passed = ENVIRONMENT.iter().chain(cfg!(feature = "failpoints").then_some(&"FAILPOINTS"));
        command.envs(passed.filter_map(|name| Some((name, std::env::var_os(name)?))));
        let child = command.spawn().map_err(refused)?;
        // its end of the socket must be open nowhere but there
        drop(command);
        let mut process = Process { child, line };
        match process.greet(options) {
            Ok(()) => Ok(process),
            Err(lost) => {
                let how = process.end(lost);
                Err(Failure::new(
                    Exit::Unavailable,
                    format!("a process for decoding {how} before it was given an image"),
                ))
            }
        }
    }

    fn greet(&mut self, options: &image::Options) -> Result<(), Lost> {
        let line = self.line.within(patience());
        frame::send(line, options, &[])?;
        let version: String = frame::receive(line, &mut Vec::new(), 0)?.ok_or(Lost::Gone)?;
        if version == frame::VERSION {
            Ok(())
        } else {
            Err(Lost::Nonsense(format!("it is version {version}")))
        }
    }

    /// The answer for one image; its pixels, if it has any, are left in `square`.
    fn ask(&mut self, bytes: &[u8], square: &mut Vec<u8>, expected: usize) -> Result<Decoded, Lost> {
        let line = self.line.within(patience());
        frame::send(line, &(), bytes)?;
        let answer: Result<image::Source, Fault> =
            frame::receive(line, square, expected as u64)?.ok_or(Lost::Gone)?;
        match &answer {
            Ok(_) if square.len() != expected => {
                Err(Lost::Nonsense(format!("{} bytes of pixels instead of {expected}", square.len())))
            }
            _ => Ok(answer.into()),
        }
    }

    /// Ends the process and returns how it ended, as the words that follow "the process".
    fn end(mut self, lost: Lost) -> String {
        match lost {
            Lost::Gone => {
                let until = Instant::now() + FAREWELL;
                while Instant::now() < until {
                    match self.child.try_wait() {
                        Ok(Some(status)) => return cause(status),
                        Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                        Err(_) => break,
                    }
                }
                "closed its connection".to_owned()
            }
            Lost::GivenUp => "was given up with its run".to_owned(),
            Lost::Hung => format!("gave no answer within {} s", patience().as_secs()),
            Lost::Nonsense(what) => format!("gave an answer that makes no sense ({what})"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // both fail only where it has ended already
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn cause(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        return format!("ended with exit code {}", status.code().unwrap_or_default());
    };
    let name = match signal {
        libc::SIGABRT => " (SIGABRT: it aborted itself, as after a stack overflow or out of memory)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGKILL => " (SIGKILL: killed, as the system does when memory runs out)",
        libc::SIGSEGV => " (SIGSEGV)",
        _ => "",
    };
    format!("was ended by signal {signal}{name}")
}

#[cfg(not(feature = "failpoints"))]
fn patience() -> Duration {
    PATIENCE
}

#[cfg(feature = "failpoints")]
fn patience() -> Duration {
    let planted = |seconds: Option<String>| seconds.and_then(|text| text.parse().ok());
    fail::fail_point!("decode.patience", |seconds| planted(seconds).map_or(PATIENCE, Duration::from_secs));
    PATIENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(program: &str) -> Failure {
        let Err(failure) = Apart::new(program.into(), image::Options::new(8)) else {
            panic!("`{program}` is taken for a decode process")
        };
        println!("{}", failure.explain());
        failure
    }

    #[test]
    fn a_program_that_cannot_decode_is_a_failure_of_the_run_that_says_how_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let echo = folder.path().join("echo");
        std::fs::write(&echo, "#!/bin/sh\nexec cat >&0\n").unwrap();
        std::fs::set_permissions(&echo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for (program, words) in [
            ("/nowhere/tresnet-batch", "cannot start a process for decoding"),
            ("/bin/false", "ended with exit code 1 before it was given an image"),
            (echo.to_str().unwrap(), "gave an answer that makes no sense"),
        ] {
            let failure = refused(program);
            assert_eq!(failure.exit, Exit::Unavailable);
            assert!(failure.explain().contains(words), "{}", failure.explain());
        }
    }

    #[test]
    fn a_death_is_told_by_the_name_of_its_signal() {
        for (signal, name) in [(6, "SIGABRT"), (9, "SIGKILL"), (11, "SIGSEGV"), (31, "signal 31")] {
            assert!(cause(ExitStatus::from_raw(signal)).contains(name));
        }
        assert_eq!(cause(ExitStatus::from_raw(3 << 8)), "ended with exit code 3");
    }
}
