//! The images of a Parquet file, as they are read from the batches of its row groups.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Int64Type};

use crate::dataset::Truth;
use crate::dataset::carried::{self, CarriedColumn};
use crate::failpoints;
use crate::sample::{ErrorKind, RowError, Target, Value};
use crate::store::{Location, ParquetObject, ParquetReadError, guard_parquet, guard_parquet_result};

use super::columns::{Columns, FEATURES, Labels};

/// Images decoded from Parquet at a time.
pub(super) const BATCH: usize = 16;

/// What a reader of Parquet files needs to know of the job.
#[derive(Debug, Clone)]
pub struct ParquetOptions {
    /// The largest image.
    pub max_encoded_bytes: u64,
    /// Where targets come from, if from anywhere.
    pub targets: Option<Truth>,
    /// What is carried.
    pub carried: Vec<CarriedColumn>,
}

/// One image of a file, or why there is none.
#[derive(Debug)]
pub struct ParquetImage {
    /// Its encoded bytes.
    pub bytes: Result<Vec<u8>, RowError>,
    /// How many they are, also where they are too many.
    pub size: Option<u64>,
    /// Its target.
    pub target: Option<Target>,
    /// Values of the carried columns.
    pub carried: Vec<Value>,
}

/// How the rows of one file become images.
pub(super) struct Images<'a> {
    options: &'a ParquetOptions,
    columns: Columns,
    labels: Option<Labels>,
}

impl<'a> Images<'a> {
    /// # Errors
    /// What is wrong with the file's columns.
    pub fn of(object: &ParquetObject, options: &'a ParquetOptions) -> Result<Images<'a>, String> {
        let schema = object.schema().map_err(|error| error.to_string())?;
        let names = options.targets.as_ref().and_then(Truth::beside);
        let columns = Columns::find(&schema, names.is_some(), &options.carried)?;
        let labels = match (names, &columns.target) {
            (Some(names), Some(target)) => Some(Labels::of(object.value(FEATURES), target, names)?),
            _ => None,
        };
        Ok(Images { options, columns, labels })
    }

    /// Names of the columns that are read.
    pub fn wanted(&self) -> Vec<&str> {
        self.columns.wanted(&self.options.carried)
    }

    /// The images of one batch.
    ///
    /// # Errors
    /// Columns that are other than the footer says, and a panic of the library.
    pub fn batch<'b>(&'b self, batch: &'b RecordBatch) -> Result<BatchImages<'b>, String> {
        guard_parquet_result(|| self.arrays(batch))
    }

    fn arrays<'b>(&'b self, batch: &'b RecordBatch) -> Result<BatchImages<'b>, String> {
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| format!("no column `{name}`"));
        let cast =
            |array: &ArrayRef, kind: &DataType| carried::cast(array, kind).map_err(|error| error.to_string());
        let image = column(&self.columns.image)?.as_struct_opt().ok_or("its images are no structs")?;
        let bytes = image.column_by_name("bytes").ok_or("no `bytes` in its images")?;
        let bytes = cast(bytes, &DataType::LargeBinary)?;
        let target = self.columns.target.as_deref().map(column).transpose()?;
        let target = match target {
            Some(column) if matches!(column.data_type(), DataType::List(_) | DataType::LargeList(_)) => {
                Some(Labelled::Lists(carried::lists(column)?))
            }
            Some(column) if column.data_type().is_integer() => {
                Some(Labelled::Numbers(cast(column, &DataType::Int64)?))
            }
            Some(column) => Some(Labelled::Texts(cast(column, &DataType::Utf8)?)),
            None => None,
        };
        let paths = image.column_by_name("path").map(|paths| cast(paths, &DataType::Utf8)).transpose()?;
        let mut values: Vec<ArrayRef> = Vec::new();
        for wanted in &self.options.carried {
            values.push(cast(column(&wanted.name)?, wanted.kind())?);
        }
        Ok(BatchImages { images: self, rows: batch.num_rows(), image, bytes, paths, target, values })
    }
}

