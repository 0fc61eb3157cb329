//! Any bytes as a shard of WebDataset, read whole and in windows; the first two bytes choose limits and windows.

#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use tresnet_batch::dataset::webdataset::{Scanned, ShardImage, ShardLimits, TarError, scan};

const BLOCK: usize = 512;

/// Gives every block that looks like a header the checksum that it should have: no mutation finds one.
fn mend(archive: &mut [u8]) {
    for block in archive.as_chunks_mut::<BLOCK>().0 {
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
    }
}

fn scanned(
    archive: &[u8],
    window: usize,
    limits: ShardLimits,
) -> (Vec<ShardImage>, Result<Scanned, TarError>) {
    let mut images = Vec::new();
    let end = scan(archive.chunks(window.max(1)), limits, |image| images.push(image));
    (images, end)
}

fuzz_target!(|input: &[u8]| {
    let Some((&[switches, window], archive)) = input.split_first_chunk::<2>() else { return };
    let mut archive = archive.to_vec();
    if switches & 1 == 0 {
        mend(&mut archive);
    }
    let limits = match switches >> 1 & 3 {
        0 => ShardLimits { image_bytes: 1000, text_bytes: 100 },
        1 => ShardLimits { image_bytes: 0, text_bytes: 0 },
        2 => ShardLimits { image_bytes: u64::MAX, text_bytes: u64::MAX },
        _ => ShardLimits::new(64 << 20),
    };
    let (images, end) = scanned(&archive, archive.len(), limits);
    let windows = usize::from(window) + 1;
    assert_eq!(scanned(&archive, windows, limits), (images.clone(), end.clone()), "windows of {windows}");

    let mut names = HashSet::new();
    let mut held = 0;
    for ShardImage { name, size, bytes, texts } in &images {
        assert!(names.insert(name), "`{name}` came twice");
        if let Ok(bytes) = bytes {
            assert!(bytes.len() as u64 == *size && *size <= limits.image_bytes, "{} of {size}", bytes.len());
            held += bytes.len();
        }
        for text in [&texts.cls, &texts.json, &texts.txt].into_iter().flatten().flatten() {
            assert!(text.len() as u64 <= limits.text_bytes, "{} bytes of text", text.len());
        }
    }
    assert!(held <= archive.len(), "{held} bytes of images out of {}", archive.len());
    if let Ok(end) = end {
        assert_eq!(end.images, images.len() as u64);
    }
});
