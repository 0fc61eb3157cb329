//! The column chunks of a row group as the library reads them, with each page checked before it is decoded.

use std::sync::Arc;

use parquet::arrow::arrow_reader::RowGroups;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::delta::{self, Levels};
use super::page::{CheckedPages, GroupBytes};

/// One row group of a file.
pub(super) struct CheckedGroup<S> {
    pub pages: Arc<CheckedPages<S>>,
    pub metadata: Arc<ParquetMetaData>,
    pub group: usize,
}

impl<S: GroupBytes> CheckedGroup<S> {
    fn group(&self) -> &RowGroupMetaData {
        self.metadata.row_group(self.group)
    }
}

impl<S: GroupBytes> RowGroups for CheckedGroup<S> {
    fn num_rows(&self) -> usize {
        self.group().num_rows() as usize
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.group().column(column);
        let descriptor = chunk.column_descr();
        let levels =
            Levels { repetition: descriptor.max_rep_level(), definition: descriptor.max_def_level() };
        let pages = SerializedPageReader::new(self.pages.clone(), chunk, self.num_rows(), None)?;
        Ok(Box::new(Chunk(Some(CheckedReader { pages, levels }))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.group()))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The one chunk that a column has in a group.
struct Chunk<S: GroupBytes>(Option<CheckedReader<S>>);

impl<S: GroupBytes> Iterator for Chunk<S> {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(|reader| Ok(Box::new(reader) as Box<dyn PageReader>))
    }
}

impl<S: GroupBytes> PageIterator for Chunk<S> {}

/// Reads the pages of a chunk.
struct CheckedReader<S: GroupBytes> {
    pages: SerializedPageReader<CheckedPages<S>>,
    levels: Levels,
}

impl<S: GroupBytes> Iterator for CheckedReader<S> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<S: GroupBytes> PageReader for CheckedReader<S> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            delta::check(page, self.levels).map_err(|why| ParquetError::General(format!("a page {why}")))?;
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.pages.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        self.pages.take_deferred_dictionary()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}
