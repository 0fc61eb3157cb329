//! The embedding column of real rows under every encoding and compression that readers know: size against
//! processor time. One property varies; the other columns and the control (`output::encode` as a run calls it)
//! stay the same. Prints one table; nothing here is a test.
//!
//! `cargo bench --bench encode -- --rows OUTPUT [--runs N] [--column embedding]`
//!
//! OUTPUT is the folder of a finished or begun output on local disk with embeddings of a network over images:
//! noise does not compress as features do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod support;

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnPath;
use tresnet_batch::dataset::PartEnd;
use tresnet_batch::output::{self, PartContext, PartFooter};

use support::{Arguments, median};

/// Processor time of this thread: another process on the machine does not count.
fn thread_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: plain numbers, filled by the kernel.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// All rows, in batches as a run makes them.
fn rows(folder: &str, batch: usize) -> Vec<RecordBatch> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|_| panic!("--rows: no folder {folder}"))
        .map(|item| item.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .collect();
    names.sort();
    let read = |path| {
        let bytes = Bytes::from(std::fs::read(path).unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().with_batch_size(batch);
        reader.build().unwrap().map(Result::unwrap)
    };
    let rows: Vec<RecordBatch> = names.into_iter().flat_map(read).collect();
    assert!(!rows.is_empty(), "--rows: no rows in {folder}");
    rows
}

/// The file, with this encoding and compression of one column.
fn write(rows: &[RecordBatch], column: &str, encoding: Encoding, compression: Compression) -> Vec<u8> {
    let path = ColumnPath::new(vec![column.into(), "list".into(), "item".into()]);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap()))
        .set_max_row_group_row_count(None)
        .set_column_dictionary_enabled(path.clone(), false)
        .set_column_statistics_enabled(path.clone(), EnabledStatistics::None)
        .set_column_encoding(path.clone(), encoding)
        .set_column_compression(path, compression)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows[0].schema(), Some(properties)).unwrap();
    for batch in rows {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

/// Bytes of one column's values in a file.
fn column_bytes(file: &[u8], column: &str) -> i64 {
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(file)).unwrap();
    let groups = reader.metadata().row_groups();
    let columns = groups.iter().flat_map(|group| group.columns());
    columns
        .filter(|found| found.column_path().string().starts_with(column))
        .map(|found| found.compressed_size())
        .sum()
}

fn main() {
    let arguments = Arguments::read(&["rows", "runs", "column"]);
    let column = arguments.text("column", "embedding");
    let rows = rows(&arguments.text("rows", ".demo/output"), 32);
    let runs = arguments.number("runs", 5);
    let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
    let zstd = |level| Compression::ZSTD(ZstdLevel::try_new(level).unwrap());
    let mut variants = Vec::new();
    for (name, encoding) in [("plain", Encoding::PLAIN), ("byte-stream-split", Encoding::BYTE_STREAM_SPLIT)] {
        for (compressed, compression) in [
            ("none", Compression::UNCOMPRESSED),
            ("snappy", Compression::SNAPPY),
            ("zstd 1", zstd(1)),
            ("zstd 3", zstd(3)),
            ("zstd 6", zstd(6)),
        ] {
            variants.push((name, compressed, encoding, compression));
        }
    }
    let context = PartContext { schema: rows[0].schema(), pairs: Vec::new(), compress: true };
    let end = PartEnd { rows: count as u32, ..PartEnd::default() };
    let mut times: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let (mut sizes, mut control, mut control_size) = (BTreeMap::new(), Vec::new(), 0);
    for _ in 0..runs {
        for (index, (_, _, encoding, compression)) in variants.iter().enumerate() {
            let began = thread_seconds();
            let file = write(&rows, &column, *encoding, *compression);
            times.entry(index).or_default().push(thread_seconds() - began);
            sizes.insert(index, (column_bytes(&file, &column), file.len()));
        }
        let began = thread_seconds();
        let encoded = output::encode(&context, PartFooter { end, ..PartFooter::default() }, &rows).unwrap();
        control.push(thread_seconds() - began);
        control_size = encoded.bytes.len();
    }
    println!("{count} rows, the column `{column}`, processor time of one thread, medians of {runs} runs");
    println!(
        "| encoding | compression | bytes a row | file, bytes a row | ms a thousand rows |\n|---|---|---|---|---|"
    );
    for (index, (encoding, compression, ..)) in variants.iter().enumerate() {
        let (bytes, file) = sizes[&index];
        println!(
            "| {encoding} | {compression} | {:.0} | {:.0} | {:.1} |",
            bytes as f64 / count as f64,
            file as f64 / count as f64,
            1e6 * median(times[&index].clone()) / count as f64
        );
    }
    println!(
        "as a run does it: {:.0} bytes a row, {:.1} ms a thousand rows",
        control_size as f64 / count as f64,
        1e6 * median(control) / count as f64
    );
}
