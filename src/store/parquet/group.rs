//! One row group: which of its columns are read, and the batches of a group whose encoded bytes are all in memory.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, RowGroups,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;

use super::chunks::CheckedGroup;
use super::guard::{Guarded, guard_parquet_result};
use super::object::{ParquetObject, ParquetReadError};
use super::page::{CheckedPages, GroupBytes, PageRules};
use crate::store::Location;

/// Wanted ranges with a smaller gap than this are read in one request.
const GAP: u64 = 256 * 1024;
/// Values of the columns of a group of images together; above it, a row of a list would take any memory.
const MOST_VALUES: u64 = 1 << 26;

/// A leaf of a file's schema: its top-level column, and its name in the innermost struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// The column.
    pub column: &'a str,
    /// The leaf's name; the column's, if that is no struct and no list.
    pub name: &'a str,
}

/// How a row group is read.
#[derive(Debug, Clone)]
pub struct GroupRead {
    pub(super) group: usize,
    mask: ProjectionMask,
    /// The bytes of the columns that are read, ascending.
    pub(super) chunks: Vec<Range<u64>>,
    schema: Option<SchemaRef>,
    rows: usize,
    rules: PageRules,
}

impl GroupRead {
    /// Encoded bytes that are held if the group is read into memory.
    pub fn bytes(&self) -> u64 {
        self.pieces().iter().map(|range| range.end - range.start).sum()
    }

    /// The ranges that are held then, ascending and apart from each other.
    pub fn pieces(&self) -> Vec<Range<u64>> {
        coalesce(self.chunks.clone())
    }

    /// Decodes the columns to these types instead of those that the file has.
    pub fn with_schema(self, schema: SchemaRef) -> Self {
        GroupRead { schema: Some(schema), ..self }
    }

    /// Makes the batches of `object` from these bytes, on the calling thread.
    pub(super) fn batches<S: GroupBytes>(
        self,
        object: &ParquetObject,
        bytes: S,
    ) -> Result<Guarded<ParquetRecordBatchReader>, String> {
        let build = || {
            let metadata = self.metadata(object)?;
            let types = Some(metadata.schema().fields());
            let columns = parquet_to_arrow_field_levels(metadata.parquet_schema(), self.mask.clone(), types)?;
            let group = CheckedGroup {
                pages: Arc::new(CheckedPages::new(bytes, self.rules)),
                metadata: metadata.metadata().clone(),
                group: self.group,
            };
            // the library makes room for as many
            let rows = self.rows.min(group.num_rows());
            ParquetRecordBatchReader::try_new_with_row_groups(&columns, &group, rows, None)
        };
        Ok(Guarded(Some(guard_parquet_result(build)?)))
    }

    fn metadata(&self, object: &ParquetObject) -> Result<ArrowReaderMetadata, ParquetError> {
        let options = ArrowReaderOptions::new();
        let options = match &self.schema {
            Some(schema) => options.with_schema(schema.clone()),
            None => options,
        };
        ArrowReaderMetadata::try_new(object.metadata().clone(), options)
    }
}

