//! Parquet objects read in pieces: the footer first, then only the requested row groups and columns.

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::depth::check_depth;
use super::guard::{guard_parquet, guard_parquet_result};
use crate::store::{FetchError, Location, StoreError};

/// Bytes read from an object's end at first; most footers fit.
const TAIL: u64 = 64 * 1024;
/// The same for a file of one row group and few columns, such as a part. Thirty thousand of them are read for one look.
const SHORT_TAIL: u64 = 16 * 1024;
/// Magic bytes at both ends and the footer's length.
const SHORTEST: u64 = 12;

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
    ///
    /// # Errors
    /// Those of [`Location::size`] and [`ParquetObject::open_sized`].
    pub async fn open(location: &Location, name: &str) -> Result<Option<Self>, ParquetReadError> {
        match location.size(name).await? {
            Some(size) => Self::open_sized(location, name, size).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads the footer of an object whose size in bytes is known from a listing.
    ///
    /// # Errors
    /// [`ParquetReadError::Damaged`]: the bytes are no Parquet, or fewer than `size`. [`ParquetReadError::Store`]:
    /// they cannot be read.
    pub async fn open_sized(location: &Location, name: &str, size: u64) -> Result<Self, ParquetReadError> {
        Self::open_tail(location, name, size, (None, TAIL)).await
    }

    /// As [`ParquetObject::open_sized`], for a footer that is probably short: fewer bytes are read at first.
    ///
    /// # Errors
    /// Those of [`ParquetObject::open_sized`].
    pub async fn open_short(location: &Location, name: &str, size: u64) -> Result<Self, ParquetReadError> {
        Self::open_tail(location, name, size, (None, SHORT_TAIL)).await
    }

    /// As [`ParquetObject::open_sized`]; every read of it must find the tag `etag`.
    ///
    /// # Errors
    /// Those of [`ParquetObject::open_sized`]. [`ParquetReadError::Refused`]: the object has another tag, is gone, or
    /// may not be read.
    pub async fn open_tagged(
        location: &Location,
        name: &str,
        size: u64,
        etag: Option<&str>,
    ) -> Result<Self, ParquetReadError> {
        Self::open_tail(location, name, size, (etag, TAIL)).await
    }

    async fn open_tail(
        location: &Location,
        name: &str,
        size: u64,
        (etag, tail): (Option<&str>, u64),
    ) -> Result<Self, ParquetReadError> {
        let damaged = |why: String| ParquetReadError::Damaged { name: name.to_owned(), why };
        if size < SHORTEST {
            return Err(damaged(format!("{size} bytes are too few for Parquet")));
        }
        let mut tail = tail.min(size);
        loop {
            let bytes = piece(location, name, size - tail..size, etag).await?;
            check_depth(&bytes).map_err(damaged)?;
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
    ///
    /// # Errors
    /// [`ParquetReadError::Damaged`]: the columns have no types of Arrow, or the library panics.
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

    pub(super) fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.metadata
    }

    /// Some bytes of it, of the version whose footer was read.
    ///
    /// # Errors
    /// The object is shorter than `range` requires, has another tag than its footer had, or cannot be read.
    pub async fn piece(&self, location: &Location, range: Range<u64>) -> Result<Bytes, ParquetReadError> {
        piece(location, &self.name, range, self.etag.as_deref()).await
    }

    /// The error for a piece of it that cannot be read.
    pub fn damaged(&self, why: String) -> ParquetReadError {
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
