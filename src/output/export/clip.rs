//! The layout of clip-retrieval: matrices of embeddings, each with a table of the images that they belong to.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type};
use arrow_array::{Array, BooleanArray, FixedSizeListArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use half::slice::HalfFloatSliceExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::ExportError;
use super::npy::{Element, Npy};

/// Columns of the rows that do not go into the table: what the matrix holds, and what rows with an embedding do
/// not have.
const LEFT_OUT: [&str; 5] = ["embedding", "logits", "status", "error_kind", "error_message"];

/// The columns to read, of those that there are.
pub fn columns(schema: &Schema) -> Vec<String> {
    let names = schema.fields().iter().map(|field| field.name());
    names.filter(|name| *name == "embedding" || !LEFT_OUT.contains(&name.as_str())).cloned().collect()
}

/// One matrix and its table as they grow.
#[derive(Debug)]
pub struct Clip {
    matrix: Npy,
    normalize: bool,
    batches: Vec<RecordBatch>,
}

impl Clip {
    /// Nothing yet; `normalize` scales each embedding to length 1, which clip-retrieval's search expects.
    pub fn new(element: Element, width: usize, normalize: bool) -> Self {
        Clip { matrix: Npy::new(element, width), normalize, batches: Vec::new() }
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.matrix.rows()
    }

    /// Adds rows; leaves out those without an embedding, and returns their number.
    ///
    /// # Errors
    /// A column is absent or of another type, or a number does not fit.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<usize, ExportError> {
        let vectors: &FixedSizeListArray = batch
            .column_by_name("embedding")
            .and_then(|column| column.as_fixed_size_list_opt())
            .ok_or(ExportError::Column("embedding"))?;
        let kept: BooleanArray = (0..batch.num_rows()).map(|row| Some(vectors.is_valid(row))).collect();
        let mut row = Vec::new();
        for at in (0..batch.num_rows()).filter(|&at| vectors.is_valid(at)) {
            read(vectors, at, &mut row)?;
            if self.normalize {
                let length = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
                if length > 0.0 {
                    row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
                }
            }
            if !self.matrix.push(&row) {
                return Err(ExportError::TooLarge);
            }
        }
        let left_out = batch.num_rows() - kept.true_count();
        let batch = filter_record_batch(&table(batch)?, &kept).map_err(ExportError::encode)?;
        self.batches.push(batch);
        Ok(left_out)
    }

    /// The bytes of the matrix and of the table.
    ///
    /// # Errors
    /// None is known: the columns are ours.
    pub fn finish(self, schema: &SchemaRef) -> Result<(Vec<u8>, Vec<u8>), ExportError> {
        let schema = table_schema(schema)?;
        let whole = concat_batches(&schema, &self.batches).map_err(ExportError::encode)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).map_err(ExportError::encode)?))
            .build();
        let mut writer =
            ArrowWriter::try_new(Vec::new(), schema, Some(properties)).map_err(ExportError::encode)?;
        writer.write(&whole).map_err(ExportError::encode)?;
        let table = writer.into_inner().map_err(ExportError::encode)?;
        Ok((self.matrix.finish(), table))
    }
}

/// Returns the columns other than the embedding; `key` is renamed to `image_path` and is the first one.
fn table(batch: &RecordBatch) -> Result<RecordBatch, ExportError> {
    let schema = batch.schema();
    let kept = kept(&schema)?;
    let columns = kept.iter().map(|&at| batch.column(at).clone()).collect();
    RecordBatch::try_new(table_schema(&schema)?, columns).map_err(ExportError::encode)
}

fn kept(schema: &Schema) -> Result<Vec<usize>, ExportError> {
    let key = schema.index_of("key").map_err(|_| ExportError::Column("key"))?;
    let others = (0..schema.fields().len())
        .filter(|&at| at != key && !LEFT_OUT.contains(&schema.field(at).name().as_str()));
    Ok([key].into_iter().chain(others).collect())
}

fn table_schema(schema: &SchemaRef) -> Result<SchemaRef, ExportError> {
    let fields = kept(schema)?.into_iter().map(|at| {
        let field = schema.field(at);
        let name = if field.name() == "key" { "image_path" } else { field.name() };
        Field::new(name, field.data_type().clone(), field.is_nullable())
    });
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// The width of an output's embeddings.
pub fn width(schema: &Schema) -> Option<usize> {
    match schema.field_with_name("embedding").ok()?.data_type() {
        DataType::FixedSizeList(_, width) => usize::try_from(*width).ok(),
        _ => None,
    }
}

fn read(vectors: &FixedSizeListArray, row: usize, into: &mut Vec<f32>) -> Result<(), ExportError> {
    let width = vectors.value_length() as usize;
    let range = row * width..(row + 1) * width;
    into.clear();
    if let Some(values) = vectors.values().as_primitive_opt::<Float32Type>() {
        into.extend_from_slice(&values.values()[range]);
    } else if let Some(values) = vectors.values().as_primitive_opt::<Float16Type>() {
        into.resize(width, 0.0);
        values.values()[range].convert_to_f32_slice(into);
    } else {
        return Err(ExportError::Column("embedding"));
    }
    Ok(())
}