/// The images of one batch.
pub(super) struct BatchImages<'b> {
    images: &'b Images<'b>,
    pub rows: usize,
    image: &'b StructArray,
    bytes: ArrayRef,
    paths: Option<ArrayRef>,
    target: Option<Labelled>,
    values: Vec<ArrayRef>,
}

impl BatchImages<'_> {
    /// The image in a row.
    ///
    /// # Errors
    /// A panic of the library.
    pub fn row(&self, row: usize) -> Result<ParquetImage, String> {
        guard_parquet(|| {
            failpoints::pass("parquet.rows");
            self.read(row)
        })
    }

    fn read(&self, row: usize) -> ParquetImage {
        let Images { options, labels, .. } = self.images;
        let values = self.values.iter().map(|column| carried::value(column, row));
        let carried = values.collect::<Option<_>>().unwrap_or_default();
        let target = match (&options.targets, &self.paths) {
            (Some(truth @ Truth::Named(_)), Some(paths))
                if self.image.is_valid(row) && paths.is_valid(row) =>
            {
                Ok(truth.named(paths.as_string::<i32>().value(row)))
            }
            _ => label(self.target.as_ref(), row, labels.as_ref()),
        };
        let (target, described) = match target {
            Ok(target) => (target, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let mut size = None;
        let bytes = if self.image.is_null(row) || self.bytes.is_null(row) {
            let why = "its bytes are not in the file, only a path at best";
            Err(RowError::new(ErrorKind::Unsupported, why))
        } else {
            let bytes = self.bytes.as_binary::<i64>().value(row);
            size = Some(bytes.len() as u64);
            let most = options.max_encoded_bytes;
            if bytes.len() as u64 > most {
                let size = bytes.len();
                let why = format!("{size} bytes are more than `limits.max_encoded_bytes` = {most}");
                Err(RowError::new(ErrorKind::Limit, why))
            } else {
                described.map(|()| bytes.to_vec())
            }
        };
        ParquetImage { bytes, size, target, carried }
    }
}

/// The column of labels, as it is read.
enum Labelled {
    Numbers(ArrayRef),
    Texts(ArrayRef),
    /// Each list as its JSON.
    Lists(ArrayRef),
}

fn label(column: Option<&Labelled>, row: usize, labels: Option<&Labels>) -> Result<Option<Target>, RowError> {
    let (Some(column), Some(labels)) = (column, labels) else { return Ok(None) };
    let (Labelled::Numbers(array) | Labelled::Texts(array) | Labelled::Lists(array)) = column;
    if array.is_null(row) {
        return Ok(None);
    }
    let target = match column {
        Labelled::Numbers(numbers) => labels.target_of_number(numbers.as_primitive::<Int64Type>().value(row)),
        Labelled::Texts(texts) => labels.target_of_text(texts.as_string::<i32>().value(row)),
        Labelled::Lists(lists) => labels.target_of_list(lists.as_string::<i32>().value(row)),
    };
    target.map_err(|why| RowError::new(ErrorKind::Corrupt, format!("its label: {why}")))
}

/// Hands all images of one file to `take`, row group by row group, and returns how many there are. A job reads one group
/// at a time, and each as often as it is begun.
///
/// # Errors
/// A file that is damaged, has no images, or cannot be read.
pub async fn scan(
    input: &Location,
    key: &str,
    size: u64,
    options: &ParquetOptions,
    mut take: impl FnMut(ParquetImage),
) -> Result<u64, ParquetReadError> {
    let object = ParquetObject::open_sized(input, key, size).await?;
    let damaged = |why: String| ParquetReadError::Damaged { name: key.to_owned(), why };
    let images = Images::of(&object, options).map_err(damaged)?;
    let mut rows = 0;
    for group in 0..object.groups() {
        for batch in object.group_batches(input, group, Some(&images.wanted()), BATCH).await? {
            let batch = batch.map_err(damaged)?;
            let found = images.batch(&batch).map_err(damaged)?;
            for row in 0..found.rows {
                take(found.row(row).map_err(damaged)?);
                rows += 1;
            }
        }
    }
    Ok(rows)
}
