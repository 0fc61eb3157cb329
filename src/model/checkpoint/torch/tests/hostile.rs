//! Files that were made to exhaust memory, time or stack, or to be read in two ways.

use super::*;
use crate::model::checkpoint::torch::value::Value;

#[test]
fn a_small_file_cannot_ask_for_much_memory() {
    let repeated = tensor("FloatStorage", "0", 6, 0, &[1 << 30], &[0]);
    let refused = refusal(read_value(&dict(&[("w", repeated)])));
    assert!(matches!(refused, TorchError::Limit { .. }), "{refused}");

    // one storage under a thousand names, each view small enough
    let names: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let view = [&tensor("FloatStorage", "0", 6, 0, &[100, 6], &[0, 1])[..], b"q\0"].concat();
    let many: Vec<(&str, Vec<u8>)> = names
        .iter()
        .enumerate()
        .map(|(n, name)| (name.as_str(), if n == 0 { view.clone() } else { b"h\0".to_vec() }))
        .collect();
    let refused = refusal(read_value(&dict(&many)));
    assert!(matches!(refused, TorchError::Limit { .. }), "{refused}");
}

#[test]
fn lengths_beyond_the_file_reserve_nothing() {
    let most = u64::MAX.to_le_bytes();
    for (opcode, width) in
        [(b'X', 4), (0x8c, 1), (0x8d, 8), (b'B', 4), (b'C', 1), (0x8e, 8), (b'T', 4), (0x8a, 1)]
    {
        let pickle = [&[0x80, 2, opcode], &most[..width], b"short."].concat();
        assert_eq!(pickle_refusal(&pickle), TorchError::CutShort, "{opcode:#x}");
    }
    // a frame's length is no one's concern, an index into the memo reserves no memo
    let heap = pickle::read(b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff}r\xff\xff\xff\xff.").unwrap();
    assert_eq!(heap.get(heap.root), &Value::Dict(Vec::new()));
}

#[test]
fn deep_and_circular_structures_cost_no_recursion() {
    let depth = 300_000;
    for (open, close) in [(&b")"[..], &b"\x85"[..]), (b"}", b"N\x86"), (b"]", b"\x85q\0")] {
        let pickle = [b"\x80\x02", open, &close.repeat(depth), b"."].concat();
        let heap = pickle::read(&pickle).unwrap();
        assert!(matches!(heap.get(heap.root), Value::Tuple(_)));
    }
    let marks = [b"\x80\x02", &b"(".repeat(depth)[..], b"."].concat();
    assert!(matches!(pickle_refusal(&marks), TorchError::Pickle { .. }));
    // a dictionary that holds itself, under the key where weights are looked for
    let circular = [&b"}q\0"[..], &text("model"), b"h\0s"].concat();
    assert!(matches!(refusal(read_value(&circular)), TorchError::NoTensor { .. }));
}

#[test]
fn a_program_without_end_is_stopped() {
    for bomb in [&b"N"[..], b"(", b"h\0", b"q\0", b"h\0h\0\x86q\0", b"\x94", b"](h\0h\0h\0e"] {
        let pickle = [b"\x80\x02Nq\0", &bomb.repeat(1 << 20)[..], b"."].concat();
        let refused = pickle_refusal(&pickle);
        assert!(matches!(refused, TorchError::Limit { .. }), "{bomb:?}: {refused}");
    }
    let fat = zip(&[stored("x/data.pkl", &vec![b'N'; (16 << 20) + 1])]);
    assert!(matches!(refusal(read_file(&fat)), TorchError::Limit { .. }));
}

#[test]
fn a_stack_gives_only_what_was_put_on_it() {
    let cases: [&[u8]; 14] = [
        b".", b"\x85.", b"N\x86.", b"t.", b"u.", b"e.", b"s.", b"R.", b"Q.", b"q\0.", b"h\0.", b"\x94.",
        b"N(\x85.", b"}(Nu.",
    ];
    for case in cases {
        let refused = pickle_refusal(&[b"\x80\x02", case].concat());
        assert!(matches!(refused, TorchError::Pickle { .. }), "{case:?}: {refused}");
    }
    assert!(matches!(pickle_refusal(b"\x80\x06N."), TorchError::Pickle { .. }), "a later protocol");
    assert_eq!(pickle_refusal(b""), TorchError::CutShort);
    assert_eq!(pickle_refusal(b"\x80\x02N"), TorchError::CutShort);
    assert_eq!(pickle_refusal(b"ctorch"), TorchError::CutShort);
}

fn small() -> Vec<u8> {
    let weight = tensor("FloatStorage", "0", 2, 0, &[2], &[1]);
    let pickle = whole(&dict(&[("w", weight)]));
    zip(&[stored("x/data.pkl", &pickle), stored("x/data/0", &[0; 8]), stored("x/byteorder", b"little")])
}

#[test]
fn a_file_cut_or_changed_anywhere_is_no_panic() {
    let whole = small();
    assert_eq!(read_file(&whole).unwrap()["w"].values, [0.0, 0.0]);
    for length in 0..whole.len() {
        assert!(read_file(&whole[..length]).is_err(), "{length} bytes");
    }
    for at in 0..whole.len() {
        for value in [0x00, 0x01, 0x28, 0x2e, 0x52, 0x7f, 0x80, 0xff, whole[at] ^ 1] {
            let mut changed = whole.clone();
            changed[at] = value;
            drop(read_file(&changed));
        }
    }
}

