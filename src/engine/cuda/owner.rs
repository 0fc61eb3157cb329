//! The thread that owns a session, and how the engine's holder speaks to it: one question, one answer.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::engine::EngineError;

use super::device::{Device, Ready, Setup, Source};

pub(super) enum Command {
    /// Start a batch on a lane that has none.
    Submit { lane: usize, source: Source },
    /// Wait for a lane's batch.
    Finish { lane: usize },
}

/// A handle on the thread, which ends with it.
pub(super) struct Owner {
    /// None once the thread is to end.
    commands: Option<SyncSender<Command>>,
    answers: Receiver<Result<(), EngineError>>,
    thread: Option<JoinHandle<()>>,
}

impl Owner {
    /// Starts the thread and waits until its session is warm.
    ///
    /// # Errors
    /// No thread can be started, or it panics; those of [`Device::open`].
    pub fn start(setup: Setup) -> Result<(Owner, Ready), EngineError> {
        let device_id = setup.options.device_id;
        // one question at a time: its holder waits for the answer
        let (commands, questions) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        let (tell, told) = sync_channel(1);
        let thread = std::thread::Builder::new().name(format!("cuda-{device_id}")).spawn(move || {
            let mut device = match Device::open(setup) {
                Ok((device, ready)) => {
                    drop(tell.send(Ok(ready)));
                    device
                }
                Err(error) => return drop(tell.send(Err(error))),
            };
            while let Ok(command) = questions.recv() {
                let done = match command {
                    Command::Submit { lane, source } => device.submit(lane, &source),
                    Command::Finish { lane } => device.finish(lane),
                };
                if answer.send(done).is_err() {
                    return;
                }
            }
        });
        let thread = thread
            .map_err(|error| EngineError::Load(format!("cannot start the device's thread: {error}")))?;
        let owner = Owner { commands: Some(commands), answers, thread: Some(thread) };
        let ready = told.recv().unwrap_or_else(|_| Err(gone()))?;
        Ok((owner, ready))
    }

    /// Sends a command to the thread, and waits for its answer.
    ///
    /// # Errors
    /// Those of [`Device::submit`] and [`Device::finish`]; the thread has ended.
    pub fn ask(&self, command: Command) -> Result<(), EngineError> {
        let commands = self.commands.as_ref().ok_or_else(gone)?;
        commands.send(command).map_err(|_| gone())?;
        self.answers.recv().unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.commands.take());
        // what it panicked with, if it did, was printed there and answered as `gone`
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn gone() -> EngineError {
    EngineError::Run("the device's thread has ended".into())
}
