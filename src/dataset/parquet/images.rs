//! The images of a Parquet file, as they are read from the batches of its row groups.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, SchemaRef};

use crate::dataset::Truth;
use crate::dataset::carried;
use crate::failpoints;
use crate::sample::{ErrorKind, RowError, Target, Value};
use crate::store::{
    GroupRead, Leaf, ParquetObject, ParquetReadError, escaped, guard_parquet, guard_parquet_result,
};

use super::columns::Columns;
use super::image_column::{ImageKind, with_views};
use super::labels::{FEATURES, Labels};
use super::options::ParquetOptions;

/// Images decoded from Parquet at a time.
const BATCH: usize = 16;

/// One image of a file, or why there is none.
#[derive(Debug)]
pub struct ParquetImage {
    /// Its encoded bytes, or where they are.
    pub bytes: Result<ImageBytes, RowError>,
    /// How many they are, also where they are too many.
    pub size: Option<u64>,
    /// Its key, where a column has it; without control characters.
    pub key: Option<String>,
    /// Its target.
    pub target: Option<Target>,
    /// Values of the carried columns.
    pub carried: Vec<Value>,
    /// Images of its row that are not read, since it is a list.
    pub further: u32,
}

/// The encoded bytes of an image.
#[derive(Debug, PartialEq, Eq)]
pub enum ImageBytes {
    /// They are in the file.
    Here(Vec<u8>),
    /// They are in another object, to which the file has this path.
    At(String),
}

/// How the rows of one file become images.
pub(super) struct Images<'a> {
    options: &'a ParquetOptions,
    columns: Columns,
    labels: Option<Labels>,
    views: SchemaRef,
}

impl<'a> Images<'a> {
    /// # Errors
    /// What is wrong with the file's columns.
    pub fn of(object: &ParquetObject, options: &'a ParquetOptions) -> Result<Images<'a>, String> {
        let schema = object.schema().map_err(|error| error.to_string())?;
        let names = options.targets.as_ref().and_then(Truth::beside);
        let columns = Columns::find(&schema, &options.columns, names.is_some(), &options.carried)?;
        let labels = match (names, &columns.target) {
            (Some(names), Some(target)) => Some(Labels::of(object.value(FEATURES), target, names)?),
            _ => None,
        };
        let views = Arc::new(with_views(&schema, &columns.image));
        Ok(Images { options, columns, labels, views })
    }

    /// How a row group is read.
    ///
    /// # Errors
    /// A group that is not there, or whose columns lie outside of the file.
    pub fn group(&self, object: &ParquetObject, group: usize) -> Result<GroupRead, ParquetReadError> {
        let wanted = |leaf: Leaf<'_>| self.columns.wants(leaf, &self.options.carried);
        let read = object.group_of_images(group, wanted, BATCH)?.with_schema(self.views.clone());
        if object.can_read(&read) {
            return Ok(read);
        }
        // copies of a value that rows share are made for one row at a time
        object.group_of_images(group, wanted, 1)
    }

    /// The images of one batch.
    ///
    /// # Errors
    /// If a column differs from the footer, or the library panics.
    pub fn batch<'b>(&'b self, batch: &'b RecordBatch) -> Result<BatchImages<'b>, String> {
        guard_parquet_result(|| self.arrays(batch))
    }

    fn arrays<'b>(&'b self, batch: &'b RecordBatch) -> Result<BatchImages<'b>, String> {
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| format!("no column `{name}`"));
        let cast =
            |array: &ArrayRef, kind: &DataType| carried::cast(array, kind).map_err(|error| error.to_string());
        let image = column(&self.columns.image.name)?;
        let (values, ranges) = match self.columns.image.is_list {
            true => items(image).ok_or("its images are no lists")?,
            false => (image.clone(), (0..batch.num_rows()).map(|row| row..row + 1).collect()),
        };
        let values = match self.columns.image.kind {
            ImageKind::Bytes => Values { bytes: binary(&values)?, structs: None, paths: None },
            ImageKind::Struct => {
                let structs = values.as_struct_opt().ok_or("its images are no structs")?.clone();
                let bytes = binary(structs.column_by_name("bytes").ok_or("no `bytes` in its images")?)?;
                let paths =
                    structs.column_by_name("path").map(|paths| cast(paths, &DataType::Utf8)).transpose()?;
                Values { bytes, structs: Some(structs), paths }
            }
        };
        let target = match self.columns.target.as_deref().map(column).transpose()? {
            Some(column) if matches!(column.data_type(), DataType::List(_) | DataType::LargeList(_)) => {
                Some(Labelled::Lists(carried::lists(column)?))
            }
            Some(column) if column.data_type().is_integer() => {
                Some(Labelled::Numbers(cast(column, &DataType::Int64)?))
            }
            Some(column) if column.data_type().is_floating() && !self.options.has_earlier_rules => {
                Some(Labelled::Floats(cast(column, &DataType::Float64)?))
            }
            Some(column) => Some(Labelled::Texts(cast(column, &DataType::Utf8)?)),
            None => None,
        };
        let key = self.columns.key.as_deref().map(column).transpose()?;
        let keys = key.map(|key| cast(key, &DataType::Utf8)).transpose()?;
        let mut carried: Vec<ArrayRef> = Vec::new();
        for wanted in &self.options.carried {
            carried.push(cast(column(&wanted.name)?, wanted.kind())?);
        }
        Ok(BatchImages { images: self, rows: batch.num_rows(), values, ranges, keys, target, carried })
    }
}

