//! A part's rows put in order, encoded whole in memory, and committed by one conditional write.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::{DataType, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::dataset::PartEnd;
use crate::failpoints;
use crate::ids::PartId;
use crate::store::{Created, Location};

use super::{Layout, OutputError, PartTime};

/// Bytes of a page of vectors: what is split, compressed and copied stays in a core's cache.
const PAGE: usize = 128 << 10;

/// The content of a footer other than its part's own numbers.
#[derive(Debug, Clone)]
pub struct PartContext {
    /// Schema of the rows.
    pub schema: Arc<Schema>,
    /// Footer pairs that are the same for every part of this run: `tresnet.*`.
    pub pairs: Vec<(String, String)>,
    /// Compress with zstd (else not at all).
    pub compress: bool,
}

/// What the footer of one part reports beside the counts of its rows.
#[derive(Debug, Clone, Copy, Default)]
pub struct PartFooter<'a> {
    /// Part id.
    pub id: PartId,
    /// Row id of its first row.
    pub first_row: i64,
    /// Hash of its rows in the plan.
    pub plan: &'a str,
    /// How reading it ended.
    pub end: PartEnd,
    /// When it was made.
    pub time: PartTime,
}

/// Collects the record batches of one part in any order and returns them in plan order.
#[derive(Debug, Default)]
pub struct Assembler {
    batches: BTreeMap<u32, RecordBatch>,
    rows: u32,
    expected: Option<u32>,
}

impl Assembler {
    /// Adds the batch whose first row has this offset in the part.
    pub fn add(&mut self, first_offset: u32, batch: RecordBatch) {
        self.rows += batch.num_rows() as u32;
        let before = self.batches.insert(first_offset, batch);
        debug_assert!(before.is_none(), "two batches at offset {first_offset}");
    }

    /// Records that reading finished successfully after `rows` rows.
    pub fn expect(&mut self, rows: u32) {
        self.expected = Some(rows);
    }

    /// Rows taken so far.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// True once reading has ended and every row is here.
    pub fn is_whole(&self) -> bool {
        self.expected == Some(self.rows)
    }

    /// The batches in order.
    pub fn into_batches(self) -> Vec<RecordBatch> {
        self.batches.into_values().collect()
    }
}

/// A part as the bytes of its file, not yet written.
#[derive(Debug)]
pub struct EncodedPart {
    /// Part id.
    pub id: PartId,
    /// The whole file.
    pub bytes: Bytes,
    /// Rows with status `ok`.
    pub ok: u32,
    /// Error rows by kind.
    pub errors: BTreeMap<String, u64>,
    /// How reading it ended.
    pub end: PartEnd,
}

/// The receipt of a committed part.
#[derive(Debug, Clone)]
pub struct PartFile {
    /// Part id.
    pub id: PartId,
    /// Name below the output.
    pub name: String,
    /// Bytes of the file as we encoded it.
    pub size: u64,
    /// Rows with status `ok`.
    pub ok: u32,
    /// Error rows by kind.
    pub errors: BTreeMap<String, u64>,
    /// Inputs that could not be read to their end.
    pub damaged: u32,
    /// False if another worker's file was found in place of ours.
    pub written: bool,
}

