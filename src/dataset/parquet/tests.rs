//! Files of every accepted kind, written by the library's own writer and read as a job reads them.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, Float64Array, Int64Array,
    LargeBinaryArray, ListArray, RecordBatch, StringArray, StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use crate::dataset::{DatasetError, PlanPosition, PlanRow, PlanSource, TargetNames, Truth};
use crate::sample::{ErrorKind, Target};
use crate::store::{Location, Role};

use super::{ImageBytes, ParquetImage, ParquetOptions, ParquetSource, TableColumns, scan};

/// Larger than what a view has inside it.
fn image(number: usize) -> Vec<u8> {
    vec![number as u8; 20 + number % 7]
}

fn images(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(image).collect()
}

fn structs(bytes: Vec<Option<Vec<u8>>>, paths: Vec<Option<&str>>) -> StructArray {
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter(bytes));
    let paths: ArrayRef = Arc::new(StringArray::from(paths));
    let fields = [("bytes", DataType::Binary), ("path", DataType::Utf8)];
    let fields = fields.map(|(name, kind)| Field::new(name, kind, true));
    StructArray::new(Fields::from(fields.to_vec()), vec![bytes, paths], None)
}

fn file(columns: &[(&str, ArrayRef)], properties: WriterPropertiesBuilder) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.iter().map(|(name, array)| (*name, array.clone(), true)),
    );
    let batch = batch.unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// The images of a file, or the error.
async fn read(file: Vec<u8>, options: &ParquetOptions) -> Result<Vec<ParquetImage>, String> {
    let input = Location::in_memory("tables").unwrap();
    let size = file.len() as u64;
    input.overwrite("a.parquet", file.into()).await.unwrap();
    let mut images = Vec::new();
    let rows = scan(&input, "a.parquet", size, options, |image| images.push(image)).await;
    let rows = rows.map_err(|error| error.to_string())?;
    assert_eq!(rows, images.len() as u64);
    Ok(images)
}

fn bytes(images: &[ParquetImage]) -> Vec<Vec<u8>> {
    let here = |image: &ParquetImage| match &image.bytes {
        Ok(ImageBytes::Here(bytes)) => bytes.clone(),
        other => panic!("{other:?}"),
    };
    images.iter().map(here).collect()
}

fn named(image: &str, key: Option<&str>) -> ParquetOptions {
    let columns = TableColumns { image: Some(image.to_owned()), key: key.map(str::to_owned) };
    ParquetOptions { columns, ..ParquetOptions::new(1000) }
}

#[tokio::test]
async fn bytes_of_every_type_are_the_same_images() {
    let expected = images(40);
    let slices: Vec<&[u8]> = expected.iter().map(Vec::as_slice).collect();
    let arrays: [ArrayRef; 4] = [
        Arc::new(BinaryArray::from(slices.clone())),
        Arc::new(LargeBinaryArray::from(slices.clone())),
        Arc::new(BinaryViewArray::from_iter_values(slices.clone())),
        Arc::new(structs(expected.iter().cloned().map(Some).collect(), vec![None; 40])),
    ];
    for array in arrays {
        let kind = array.data_type().clone();
        let file = file(&[("picture", array)], WriterProperties::builder());
        let found = read(file, &named("picture", None)).await.unwrap();
        assert_eq!(bytes(&found), expected, "{kind}");
        assert_eq!(found[3].size, Some(23));
    }
}

#[tokio::test]
async fn a_group_that_is_read_in_windows_has_the_rows_of_one_that_is_held() {
    let expected = images(2000);
    let slices: Vec<&[u8]> = expected.iter().map(Vec::as_slice).collect();
    let keys: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..2000).map(|number| format!("key {number}"))));
    let encodings = [None, Some(Encoding::DELTA_BYTE_ARRAY), Some(Encoding::DELTA_LENGTH_BYTE_ARRAY)];
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(Default::default())]
    {
        for encoding in encodings {
            let mut properties = WriterProperties::builder()
                .set_compression(compression)
                .set_data_page_size_limit(1000)
                .set_write_batch_size(10)
                .set_max_row_group_row_count(Some(700));
            if let Some(encoding) = encoding {
                properties = properties.set_dictionary_enabled(false).set_encoding(encoding);
            }
            let pictures: ArrayRef = Arc::new(BinaryArray::from(slices.clone()));
            let file = file(&[("picture", pictures), ("name", keys.clone())], properties);
            for most_held in [0, u64::MAX] {
                let options = ParquetOptions { most_held, ..named("picture", Some("name")) };
                let found = read(file.clone(), &options).await.unwrap();
                assert_eq!(bytes(&found), expected, "{compression:?} {encoding:?} {most_held}");
                assert_eq!(found[1999].key.as_deref(), Some("key 1999"));
            }
        }
    }
}

