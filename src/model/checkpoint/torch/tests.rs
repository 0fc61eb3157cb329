//! Checkpoints as PyTorch writes them, and as an attacker would.

mod chains;
mod hostile;
mod inert;

use std::collections::BTreeMap;
use std::path::Path;

use super::error::TorchError;
use super::{pickle, read};
use crate::model::checkpoint::weights::{Contents, Tensor, WeightSet};
use crate::model::error::ModelError;

/// An entry of a zip, with what its headers claim.
struct Entry {
    name: &'static str,
    local_name: &'static str,
    data: Vec<u8>,
    method: u16,
    flags: u16,
    length: u32,
    header: Option<u32>,
}

fn stored(name: &'static str, data: &[u8]) -> Entry {
    let length = data.len() as u32;
    Entry { name, local_name: name, data: data.to_vec(), method: 0, flags: 0, length, header: None }
}

fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let header = entry.header.unwrap_or(bytes.len() as u32);
        let fixed: Vec<u8> = [entry.flags, entry.method, 0, 0].iter().flat_map(|n| n.to_le_bytes()).collect();
        let sizes: Vec<u8> = [0, entry.length, entry.length].iter().flat_map(|n| n.to_le_bytes()).collect();
        let names = |name: &str| [(name.len() as u16).to_le_bytes(), [0, 0]].concat();
        bytes.extend([b"PK\x03\x04\x14\0", &fixed[..], &sizes, &names(entry.local_name)].concat());
        bytes.extend(entry.local_name.as_bytes());
        bytes.extend(&entry.data);
        directory.extend([b"PK\x01\x02\x14\0\x14\0", &fixed[..], &sizes, &names(entry.name)].concat());
        directory.extend([[0; 10].as_slice(), &header.to_le_bytes(), entry.name.as_bytes()].concat());
    }
    let (start, count) = (bytes.len() as u32, entries.len() as u16);
    let length = directory.len() as u32;
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    bytes.extend([length.to_le_bytes(), start.to_le_bytes()].concat());
    bytes.extend([0, 0]);
    bytes
}

/// Short text, as protocol 4 writes it.
fn text(text: &str) -> Vec<u8> {
    [&[0x8c, text.len() as u8], text.as_bytes()].concat()
}

/// A whole number of up to four bytes.
fn int(value: i32) -> Vec<u8> {
    [&b"J"[..], &value.to_le_bytes()].concat()
}

fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(".to_vec(), items.concat(), b"t".to_vec()].concat()
}

/// A tensor over the storage `key`, called with `tail` after its strides.
fn tensor_with(class: &str, key: &str, length: i32, view: [&[i32]; 3], tail: &[u8]) -> Vec<u8> {
    let class = format!("ctorch\n{class}\n").into_bytes();
    let storage = [tuple(&[text("storage"), class, text(key), text("cpu"), int(length)]), b"Q".to_vec()];
    let lengths = |values: &[i32]| tuple(&values.iter().map(|value| int(*value)).collect::<Vec<_>>());
    let arguments =
        tuple(&[storage.concat(), int(view[0][0]), lengths(view[1]), lengths(view[2]), tail.to_vec()]);
    [&b"ctorch._utils\n_rebuild_tensor_v2\n"[..], &arguments, b"R"].concat()
}

fn tensor(class: &str, key: &str, length: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    tensor_with(class, key, length, [&[offset], shape, strides], b"\x89}")
}

fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items = items.iter().flat_map(|(key, value)| [text(key), value.clone()]).collect::<Vec<_>>();
    [b"}(".to_vec(), items.concat(), b"u".to_vec()].concat()
}

fn whole(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02", value, b"."].concat()
}

/// The values of the storage `0`: six floats, 0 to 5.
fn numbers() -> Vec<u8> {
    (0..6u8).flat_map(|n| f32::from(n).to_le_bytes()).collect()
}

/// Reads a checkpoint of one pickle and one storage.
fn read_value(value: &[u8]) -> Result<BTreeMap<String, Tensor>, ModelError> {
    read_set(value, None).map(|contents| contents.tensors)
}

fn read_set(value: &[u8], wanted: Option<WeightSet>) -> Result<Contents, ModelError> {
    let bytes = zip(&[stored("x/data.pkl", &whole(value)), stored("x/data/0", &numbers())]);
    read(Path::new("x.pth"), &bytes, wanted)
}