impl PartFile {
    /// Error rows of all kinds.
    pub fn error_rows(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// Error rows of a batch, by kind.
pub fn error_rows(batch: &RecordBatch) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    let column = batch.column_by_name("error_kind").and_then(|column| column.as_string_opt::<i32>());
    for kind in column.into_iter().flatten().flatten() {
        *kinds.entry(kind.to_owned()).or_insert(0) += 1;
    }
    kinds
}

/// Encodes the rows of a part as a Parquet file in memory.
///
/// # Errors
/// [`OutputError::Encode`] if a batch has another schema than `context`: a fault of the program.
pub fn encode(
    context: &PartContext,
    footer: PartFooter<'_>,
    batches: &[RecordBatch],
) -> Result<EncodedPart, OutputError> {
    let PartFooter { id, first_row, plan, end, time } = footer;
    let encode = |error: parquet::errors::ParquetError| OutputError::Encode(error.to_string());
    let rows: u32 = batches.iter().map(|batch| batch.num_rows() as u32).sum();
    let mut errors: BTreeMap<String, u64> = BTreeMap::new();
    for (kind, count) in batches.iter().flat_map(error_rows) {
        *errors.entry(kind).or_default() += count;
    }
    let error_rows = errors.values().sum::<u64>() as u32;
    let numbers = [
        ("part", id.to_string()),
        ("first_row", first_row.to_string()),
        ("rows", rows.to_string()),
        ("ok", (rows - error_rows).to_string()),
        ("errors", error_rows.to_string()),
        ("plan", plan.to_owned()),
        ("started", time.started.to_string()),
        ("ended", time.ended.to_string()),
    ];
    let rare = [("damaged", end.damaged), ("skipped", end.skipped), ("further", end.further)].into_iter();
    let rare = rare.filter(|(_, count)| *count > 0).map(|(key, count)| (key, count.to_string()));
    let numbers = numbers.into_iter().chain(rare);
    let pairs = context.pairs.iter().cloned();
    let pairs = pairs.chain(numbers.map(|(key, value)| (format!("tresnet.{key}"), value)));
    let mut properties = WriterProperties::builder()
        .set_compression(if context.compress {
            Compression::ZSTD(ZstdLevel::try_new(3).map_err(encode)?)
        } else {
            Compression::UNCOMPRESSED
        })
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(Some(pairs.map(|(key, value)| KeyValue::new(key, value)).collect()));
    // vectors of floats: no dictionary can help, and their statistics mean nothing
    for name in ["embedding", "logits"] {
        let path = ColumnPath::new(vec![name.into(), "list".into(), "item".into()]);
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_data_page_size_limit(path.clone(), PAGE)
            .set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        if context.compress && holds_f32(&context.schema, name) {
            // no higher level makes them much smaller, and split by bytes they are not read by all: docs/performance.md
            properties = properties
                .set_column_encoding(path.clone(), Encoding::PLAIN)
                .set_column_compression(path, Compression::ZSTD(ZstdLevel::try_new(1).map_err(encode)?));
        }
    }
    // about the size of the file: vectors of floats are hardly compressible
    let size = batches.iter().map(RecordBatch::get_array_memory_size).sum();
    let mut writer =
        ArrowWriter::try_new(Vec::with_capacity(size), context.schema.clone(), Some(properties.build()))
            .map_err(encode)?;
    for batch in batches {
        writer.write(batch).map_err(encode)?;
    }
    let bytes = writer.into_inner().map_err(encode)?;
    Ok(EncodedPart { id, bytes: bytes.into(), ok: rows - error_rows, errors, end })
}

/// True for a column of single-precision vectors.
fn holds_f32(schema: &Schema, name: &str) -> bool {
    schema.field_with_name(name).is_ok_and(|field| {
        matches!(field.data_type(), DataType::FixedSizeList(item, _) if *item.data_type() == DataType::Float32)
    })
}

/// Writes a part; this single write commits its rows.
///
/// # Errors
/// The store refuses the write, or does not answer within the write's time.
pub async fn commit(output: &Location, layout: &Layout, part: EncodedPart) -> Result<PartFile, OutputError> {
    let mut name = layout.part(part.id);
    if failpoints::on("mutant.random_part_names") {
        name = name.replace(".parquet", &format!("-{:p}.parquet", part.bytes.as_ptr()));
    }
    let size = part.bytes.len() as u64;
    let created = output.create_once(&name, part.bytes).await?;
    let EncodedPart { id, ok, errors, end, .. } = part;
    Ok(PartFile { id, name, size, ok, errors, damaged: end.damaged, written: created == Created::Now })
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, FixedSizeListArray, Float16Array, Float32Array};
    use arrow_schema::Field;
    use half::f16;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    /// Encodings and compression of the column `embedding` in the file of a part.
    fn written(item: DataType, values: ArrayRef, compress: bool) -> (Vec<Encoding>, Compression) {
        let item = Arc::new(Field::new_list_field(item, false));
        let list = FixedSizeListArray::new(item, 2, values, None);
        let batch = RecordBatch::try_from_iter([("embedding", Arc::new(list) as ArrayRef)]).unwrap();
        let context = PartContext { schema: batch.schema(), pairs: Vec::new(), compress };
        let end = PartEnd { rows: 2, ..PartEnd::default() };
        let part = encode(&context, PartFooter { end, ..PartFooter::default() }, &[batch]).unwrap();
        let reader = SerializedFileReader::new(part.bytes).unwrap();
        let column = reader.metadata().row_group(0).column(0);
        (column.encodings().collect(), column.compression())
    }

    #[test]
    fn vectors_are_plain_values_for_every_reader() {
        let values = || Arc::new(Float32Array::from(vec![0.5, 0.0, 1.5, 2.0])) as ArrayRef;
        let (encodings, compression) = written(DataType::Float32, values(), true);
        assert!(!encodings.contains(&Encoding::BYTE_STREAM_SPLIT), "{encodings:?}");
        assert!(matches!(compression, Compression::ZSTD(_)), "{compression:?}");
        let (encodings, compression) = written(DataType::Float32, values(), false);
        assert!(!encodings.contains(&Encoding::BYTE_STREAM_SPLIT), "{encodings:?}");
        assert_eq!(compression, Compression::UNCOMPRESSED);
        let values = Arc::new(Float16Array::from(vec![f16::ONE; 4]));
        let (encodings, _) = written(DataType::Float16, values, true);
        assert!(!encodings.contains(&Encoding::BYTE_STREAM_SPLIT), "{encodings:?}");
    }
}
