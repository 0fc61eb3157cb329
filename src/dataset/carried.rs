//! Columns that are carried with an image from the input to the output: values of a manifest, a shard's JSON or a
//! Parquet file other than the target.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::ArrowError;
use arrow_schema::{DataType, Field};
use serde::{Deserialize, Serialize};

use crate::sample::Value;

/// The types that a carried column may have. Text sources carry text.
const TYPES: [DataType; 12] = [
    DataType::Utf8,
    DataType::LargeUtf8,
    DataType::Boolean,
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::UInt8,
    DataType::UInt16,
    DataType::UInt32,
    DataType::Float32,
    DataType::Float64,
];

/// One carried column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(String, String)", into = "(String, String)")]
pub struct CarriedColumn {
    /// Its name, in the input as in the output.
    pub name: String,
    /// Its Arrow type: one of a few plain ones.
    kind: DataType,
}

impl CarriedColumn {
    /// A column of text.
    pub fn text(name: &str) -> CarriedColumn {
        CarriedColumn { name: name.to_owned(), kind: DataType::Utf8 }
    }

    /// A column of this type, or `None` where such a column cannot be carried.
    pub fn of(name: &str, kind: &DataType) -> Option<CarriedColumn> {
        let kind = match kind {
            DataType::Dictionary(_, value) => value.as_ref(),
            DataType::Utf8View => &DataType::Utf8,
            kind => kind,
        };
        TYPES.contains(kind).then(|| CarriedColumn { name: name.to_owned(), kind: kind.clone() })
    }

    /// Returns its field in an Arrow schema.
    pub fn field(&self) -> Field {
        Field::new(&self.name, self.kind.clone(), true)
    }

    /// Its Arrow type.
    pub fn kind(&self) -> &DataType {
        &self.kind
    }

    /// An array of values; a missing one is null.
    ///
    /// # Errors
    /// Where a value is of another type than the column.
    pub fn array<'a>(&self, values: impl Iterator<Item = Option<&'a Value>>) -> Result<ArrayRef, ArrowError> {
        let wrong = |value: &Value| {
            ArrowError::CastError(format!("column `{}` is {} and holds {value:?}", self.name, self.kind))
        };
        let wide: ArrayRef = match self.kind {
            DataType::Utf8 | DataType::LargeUtf8 => {
                let mut column = StringBuilder::new();
                for value in values {
                    match value {
                        None | Some(Value::Null) => column.append_null(),
                        Some(Value::Text(text)) => column.append_value(text),
                        Some(other) => return Err(wrong(other)),
                    }
                }
                Arc::new(column.finish())
            }
            DataType::Boolean => {
                let mut column = BooleanBuilder::new();
                for value in values {
                    match value {
                        None | Some(Value::Null) => column.append_null(),
                        Some(Value::Bool(value)) => column.append_value(*value),
                        Some(other) => return Err(wrong(other)),
                    }
                }
                Arc::new(column.finish())
            }
            DataType::Float32 | DataType::Float64 => {
                let mut column = Float64Builder::new();
                for value in values {
                    match value {
                        None | Some(Value::Null) => column.append_null(),
                        Some(Value::Float(number)) => column.append_value(*number),
                        Some(other) => return Err(wrong(other)),
                    }
                }
                Arc::new(column.finish())
            }
            _ => {
                let mut column = Int64Builder::new();
                for value in values {
                    match value {
                        None | Some(Value::Null) => column.append_null(),
                        Some(Value::Integer(number)) => column.append_value(*number),
                        Some(other) => return Err(wrong(other)),
                    }
                }
                Arc::new(column.finish())
            }
        };
        cast(&wide, &self.kind)
    }
}

/// The value in a row of an array, or `None` where its type is none that can be carried.
pub(super) fn value(array: &ArrayRef, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return Some(Value::Null);
    }
    let one = array.slice(row, 1);
    Some(match array.data_type() {
        DataType::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Value::Text(array.as_string::<i64>().value(row).to_owned()),
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Float32 | DataType::Float64 => {
            Value::Float(cast(&one, &DataType::Float64).ok()?.as_primitive::<Float64Type>().value(0))
        }
        kind if kind.is_integer() => {
            Value::Integer(cast(&one, &DataType::Int64).ok()?.as_primitive::<Int64Type>().value(0))
        }
        _ => return None,
    })
}

/// Lists of whole numbers or texts, each as the text that JSON has for it; null lists stay null.
pub(super) fn lists(array: &ArrayRef) -> Result<ArrayRef, String> {
    let item = match array.data_type() {
        DataType::List(item) | DataType::LargeList(item) => item.data_type(),
        other => return Err(format!("is {other}, no list")),
    };
    let kind = if item.is_integer() { DataType::Int64 } else { DataType::Utf8 };
    let wanted = DataType::List(Arc::new(Field::new_list_field(kind, true)));
    let array = cast(array, &wanted).map_err(|_| format!("is a list of {item}, which is no class"))?;
    let lists = array.as_list::<i32>();
    let mut texts = StringBuilder::new();
    for row in 0..lists.len() {
        if lists.is_null(row) {
            texts.append_null();
            continue;
        }
        let items = lists.value(row);
        let item = |at: usize| match items.as_primitive_opt::<Int64Type>() {
            _ if items.is_null(at) => serde_json::Value::Null,
            Some(numbers) => numbers.value(at).into(),
            None => items.as_string::<i32>().value(at).into(),
        };
        texts.append_value(serde_json::Value::Array((0..items.len()).map(item).collect()).to_string());
    }
    Ok(Arc::new(texts.finish()))
}

/// A cast that fails where a value does not fit.
pub(super) fn cast(array: &ArrayRef, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == kind {
        return Ok(array.clone());
    }
    cast_with_options(array, kind, &CastOptions { safe: false, ..CastOptions::default() })
}

impl From<CarriedColumn> for (String, String) {
    fn from(column: CarriedColumn) -> Self {
        (column.name, column.kind.to_string())
    }
}

impl TryFrom<(String, String)> for CarriedColumn {
    type Error = String;

    fn try_from((name, kind): (String, String)) -> Result<Self, String> {
        let known = TYPES.iter().find(|known| known.to_string() == kind);
        let kind = known.ok_or_else(|| format!("column `{name}` is of the unknown type `{kind}`"))?;
        Ok(CarriedColumn { name, kind: kind.clone() })
    }
}
