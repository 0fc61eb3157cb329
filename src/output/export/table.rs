//! The rows as they are, in plain Parquet: for readers that do not know half precision.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::ExportError;

/// One file as it grows.
#[derive(Debug)]
pub struct Table {
    writer: ArrowWriter<Vec<u8>>,
    schema: SchemaRef,
    rows: usize,
}

impl Table {
    /// An empty file for rows of this schema; `float32` turns vectors of half precision into single precision.
    ///
    /// # Errors
    /// None is known: the columns are ours.
    pub fn new(schema: &Schema, float32: bool) -> Result<Table, ExportError> {
        let fields = schema.fields().iter().map(|field| match single_precision(field.data_type()) {
            Some(wide) if float32 => Field::new(field.name(), wide, field.is_nullable()),
            _ => Field::new(field.name(), field.data_type().clone(), field.is_nullable()),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).map_err(ExportError::encode)?))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties));
        Ok(Table { writer: writer.map_err(ExportError::encode)?, schema, rows: 0 })
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds rows.
    ///
    /// # Errors
    /// A column is absent or of another type.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), ExportError> {
        let columns: Result<Vec<ArrayRef>, _> = batch
            .columns()
            .iter()
            .zip(self.schema.fields())
            .map(|(column, field)| cast(column, field.data_type()))
            .collect();
        let columns = columns.map_err(ExportError::encode)?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(ExportError::encode)?;
        self.rows += batch.num_rows();
        self.writer.write(&batch).map_err(ExportError::encode)
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// None is known.
    pub fn finish(self) -> Result<Vec<u8>, ExportError> {
        self.writer.into_inner().map_err(ExportError::encode)
    }
}

/// The type of the same vectors in single precision, for those of half precision.
fn single_precision(data_type: &DataType) -> Option<DataType> {
    match data_type {
        DataType::FixedSizeList(item, width) if *item.data_type() == DataType::Float16 => {
            let wide = Field::new(item.name(), DataType::Float32, item.is_nullable());
            Some(DataType::FixedSizeList(Arc::new(wide), *width))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float32Type;
    use arrow_array::{Array, FixedSizeListArray, Float16Array};
    use arrow_buffer::NullBuffer;
    use bytes::Bytes;
    use half::f16;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    #[test]
    fn half_precision_becomes_single_where_it_is_asked_for_and_nulls_stay() {
        let item = Arc::new(Field::new_list_field(DataType::Float16, false));
        let values = Arc::new(Float16Array::from(vec![f16::from_f32(0.1), f16::MIN, f16::ONE, f16::ONE]));
        let nulls = NullBuffer::from(vec![true, false]);
        let list = FixedSizeListArray::new(item, 2, values, Some(nulls));
        let batch = RecordBatch::try_from_iter([("embedding", Arc::new(list) as ArrayRef)]).unwrap();
        for (float32, expected) in [(true, DataType::Float32), (false, DataType::Float16)] {
            let mut table = Table::new(&batch.schema(), float32).unwrap();
            table.push(&batch).unwrap();
            assert_eq!(table.rows(), 2);
            let bytes = Bytes::from(table.finish().unwrap());
            let mut reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
            let read = reader.next().unwrap().unwrap();
            let vectors = read.column(0).as_fixed_size_list();
            assert!(vectors.is_valid(0) && vectors.is_null(1));
            assert_eq!(*vectors.value(0).data_type(), expected);
            if float32 {
                let first = vectors.value(0);
                let wide = [f16::from_f32(0.1).to_f32(), -65504.0];
                assert_eq!(first.as_primitive::<Float32Type>().values()[..], wide);
            }
        }
    }
}
