//! `compare --flips FILE`: every image whose predicted class changed, as CSV or Parquet.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int32Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::failure::{Exit, Failure};
use crate::output::csv_cell;
use crate::report::compare::Flip;

use super::files::{Draft, refused};

/// Rows of a row group.
const GROUP: usize = 65_536;
const HEADER: &str = "key,change,target,index_a,index_b,prob_a,prob_b,label,label_a,label_b";

/// The file while it is written.
pub(super) struct FlipFile {
    path: PathBuf,
    /// Names of the classes; empty if there are none, and then labels are null.
    names: Vec<String>,
    form: Form,
}

enum Form {
    Csv(Draft),
    Parquet(Box<ArrowWriter<Draft>>),
}

impl FlipFile {
    /// Opens the file; its ending decides the format.
    ///
    /// # Errors
    /// `path` ends neither in `.csv` nor in `.parquet` (64); the draft cannot be created or written.
    pub fn create(path: &Path, names: Vec<String>) -> Result<FlipFile, Failure> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        let form = match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => {
                let mut draft = Draft::create(path)?;
                writeln!(draft, "{HEADER}").map_err(|error| refused(path, error))?;
                Form::Csv(draft)
            }
            Some("parquet") => {
                let level = ZstdLevel::try_new(3).map_err(|error| unwritten(path, error))?;
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(level))
                    .set_max_row_group_row_count(Some(GROUP))
                    .build();
                let empty = batch(&[], &names).map_err(|error| unwritten(path, error.into()))?;
                let writer = ArrowWriter::try_new(Draft::create(path)?, empty.schema(), Some(properties));
                Form::Parquet(Box::new(writer.map_err(|error| unwritten(path, error))?))
            }
            _ => {
                let what = format!("--flips `{}` ends neither in .csv nor in .parquet", path.display());
                return Err(Failure::new(Exit::Usage, what));
            }
        };
        Ok(FlipFile { path: path.to_owned(), names, form })
    }

    /// Writes some more rows.
    ///
    /// # Errors
    /// The rows cannot be encoded, or cannot be written to the draft.
    pub fn add(&mut self, flips: &[Flip]) -> Result<(), Failure> {
        if flips.is_empty() {
            return Ok(());
        }
        match &mut self.form {
            Form::Csv(draft) => {
                let rows = flips.iter().try_for_each(|flip| writeln!(draft, "{}", row(flip, &self.names)));
                rows.map_err(|error| refused(&self.path, error))
            }
            Form::Parquet(writer) => batch(flips, &self.names)
                .map_err(ParquetError::from)
                .and_then(|batch| writer.write(&batch))
                .map_err(|error| unwritten(&self.path, error)),
        }
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// The rest of the rows cannot be encoded or written; those of [`Draft::finish`].
    pub fn finish(self) -> Result<(), Failure> {
        match self.form {
            Form::Csv(draft) => draft.finish(),
            Form::Parquet(writer) => {
                writer.into_inner().map_err(|error| unwritten(&self.path, error))?.finish()
            }
        }
    }
}

fn name(names: &[String], index: i32) -> Option<&str> {
    names.get(usize::try_from(index).ok()?).map(String::as_str)
}

fn row(flip: &Flip, names: &[String]) -> String {
    let number = |value: Option<f32>| value.map_or(String::new(), |value| value.to_string());
    let label =
        |index: Option<i32>| index.and_then(|index| name(names, index)).map_or(String::new(), csv_cell);
    [
        csv_cell(&flip.key),
        flip.change.as_str().to_owned(),
        flip.target.map_or(String::new(), |target| target.to_string()),
        flip.index_a.to_string(),
        flip.index_b.to_string(),
        number(flip.prob_a),
        number(flip.prob_b),
        label(flip.target),
        label(Some(flip.index_a)),
        label(Some(flip.index_b)),
    ]
    .join(",")
}

fn batch(flips: &[Flip], names: &[String]) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let texts = |get: &dyn Fn(&Flip) -> Option<String>| -> ArrayRef {
        Arc::new(flips.iter().map(get).collect::<StringArray>())
    };
    let ints = |get: &dyn Fn(&Flip) -> Option<i32>| -> ArrayRef {
        Arc::new(flips.iter().map(get).collect::<Int32Array>())
    };
    let probs = |get: &dyn Fn(&Flip) -> Option<f32>| -> ArrayRef {
        Arc::new(flips.iter().map(get).collect::<Float32Array>())
    };
    let label = |index: i32| name(names, index).map(str::to_owned);
    let columns: [ArrayRef; 10] = [
        texts(&|flip| Some(flip.key.clone())),
        texts(&|flip| Some(flip.change.as_str().to_owned())),
        ints(&|flip| flip.target),
        ints(&|flip| Some(flip.index_a)),
        ints(&|flip| Some(flip.index_b)),
        probs(&|flip| flip.prob_a),
        probs(&|flip| flip.prob_b),
        texts(&|flip| flip.target.and_then(label)),
        texts(&|flip| label(flip.index_a)),
        texts(&|flip| label(flip.index_b)),
    ];
    let columns = HEADER.split(',').zip(columns).map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns)
}

pub(super) fn unwritten(path: &Path, error: ParquetError) -> Failure {
    match error {
        // the error of the disk is below
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(error) => refused(path, *error),
            Err(source) => refused(path, std::io::Error::other(source)),
        },
        error => refused(path, std::io::Error::other(error)),
    }
}
