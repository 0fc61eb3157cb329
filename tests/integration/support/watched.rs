//! A run whose standard error is read as it is written.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::job::{Ended, send, wait};

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Watched {
    pub child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Watched {
    pub fn start(command: &mut Command) -> Watched {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        Watched { child, lines, said: String::new() }
    }

    /// Sends a signal, and waits until the run reports it.
    pub fn interrupt(&mut self) {
        send(self.child.id(), "TERM");
        self.until_it_says("stopping: ");
    }

    #[track_caller]
    pub fn until_it_says(&mut self, words: &str) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("it does not print `{words}`, but:\n{}", self.said));
            self.said += &format!("{line}\n");
            if line.contains(words) {
                return;
            }
        }
    }

    /// Waits for its end.
    pub fn end(self) -> Ended {
        let Watched { child, lines, mut said } = self;
        let ended = wait(child);
        for line in lines {
            said += &format!("{line}\n");
        }
        Ended { stderr: said, ..ended }
    }
}
