//! The pipeline with the do-nothing engine from tar shards and Parquet files, compared with decoding alone. The S3 server
//! on loopback adds `--latency` milliseconds to each request and sends `--bandwidth` megabytes a second on each
//! connection. The control reads one window of a shard while the one before becomes rows, and nothing ahead of that; it is
//! slow, and takes a twentieth of the shards.
//! Prints one table; no test.
//!
//! `cargo bench --bench shards -- [--images FOLDER] [--count N] [--runs N] [--latency MS] [--bandwidth MB] [--shard N]
//! [--group N] [--batch N] [--bytes MIB]`
//!
//! `--bytes` is `limits.in_flight_bytes`. The server has a thread of this process, so its work takes from the cores that
//! decode. The rate "without the server" is that of the cores' time that the server left; it is right where the cores
//! have no idle time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "../tests/support/scripted_s3/mod.rs"]
mod scripted_s3;
mod support;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use scripted_s3::ScriptedS3;
use tresnet_batch::dataset::parquet::{ParquetDataset, ParquetOptions, ParquetSource};
use tresnet_batch::dataset::webdataset::{ShardDataset, ShardOptions, ShardRules, ShardSource};
use tresnet_batch::dataset::{Dataset, ImageNames, PlanSource};
use tresnet_batch::store::{Location, Role, Settings};

use support::threads::{STORE, nanos_of, without_store};
use support::{Arguments, Knobs, cores, decode_alone, mean_kilobytes, median, photographs, rate};

/// Different shards and files; the server shows each many times.
const DIFFERENT: usize = 2;
/// The largest image.
const LARGEST: u64 = 64 << 20;

