//! Shards on a disk, planned and read to their rows.

use std::io::Write;
use std::path::Path;

use super::{ShardDataset, ShardOptions, ShardRules, ShardSource};
use crate::dataset::kept::{Kept, Rows};
use crate::dataset::{
    Dataset, DatasetError, ImageNames, Part, PartEnd, Pass, Planner, PlannerOptions, Planning, ReadError,
    TargetNames, Truth, Warm,
};
use crate::sample::Target;
use crate::store::{Location, Role};

fn member(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", bytes.len()).as_bytes());
    header[156] = b'0';
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut member = [&header[..], bytes].concat();
    member.resize(member.len().next_multiple_of(512), 0);
    member
}

/// Ten images, of which the first has its class beside it, and then the classes of the others.
fn shard() -> Vec<u8> {
    let image = |n: usize| member(&format!("{n}.jpg"), format!("image {n}").repeat(100).as_bytes());
    let class = |n: usize| member(&format!("{n}.cls"), n.to_string().as_bytes());
    let mut members = vec![image(0), class(0)];
    members.extend((1..10).map(image));
    members.extend((1..10).map(class));
    [members.concat(), vec![0; 1024]].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

async fn parts(source: &ShardSource, output: &Location) -> Vec<Part> {
    let options = PlannerOptions {
        fingerprint: "f".into(),
        rows_per_part: 8,
        limit: None,
        planning: Planning::Make,
        sorted: false,
        disorder: "disorder",
    };
    let mut planner = Planner::new(source, output, |index| format!("plan-{index}.parquet"), options);
    let mut parts = Vec::new();
    while let Some(segment) = planner.next_segment().await.unwrap() {
        parts.extend(segment.parts());
    }
    parts
}

fn open(folder: &Path, role: Role) -> Location {
    Location::open(folder.to_str().unwrap(), role).unwrap()
}

/// Reads the one shard of a folder.
async fn read(bytes: &[u8], rules: ShardRules, most_rows: u32) -> (Rows, Result<PartEnd, ReadError>) {
    let (input, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(input.path().join("a.tar"), bytes).unwrap();
    let (input, output) = (open(input.path(), Role::Input), open(output.path(), Role::Output));
    let source = ShardSource::new(input.clone(), None).unwrap();
    let part = parts(&source, &output).await.remove(0);
    let kept = Kept::default();
    let dataset = ShardDataset::new(input, output, options(rules, most_rows), Vec::new());
    let end = dataset.read(&part, &kept, Pass::First).await;
    (kept.rows, end)
}

fn options(rules: ShardRules, most_rows: u32) -> ShardOptions {
    ShardOptions {
        max_encoded_bytes: 1 << 20,
        targets: Some(Truth::Beside(TargetNames::new(10, None))),
        carried: Vec::new(),
        most_rows,
        image_names: ImageNames::default(),
        rules,
    }
}

#[tokio::test]
async fn texts_elsewhere_in_a_shard_are_targets_and_rows_keep_the_order_of_the_images() {
    for bytes in [shard(), gzip(&shard()), zstd::encode_all(shard().as_slice(), 1).unwrap()] {
        let (rows, end) = read(&bytes, ShardRules::Current, 10).await;
        assert_eq!(end.unwrap(), PartEnd { rows: 10, ..PartEnd::default() });
        for (n, (sample, image)) in rows.lock().unwrap().iter().enumerate() {
            assert_eq!((sample.row_id, &sample.key), (n as i64, &format!("a.tar!{n}.jpg")));
            assert_eq!(sample.target, Some(Target::Class(n as i32)));
            assert_eq!(image, &Some(Ok(format!("image {n}").repeat(100).into_bytes())));
        }
    }
}

#[tokio::test]
async fn a_compressed_shard_that_is_cut_keeps_its_first_rows() {
    let packed = gzip(&shard());
    let (rows, end) = read(&packed[..packed.len() - 9], ShardRules::Current, 100).await;
    assert_eq!(end.unwrap().damaged, 1);
    let rows = rows.lock().unwrap();
    assert_eq!(rows[0].0.target, Some(Target::Class(0)));
    assert!(rows.len() > 1);
}

#[tokio::test]
async fn images_that_wait_count_for_the_most_rows_of_a_part_before_they_are_read_again() {
    let (rows, end) = read(&shard(), ShardRules::Current, 5).await;
    assert!(matches!(end, Err(ReadError::TooMany { most: 5, .. })));
    assert_eq!(rows.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_shard_that_version_0_1_0_read_otherwise_ends_its_job() {
    for bytes in [shard(), gzip(&shard())] {
        let (_, end) = read(&bytes, ShardRules::SameAsEarlier, 10).await;
        assert!(matches!(end, Err(ReadError::Plan(DatasetError::EarlierShard { .. }))));
    }
    let (rows, end) = read(&shard(), ShardRules::Earlier, 10).await;
    assert_eq!(end.unwrap().rows, 10);
    assert_eq!(rows.lock().unwrap()[9].0.key, "a.tar!9.jpg");
}

/// Thirty images of 100 kB, with or without their classes after them: twelve windows of 256 KiB.
fn large_shard(has_classes: bool) -> Vec<u8> {
    let image = |n: usize| {
        let bytes: Vec<u8> = (0..100_000_usize).map(|byte| (byte * (n + 1) / 7) as u8).collect();
        member(&format!("{n:02}.jpg"), &bytes)
    };
    let class = |n: usize| member(&format!("{n:02}.cls"), (n % 10).to_string().as_bytes());
    let mut members: Vec<Vec<u8>> = (0..30).map(image).collect();
    if has_classes {
        members.extend((0..30).map(class));
    }
    [members.concat(), vec![0; 1024]].concat()
}

/// The rows and the result of reading one shard.
fn outcome(kept: &Kept, end: Result<PartEnd, ReadError>) -> String {
    let mut text = String::new();
    for (sample, image) in kept.rows.lock().unwrap().iter() {
        let image = match image {
            Some(Ok(bytes)) => {
                format!("{} bytes, the sum {}", bytes.len(), bytes.iter().map(|b| u64::from(*b)).sum::<u64>())
            }
            other => format!("{other:?}"),
        };
        text += &format!("{} {} {:?} {:?} {image}\n", sample.row_id, sample.key, sample.target, sample.size);
    }
    match end {
        Ok(end) => text + &format!("{end:?}"),
        Err(ReadError::Damaged { row, error }) => text + &format!("damaged: {} {error:?}", row.key),
        Err(error) => text + &error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_that_are_read_ahead_have_the_rows_of_shards_that_are_not() {
    let (input, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (plain, apart) = (large_shard(false), large_shard(true));
    let mut broken = plain.clone();
    // the header of an image in the seventh window
    let at = 17 * (512 + 100_352);
    broken[at..at + 512].fill(b'x');
    let shards = [
        ("0.tar", plain.clone()),
        ("1.tar.gz", gzip(&apart)),
        ("2.tar", apart),
        ("3.tar", broken),
        ("4.tar", plain[..plain.len() / 2].to_vec()),
        ("5.tar", Vec::new()),
        ("6.tar", shard()),
    ];
    for (name, bytes) in &shards {
        std::fs::write(input.path().join(name), bytes).unwrap();
    }
    let (input, output) = (open(input.path(), Role::Input), open(output.path(), Role::Output));
    let source = ShardSource::new(input.clone(), None).unwrap();
    let parts = parts(&source, &output).await;
    assert_eq!(parts.len(), shards.len());
    let dataset = || {
        let options = options(ShardRules::Current, 100);
        ShardDataset::new(input.clone(), output.clone(), options, Vec::new())
    };
    let (alone, ahead) = (dataset(), dataset().with_window_bytes(1 << 20));
    assert_eq!((alone.read_ahead().parts, ahead.read_ahead().parts), (0, 2));
    let mut warm: Vec<Option<Warm>> = parts.iter().map(|part| Some(ahead.warm(part))).collect();
    for (part, warm) in parts.iter().zip(&mut warm) {
        let (one, other) = (Kept::default(), Kept::default());
        let expected = alone.read(part, &one, Pass::First).await;
        let found = ahead.read(part, &other, Pass::First).await;
        assert_eq!(outcome(&other, found), outcome(&one, expected), "{}", part.id);
        drop(warm.take());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_is_another_one_since_it_was_read_ahead_is_one_row() {
    let (input, output) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = input.path().join("0.tar");
    std::fs::write(&path, large_shard(false)).unwrap();
    let (input, output) = (open(input.path(), Role::Input), open(output.path(), Role::Output));
    let source = ShardSource::new(input.clone(), None).unwrap();
    let parts = parts(&source, &output).await;
    let dataset = ShardDataset::new(input, output, options(ShardRules::Current, 100), Vec::new());
    let dataset = dataset.with_window_bytes(1 << 20);
    let _warm = dataset.warm(&parts[0]);
    // two windows of twelve are read ahead, of whichever version
    std::fs::write(&path, large_shard(true)).unwrap();
    let kept = Kept::default();
    let end = dataset.read(&parts[0], &kept, Pass::First).await;
    assert!(matches!(end, Err(ReadError::Damaged { .. })), "{end:?}");
}