#[tokio::test]
async fn a_row_of_a_list_is_its_first_image_and_the_others_are_counted() {
    let all = structs(images(6).into_iter().map(Some).collect(), vec![Some("x.jpg"); 6]);
    let item = Arc::new(Field::new_list_field(all.data_type().clone(), true));
    // two, none, null, three and one
    let offsets = OffsetBuffer::from_lengths([2, 0, 0, 3, 1]);
    let nulls = NullBuffer::from(vec![true, true, false, true, true]);
    let lists: ArrayRef = Arc::new(ListArray::new(item, offsets, Arc::new(all), Some(nulls)));
    for most_held in [0, u64::MAX] {
        let options = ParquetOptions { most_held, ..ParquetOptions::new(1000) };
        let found =
            read(file(&[("images", lists.clone())], WriterProperties::builder()), &options).await.unwrap();
        let further: Vec<u32> = found.iter().map(|image| image.further).collect();
        assert_eq!(further, [1, 0, 0, 2, 0]);
        assert_eq!(
            [0, 3, 4].map(|at| found[at].bytes.as_ref().unwrap()),
            [0, 2, 5].map(image).map(ImageBytes::Here).each_ref()
        );
        for empty in &found[1..3] {
            let error = empty.bytes.as_ref().unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unsupported);
            assert!(error.message.contains("empty"), "{}", error.message);
        }
    }
}

#[tokio::test]
async fn a_row_without_bytes_has_a_path_or_is_an_error() {
    let rows =
        structs(vec![None, None, Some(image(3)), None], vec![Some("a/1.jpg"), None, Some("b.jpg"), Some("")]);
    let file = file(&[("image", Arc::new(rows))], WriterProperties::builder());
    let found = read(file, &ParquetOptions::new(1000)).await.unwrap();
    assert_eq!(found[0].bytes, Ok(ImageBytes::At("a/1.jpg".into())));
    assert_eq!(found[2].bytes, Ok(ImageBytes::Here(image(3))));
    for at in [1, 3] {
        let error = found[at].bytes.as_ref().unwrap_err();
        assert!(error.message.contains("neither bytes nor a path"), "{}", error.message);
    }
}

#[tokio::test]
async fn keys_are_texts_or_numbers_without_control_characters_and_may_be_missing() {
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"x"[..]; 4]));
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a\nb"), None, Some(""), Some("é")]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, Some(7), Some(-1)]));
    let file = file(&[("image", bytes), ("name", names), ("number", numbers)], WriterProperties::builder());
    for (key, expected) in [
        ("name", [Some("a\\nb"), None, None, Some("é")]),
        ("number", [Some("7"), None, Some("7"), Some("-1")]),
    ] {
        let found = read(file.clone(), &named("image", Some(key))).await.unwrap();
        let keys: Vec<Option<&str>> = found.iter().map(|image| image.key.as_deref()).collect();
        assert_eq!(keys, expected);
    }
}

#[tokio::test]
async fn whole_floats_are_classes_unless_version_0_1_0_began_the_job() {
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"x"[..]; 3]));
    let labels: ArrayRef = Arc::new(Float64Array::from(vec![Some(3.0), None, Some(1.5)]));
    let file = file(&[("image", bytes), ("label", labels)], WriterProperties::builder());
    let targets = Some(Truth::Beside(TargetNames::new(7, None)));
    let options = ParquetOptions { targets, ..ParquetOptions::new(1000) };
    let found = read(file.clone(), &options).await.unwrap();
    assert_eq!([&found[0].target, &found[1].target], [&Some(Target::Class(3)), &None]);
    assert!(found[2].bytes.as_ref().unwrap_err().message.contains("1.5"));
    let earlier = ParquetOptions { has_earlier_rules: true, ..options };
    assert_eq!(read(file, &earlier).await.unwrap()[0].target, None);
}

#[tokio::test]
async fn a_file_without_images_says_what_it_has_and_which_key_to_set() {
    let hashes = FixedSizeBinaryArray::try_from_iter([[1; 16], [2; 16]].iter()).unwrap();
    let file = file(&[("hash", Arc::new(hashes))], WriterProperties::builder());
    let why = read(file, &ParquetOptions::new(1000)).await.unwrap_err();
    assert!(why.contains("`hash` (FixedSizeBinary(16))") && why.contains("`input.image_column`"), "{why}");
}

