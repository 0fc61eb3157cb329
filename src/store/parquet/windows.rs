//! A row group that is too large for memory: the library decodes it on a separate thread and asks for the bytes that it
//! needs next, which the task that reads the group gets from the store.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::errors::ParquetError;
use tokio::sync::{mpsc, oneshot};

use super::page::GroupBytes;
use super::{GroupRead, ParquetObject};

/// Bytes of the smallest cell.
const SMALLEST: u64 = 4 << 10;
/// Cells of a group: a footer may claim columns of any length. A column with cells of 4 MiB may have 4 TiB.
const MOST_CELLS: u64 = 1 << 20;

/// Bytes of the object that the library asks for: whole cells of a column, see [`GroupRead::cells`]. Dropped without
/// bytes, it ends the reading.
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
    /// Begins to decode a group on another thread, which ends when the group is dropped. About `most` bytes of all columns
    /// together are held there.
    pub fn windowed(&self, read: GroupRead, most: u64) -> WindowedGroup {
        let (send_batch, batches) = mpsc::channel(1);
        let (ask, requests) = mpsc::channel(1);
        let object = self.clone();
        tokio::task::spawn_blocking(move || {
            let windows = Windows::new(&object, &read, most, ask);
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

impl GroupRead {
    /// Bytes of a cell, if the cells of all columns have `most`.
    fn cell(&self, most: u64) -> u64 {
        (most / self.chunks.len().max(1) as u64).max(SMALLEST)
    }

    /// The cells that [`ParquetObject::windowed`] asks for, in the order in which it needs them: each column is cut from
    /// its beginning on, and those are first of which a smaller share of the column comes before. `None` if there are
    /// more than a million.
    pub fn cells(&self, most: u64) -> Option<Vec<Range<u64>>> {
        let cell = self.cell(most);
        let counts = self.chunks.iter().map(|chunk| (chunk.end - chunk.start).div_ceil(cell));
        if counts.fold(0, u64::saturating_add) > MOST_CELLS {
            return None;
        }
        let mut cells: Vec<(f64, Range<u64>)> = Vec::new();
        for chunk in &self.chunks {
            let length = chunk.end - chunk.start;
            cells.extend((0..length.div_ceil(cell)).map(|index| {
                let start = chunk.start + index * cell;
                (index as f64 * cell as f64 / length as f64, start..(start + cell).min(chunk.end))
            }));
        }
        cells.sort_by(|(one, a), (other, b)| one.total_cmp(other).then(a.start.cmp(&b.start)));
        Some(cells.into_iter().map(|(_, cell)| cell).collect())
    }
}

/// The columns of a group, of each of which one window is here.
struct Windows {
    size: u64,
    /// Bytes of a cell. A window ends where a cell does.
    cell: u64,
    columns: Vec<(Range<u64>, Mutex<Window>)>,
    ask: mpsc::Sender<PieceRequest>,
}

impl Windows {
    fn new(object: &ParquetObject, read: &GroupRead, most: u64, ask: mpsc::Sender<PieceRequest>) -> Self {
        let columns: Vec<_> = read.chunks.iter().map(|chunk| (chunk.clone(), Mutex::default())).collect();
        Windows { size: object.size(), cell: read.cell(most), columns, ask }
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

    /// At least `least` bytes from `start` on, if the column has them.
    fn window(&self, start: u64, least: u64) -> Result<Bytes, ParquetError> {
        let column = self.columns.iter().find(|(chunk, _)| chunk.contains(&start));
        let (chunk, window) = column
            .ok_or_else(|| ParquetError::General(format!("byte {start} lies outside the column chunks")))?;
        let least = least.min(chunk.end - start);
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, bytes) = std::mem::take(&mut *window);
        let end = at + bytes.len() as u64;
        let here =
            if (at..end).contains(&start) { bytes.slice((start - at) as usize..) } else { Bytes::new() };
        drop(bytes);
        if here.len() as u64 >= least {
            *window = (start, here.clone());
            return Ok(here);
        }
        let border = |byte: u64| chunk.start + (byte - chunk.start) / self.cell * self.cell;
        let from = if here.is_empty() { border(start) } else { end };
        let until = (border(start + least - 1) + self.cell).min(chunk.end);
        let more = self.get(from..until)?;
        let bytes = match here.is_empty() {
            true => more.slice((start - from) as usize..),
            false => [&here[..], &more[..]].concat().into(),
        };
        // a page that is larger is not kept
        *window = match least <= self.cell {
            true => (start, bytes.clone()),
            false => (start + least, Bytes::copy_from_slice(&bytes[least as usize..])),
        };
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
