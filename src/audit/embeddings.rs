//! The column of embeddings.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type};
use arrow_array::{Array, FixedSizeListArray, RecordBatch};
use arrow_schema::{DataType, Schema};
use half::f16;

use crate::report::ReportError;

use super::element::{Element, MOST_WIDTH};

/// What a column of embeddings holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EmbeddingColumn {
    pub element: Element,
    pub width: usize,
}

/// The embeddings of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Embeddings<'a> {
    list: &'a FixedSizeListArray,
    width: usize,
    values: Values<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Values<'a> {
    F16(&'a [f16]),
    F32(&'a [f32]),
}

impl EmbeddingColumn {
    /// # Errors
    /// Why there are no embeddings.
    pub fn of(schema: &Schema) -> Result<EmbeddingColumn, String> {
        let none = || "the rows have no embeddings: set `output.embedding = \"f16\"`".to_owned();
        let field = schema.field_with_name("embedding").map_err(|_| none())?;
        let DataType::FixedSizeList(item, width) = field.data_type() else { return Err(none()) };
        let element = match item.data_type() {
            DataType::Float16 => Element::F16,
            DataType::Float32 => Element::F32,
            _ => return Err(none()),
        };
        let width = usize::try_from(*width).ok().filter(|width| (1..=MOST_WIDTH).contains(width));
        let width =
            width.ok_or_else(|| format!("embeddings of more than {MOST_WIDTH} numbers are not compared"))?;
        Ok(EmbeddingColumn { element, width })
    }

    /// Takes the column of a batch.
    ///
    /// # Errors
    /// It is missing, or of another type than that of the output's first part.
    pub fn read(self, batch: &RecordBatch) -> Result<Embeddings<'_>, ReportError> {
        let column = batch.column_by_name("embedding").ok_or_else(|| ReportError::MissingColumn {
            column: "embedding".into(),
            found: batch.schema().fields().iter().map(|field| field.name().clone()).collect(),
        })?;
        let wrong = || ReportError::ColumnType {
            column: "embedding".into(),
            wanted: "fixed list as in the first part",
            found: column.data_type().to_string(),
        };
        let list = column.as_fixed_size_list_opt().ok_or_else(wrong)?;
        let values = match self.element {
            Element::F16 => {
                Values::F16(list.values().as_primitive_opt::<Float16Type>().ok_or_else(wrong)?.values())
            }
            Element::F32 => {
                Values::F32(list.values().as_primitive_opt::<Float32Type>().ok_or_else(wrong)?.values())
            }
        };
        let embeddings = Embeddings { list, width: self.width, values };
        let length = match values {
            Values::F16(values) => values.len(),
            Values::F32(values) => values.len(),
        };
        if length == list.len() * self.width { Ok(embeddings) } else { Err(wrong()) }
    }
}

impl Embeddings<'_> {
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Reads the embedding of a row; false if the row has none.
    pub fn read(&self, row: usize, embedding: &mut Vec<f32>) -> bool {
        embedding.clear();
        let range = row * self.width..(row + 1) * self.width;
        match self.values {
            _ if self.list.is_null(row) => return false,
            Values::F16(values) => embedding.extend(values[range].iter().map(|value| value.to_f32())),
            Values::F32(values) => embedding.extend_from_slice(&values[range]),
        }
        true
    }

    /// The bytes of a row's numbers, little-endian.
    pub fn bytes(&self, row: usize, bytes: &mut Vec<u8>) {
        bytes.clear();
        let range = row * self.width..(row + 1) * self.width;
        match self.values {
            Values::F16(values) => bytes.extend(values[range].iter().flat_map(|value| value.to_le_bytes())),
            Values::F32(values) => bytes.extend(values[range].iter().flat_map(|value| value.to_le_bytes())),
        }
    }
}