/// The items of lists, and which of them each row has.
fn items(lists: &ArrayRef) -> Option<(ArrayRef, Vec<Range<usize>>)> {
    let rows = 0..lists.len();
    let of =
        |row: usize, start: usize, end: usize| if lists.is_null(row) { start..start } else { start..end };
    if let Some(lists) = lists.as_list_opt::<i32>() {
        let at = lists.value_offsets();
        return Some((
            lists.values().clone(),
            rows.map(|row| of(row, at[row] as usize, at[row + 1] as usize)).collect(),
        ));
    }
    if let Some(lists) = lists.as_list_opt::<i64>() {
        let at = lists.value_offsets();
        return Some((
            lists.values().clone(),
            rows.map(|row| of(row, at[row] as usize, at[row + 1] as usize)).collect(),
        ));
    }
    let lists = lists.as_fixed_size_list_opt()?;
    let length = lists.value_length() as usize;
    Some((lists.values().clone(), rows.map(|row| of(row, row * length, (row + 1) * length)).collect()))
}

/// An array whose values are bytes; as it is, unless no accessor takes it.
fn binary(array: &ArrayRef) -> Result<ArrayRef, String> {
    match array.data_type() {
        DataType::BinaryView | DataType::Binary | DataType::LargeBinary | DataType::Null => Ok(array.clone()),
        _ => carried::cast(array, &DataType::LargeBinary).map_err(|error| error.to_string()),
    }
}

/// The images of one batch.
pub(super) struct BatchImages<'b> {
    images: &'b Images<'b>,
    pub rows: usize,
    values: Values,
    /// The values of each row: one, or those of its list.
    ranges: Vec<Range<usize>>,
    keys: Option<ArrayRef>,
    target: Option<Labelled>,
    carried: Vec<ArrayRef>,
}

/// The images of a batch, whatever rows they belong to.
struct Values {
    bytes: ArrayRef,
    structs: Option<StructArray>,
    paths: Option<ArrayRef>,
}

impl Values {
    fn is_null(&self, at: usize) -> bool {
        self.structs.as_ref().is_some_and(|structs| structs.is_null(at))
    }