#[test]
fn random_programs_are_no_panic() {
    const OPCODES: &[u8] =
        b"\x80\x95.(01NN\x88JKM\x8aG\x8cX\x8dCBU)\x85\x86\x87t]ae\x8f\x90\x91}suhjqr\x94c\x93RRb\x81\x92QQ";
    let mut state = 1u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let template = whole(&dict(&[("w", tensor("FloatStorage", "0", 2, 0, &[2], &[1]))]));
    for _ in 0..20_000 {
        let mut pickle = template.clone();
        for _ in 0..1 + below(4) {
            let at = below(pickle.len());
            match below(3) {
                0 => pickle[at] = OPCODES[below(OPCODES.len())],
                1 => pickle.insert(at, OPCODES[below(OPCODES.len())]),
                _ => drop(pickle.remove(at)),
            }
        }
        let bytes = zip(&[stored("x/data.pkl", &pickle), stored("x/data/0", &[0; 8])]);
        drop(read_file(&bytes));
    }
}

#[test]
fn a_zip_that_can_be_read_in_two_ways_is_refused() {
    let pickle = || stored("x/data.pkl", &whole(b"}"));
    let storage = || stored("x/data/0", &[0; 8]);
    let with = |change: fn(&mut Entry)| {
        let mut entry = storage();
        change(&mut entry);
        zip(&[pickle(), entry])
    };
    let mut several_volumes = zip(&[pickle()]);
    let end = several_volumes.len() - 22;
    several_volumes[end + 4] = 1;
    let mut more_entries = zip(&[pickle()]);
    (more_entries[end + 8], more_entries[end + 10]) = (2, 2);
    let mut fewer_entries = zip(&[pickle(), storage()]);
    let end = fewer_entries.len() - 22;
    (fewer_entries[end + 8], fewer_entries[end + 10]) = (1, 1);
    let mut far_directory = zip(&[pickle()]);
    let end = far_directory.len() - 22;
    far_directory[end + 16..end + 20].fill(0xff);
    for (what, bytes) in [
        ("twice one name", zip(&[pickle(), storage(), storage()])),
        ("another local name", with(|entry| entry.local_name = "x/data/1")),
        ("over the pickle", with(|entry| entry.header = Some(0))),
        ("before the file", with(|entry| entry.header = Some(u32::MAX))),
        ("beyond the file", with(|entry| entry.header = Some(1 << 30))),
        ("into the directory", with(|entry| entry.length = 9)),
        ("64-bit sizes", with(|entry| entry.length = u32::MAX)),
        ("several volumes", several_volumes),
        ("more entries than there are", more_entries),
        ("fewer entries than there are", fewer_entries),
        ("a directory beyond the file", far_directory),
        ("nothing", b"PK\x03\x04".to_vec()),
    ] {
        let refused = refusal(read_file(&bytes));
        assert!(matches!(refused, TorchError::Archive { .. }), "{what}: {refused}");
    }
    // two entries over the same bytes, each with a separate local header inside the other's data
    let inner = zip(&[stored("x/data/1", &[0; 8])]);
    let mut outer = stored("x/data/0", &inner);
    let second = Entry { header: Some(30 + 8), ..stored("x/data/1", &[]) };
    outer.length = inner.len() as u32;
    let refused = refusal(read_file(&zip(&[outer, Entry { length: 8, ..second }, pickle()])));
    assert!(refused.to_string().contains("share the byte"), "{refused}");
}

#[test]
fn what_pytorch_would_not_store_is_named() {
    let weights = whole(&dict(&[("w", tensor("FloatStorage", "0", 2, 0, &[2], &[1]))]));
    for (method, flags, how) in [(8, 0, "compressed"), (0, 1, "encrypted")] {
        let packed = |name, data: &[u8]| Entry { method, flags, ..stored(name, data) };
        for (entries, entry) in [
            ([packed("x/data.pkl", &weights), stored("x/data/0", &[0; 8])], "x/data.pkl"),
            ([stored("x/data.pkl", &weights), packed("x/data/0", &[0; 8])], "x/data/0"),
        ] {
            let refused = refusal(read_file(&zip(&entries)));
            assert_eq!(refused, TorchError::Packed { entry: entry.to_owned(), how });
        }
        let beside = [stored("x/data.pkl", &whole(b"}")), packed("x/code/model.py", b"pass")];
        assert!(read_file(&zip(&beside)).unwrap().is_empty());
    }
    for (names, found) in
        [(&["x/weights.npy"][..], 0), (&["x/data.pkl", "y/data.pkl"], 2), (&["x/notdata.pkl"], 0)]
    {
        let entries: Vec<Entry> = names.iter().map(|name| stored(name, &whole(b"}"))).collect();
        assert_eq!(refusal(read_file(&zip(&entries))), TorchError::NoPickle { found });
    }
    let big = zip(&[stored("x/data.pkl", &whole(b"}")), stored("x/byteorder", b"big")]);
    assert_eq!(refusal(read_file(&big)), TorchError::ByteOrder { order: "big".to_owned() });
}
