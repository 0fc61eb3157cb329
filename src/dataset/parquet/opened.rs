//! A row group whose footer was read: which of its bytes are needed, and how they are asked for ahead of their turn.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::dataset::ahead::{Cuts, Sizes, Windows};
use crate::dataset::plan::{PlanRow, RowGroup};
use crate::store::{GroupRead, Location, ParquetReadError};

use super::footers::Footer;
use super::images::Images;
use super::options::ParquetOptions;

/// A row group whose footer was read.
pub(super) struct Opened {
    pub file: PlanRow,
    pub footer: Footer,
    pub read: GroupRead,
    /// Whether its encoded bytes are read into memory before it is decoded.
    pub is_held: bool,
    /// Its bytes, in the order in which they are needed.
    pub cells: Arc<[Range<u64>]>,
}

/// Why a row group cannot be opened.
pub(super) enum NotOpened {
    Read(ParquetReadError),
    Damaged(String),
}

impl Opened {
    /// Selects the bytes of `group` that are needed, and cuts them into cells.
    ///
    /// # Errors
    /// [`NotOpened::Damaged`]: the file has other columns or fewer groups than expected, or the group is too large.
    /// [`NotOpened::Read`]: a column's bytes are outside of the file.
    pub fn new(
        file: PlanRow,
        group: RowGroup,
        footer: Footer,
        (options, sizes): (&ParquetOptions, Sizes),
    ) -> Result<Opened, NotOpened> {
        let object = &footer.object;
        let images = Images::of(object, options).map_err(NotOpened::Damaged)?;
        let index = group.index as usize;
        if index >= object.groups() {
            return Err(NotOpened::Damaged("it has fewer row groups than were planned".to_owned()));
        }
        let read = images.group(object, index).map_err(NotOpened::Read)?;
        let is_held = read.bytes() <= options.most_held;
        let cells = match is_held {
            true => read.pieces().iter().flat_map(|piece| cut(piece, sizes.window())).collect(),
            false => read.cells(sizes.window()).ok_or_else(|| {
                let bytes = read.bytes();
                NotOpened::Damaged(format!("row group {index} has {bytes} bytes, which are too many"))
            })?,
        };
        drop(images);
        Ok(Opened { file, footer, read, is_held, cells: cells.into() })
    }

    pub fn cuts(&self) -> Cuts {
        Cuts::Listed(self.cells.clone())
    }

    /// Its windows, as they are asked for ahead of their turn.
    pub fn windows(&self, input: &Location) -> Windows<Bytes> {
        let (object, input) = (self.footer.object.clone(), input.clone());
        let ask = move |range| -> futures::future::BoxFuture<'static, Option<Bytes>> {
            let (object, input) = (object.clone(), input.clone());
            Box::pin(async move {
                let _permit = input.permit().await;
                object.piece(&input, range).await.ok()
            })
        };
        Windows { cuts: self.cuts(), ask: Arc::new(ask), then: None }
    }

    /// The pieces of a group that is held, of its cells in order.
    pub fn pieces(&self, cells: Vec<Bytes>) -> Vec<(u64, Bytes)> {
        let mut pieces: Vec<(u64, Vec<Bytes>)> = Vec::new();
        let mut end = None;
        for (range, bytes) in self.cells.iter().zip(cells) {
            match pieces.last_mut() {
                Some((_, piece)) if end == Some(range.start) => piece.push(bytes),
                _ => pieces.push((range.start, vec![bytes])),
            }
            end = Some(range.end);
        }
        pieces.into_iter().map(|(start, cells)| (start, joined(cells))).collect()
    }
}

/// Cells of a piece; an empty piece is a cell.
fn cut(piece: &Range<u64>, window: u64) -> Vec<Range<u64>> {
    let cells = (piece.end - piece.start).div_ceil(window).max(1);
    let cell = |index: u64| {
        let start = piece.start + index * window;
        start..(start + window).min(piece.end)
    };
    (0..cells).map(cell).collect()
}

/// Bytes that follow each other, as one.
pub(super) fn joined(mut cells: Vec<Bytes>) -> Bytes {
    match cells.len() {
        1 => cells.remove(0),
        _ => {
            let mut joined = Vec::with_capacity(cells.iter().map(Bytes::len).sum());
            // each cell is dropped once it is copied, so that a group is not held twice
            for cell in cells {
                joined.extend_from_slice(&cell);
            }
            joined.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_cut_into_cells_and_one_without_bytes_is_a_cell() {
        assert_eq!(cut(&(5..28), 10), [5..15, 15..25, 25..28]);
        assert_eq!(cut(&(5..5), 10), [Range { start: 5, end: 5 }]);
        assert_eq!(joined(vec![Bytes::from("ab"), Bytes::from("c")]), "abc");
    }
}
