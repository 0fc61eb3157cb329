//! Any bytes as a shard of WebDataset, compressed or not, read whole and in windows, and once more if texts are not
//! beside their image; the first two bytes choose the texts to read, limits and windows.

#![no_main]

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tresnet_batch::dataset::webdataset::{Asked, Scanned, ShardImage, ShardLimits, TarError, Texts, scan};

const BLOCK: usize = 512;
/// A compressed archive may be much larger than its bytes.
const MOST_UNPACKED: u64 = 1 << 20;

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

/// An image without its bytes.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    name: String,
    size: u64,
    /// Length and hash of its bytes.
    bytes: Option<(usize, u64)>,
    texts: Arc<Texts>,
}

fn scanned(
    archive: &[u8],
    window: usize,
    limits: ShardLimits,
    asked: Asked,
) -> (Vec<Found>, Result<Scanned, TarError>) {
    let mut images = Vec::new();
    let end = scan(archive, window, limits, asked, |ShardImage { name, size, bytes, texts }| {
        let bytes = bytes.ok().map(|bytes| {
            let mut hash = DefaultHasher::new();
            bytes.hash(&mut hash);
            (bytes.len(), hash.finish())
        });
        images.push(Found { name, size, bytes, texts });
    });
    (images, end)
}

fuzz_target!(|input: &[u8]| {
    let Some((&[switches, window], archive)) = input.split_first_chunk::<2>() else { return };
    let mut archive = archive.to_vec();
    let is_packed = matches!(
        archive.as_slice(),
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]
    );
    if switches & 1 == 0 && !is_packed {
        mend(&mut archive);
    }
    let mut limits = match switches >> 1 & 3 {
        0 => ShardLimits { image_bytes: 1000, text_bytes: 100 },
        1 => ShardLimits { image_bytes: 0, text_bytes: 0 },
        2 => ShardLimits { image_bytes: u64::MAX, text_bytes: u64::MAX },
        _ => ShardLimits::new(64 << 20),
    };
    if is_packed {
        limits.image_bytes = limits.image_bytes.min(MOST_UNPACKED);
        limits.text_bytes = limits.text_bytes.min(MOST_UNPACKED);
    }
    let asked =
        Asked { class: switches & 8 != 0, columns: switches & 16 != 0, txt: switches & 32 != 0 };
    let (images, end) = scanned(&archive, archive.len(), limits, asked);
    let windows = usize::from(window) + 1;
    let again = scanned(&archive, windows, limits, asked);
    // rows before damaged compression depend on the windows, which a job does not choose, and are not compared
    let is_kept = |end: &Result<Scanned, TarError>| matches!(end, Ok(_) | Err(TarError::Truncated { .. }));
    assert_eq!(is_kept(&again.1), is_kept(&end), "windows of {windows}");
    if !is_packed || is_kept(&end) {
        assert_eq!((&again.0, &again.1), (&images, &end), "windows of {windows}");
    }

    let mut names = HashSet::new();
    let mut held = 0;
    for Found { name, size, bytes, texts } in &images {
        assert!(names.insert(name), "`{name}` came twice");
        if let Some((length, _)) = bytes {
            assert!(*length as u64 == *size && *size <= limits.image_bytes, "{length} of {size}");
            held += length;
        }
        for text in [&texts.cls, &texts.json, &texts.txt].into_iter().flatten().flatten() {
            assert!(text.len() as u64 <= limits.text_bytes, "{} bytes of text", text.len());
        }
    }
    assert!(is_packed || held <= archive.len(), "{held} bytes of images out of {}", archive.len());
    if let Ok(end) = end {
        assert_eq!(end.images, images.len() as u64);
    }
});
