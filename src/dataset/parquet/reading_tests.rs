//! Row groups that are planned, read ahead of their turn, and read to their rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};

use super::{ParquetDataset, ParquetOptions, ParquetSource, TableColumns};
use crate::dataset::kept::Kept;
use crate::dataset::{Dataset, Part, PartEnd, Pass, Planner, PlannerOptions, Planning, ReadError, Warm};
use crate::sample::ErrorKind;
use crate::store::Location;

fn columns() -> TableColumns {
    TableColumns { image: Some("picture".to_owned()), key: Some("name".to_owned()) }
}

/// A file of groups of `rows` images, in pages of about `page` bytes.
fn file(images: &[Vec<u8>], rows: usize, page: usize) -> Vec<u8> {
    let keys = (0..images.len()).map(|number| format!("key {number} {}", "long ".repeat(number % 40)));
    let pictures: ArrayRef = Arc::new(BinaryArray::from_iter_values(images));
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
    planner.next_segment().await.unwrap().unwrap().parts()
}

/// What a reading came to.
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
        let trial = Kept::trial(2);
        drop(ahead.read(part, &trial, Pass::First).await);
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
