//! Any bytes as a checkpoint: whole files, or (by the first byte) the pickle inside an archive that is in order.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use tresnet_batch::model::{Architecture, Checkpoint};

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
    let bytes = if first & 1 == 0 { rest } else { &wrapped };
    match Checkpoint::parse(path, bytes) {
        Ok(checkpoint) => {
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
