//! Row groups that are planned, read ahead of their turn, and read to their rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use bytes::Bytes;
use futures::future::BoxFuture;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};

use super::{ParquetDataset, ParquetOptions, ParquetSource, TableColumns};
use crate::dataset::kept::Kept;
use crate::dataset::{
    Dataset, Intake, Part, PartEnd, Pass, Planner, PlannerOptions, Planning, ReadError, Stop, Ticket, Warm,
};
use crate::sample::{ErrorKind, Sample};
use crate::store::{Location, Role, Settings};

fn columns() -> TableColumns {
    TableColumns { image: Some("picture".to_owned()), key: Some("name".to_owned()) }
}

/// A file of groups of `rows` images, in pages of about `page` bytes.
fn file(images: &[Vec<u8>], rows: usize, page: usize) -> Vec<u8> {
    written(Arc::new(BinaryArray::from_iter_values(images)), rows, page)
}

/// A file of one group of `rows` images of which it has only the path.
fn paths(path: &str, rows: usize) -> Vec<u8> {
    let field = |name, kind| Arc::new(Field::new(name, kind, true));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![None::<&[u8]>; rows]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![path; rows]));
    let pictures = vec![(field("bytes", DataType::Binary), bytes), (field("path", DataType::Utf8), texts)];
    written(Arc::new(StructArray::from(pictures)), rows, 50_000)
}

fn written(pictures: ArrayRef, rows: usize, page: usize) -> Vec<u8> {
    let keys = (0..pictures.len()).map(|number| format!("key {number} {}", "long ".repeat(number % 40)));
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(keys));
    let batch = RecordBatch::try_from_iter([("picture", pictures), ("name", names)]).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(page)
        .set_write_batch_size(1)
        .set_max_row_group_row_count(Some(rows))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// Images of 30 to 300 kB that no compression would shorten.
fn images(count: usize) -> Vec<Vec<u8>> {
    let image = |number: usize| {
        let length = 30_000 + (number * 7919) % 270_000;
        (0..length).map(|byte| ((byte * 2_654_435_761 + number) >> 7) as u8).collect()
    };
    (0..count).map(image).collect()
}

async fn planned(input: &Location, output: &Location) -> Vec<Part> {
    let source = ParquetSource::new(input.clone(), None).unwrap();
    let source = source.with_columns(columns(), None, Vec::new(), u32::MAX);
    let options = PlannerOptions {
        fingerprint: "f".into(),
        rows_per_part: 8,
        limit: None,
        planning: Planning::Make,
        sorted: false,
        disorder: "disorder",
    };
    let mut planner = Planner::new(&source, output, |index| format!("plan-{index}.parquet"), options);
    let mut parts = Vec::new();
    while let Some(segment) = planner.next_segment().await.unwrap() {
        parts.extend(segment.parts());
    }
    parts
}

