//! A row group that is too large for memory: the library decodes it on a thread of its own, and asks for the bytes that it
//! needs next, which the task that reads the group gets from the store.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::errors::ParquetError;
use tokio::sync::{mpsc, oneshot};

use super::page::GroupBytes;
use super::{GroupRead, ParquetObject};

/// Bytes of all columns together that are read before the library asks for them.
const AHEAD: u64 = 64 << 20;

/// Bytes of the object that the library asks for. Dropped without bytes, it ends the reading.
#[derive(Debug)]
pub struct PieceRequest {
    /// Which.
    pub range: Range<u64>,
    answer: oneshot::Sender<Bytes>,
}

impl PieceRequest {
    /// Gives the bytes.
    pub fn answer(self, bytes: Bytes) {
        // the reading may have ended
        let _ = self.answer.send(bytes);
    }
}

/// A group that is being decoded.
#[derive(Debug)]
pub struct WindowedGroup {
    /// Its batches in order; an error is what is wrong with the group, and no batch follows it.
    pub batches: mpsc::Receiver<Result<RecordBatch, String>>,
    /// What must be answered before further batches come.
    pub requests: mpsc::Receiver<PieceRequest>,
}

impl ParquetObject {
    /// Begins to decode a group on another thread, which ends when the group is dropped.
    pub fn windowed(&self, read: GroupRead) -> WindowedGroup {
        let (send_batch, batches) = mpsc::channel(1);
        let (ask, requests) = mpsc::channel(1);
        let object = self.clone();
        tokio::task::spawn_blocking(move || {
            let windows = Windows::new(&object, &read.chunks, ask);
            let found = match read.batches(&object, windows) {
                Ok(found) => found,
                Err(why) => return drop(send_batch.blocking_send(Err(why))),
            };
            for batch in found {
                if send_batch.blocking_send(batch).is_err() {
                    return;
                }
            }
        });
        WindowedGroup { batches, requests }
    }
}

/// Where some bytes of a column begin, and these bytes.
type Window = (u64, Bytes);

/// The columns of a group, of each of which one window is here.
struct Windows {
    size: u64,
    /// Bytes of a window.
    window: u64,
    columns: Vec<(Range<u64>, Mutex<Window>)>,
    ask: mpsc::Sender<PieceRequest>,
}

impl Windows {
    fn new(object: &ParquetObject, chunks: &[Range<u64>], ask: mpsc::Sender<PieceRequest>) -> Self {
        let columns: Vec<_> = chunks.iter().map(|chunk| (chunk.clone(), Mutex::default())).collect();
        let window = (AHEAD / columns.len().max(1) as u64).max(1);
        Windows { size: object.size(), window, columns, ask }
    }

    fn get(&self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        let ended = || ParquetError::General("the reading has ended".into());
        let (answer, bytes) = oneshot::channel();
        let length = range.end - range.start;
        self.ask.blocking_send(PieceRequest { range, answer }).map_err(|_| ended())?;
        let bytes = bytes.blocking_recv().map_err(|_| ended())?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(ParquetError::EOF(format!("{} of {length} bytes came", bytes.len()))),
        }
    }

    /// At least `least` bytes from `start` on, if the column has them; a window if they are fewer than that.
    fn window(&self, start: u64, least: u64) -> Result<Bytes, ParquetError> {
        let column = self.columns.iter().find(|(chunk, _)| chunk.contains(&start));
        let (chunk, window) = column
            .ok_or_else(|| ParquetError::General(format!("byte {start} lies outside the column chunks")))?;
        let least = least.min(chunk.end - start);
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, bytes) = &*window;
        if let Some(offset) = start.checked_sub(*at).filter(|offset| *offset < bytes.len() as u64)
            && bytes.len() as u64 - offset >= least
        {
            return Ok(bytes.slice(offset as usize..));
        }
        // its memory goes before that of the next one comes
        *window = (start, Bytes::new());
        let bytes = self.get(start..start + least.max(self.window).min(chunk.end - start))?;
        // a page that is larger is not kept
        if least <= self.window {
            *window = (start, bytes.clone());
        }
        Ok(bytes)
    }
}

impl GroupBytes for Windows {
    fn size(&self) -> u64 {
        self.size
    }

    fn from(&self, start: u64, least: usize) -> Result<Bytes, ParquetError> {
        self.window(start, least as u64)
    }

    fn exactly(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.window(start, length as u64)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} are not all in their column")));
        }
        Ok(bytes.slice(..length))
    }
}