/// Reads a whole file.
fn read_file(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>, ModelError> {
    read(Path::new("x"), bytes, None).map(|contents| contents.tensors)
}

/// All six values as one tensor.
fn weight() -> Vec<u8> {
    tensor("FloatStorage", "0", 6, 0, &[6], &[1])
}

#[track_caller]
fn refusal(result: Result<BTreeMap<String, Tensor>, ModelError>) -> TorchError {
    match result {
        Err(ModelError::Torch { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn pickle_refusal(pickle: &[u8]) -> TorchError {
    pickle::read(pickle).unwrap_err()
}

#[test]
fn a_view_is_read_row_major_whatever_its_strides() {
    // offset, shape, strides, values
    type Case = (i32, &'static [i32], &'static [i32], &'static [f32]);
    let cases: [Case; 7] = [
        (0, &[2, 3], &[3, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        (0, &[3, 2], &[1, 3], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
        (1, &[2], &[1], &[1.0, 2.0]),
        (1, &[2], &[3], &[1.0, 4.0]),
        (5, &[], &[], &[5.0]),
        (5, &[1, 1], &[i32::MAX, 7], &[5.0]),
        (0, &[2, 2, 2], &[0, 2, 1], &[0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0]),
    ];
    for (offset, shape, strides, expected) in cases {
        let view = tensor("FloatStorage", "0", 6, offset, shape, strides);
        let tensors = read_value(&dict(&[("w", view)])).unwrap();
        assert_eq!(tensors["w"].values, expected, "{shape:?} by {strides:?}");
        assert_eq!(tensors["w"].shape, shape.iter().map(|axis| *axis as usize).collect::<Vec<_>>());
    }
    let empty = tensor("FloatStorage", "0", 6, 9, &[0, 3], &[3, 1]);
    assert!(read_value(&dict(&[("w", empty)])).unwrap()["w"].values.is_empty());
}

#[test]
fn weights_are_found_where_training_scripts_put_them() {
    let inner =
        || dict(&[("w", weight()), ("n.num_batches_tracked", tensor("LongStorage", "0", 3, 0, &[], &[]))]);
    for value in [
        inner(),
        dict(&[("model", inner())]),
        dict(&[("epoch", int(3)), ("state_dict", inner()), ("loss", b"G\0\0\0\0\0\0\0\0".to_vec())]),
        dict(&[("optimizer", dict(&[("lr", int(1))])), ("state_dict_ema", inner())]),
    ] {
        let tensors = read_value(&value).unwrap();
        assert_eq!(tensors.keys().collect::<Vec<_>>(), ["w"]);
    }
    let both = refusal(read_value(&dict(&[("state_dict", inner()), ("model", inner())])));
    assert!(both.to_string().contains("under `state_dict`, `model`: save"), "{both}");
    let elsewhere = refusal(read_value(&dict(&[("net", inner())])));
    assert!(elsewhere.to_string().contains("`net` is no tensor: weights are looked for under `model`"));
    assert_eq!(refusal(read_value(b"]")), TorchError::NoDictionary);
    let numbered = [b"}", int(1).as_slice(), &int(2), b"s"].concat();
    assert_eq!(refusal(read_value(&numbered)), TorchError::NoDictionary);
    let twice = refusal(read_value(&dict(&[("w", weight()), ("w", weight())])));
    assert!(matches!(twice, TorchError::Tensor { .. }), "{twice}");
    let counts = read_set(&dict(&[("w", tensor("LongStorage", "0", 3, 0, &[3], &[1]))]), None).unwrap();
    assert_eq!(counts.unreadable, Some(("w".to_owned(), "int64".to_owned())));
}

#[test]
fn instructions_that_pytorch_does_not_write_are_refused() {
    // INST, OBJ, EXT1, EXT2, EXT4, PERSID, NEXT_BUFFER, DUP, and protocol 0's texts
    for opcode in [b'i', b'o', 0x82, 0x83, 0x84, b'P', 0x97, b'2', b'S', b'V', b'I', b'd', b'l', 0xff] {
        let refused = pickle_refusal(&[0x80, 2, b'(', opcode, b'\n', b'\n', b'.']);
        assert_eq!(refused, TorchError::Opcode { opcode, at: 3 });
    }
}

#[test]
fn calls_take_only_what_they_are_made_for() {
    let view = weight;
    let call = |name: &str, arguments: Vec<u8>| [format!("c{name}\n").as_bytes(), &arguments, b"R"].concat();
    let parameter =
        |first: Vec<u8>| call("torch._utils\n_rebuild_parameter", tuple(&[first, b"\x88}".to_vec()]));
    assert_eq!(read_value(&dict(&[("w", parameter(view()))])).unwrap()["w"].values.len(), 6);
    let negated = [&b"\x89}"[..], &dict(&[("neg", b"\x88".to_vec())])].concat();
    let cases = [
        parameter(int(1)),
        call("torch\nFloatStorage", tuple(&[int(1 << 30)])),
        call("collections\nOrderedDict", tuple(&[b"]".to_vec()])),
        call(
            "torch._utils\n_rebuild_tensor_v2",
            tuple(&[int(1), int(0), b")".to_vec(), b")".to_vec(), b"\x89}".to_vec()]),
        ),
        call("torch._utils\n_rebuild_tensor_v2", b")".to_vec()),
        [&view()[..], b")R"].concat(),
        [&view()[..], b"}b"].concat(),
        tensor("FloatStorage", "0", 6, 0, &[6], &[]),
        tensor("FloatStorage", "0", 6, -1, &[6], &[1]),
        tensor("FloatStorage", "0", 6, 0, &[-6], &[1]),
        tensor("FloatStorage", "0", 6, 5, &[6], &[-1]),
        tensor("FloatStorage", "0", -1, 0, &[6], &[1]),
        tensor("FloatStorage", "0", 6, 0, &[1; 17], &[1; 17]),
        tensor_with("FloatStorage", "0", 6, [&[0], &[6], &[1]], b"\x89"),
        tensor_with("FloatStorage", "0", 6, [&[0], &[6], &[1]], &negated),
        [&tuple(&[text("module"), int(1), int(1), int(1), int(1)])[..], b"Q"].concat(),
        [&tuple(&[text("storage")])[..], b"Q"].concat(),
        b"NQ".to_vec(),
        b"ccollections\nOrderedDict\n)\x81".to_vec(),
        b")}\x81".to_vec(),
        [&view()[..], b"Na"].concat(),
        b"}(NNe".to_vec(),
    ];
    for (number, case) in cases.iter().enumerate() {
        let refused = refusal(read_value(&dict(&[("w", case.clone())])));
        assert!(matches!(refused, TorchError::Pickle { .. }), "case {number}: {refused}");
    }
}

#[test]
fn a_tensor_stays_within_its_storage() {
    let class = "FloatStorage";
    for (number, view) in [
        tensor(class, "0", 6, 0, &[7], &[1]),
        tensor(class, "0", 6, 1, &[6], &[1]),
        tensor(class, "0", 6, 0, &[2, 3], &[4, 1]),
        tensor(class, "0", 6, i32::MAX, &[1], &[1]),
        tensor(class, "0", 5, 0, &[5], &[1]),
        tensor(class, "0", i32::MAX, 0, &[6], &[1]),
        tensor("DoubleStorage", "0", 6, 0, &[6], &[1]),
        tensor(class, "1", 6, 0, &[6], &[1]),
        tensor(class, "../data.pkl", 6, 0, &[6], &[1]),
    ]
    .into_iter()
    .enumerate()
    {
        let refused = refusal(read_value(&dict(&[("w", view)])));
        assert!(
            matches!(&refused, TorchError::Tensor { tensor, .. } if tensor == "w"),
            "{number}: {refused}"
        );
    }
    // 2^62 bytes as strides, whose sum wraps around
    let long = |value: i64| [&[0x8a, 8][..], &value.to_le_bytes()].concat();
    let lengths = |value| tuple(&[long(value), long(value)]);
    let storage =
        tuple(&[text("storage"), b"ctorch\nFloatStorage\n".to_vec(), text("0"), text("cpu"), int(6)]);
    let of = |shape: Vec<u8>, strides: Vec<u8>| {
        let arguments = tuple(&[storage.clone(), b"Q".to_vec(), int(0), shape, strides, b"\x89}".to_vec()]);
        dict(&[("w", [&b"ctorch._utils\n_rebuild_tensor_v2\n"[..], &arguments, b"R"].concat())])
    };
    let wrapping = refusal(read_value(&of(tuple(&[int(3), int(3)]), lengths(i64::MAX))));
    assert!(matches!(wrapping, TorchError::Tensor { .. }), "{wrapping}");
    let endless = refusal(read_value(&of(lengths(1 << 40), lengths(0))));
    assert!(matches!(endless, TorchError::Limit { .. }), "{endless}");
}
