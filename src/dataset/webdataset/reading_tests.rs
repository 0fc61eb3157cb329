//! Shards on a disk, planned and read to their rows.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;

use super::{ShardDataset, ShardOptions, ShardRules, ShardSource};
use crate::dataset::{
    Arrival, Dataset, DatasetError, Intake, Part, PartEnd, Pass, Planner, PlannerOptions, Planning,
    ReadError, Stop, TargetNames, Ticket, Truth,
};
use crate::sample::{RowError, Sample, Target};
use crate::store::{Location, Role};

type Rows = Arc<Mutex<Vec<(Sample, Option<Result<Vec<u8>, RowError>>)>>>;

/// Keeps what it is given.
#[derive(Default)]
struct Kept(Rows);

struct KeptTicket(Rows, usize);

impl Intake for Kept {
    fn admit(&self, sample: Sample, _: Option<u64>) -> BoxFuture<'_, Result<Box<dyn Ticket>, Stop>> {
        let mut rows = self.0.lock().unwrap();
        rows.push((sample, None));
        let ticket: Box<dyn Ticket> = Box::new(KeptTicket(self.0.clone(), rows.len() - 1));
        Box::pin(std::future::ready(Ok(ticket)))
    }
}

impl Ticket for KeptTicket {
    fn fit(&mut self, _: u64) -> bool {
        true
    }

    fn refit(&mut self, _: u64) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn deliver(self: Box<Self>, image: Result<Arrival, RowError>) {
        self.0.lock().unwrap()[self.1].1 = Some(image.map(|arrival| arrival.bytes.to_vec()));
    }
}

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

async fn first_part(source: &ShardSource, output: &Location) -> Part {
    let options = PlannerOptions {
        fingerprint: "f".into(),
        rows_per_part: 8,
        limit: None,
        planning: Planning::Make,
        sorted: false,
        disorder: "disorder",
    };
    let mut planner = Planner::new(source, output, |index| format!("plan-{index}.parquet"), options);
    planner.next_segment().await.unwrap().unwrap().parts().remove(0)
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
    let part = first_part(&source, &output).await;
    let options = ShardOptions {
        max_encoded_bytes: 1 << 20,
        targets: Some(Truth::Beside(TargetNames::new(10, None))),
        carried: Vec::new(),
        most_rows,
        image_names: crate::dataset::ImageNames::default(),
        rules,
    };
    let kept = Kept::default();
    let end = ShardDataset::new(input, output, options, Vec::new()).read(&part, &kept, Pass::First).await;
    (kept.0, end)
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