impl ParquetObject {
    /// Reads one row group; `columns` are top-level names, `None` means all.
    ///
    /// # Errors
    /// The file has no such group, its bytes cannot be read, or one of its batches cannot be decoded.
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
    ///
    /// # Errors
    /// The file has no such group, a column's bytes are outside of the file, or they cannot be read.
    pub async fn group_batches(
        &self,
        location: &Location,
        group: usize,
        columns: Option<&[&str]>,
        rows: usize,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, String>> + Send + use<>, ParquetReadError> {
        let wanted = |leaf: Leaf<'_>| columns.is_none_or(|names| names.contains(&leaf.column));
        let rules = PageRules { takes_delta: true, most_values: u64::MAX };
        let read = self.group(group, wanted, (rows, rules))?;
        self.batches(location, read).await
    }

    /// Returns what it takes to read columns of a group: the encoded bytes that are held, and the decoded bytes of a row
    /// as far as the footer reports them.
    ///
    /// # Errors
    /// The file has no such group, or a column's bytes are outside of the file.
    pub fn group_cost(&self, group: usize, columns: &[&str]) -> Result<(u64, u64), ParquetReadError> {
        let wanted = |leaf: Leaf<'_>| columns.contains(&leaf.column);
        let rules = PageRules { takes_delta: true, most_values: u64::MAX };
        let encoded = self.group(group, wanted, (1, rules))?.bytes();
        let chunks = self.metadata().row_group(group).columns().iter();
        let sizes = chunks.filter(|chunk| wanted(leaf(chunk))).map(ColumnChunkMetaData::uncompressed_size);
        let decoded = sizes.fold(0_u64, |sum, size| sum.saturating_add(size.max(0) as u64));
        Ok((encoded, decoded / self.group_rows(group).max(1)))
    }

    /// Returns how the images of a group are read: its leaves that are `wanted`, `rows` at a time. One row is read at a
    /// time if a leaf declares values that begin with the value before (`DELTA_BYTE_ARRAY`), since many may become
    /// large.
    ///
    /// # Errors
    /// The file has no such group, or a leaf's bytes are outside of the file.
    pub fn group_of_images(
        &self,
        group: usize,
        wanted: impl Fn(Leaf<'_>) -> bool,
        rows: usize,
    ) -> Result<GroupRead, ParquetReadError> {
        let mut takes_delta = false;
        let delta = |chunk: &ColumnChunkMetaData| {
            chunk.encodings().any(|encoding| encoding == Encoding::DELTA_BYTE_ARRAY)
        };
        if group < self.groups() {
            let chunks = self.metadata().row_group(group).columns().iter();
            takes_delta = chunks.filter(|chunk| wanted(leaf(chunk))).any(delta);
        }
        let rules = PageRules { takes_delta, most_values: MOST_VALUES };
        self.group(group, wanted, (if takes_delta { 1 } else { rows }, rules))
    }

    /// What is wrong with the compression of a wanted leaf of a group, if it is none that is read.
    pub fn unread_compression(&self, group: usize, wanted: impl Fn(Leaf<'_>) -> bool) -> Option<String> {
        let chunks = self.metadata().row_group(group).columns().iter();
        let mut compressions =
            chunks.filter(|chunk| wanted(leaf(chunk))).map(ColumnChunkMetaData::compression);
        let unread = compressions.find(|compression| {
            !matches!(compression, Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_))
        })?;
        let with_level = unread.to_string();
        let compression = with_level.split('(').next()?;
        Some(format!(
            "row group {group} is compressed with {compression}, which is not read; write the file with Snappy, with \
             Zstandard, or uncompressed"
        ))
    }

    fn group(
        &self,
        group: usize,
        wanted: impl Fn(Leaf<'_>) -> bool,
        (rows, rules): (usize, PageRules),
    ) -> Result<GroupRead, ParquetReadError> {
        if group >= self.groups() {
            return Err(self.damaged(format!("row group {group} is not among its {}", self.groups())));
        }
        let select = || {
            let chunks = self.metadata().row_group(group).columns();
            let leaves = chunks.iter().enumerate().filter(|(_, chunk)| wanted(leaf(chunk)));
            let leaves: Vec<usize> = leaves.map(|(leaf, _)| leaf).collect();
            let ranges = leaves.iter().map(|leaf| range_of(&chunks[*leaf], self.size()));
            let ranges: Option<Vec<_>> = ranges.collect();
            let mut ranges = ranges.ok_or("a column lies outside of the file")?;
            ranges.sort_unstable_by_key(|range| range.start);
            let mask = ProjectionMask::leaves(&self.metadata().file_metadata().schema_descr_ptr(), leaves);
            Ok::<_, &str>((mask, ranges))
        };
        let (mask, chunks) = guard_parquet_result(select).map_err(|why| self.damaged(why))?;
        Ok(GroupRead { group, mask, chunks, schema: None, rows, rules })
    }

    /// Returns whether the columns can be decoded as `read` requests.
    pub fn can_read(&self, read: &GroupRead) -> bool {
        guard_parquet_result(|| read.metadata(self)).is_ok()
    }

    /// Reads the bytes of a group; they are decoded batch by batch as the batches are taken. An error is what is wrong
    /// with the group; no batch follows it.
    ///
    /// # Errors
    /// Those of [`ParquetObject::piece`] and [`ParquetObject::batches_of`].
    pub async fn batches(
        &self,
        location: &Location,
        read: GroupRead,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, String>> + Send + use<>, ParquetReadError> {
        let mut pieces = Vec::new();
        for range in read.pieces() {
            let start = range.start;
            pieces.push((start, self.piece(location, range).await?));
        }
        self.batches_of(read, pieces)
    }

    /// As [`ParquetObject::batches`], from [`GroupRead::pieces`] that were read before: where each begins, and its bytes.
    ///
    /// # Errors
    /// [`ParquetReadError::Damaged`]: the library cannot decode the columns to the types of `read`, or it panics.
    pub fn batches_of(
        &self,
        read: GroupRead,
        pieces: Vec<(u64, Bytes)>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, String>> + Send + use<>, ParquetReadError> {
        read.batches(self, Pieces { size: self.size(), pieces }).map_err(|why| self.damaged(why))
    }
}

/// Column and innermost name of a chunk.
fn leaf(chunk: &ColumnChunkMetaData) -> Leaf<'_> {
    let parts = chunk.column_path().parts();
    let [column, name] = [parts.first(), parts.last()].map(|part| part.map_or("", String::as_str));
    Leaf { column, name }
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

impl GroupBytes for Pieces {
    fn size(&self) -> u64 {
        self.size
    }

    fn from(&self, start: u64, _: usize) -> Result<Bytes, ParquetError> {
        let piece = self
            .pieces
            .iter()
            .find(|(at, bytes)| (*at..*at + bytes.len() as u64).contains(&start))
            .ok_or_else(|| {
            ParquetError::General(format!("byte {start} lies outside the column chunks"))
        })?;
        Ok(piece.1.slice((start - piece.0) as usize..))
    }

    fn exactly(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.from(start, length)?;
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
