//! The columns of a part file.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};

use crate::dataset::CarriedColumn;

/// How logits become the column `prob`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// One class an image: probabilities sum to 1.
    Softmax,
    /// Each class separately (multi-label).
    Sigmoid,
}

/// Whether and how the pooled features are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Embedding {
    /// Not at all.
    None,
    /// Single precision.
    F32,
    /// Half precision.
    F16,
}

/// What the rows hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Predictions kept an image, at most the number of classes.
    pub top_k: usize,
    /// The embedding column.
    pub embedding: Embedding,
    /// Scale embeddings to length 1.
    pub normalize_embedding: bool,
    /// Keep all logits.
    pub logits: bool,
    /// Keep a hash of each image's encoded bytes: a column [`CONTENT_HASH`].
    pub content_hash: bool,
    /// How probabilities are made.
    pub activation: Activation,
    /// Classes of the model, C; 0 if it gives an embedding alone, and then rows have no columns of classes.
    pub classes: usize,
    /// Width of the embedding, D.
    pub dim: usize,
    /// Class names by index, if known.
    pub labels: Option<Arc<Vec<String>>>,
    /// Targets are sets of classes: a column `targets`.
    pub sets: bool,
    /// Columns of the input that come after ours.
    pub carried: Vec<CarriedColumn>,
}

/// The column of hashes; a carried column may have this name if it is not kept.
pub const CONTENT_HASH: &str = "content_hash";

/// Names of the columns that every output may have; a carried column takes another.
pub const COLUMNS: [&str; 19] = [
    "row_id",
    "key",
    "etag",
    "size",
    "target",
    "targets",
    "status",
    "error_kind",
    "error_message",
    "index",
    "prob",
    "label",
    "target_prob",
    "target_rank",
    "embedding",
    "logits",
    "width",
    "height",
    "format",
];

impl Options {
    /// The schema of a part file: embeddings and logits are there only when asked for.
    pub fn schema(&self) -> Arc<Schema> {
        let list = |item: DataType| DataType::List(Arc::new(Field::new_list_field(item, false)));
        let mut fields = vec![
            Field::new("row_id", DataType::Int64, false),
            Field::new("key", DataType::Utf8, false),
            Field::new("etag", DataType::Utf8, true),
            Field::new("size", DataType::Int64, true),
            Field::new("target", DataType::Int32, true),
        ];
        if self.sets {
            fields.push(Field::new("targets", list(DataType::Int32), true));
        }
        fields.extend([
            Field::new("status", DataType::Utf8, false),
            Field::new("error_kind", DataType::Utf8, true),
            Field::new("error_message", DataType::Utf8, true),
        ]);
        if self.classes > 0 {
            fields.extend([
                Field::new("index", list(DataType::Int32), true),
                Field::new("prob", list(DataType::Float32), true),
                Field::new("label", list(DataType::Utf8), true),
                Field::new("target_prob", DataType::Float32, true),
                Field::new("target_rank", DataType::Int32, true),
            ]);
        }
        let vector = |item: DataType, width: usize| {
            DataType::FixedSizeList(Arc::new(Field::new_list_field(item, false)), width as i32)
        };
        match self.embedding {
            Embedding::None => {}
            Embedding::F32 => fields.push(Field::new("embedding", vector(DataType::Float32, self.dim), true)),
            Embedding::F16 => fields.push(Field::new("embedding", vector(DataType::Float16, self.dim), true)),
        }
        if self.logits {
            fields.push(Field::new("logits", vector(DataType::Float32, self.classes), true));
        }
        fields.extend([
            Field::new("width", DataType::Int32, true),
            Field::new("height", DataType::Int32, true),
            Field::new("format", DataType::Utf8, true),
        ]);
        if self.content_hash {
            fields.push(Field::new(CONTENT_HASH, DataType::FixedSizeBinary(16), true));
        }
        fields.extend(self.carried.iter().map(CarriedColumn::field));
        Arc::new(Schema::new(fields))
    }

    /// A generous estimate of the bytes of one row, uncompressed.
    pub fn row_bytes(&self) -> u64 {
        let embedding = match self.embedding {
            Embedding::None => 0,
            Embedding::F32 => 4 * self.dim,
            Embedding::F16 => 2 * self.dim,
        };
        let logits = if self.logits { 4 * self.classes } else { 0 };
        (256 + 32 * self.top_k + embedding + logits) as u64
    }
}