/// The rows and the result of a reading.
fn outcome(kept: &Kept, end: Result<PartEnd, ReadError>) -> Vec<String> {
    let rows = kept.rows.lock().unwrap();
    let rows = rows.iter().map(|(sample, image)| {
        let image = match image {
            Some(Ok(bytes)) => format!("{:x?}", Sha256::digest(bytes)),
            other => format!("{other:?}"),
        };
        format!("{} {} {:?} {image}", sample.row_id, sample.key, sample.size)
    });
    rows.chain([format!("{end:?}")]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_groups_that_are_read_ahead_have_the_rows_of_groups_that_are_not() {
    let (input, output) = (Location::in_memory("in").unwrap(), Location::in_memory("out").unwrap());
    let images = images(60);
    // groups in windows with pages below and above a cell, and groups that are held
    for (name, rows, page) in [
        ("0.parquet", 20, 50_000),
        ("1.parquet", 30, 1 << 20),
        ("2.parquet", 1, 50_000),
        ("3.parquet", 60, 1),
    ] {
        input.overwrite(name, file(&images, rows, page).into()).await.unwrap();
    }
    let parts = planned(&input, &output).await;
    assert_eq!(parts.len(), 3 + 2 + 60 + 1);
    let dataset = || {
        let options = ParquetOptions { columns: columns(), ..ParquetOptions::new(1 << 20) };
        ParquetDataset::new(input.clone(), output.clone(), options, Vec::new())
    };
    let (alone, ahead) = (dataset(), dataset().with_window_bytes(1 << 20));
    assert_eq!(ahead.read_ahead().bytes, 1 << 20);
    let mut warm: Vec<Option<Warm>> = parts.iter().map(|part| Some(ahead.warm(part))).collect();
    for (part, warm) in parts.iter().zip(&mut warm) {
        let (one, other) = (Kept::default(), Kept::default());
        let expected = alone.read(part, &one, Pass::First).await;
        assert!(expected.is_ok(), "{expected:?}");
        let found = ahead.read(part, &other, Pass::First).await;
        assert_eq!(outcome(&other, found), outcome(&one, expected), "{}", part.id);
        drop(warm.take());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_another_one_since_it_was_planned_is_error_rows_of_its_kind() {
    let (input, output) = (Location::in_memory("in").unwrap(), Location::in_memory("out").unwrap());
    input.overwrite("0.parquet", file(&images(20), 10, 50_000).into()).await.unwrap();
    let parts = planned(&input, &output).await;
    input.overwrite("0.parquet", file(&images(20), 5, 50_000).into()).await.unwrap();
    let options = ParquetOptions { columns: columns(), ..ParquetOptions::new(1 << 20) };
    let dataset = ParquetDataset::new(input, output, options, Vec::new()).with_window_bytes(1 << 20);
    for part in &parts {
        let _warm = dataset.warm(part);
        let kept = Kept::default();
        let end = dataset.read(part, &kept, Pass::First).await.unwrap();
        assert_eq!((end.rows, end.damaged), (10, 1));
        let rows = kept.rows.lock().unwrap();
        for (sample, image) in rows.iter() {
            let error = image.as_ref().unwrap().as_ref().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Changed, "{}: {error:?}", sample.key);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_of_paths_do_not_keep_the_request_that_the_next_rows_of_their_group_wait_for() {
    let (folder, output) = (tempfile::tempdir().unwrap(), Location::in_memory("out").unwrap());
    std::fs::write(folder.path().join("a.jpg"), "image").unwrap();
    std::fs::write(folder.path().join("0.parquet"), paths("a.jpg", 5000)).unwrap();
    let settings = Settings { requests: 1, ..Settings::default() };
    let input = Location::open_with(folder.path().to_str().unwrap(), Role::Input, settings).unwrap();
    let parts = planned(&input, &output).await;
    let options = ParquetOptions { columns: columns(), ..ParquetOptions::new(1 << 20) };
    // the group is not held: its names alone are 500 kB
    let dataset = ParquetDataset::new(input, output, options, Vec::new()).with_window_bytes(1 << 20);
    let kept = Kept::default();
    let read = dataset.read(&parts[0], &kept, Pass::First);
    let end = tokio::time::timeout(Duration::from_secs(60), read).await.expect("it waits for itself");
    assert_eq!(end.unwrap(), PartEnd { rows: 5000, ..PartEnd::default() });
    let rows = kept.rows.lock().unwrap();
    assert!(rows.iter().all(|(_, image)| *image == Some(Ok(b"image".to_vec()))));
}

/// Waits between a row and the room for its bytes, and replaces the file after the first row.
struct Slow {
    kept: Kept,
    input: Location,
    other: Bytes,
    is_replaced: AtomicBool,
}

impl Intake for Slow {
    fn admit(&self, sample: Sample, size: Option<u64>) -> BoxFuture<'_, Result<Box<dyn Ticket>, Stop>> {
        Box::pin(async move {
            let ticket = self.kept.admit(sample, size).await;
            if !self.is_replaced.swap(true, SeqCst) {
                self.input.overwrite("0.parquet", self.other.clone()).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            ticket
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_waits_for_room_while_its_group_turns_out_to_be_damaged_is_admitted_once() {
    let (input, output) = (Location::in_memory("in").unwrap(), Location::in_memory("out").unwrap());
    input.overwrite("0.parquet", file(&images(60), 60, 50_000).into()).await.unwrap();
    let parts = planned(&input, &output).await;
    let options = ParquetOptions { columns: columns(), ..ParquetOptions::new(1 << 20) };
    let dataset = ParquetDataset::new(input.clone(), output, options, Vec::new()).with_window_bytes(1 << 20);
    let other = file(&images(60), 5, 50_000).into();
    let slow = Slow { kept: Kept::default(), input, other, is_replaced: AtomicBool::new(false) };
    let end = dataset.read(&parts[0], &slow, Pass::First).await.unwrap();
    assert_eq!((end.rows, end.damaged), (60, 1));
    let rows = slow.kept.rows.lock().unwrap();
    let ids: Vec<i64> = rows.iter().map(|(sample, _)| sample.row_id).collect();
    assert_eq!(ids, (0..60).collect::<Vec<i64>>());
    assert!(rows[0].1.as_ref().is_some_and(Result::is_ok));
    // batches of 16 rows are decoded ahead, but not all of them
    let last = rows[59].1.as_ref().unwrap().as_ref().unwrap_err();
    assert_eq!(last.kind, ErrorKind::Changed, "{last:?}");
    assert!(rows.iter().all(|(_, image)| image.is_some()));
}
