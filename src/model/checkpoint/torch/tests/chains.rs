//! Files of before PyTorch 1.6: pickles one after the other, then the storages.

use super::*;
use crate::model::checkpoint::torch::{is_chain, legacy_format};

const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// A reference to a storage as such files have it, with a sixth part.
fn old_tensor(class: &str, key: &str, length: i32) -> Vec<u8> {
    let parts =
        [text("storage"), format!("ctorch\n{class}\n").into_bytes(), text(key), text("cpu"), int(length)];
    let storage = [tuple(&[parts.concat(), b"N".to_vec()]), b"Q".to_vec()].concat();
    let arguments =
        tuple(&[storage, int(0), tuple(&[int(length)]), tuple(&[int(1)]), b"\x89".to_vec(), b"}".to_vec()]);
    [b"ctorch._utils\n_rebuild_tensor_v2\n".to_vec(), arguments, b"R".to_vec()].concat()
}

fn storage(length: u64, data: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], data].concat()
}

/// The pickles with these facts about the machine, value and keys, then what follows.
fn chain_of(facts: &[u8], value: &[u8], keys: &[&str], rest: &[u8]) -> Vec<u8> {
    let keys: Vec<u8> = keys.iter().flat_map(|key| text(key)).collect();
    let keys = whole(&[b"](".to_vec(), keys, b"e".to_vec()].concat());
    [MAGIC, &whole(b"M\xe9\x03"), &whole(facts), &whole(value), &keys, rest].concat()
}

fn little() -> Vec<u8> {
    dict(&[("protocol_version", b"M\xe9\x03".to_vec()), ("little_endian", b"\x88".to_vec())])
}

fn chain(value: &[u8], keys: &[&str], rest: &[u8]) -> Vec<u8> {
    chain_of(&little(), value, keys, rest)
}

fn small() -> Vec<u8> {
    let value = dict(&[
        ("w", old_tensor("FloatStorage", "7", 6)),
        ("n.num_batches_tracked", old_tensor("LongStorage", "9", 1)),
    ]);
    chain(&value, &["9", "7"], &[storage(1, &[0; 8]), storage(6, &numbers())].concat())
}

#[test]
fn storages_are_read_in_the_order_of_their_list() {
    let file = small();
    assert!(is_chain(&file) && legacy_format(b"\x80\x02}.").is_some());
    let tensors = read_file(&file).unwrap();
    assert_eq!(tensors["w"].values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(tensors.len(), 1);
    // protocol 4 puts the magic number into a frame
    let framed = [b"\x80\x04\x95\x0d\0\0\0\0\0\0\0", &file[2..]].concat();
    assert!(is_chain(&framed));
    assert_eq!(read_file(&framed).unwrap(), tensors);
}

#[test]
fn inert_values_are_passed_over_as_in_an_archive() {
    let class = b"((X\x06\0\0\0modulectimm.models\nTResNet\nX\x01\0\0\0fX\x01\0\0\0stQ)R".to_vec();
    let file = |name: &str| {
        let value = dict(&[
            (name, class[1..].to_vec()),
            ("model", dict(&[("w", old_tensor("FloatStorage", "7", 6))])),
        ]);
        chain(&value, &["7"], &storage(6, &numbers()))
    };
    assert_eq!(read_file(&file("args")).unwrap().len(), 1);
    let value = class[1..].to_vec();
    let refused = refusal(read_file(&chain(&value, &[], &[])));
    assert!(
        matches!(&refused, TorchError::Global { name, .. } if name == "timm.models.TResNet"),
        "{refused}"
    );
}

#[test]
fn a_chain_that_contradicts_itself_is_refused() {
    let value = || dict(&[("w", old_tensor("FloatStorage", "7", 6))]);
    let data = || storage(6, &numbers());
    let two = dict(&[("v", old_tensor("HalfStorage", "7", 6)), ("w", old_tensor("FloatStorage", "7", 6))]);
    let cases = [
        (
            "another version",
            [MAGIC, &whole(b"M\xea\x03"), &whole(&little()), &whole(&value()), &whole(b"]")].concat(),
        ),
        ("no facts", chain_of(b"]", &value(), &["7"], &data())),
        ("no byte order", chain_of(b"}", &value(), &["7"], &data())),
        ("an unknown storage", chain(&value(), &["8"], &data())),
        ("one storage twice", chain(&value(), &["7", "7"], &[data(), data()].concat())),
        ("one storage of two types", chain(&two, &["7"], &data())),
        ("another length", chain(&value(), &["7"], &storage(5, &numbers()))),
        ("a length beyond the file", chain(&value(), &["7"], &storage(u64::MAX, &numbers()))),
        ("too few values", chain(&value(), &["7"], &storage(6, &numbers()[..23]))),
        ("no storage", chain(&value(), &["7"], &[])),
    ];
    for (what, file) in cases {
        let refused = refusal(read_file(&file));
        assert!(matches!(refused, TorchError::Chain { .. }), "{what}: {refused}");
    }
    let unlisted = refusal(read_file(&chain(&value(), &[], &data())));
    assert!(matches!(unlisted, TorchError::Tensor { .. }), "{unlisted}");
    let big = dict(&[("little_endian", b"\x89".to_vec())]);
    let big = refusal(read_file(&chain_of(&big, &value(), &["7"], &data())));
    assert_eq!(big, TorchError::ByteOrder { order: "big".to_owned() });
    // a view of another storage, which PyTorch has not written for long
    let viewed = old_tensor("FloatStorage", "7", 6);
    let at = viewed.windows(2).position(|pair| pair == b"Nt").unwrap();
    let viewed = [&viewed[..at], &tuple(&[text("7"), int(0), int(6)]), &viewed[at + 1..]].concat();
    let refused = refusal(read_file(&chain(&dict(&[("w", viewed)]), &["7"], &data())));
    assert!(matches!(refused, TorchError::Pickle { .. }), "{refused}");
}

#[test]
fn a_chain_cut_or_changed_anywhere_is_no_panic() {
    let file = small();
    for length in MAGIC.len()..file.len() {
        assert!(read_file(&file[..length]).is_err(), "{length} bytes");
    }
    for at in MAGIC.len()..file.len() {
        for value in [0x00, 0x01, 0x28, 0x2e, 0x52, 0x7f, 0x80, 0xff, file[at] ^ 1] {
            let mut changed = file.clone();
            changed[at] = value;
            drop(read_file(&changed));
        }
    }
}

#[test]
fn a_pickle_of_a_chain_has_the_limits_of_one_in_an_archive() {
    let endless = [MAGIC, b"\x80\x02", &b"N0".repeat(1 << 20), b"N."].concat();
    assert!(matches!(refusal(read_file(&endless)), TorchError::Limit { .. }));
    let long = [MAGIC, b"\x80\x02B", &(20u32 << 20).to_le_bytes(), &vec![0; 20 << 20], b"."].concat();
    assert!(matches!(refusal(read_file(&long)), TorchError::Limit { .. }));
    let cut = [MAGIC, b"\x80\x02B\xff\xff\xff\xff"].concat();
    assert_eq!(refusal(read_file(&cut)), TorchError::CutShort);
}
