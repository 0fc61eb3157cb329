//! Parquet objects read in pieces: the footer first, then only the row groups and columns that are wanted.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::{Buf, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};

use super::parquet_depth::check_depth;
use super::parquet_guard::{Guarded, guard_parquet, guard_parquet_result};
use super::{FetchError, Location, StoreError};

/// Bytes read from an object's end at first; most footers fit.
const TAIL: u64 = 64 * 1024;
/// Magic bytes at both ends and the footer's length.
const SHORTEST: u64 = 12;
/// Wanted ranges with a smaller gap than this are read in one request.
const GAP: u64 = 256 * 1024;

/// Why a Parquet object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ParquetReadError {
    /// The bytes are no Parquet, or not whole.
    #[error("`{name}` is damaged: {why}")]
    Damaged {
        /// The object.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// It is not there any more, not to be read, or another one.
    #[error("`{name}`: {error}")]
    Refused {
        /// The object.
        name: String,
        /// Why.
        #[source]
        error: FetchError,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The footer of a Parquet object.
#[derive(Debug, Clone)]
pub struct ParquetObject {
    name: String,
    size: u64,
    /// The tag that every piece of it must have.
    etag: Option<String>,
    metadata: Arc<ParquetMetaData>,
}

impl ParquetObject {
    /// Reads the footer, or `None` where there is no such object.
    pub async fn open(location: &Location, name: &str) -> Result<Option<Self>, ParquetReadError> {
        match location.size(name).await? {
            Some(size) => Self::open_sized(location, name, size).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads the footer of an object whose size a listing told.
    pub async fn open_sized(location: &Location, name: &str, size: u64) -> Result<Self, ParquetReadError> {
        Self::open_tagged(location, name, size, None).await
    }

    /// As [`ParquetObject::open_sized`]; every read of it must find the tag `etag`.
    pub async fn open_tagged(
        location: &Location,
        name: &str,
        size: u64,
        etag: Option<&str>,
    ) -> Result<Self, ParquetReadError> {
        let damaged = |why: String| ParquetReadError::Damaged { name: name.to_owned(), why };
        if size < SHORTEST {
            return Err(damaged(format!("{size} bytes are too few for Parquet")));
        }
        let mut tail = TAIL.min(size);
        loop {
            let bytes = piece(location, name, size - tail..size, etag).await?;
            check_depth(&bytes).map_err(|why| damaged(why.to_owned()))?;
            let parse = || {
                let mut reader = ParquetMetaDataReader::new();
                reader.try_parse_sized(&bytes, size)?;
                reader.finish()
            };
            match guard_parquet(parse).map_err(damaged)? {
                Ok(metadata) => {
                    let (name, etag) = (name.to_owned(), etag.map(str::to_owned));
                    return Ok(ParquetObject { name, size, etag, metadata: Arc::new(metadata) });
                }
                Err(ParquetError::NeedMoreData(needed)) if needed as u64 > tail && needed as u64 <= size => {
                    tail = needed as u64;
                }
                Err(error) => return Err(damaged(error.to_string())),
            }
        }
    }

    /// The object's name below its location.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Number of row groups.
    pub fn groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// Rows in all groups.
    pub fn rows(&self) -> u64 {
        self.metadata.file_metadata().num_rows().max(0) as u64
    }

    /// Rows of one group.
    pub fn group_rows(&self, group: usize) -> u64 {
        self.metadata.row_group(group).num_rows().max(0) as u64
    }

    /// Encoded bytes of one group.
    pub fn group_bytes(&self, group: usize) -> u64 {
        self.metadata.row_group(group).compressed_size().max(0) as u64
    }

    /// Its columns as Arrow sees them.
    pub fn schema(&self) -> Result<SchemaRef, ParquetReadError> {
        let metadata = || ArrowReaderMetadata::try_new(self.metadata.clone(), ArrowReaderOptions::new());
        let metadata = guard_parquet_result(metadata).map_err(|why| self.damaged(why))?;
        Ok(metadata.schema().clone())
    }

    /// The value of a key of the footer.
    pub fn value(&self, key: &str) -> Option<&str> {
        let pairs = self.metadata.file_metadata().key_value_metadata()?;
        pairs.iter().find(|pair| pair.key == key)?.value.as_deref()
    }

    /// Reads one row group; `columns` are top-level names, `None` means all.
    pub async fn read_group(
        &self,
        location: &Location,
        group: usize,
        columns: Option<&[&str]>,
    ) -> Result<Vec<RecordBatch>, ParquetReadError> {
        let batches = self.group_batches(location, group, columns, 8192).await?;
        batches.collect::<Result<_, _>>().map_err(|why| self.damaged(why))
    }

    /// As [`ParquetObject::read_group`], but decoded batch by batch as they are taken; only the encoded bytes of the
    /// group are held. An error is what is wrong with the group; no batch follows it.
    pub async fn group_batches(
        &self,
        location: &Location,
        group: usize,
        columns: Option<&[&str]>,
        rows: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, String>> + Send + use<>, ParquetReadError> {
        if group >= self.groups() {
            return Err(self.damaged(format!("row group {group} is not among its {}", self.groups())));
        }
        let wanted = || {
            let descriptor = self.metadata.file_metadata().schema_descr_ptr();
            let mask = match columns {
                Some(names) => ProjectionMask::columns(&descriptor, names.iter().copied()),
                None => ProjectionMask::all(),
            };
            let chunks = self.metadata.row_group(group).columns().iter().enumerate();
            let ranges = chunks
                .filter(|(leaf, _)| mask.leaf_included(*leaf))
                .map(|(_, chunk)| range_of(chunk, self.size).ok_or("a column lies outside of the file"));
            let ranges = ranges.collect::<Result<Vec<_>, _>>()?;
            Ok::<_, &str>((mask, ranges))
        };
        let (mask, ranges) = guard_parquet_result(wanted).map_err(|why| self.damaged(why))?;
        let mut pieces = Vec::new();
        for range in coalesce(ranges) {
            let start = range.start;
            pieces.push((start, piece(location, &self.name, range, self.etag.as_deref()).await?));
        }
        let build = || {
            let metadata = ArrowReaderMetadata::try_new(self.metadata.clone(), ArrowReaderOptions::new())?;
            ParquetRecordBatchReaderBuilder::new_with_metadata(Pieces { size: self.size, pieces }, metadata)
                .with_projection(mask)
                .with_row_groups(vec![group])
                .with_batch_size(rows)
                .build()
        };
        let reader = guard_parquet_result(build).map_err(|why| self.damaged(why))?;
        Ok(Guarded(Some(reader)))
    }

    fn damaged(&self, why: String) -> ParquetReadError {
        ParquetReadError::Damaged { name: self.name.clone(), why }
    }
}

/// A range, which fewer bytes do not fill; with a tag, of that version of the object only.
async fn piece(
    location: &Location,
    name: &str,
    range: Range<u64>,
    etag: Option<&str>,
) -> Result<Bytes, ParquetReadError> {
    if etag.is_none() {
        return location.read_range(name, range).await.map_err(|error| match error {
            StoreError::Short { size, .. } => {
                let why = format!("it has {size} bytes, which are fewer than were recorded");
                ParquetReadError::Damaged { name: name.to_owned(), why }
            }
            error => error.into(),
        });
    }
    let wanted = range.end - range.start;
    match location.window(name, range, etag).await {
        Ok(window) if window.bytes.len() as u64 == wanted => Ok(window.bytes),
        Ok(_) => Err(ParquetReadError::Refused { name: name.to_owned(), error: FetchError::Changed }),
        Err(FetchError::Store(error)) => Err(error.into()),
        Err(error) => Err(ParquetReadError::Refused { name: name.to_owned(), error }),
    }
}

/// The bytes of a column chunk, if a file of this size can hold them.
fn range_of(chunk: &ColumnChunkMetaData, size: u64) -> Option<Range<u64>> {
    let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    let start = u64::try_from(start).ok()?;
    let end = start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?;
    (end <= size).then_some(start..end)
}

fn coalesce(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end + GAP => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// A file of which only some ranges are here.
struct Pieces {
    size: u64,
    pieces: Vec<(u64, Bytes)>,
}

impl Pieces {
    fn find(&self, start: u64) -> Result<Bytes, ParquetError> {
        let piece = self
            .pieces
            .iter()
            .find(|(at, bytes)| (*at..*at + bytes.len() as u64).contains(&start))
            .ok_or_else(|| {
            ParquetError::General(format!("byte {start} lies outside the column chunks"))
        })?;
        Ok(piece.1.slice((start - piece.0) as usize..))
    }
}

impl Length for Pieces {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Pieces {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.find(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.find(start)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} are not all here")));
        }
        Ok(bytes.slice(..length))
    }
}

#[cfg(test)]
mod tests {
    use super::coalesce;

    #[test]
    fn ranges_with_small_gaps_are_read_together() {
        assert_eq!(coalesce(vec![1_000_000..1_000_010, 0..10, 20..30]), [0..30, 1_000_000..1_000_010]);
    }
}