    fn bytes(&self, at: usize) -> Option<&[u8]> {
        if self.is_null(at) || self.bytes.is_null(at) {
            return None;
        }
        match self.bytes.data_type() {
            DataType::BinaryView => Some(self.bytes.as_binary_view().value(at)),
            DataType::Binary => Some(self.bytes.as_binary::<i32>().value(at)),
            DataType::LargeBinary => Some(self.bytes.as_binary::<i64>().value(at)),
            _ => None,
        }
    }

    fn path(&self, at: usize) -> Option<&str> {
        text(self.paths.as_ref().filter(|_| !self.is_null(at)), at)
    }
}

fn text(array: Option<&ArrayRef>, at: usize) -> Option<&str> {
    array.filter(|array| array.is_valid(at)).map(|array| array.as_string::<i32>().value(at))
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
        let Images { options, labels, columns, .. } = self.images;
        let range = self.ranges[row].clone();
        let first = (!range.is_empty()).then_some(range.start);
        let further = u32::try_from(range.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let carried = self.carried.iter().map(|column| carried::value(column, row));
        let carried = carried.collect::<Option<_>>().unwrap_or_default();
        let key = text(self.keys.as_ref(), row).filter(|key| !key.is_empty());
        let path = first.and_then(|at| self.values.path(at));
        let target = match (&options.targets, path.or(key)) {
            (Some(truth @ Truth::Named(_)), Some(name)) => Ok(truth.named(name)),
            _ => label(self.target.as_ref(), row, labels.as_ref()),
        };
        let (target, described) = match target {
            Ok(target) => (target, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let mut size = None;
        let bytes = match first.and_then(|at| self.values.bytes(at)) {
            Some(bytes) => {
                let (length, most) = (bytes.len() as u64, options.max_encoded_bytes);
                size = Some(length);
                match length > most {
                    true => {
                        let why = format!("{length} bytes are more than `limits.max_encoded_bytes` = {most}");
                        Err(RowError::new(ErrorKind::Limit, why))
                    }
                    false => described.map(|()| ImageBytes::Here(bytes.to_vec())),
                }
            }
            None => match path.filter(|path| !path.is_empty()) {
                Some(path) => described.map(|()| ImageBytes::At(path.to_owned())),
                None => Err(RowError::new(ErrorKind::Unsupported, nothing(columns, first.is_none()))),
            },
        };
        ParquetImage { bytes, size, key: key.map(escaped), target, carried, further }
    }
}

/// What is missing in a row without an image.
fn nothing(columns: &Columns, is_empty: bool) -> &'static str {
    match (columns.image.kind, columns.image.is_list && is_empty) {
        (_, true) => "its list of images is empty",
        (ImageKind::Struct, false) => "it has neither bytes nor a path",
        (ImageKind::Bytes, false) => "it has no bytes",
    }
}

/// The column of labels, as it is read.
enum Labelled {
    Numbers(ArrayRef),
    Floats(ArrayRef),
    Texts(ArrayRef),
    /// Each list as its JSON.
    Lists(ArrayRef),
}

fn label(column: Option<&Labelled>, row: usize, labels: Option<&Labels>) -> Result<Option<Target>, RowError> {
    let (Some(column), Some(labels)) = (column, labels) else { return Ok(None) };
    let (Labelled::Numbers(array)
    | Labelled::Floats(array)
    | Labelled::Texts(array)
    | Labelled::Lists(array)) = column;
    if array.is_null(row) {
        return Ok(None);
    }
    let target = match column {
        Labelled::Numbers(numbers) => labels.target_of_number(numbers.as_primitive::<Int64Type>().value(row)),
        Labelled::Floats(floats) => labels.target_of_float(floats.as_primitive::<Float64Type>().value(row)),
        Labelled::Texts(texts) => labels.target_of_text(texts.as_string::<i32>().value(row)),
        Labelled::Lists(lists) => labels.target_of_list(lists.as_string::<i32>().value(row)),
    };
    target.map_err(|why| RowError::new(ErrorKind::Corrupt, format!("its label: {why}")))
}
