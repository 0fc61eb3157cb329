//! Any bytes as a checkpoint: whole files, or (by the first byte) the pickle inside an archive or a chain that is in
//! order. Two bits choose among the weights of a training.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tresnet_batch::model::{Architecture, Checkpoint, WeightSet};

/// An archive as PyTorch writes them: entries stored, the pickle first.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for (name, data) in entries {
        let header = bytes.len() as u32;
        let size = (data.len() as u32).to_le_bytes();
        // flags, method, time, date; checksum and both sizes; lengths of the name and of nothing
        let common =
            [&[0; 8], &[0; 4][..], &size, &size, &(name.len() as u16).to_le_bytes(), &[0, 0]].concat();
        bytes.extend([b"PK\x03\x04\x14\0", &common[..], name.as_bytes(), data].concat());
        directory.extend([b"PK\x01\x02\x14\0\x14\0", &common[..], &[0; 10]].concat());
        directory.extend([&header.to_le_bytes(), name.as_bytes()].concat());
    }
    let count = (entries.len() as u16).to_le_bytes();
    let (length, start) = (directory.len() as u32, bytes.len() as u32);
    bytes.extend(directory);
    bytes.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count].concat());
    bytes.extend([&length.to_le_bytes()[..], &start.to_le_bytes(), &[0, 0]].concat());
    bytes
}

/// A file of before PyTorch 1.6: `pickle` is the fourth of its pickles, and three storages of 16, 3 and no floats
/// follow. The last two are listed where the pickle has their keys, since a storage without a type is refused.
fn chain(pickle: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let facts = b"\x80\x02}\x8c\x0dlittle_endian\x88s.";
    let mut keys = b"\x80\x02](".to_vec();
    let mut storages = Vec::new();
    for (key, length) in [(b'0', 16u64), (b'1', 3), (b'2', 0)] {
        let named = [&[0x8c, 1, key][..], &[b'X', 1, 0, 0, 0, key]];
        if named.iter().any(|name| pickle.windows(name.len()).any(|window| window == *name)) {
            keys.extend([0x8c, 1, key]);
            storages.extend(length.to_le_bytes());
            storages.extend((0..4 * length).map(|n| n as u8));
        }
    }
    keys.extend(b"e.");
    [magic, &b"\x80\x02M\xe9\x03."[..], facts, pickle, &keys, &storages].concat()
}

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else { return };
    let path = Path::new(["x.pth", "x.bin", "x.safetensors", "x"][usize::from(first >> 1 & 3)]);
    let numbers: Vec<u8> = (0..64).collect();
    let wrapped = archive(&[
        ("x/data.pkl", rest),
        ("x/byteorder", b"little"),
        ("x/data/0", &numbers),
        ("x/data/1", &numbers[..24]),
        ("x/data/2", &[]),
    ]);
    let chained = chain(rest);
    let bytes = match (first & 1, first & 8) {
        (0, _) => rest,
        (_, 0) => &wrapped[..],
        (_, _) => &chained[..],
    };
    let wanted = [None, Some(WeightSet::Ema), Some(WeightSet::Raw), None][usize::from(first >> 4 & 3)];
    match Checkpoint::parse_set(path, bytes, wanted) {
        Ok(chosen) => {
            let checkpoint = chosen.checkpoint;
            let mut values = 0;
            for (name, tensor) in &checkpoint.tensors {
                let count = tensor.shape.iter().product::<usize>();
                assert_eq!(count, tensor.values.len(), "{name}: {:?}", tensor.shape);
                values += count;
            }
            assert!(values <= bytes.len(), "{values} values out of {} bytes", bytes.len());
            if let Err(error) = Architecture::infer(&checkpoint) {
                assert!(!error.to_string().is_empty());
            }
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && message.len() < 64 << 10, "{} bytes of message", message.len());
        }
    }
});
