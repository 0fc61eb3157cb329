//! The socket to a decode process: reading and writing have a deadline, and end when the run is given up.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::pipeline::shutdown::Shutdown;

/// How often a wait looks at whether the run is given up.
const LOOK: Duration = Duration::from_millis(100);

/// One end of the socket.
pub(super) struct Line {
    stream: UnixStream,
    until: Instant,
    shutdown: Option<Shutdown>,
}

impl Line {
    /// # Errors
    /// The socket takes no time limit.
    pub fn new(stream: UnixStream, shutdown: Option<Shutdown>) -> io::Result<Line> {
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(LOOK))?;
        Ok(Line { stream, until: Instant::now(), shutdown })
    }

    /// Has every wait end when the run is given up.
    pub fn end_with(&mut self, shutdown: Shutdown) {
        self.shutdown = Some(shutdown);
    }

    /// Gives all that follows this time.
    pub fn within(&mut self, time: Duration) -> &mut Line {
        self.until = Instant::now() + time;
        self
    }

    /// Decides after a wait: `TimedOut` at the deadline, `ConnectionAborted` if the run is given up.
    fn goes_on(&self) -> io::Result<()> {
        if self.shutdown.as_ref().is_some_and(Shutdown::is_aborting) {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        if Instant::now() >= self.until {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

/// True if nothing came yet. A signal to the process ends a wait with a time limit, whatever handler it has.
fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if is_wait(&error) => self.goes_on()?,
                read => return read,
            }
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.stream.write(bytes) {
                Err(error) if is_wait(&error) => self.goes_on()?,
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(shutdown: &Shutdown) -> (Line, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Line::new(ours, Some(shutdown.clone())).unwrap(), theirs)
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let (mut line, _theirs) = line(&Shutdown::default());
        let error = line.within(Duration::from_millis(1)).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn a_wait_ends_when_the_run_is_given_up() {
        let shutdown = Shutdown::default();
        let (mut line, _theirs) = line(&shutdown);
        let waiting = std::thread::spawn(move || line.within(Duration::from_secs(3600)).read(&mut [0]));
        shutdown.abort();
        assert_eq!(waiting.join().unwrap().unwrap_err().kind(), ErrorKind::ConnectionAborted);
    }

    #[test]
    fn a_signal_ends_no_wait() {
        assert!(is_wait(&ErrorKind::Interrupted.into()));
    }

    #[test]
    fn an_answer_that_comes_after_several_looks_is_whole() {
        let (mut line, mut theirs) = line(&Shutdown::default());
        let late = std::thread::spawn(move || {
            std::thread::sleep(2 * LOOK);
            theirs.write_all(b"late").unwrap();
        });
        let mut answer = [0; 4];
        line.within(Duration::from_secs(60)).read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"late");
        late.join().unwrap();
    }
}