fn main() {
    let arguments = Arguments::read(&[
        "images",
        "count",
        "runs",
        "latency",
        "bandwidth",
        "shard",
        "group",
        "batch",
        "bytes",
    ]);
    let (count, runs) = (arguments.number("count", 40_000), arguments.number("runs", 3));
    let latency = Duration::from_millis(arguments.number("latency", 50));
    let bandwidth = arguments.number("bandwidth", 10) * 1_000_000;
    let (shard, group) = (arguments.number("shard", 1000), arguments.number("group", 100));
    let images = photographs(&arguments.images());
    let server = ScriptedS3::start();
    server.keep_log(false);
    let of = |number: usize| -> Vec<Bytes> {
        (0..shard as usize).map(|image| images[(number * 31 + image) % images.len()].clone()).collect()
    };
    let packed = |pack: &dyn Fn(&[Bytes]) -> Vec<u8>| -> Vec<Bytes> {
        (0..DIFFERENT).map(|number| pack(&of(number)).into()).collect()
    };
    let shards = count.div_ceil(shard);
    let (count, few) = (shards * shard, (shards / 20).max(1));
    let (tars, tables) = (packed(&tar), packed(&|images| table(images, group as usize)));
    for (folder, shards) in [("", shards), ("few-", few)] {
        server.virtual_keys(
            &format!("{folder}tar/"),
            shards,
            |number| format!("{number:06}.tar"),
            tars.clone(),
        );
        let name = |number: u64| format!("{number:06}.parquet");
        server.virtual_keys(&format!("{folder}parquet/"), shards, name, tables.clone());
    }
    for (name, value) in server.environment() {
        // SAFETY: the server's thread reads no environment, and no other thread is there yet.
        unsafe { std::env::set_var(name, value) };
    }
    let in_flight_bytes = arguments.number("bytes", 512) << 20;
    let batch = arguments.number("batch", 32) as usize;
    let knobs = |count: u64| Knobs { batch, in_flight_bytes, ..Knobs::new(count) };
    let whole = knobs(count);
    println!(
        "{count} images of {:.0} kB, {shard} in a shard or file, {group} in a row group, batches of {batch}, {} cores, \
         medians of {runs} runs",
        mean_kilobytes(&images),
        cores()
    );
    let runtime = support::runtime();
    let run = |input: &str, window_bytes: u64, slow: bool| {
        let knobs = if input.starts_with("few-") { knobs(few * shard) } else { knobs(count) };
        server.latency(if slow { latency } else { Duration::ZERO });
        server.bandwidth(slow.then_some(bandwidth));
        // a new location: no connection or count of the run before
        let settings = Settings { requests: knobs.most_requests, ..Settings::default() };
        let address = format!("s3://test/{input}/");
        let input = Location::open_with(&address, Role::Input, settings).unwrap();
        let output = Location::in_memory("out").unwrap();
        let (source, dataset) = dataset(&input, &output, window_bytes);
        let began = nanos_of(STORE);
        let run = support::run_dataset_with_noise(&*source, dataset, &output, knobs, Arc::default());
        let run = runtime.block_on(run);
        let of_server = (nanos_of(STORE) - began) as f64 / 1e9 / run.rows as f64;
        assert_eq!((run.rows, run.errors), (knobs.limit, 0));
        let rate = rate(&run);
        (rate, without_store(rate, of_server))
    };
    let half = in_flight_bytes / 2;
    let mut alone = Vec::new();
    let kinds = [
        ("tar", half, false, "tar shards, no latency, any bandwidth"),
        ("tar", half, true, "tar shards"),
        ("few-tar", 0, true, "tar shards, nothing ahead"),
        ("parquet", half, true, "row groups"),
        ("few-parquet", 0, true, "row groups, nothing ahead"),
    ];
    let mut rates = kinds.map(|_| (Vec::new(), Vec::new(), Vec::new()));
    for _ in 0..runs {
        let decode = decode_alone(&images, whole.size, count as usize, whole.workers);
        alone.push(decode);
        for ((input, bytes, slow, _), (rates, ratios, others)) in kinds.iter().zip(&mut rates) {
            let (rate, without_server) = run(input, *bytes, *slow);
            rates.push(rate);
            ratios.push(100.0 * rate / decode);
            others.push(100.0 * without_server / decode);
        }
    }
    println!("| what | images/s | of decode alone | without the server |\n|---|---|---|---|");
    println!("| decode alone | {:.1} | 100 % | |", median(alone));
    for ((_, _, slow, what), (rates, ratios, others)) in kinds.iter().zip(rates) {
        let store = match slow {
            true => format!(", {} ms, {} MB/s a connection", latency.as_millis(), bandwidth / 1_000_000),
            false => String::new(),
        };
        println!(
            "| {what}{store} | {:.1} | {:.1} % | {:.1} % |",
            median(rates),
            median(ratios),
            median(others)
        );
    }
}

fn dataset(
    input: &Location,
    output: &Location,
    window_bytes: u64,
) -> (Box<dyn PlanSource>, Arc<dyn Dataset>) {
    let (input, output) = (input.clone(), output.clone());
    if input.uri().contains("tar") {
        let options = ShardOptions {
            max_encoded_bytes: LARGEST,
            targets: None,
            carried: Vec::new(),
            most_rows: u32::MAX,
            image_names: ImageNames::default(),
            rules: ShardRules::Current,
        };
        let shards = ShardDataset::new(input.clone(), output, options, Vec::new());
        let shards = if window_bytes > 0 { shards.with_window_bytes(window_bytes) } else { shards };
        return (Box::new(ShardSource::new(input, None).unwrap()), Arc::new(shards));
    }
    let files = ParquetDataset::new(input.clone(), output, ParquetOptions::new(LARGEST), Vec::new());
    let files = if window_bytes > 0 { files.with_window_bytes(window_bytes) } else { files };
    (Box::new(ParquetSource::new(input, None).unwrap()), Arc::new(files))
}

/// An archive of images.
fn tar(images: &[Bytes]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (number, image) in images.iter().enumerate() {
        let mut header = [0; 512];
        let name = format!("{number:06}.jpg");
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", image.len()).as_bytes());
        header[156] = b'0';
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(image);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// A Parquet file of images, as they are.
fn table(images: &[Bytes], group: usize) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(group))
        .build();
    let column: ArrayRef = Arc::new(BinaryArray::from_iter_values(images));
    let batch = RecordBatch::try_from_iter([("image", column)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}