#[tokio::test]
async fn a_page_that_announces_two_gibibytes_is_damage_in_memory_and_in_windows() {
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&[7_u8; 3000][..]]));
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_dictionary_enabled(false);
    let mut file = file(&[("image", bytes)], properties);
    // type 0 of the only page, then its uncompressed size: 3000 and levels, as a number of two bytes
    assert_eq!(file[4..7], [0x15, 0x00, 0x15]);
    let size_ends = 7 + file[7..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    file.splice(7..size_ends, [0xfe, 0xff, 0xff, 0xff, 0x0f]);
    // the footer counts from the beginning, and the page is longer now
    for most_held in [0, u64::MAX] {
        let options = ParquetOptions { most_held, ..ParquetOptions::new(1000) };
        let why = read(file.clone(), &options).await.unwrap_err();
        assert!(why.contains("at most 1073741824"), "{why}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_asked_for_is_planned_as_one_row_and_a_plan_resumes_after_it() {
    use std::os::unix::{ffi::OsStrExt, fs::symlink};

    let folder = tempfile::tempdir().unwrap();
    let pictures: ArrayRef =
        Arc::new(BinaryArray::from(images(3).iter().map(Vec::as_slice).collect::<Vec<_>>()));
    let good = file(&[("image", pictures)], WriterProperties::builder());
    symlink("nowhere", folder.path().join("a.parquet")).unwrap();
    std::fs::write(folder.path().join("b.parquet"), &good).unwrap();
    std::fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"c\xff.parquet")), &good).unwrap();
    std::fs::write(folder.path().join("d\n.parquet"), &good).unwrap();
    let input = Location::open(folder.path().to_str().unwrap(), Role::Input).unwrap();
    let source = ParquetSource::new(input, None).unwrap();
    let rows: Vec<PlanRow> = source.rows(None).try_collect().await.unwrap();
    let found: Vec<(&str, u32)> =
        rows.iter().map(|row| (row.key.as_str(), row.group.unwrap().rows)).collect();
    assert_eq!(found, [("a.parquet", 1), ("b.parquet", 3), ("c\0ff.parquet", 1), ("d\n.parquet", 1)]);
    assert_eq!((rows[0].size, rows[1].size), (None, Some(good.len() as u64)));
    assert_eq!(source.some_keys(1).await.unwrap(), ["b.parquet"]);
    // what the columns are is seen in the first file that can be read
    let facts = source.look(&TableColumns::default(), &[]).await.unwrap();
    assert_eq!(facts.columns.image.as_deref(), Some("image"));
    for (at, row) in rows.iter().enumerate() {
        let position = PlanPosition { key: row.key.clone(), group: row.group.map(|group| group.index) };
        let rest: Vec<PlanRow> = source.rows(Some(&position)).try_collect().await.unwrap();
        assert_eq!(rest, rows[at + 1..], "after {}", row.key);
    }
}

#[tokio::test]
async fn groups_of_a_file_that_is_a_link_to_nothing_by_now_are_not_left_out_of_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    let pictures: ArrayRef =
        Arc::new(BinaryArray::from(images(3).iter().map(Vec::as_slice).collect::<Vec<_>>()));
    let groups = WriterProperties::builder().set_max_row_group_row_count(Some(1));
    std::fs::write(folder.path().join("target"), file(&[("image", pictures)], groups)).unwrap();
    std::os::unix::fs::symlink("target", folder.path().join("a.parquet")).unwrap();
    let input = Location::open(folder.path().to_str().unwrap(), Role::Input).unwrap();
    let source = ParquetSource::new(input, None).unwrap();
    let rows: Vec<PlanRow> = source.rows(None).try_collect().await.unwrap();
    let first = PlanPosition { key: "a.parquet".into(), group: Some(0) };
    let rest: Vec<PlanRow> = source.rows(Some(&first)).try_collect().await.unwrap();
    assert_eq!((rows.len(), &rest[..]), (3, &rows[1..]));
    std::fs::remove_file(folder.path().join("target")).unwrap();
    let rest: Result<Vec<PlanRow>, _> = source.rows(Some(&first)).try_collect().await;
    assert!(matches!(rest, Err(DatasetError::Missing { .. })), "{rest:?}");
}
