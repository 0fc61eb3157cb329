//! The decode process: answers images over its standard input until that closes.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, sync_channel};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::fault::guarded;
use crate::engine::exit_at_once;
use crate::failure::{Exit, Failure};
use crate::image::{self, Decoder};
use crate::job::JobError;

use super::frame;

/// Serves one worker to its end. Needs a tokio runtime around it.
///
/// # Errors
/// Standard input is no socket of a run, ends early, or sends what is no message (64). The options of images are
/// invalid; no thread can be started.
pub fn serve() -> Result<(), Failure> {
    let lost = |error| {
        Failure::caused(Exit::Usage, "this command is for the program's own use (run --isolate)", error)
    };
    // a signal to the run, or to its whole control group, is for the run: the run ends this process when it ends
    let _ignored = ignore_signals().map_err(lost)?;
    let mut stream = io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from).map_err(lost)?;
    let options: image::Options = frame::receive(&mut stream, &mut Vec::new(), 0)
        .and_then(|first| first.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()))
        .map_err(lost)?;
    let mut decoder = Decoder::new(options).map_err(JobError::from)?;
    frame::send(&mut stream, &frame::VERSION, &[]).map_err(lost)?;
    let images = listen(stream.try_clone().map_err(lost)?).map_err(lost)?;
    for bytes in images {
        let sent = match guarded(&bytes, || decoder.square(&bytes)) {
            Ok((source, square)) => frame::send(&mut stream, &Ok::<_, ()>(source), square),
            Err(fault) => frame::send(&mut stream, &Err::<(), _>(fault), &[]),
        };
        sent.map_err(lost)?;
    }
    Ok(())
}

/// The images as they come. The socket is watched while one is decoded, so that a decoder which never ends does
/// not outlive its owner.
fn listen(mut stream: UnixStream) -> io::Result<Receiver<Vec<u8>>> {
    let (sender, images) = sync_channel(1);
    std::thread::Builder::new().name("requests".into()).spawn(move || {
        loop {
            let mut bytes = Vec::new();
            match frame::receive::<()>(&mut stream, &mut bytes, u64::MAX) {
                Ok(Some(())) if sender.send(bytes).is_ok() => {}
                Ok(_) => exit_at_once(Exit::Complete.code()),
                Err(_) => exit_at_once(Exit::Io.code()),
            }
        }
    })?;
    Ok(images)
}

/// Nothing reads these: being listened to, the signals do not end the process any more.
fn ignore_signals() -> io::Result<Vec<Signal>> {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()];
    kinds.into_iter().map(signal).collect()
}
