//! Any bytes as a Parquet file of images, read as a job reads it; the first byte chooses targets, carried columns,
//! names of columns, and whether a group is read in windows.
//!
//! A panic in a library that reads Parquet is an error of the file, as in a job; one of the project's own is a finding.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use tresnet_batch::dataset::parquet::{ImageBytes, ParquetOptions, TableColumns, scan};
use tresnet_batch::dataset::{CarriedColumn, TargetNames, Truth};
use tresnet_batch::store::Location;

const MOST: u64 = 1000;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    // libFuzzer's own hook ends the process, also for a panic that is caught
    let every = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let file = panic.location().map(|place| place.file()).unwrap_or_default();
        if !["/parquet-", "/arrow-", "/bytes-"].iter().any(|library| file.contains(library)) {
            every(panic);
        }
    }));
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
});

/// Gives the file the ends that it should have: no mutation finds them.
fn mend(file: &mut [u8]) {
    let length = file.len();
    if length < 12 {
        return;
    }
    file[..4].copy_from_slice(b"PAR1");
    file[length - 4..].copy_from_slice(b"PAR1");
    let footer: [u8; 4] = file[length - 8..length - 4].try_into().expect("four bytes");
    if u32::from_le_bytes(footer) as usize > length - 12 {
        file[length - 8..length - 4].copy_from_slice(&((length - 12) as u32).to_le_bytes());
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&switches, file)) = input.split_first() else { return };
    // names of columns are chosen by the length, so that the seeds of earlier versions keep their meaning
    let columns = if switches & 64 == 0 { 0 } else { file.len() as u8 };
    let mut file = file.to_vec();
    if switches & 1 == 0 {
        mend(&mut file);
    }
    let names = TargetNames::new(7, None);
    let names = if switches & 4 == 0 { names } else { names.with_sets() };
    let carried = [CarriedColumn::text("camera"), CarriedColumn::text("more")];
    let typed = |bits: u8, names: [&str; 3]| names.get(usize::from(bits & 3).wrapping_sub(1)).map(|name| name.to_string());
    let options = ParquetOptions {
        columns: TableColumns {
            image: typed(columns, ["image", "images", "content"]),
            key: typed(columns >> 2, ["path", "key", "label"]),
        },
        targets: (switches & 2 == 0).then_some(Truth::Beside(names)),
        carried: carried[..usize::from(switches >> 3 & 3).min(2)].to_vec(),
        // a group is read in windows
        most_held: if switches & 32 == 0 { u64::MAX } else { 0 },
        ..ParquetOptions::new(MOST)
    };
    let size = file.len();
    RUNTIME.block_on(async {
        let input = Location::in_memory("fuzz").expect("a location");
        input.overwrite("a.parquet", file.into()).await.expect("written");
        let mut rows = 0;
        let read = scan(&input, "a.parquet", size as u64, &options, |image| {
            rows += 1;
            if let Ok(ImageBytes::Here(bytes)) = image.bytes {
                assert!(bytes.len() as u64 <= MOST, "{} bytes", bytes.len());
            }
        });
        if let Ok(count) = read.await {
            assert_eq!(count, rows);
        }
    });
});
