//! The rows of an output one after another, a batch in memory at a time.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::store::{Location, ParquetObject};

use super::{CommittedPart, OutputError};

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, String>> + Send>;

/// Reads parts in plan order. Holds the encoded columns of the current part, and one decoded batch.
pub struct Cursor<'a> {
    output: &'a Location,
    parts: std::slice::Iter<'a, CommittedPart>,
    columns: Vec<String>,
    batch_rows: usize,
    object: Option<ParquetObject>,
    group: usize,
    batches: Option<Batches>,
    batch: Option<RecordBatch>,
    at: usize,
    begun: u64,
}

impl<'a> Cursor<'a> {
    /// Creates a cursor before the first row; reads nothing yet. Columns that a part does not have are left out.
    pub fn new(
        output: &'a Location,
        parts: &'a [CommittedPart],
        columns: Vec<String>,
        batch_rows: usize,
    ) -> Self {
        Cursor {
            output,
            parts: parts.iter(),
            columns,
            batch_rows,
            object: None,
            group: 0,
            batches: None,
            batch: None,
            at: 0,
            begun: 0,
        }
    }

    /// Reads ahead until there is a row; returns false after the last one.
    ///
    /// # Errors
    /// The store's, and those of a damaged part.
    pub async fn fill(&mut self) -> Result<bool, OutputError> {
        loop {
            if self.rest() > 0 {
                return Ok(true);
            }
            if let Some(next) = self.batches.as_mut().and_then(Iterator::next) {
                (self.batch, self.at) = (Some(next.map_err(|why| self.damaged(&why))?), 0);
                continue;
            }
            (self.batches, self.batch) = (None, None);
            match &self.object {
                Some(object) if self.group < object.groups() => {
                    let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
                    let batches =
                        object.group_batches(self.output, self.group, Some(&columns), self.batch_rows);
                    self.batches = Some(Box::new(batches.await?));
                    self.group += 1;
                }
                _ => {
                    let Some(part) = self.parts.next() else { return Ok(false) };
                    let object = ParquetObject::open_sized(self.output, &part.name, part.size).await?;
                    if object.rows() != part.rows {
                        let why = format!("holds {} rows where {} are counted", object.rows(), part.rows);
                        return Err(object.damaged(why).into());
                    }
                    (self.object, self.group) = (Some(object), 0);
                    self.begun += 1;
                }
            }
        }
    }

    /// Returns the number of decoded rows that were not taken.
    pub fn rest(&self) -> usize {
        self.batch.as_ref().map_or(0, |batch| batch.num_rows() - self.at)
    }

    /// Returns decoded rows, at most `rows`, without taking them.
    pub fn peek(&self, rows: usize) -> Option<RecordBatch> {
        self.batch.as_ref().map(|batch| batch.slice(self.at, rows.min(batch.num_rows() - self.at)))
    }

    /// Takes decoded rows, at most `rows`.
    pub fn take(&mut self, rows: usize) -> Option<RecordBatch> {
        let taken = self.peek(rows);
        self.at += taken.as_ref().map_or(0, RecordBatch::num_rows);
        taken
    }

    /// Parts whose rows were begun.
    pub fn parts_begun(&self) -> u64 {
        self.begun
    }

    fn damaged(&self, why: &str) -> OutputError {
        let name = self.object.as_ref().map_or_else(String::new, |object| object.name().to_owned());
        OutputError::Damaged { name, why: why.to_owned() }
    }
}

/// The schema of the first part; `None` if there is no part.
///
/// # Errors
/// The store's, and those of a damaged part.
pub async fn schema_of(output: &Location, parts: &[CommittedPart]) -> Result<Option<SchemaRef>, OutputError> {
    let Some(part) = parts.first() else { return Ok(None) };
    let object = ParquetObject::open_sized(output, &part.name, part.size).await?;
    Ok(Some(object.schema()?))
}
