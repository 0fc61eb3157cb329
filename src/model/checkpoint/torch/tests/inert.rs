//! Names that are not on the list, in files that are fine and in files that mean harm.

use super::*;
use crate::model::checkpoint::torch::value::Value;

/// A name without a call, as protocol 2 writes it.
fn named(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

/// A call of a name with one text.
fn called(module: &str, name: &str) -> Vec<u8> {
    [named(module, name), text("id"), b"\x85R".to_vec()].concat()
}

/// An object with attributes, as pickle writes most of them.
fn object(module: &str, name: &str) -> Vec<u8> {
    [named(module, name), b")\x81".to_vec(), dict(&[("lr", int(1))]), b"b".to_vec()].concat()
}

#[track_caller]
fn asks_for(result: Result<BTreeMap<String, Tensor>, ModelError>, wanted: &str, of: &str) {
    match refusal(result) {
        TorchError::Global { name, part } => assert_eq!((name.as_str(), part.as_str()), (wanted, of)),
        other => panic!("{other}"),
    }
}

const HARMFUL: [(&str, &str); 13] = [
    ("os", "system"),
    ("posix", "system"),
    ("builtins", "eval"),
    ("__builtin__", "getattr"),
    ("subprocess", "Popen"),
    ("torch", "load"),
    ("torch", "FloatStorage.from_file"),
    ("torch.storage", "_load_from_bytes"),
    ("torch.storage", "UntypedStorage"),
    ("torch._utils", "_rebuild_tensor"),
    ("timm.models.tresnet", "TResNet"),
    ("collections", "OrderedDict.fromkeys"),
    ("", ""),
];

#[test]
fn weights_that_a_name_off_the_list_makes_are_refused_and_the_name_is_given() {
    for (module, name) in HARMFUL {
        let wanted = format!("{module}.{name}");
        asks_for(read_value(&called(module, name)), &wanted, "the whole file");
        let stacked = [&text(module)[..], &text(name), b"\x93)R"].concat();
        asks_for(read_value(&stacked), &wanted, "the whole file");
        asks_for(read_value(&object(module, name)), &wanted, "the whole file");
        for part in [named(module, name), called(module, name), object(module, name)] {
            asks_for(read_value(&dict(&[("w", weight()), ("v", part.clone())])), &wanted, "`v`");
            asks_for(read_value(&dict(&[("state_dict", dict(&[("v", part.clone())]))])), &wanted, "`v`");
            asks_for(read_value(&dict(&[("model", part)])), &wanted, "`model`");
        }
    }
    let error = read_value(&called("os", "system")).unwrap_err().to_string();
    assert!(error.contains("asks for `os.system`") && error.contains("nothing was executed"), "{error}");
    let long = refusal(read_value(&called(&"x\u{202e}".repeat(1000), "y")));
    assert!(long.to_string().len() < 1000, "{long}");
}

#[test]
fn beside_the_weights_every_name_is_inert() {
    let all: Vec<Vec<u8>> = HARMFUL
        .iter()
        .flat_map(|(module, name)| [named(module, name), called(module, name), object(module, name)])
        .collect();
    let list = [b"](".to_vec(), all.concat(), b"e".to_vec()].concat();
    let keyed = [&b"}"[..], &called("os", "system"), &called("os", "system"), b"s"].concat();
    let contents = dict(&[("args", list), ("odd", keyed), ("state_dict", dict(&[("w", weight())]))]);
    assert_eq!(read_value(&contents).unwrap()["w"].values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn an_inert_value_keeps_nothing_of_what_is_put_into_it() {
    let into = |rest: &[u8]| [&b"\x80\x02"[..], &called("collections", "defaultdict"), rest, b"."].concat();
    for rest in
        [&b"(K\x01K\x02u"[..], b"K\x01K\x02s", b"(K\x01K\x02e", b"K\x01a", b"(K\x01\x90", b"}b", b"K\x01b"]
    {
        let pickle = into(rest);
        let heap = pickle::read(&pickle).unwrap();
        assert!(matches!(heap.get(heap.root), Value::Inert(_)), "{rest:?}");
    }
    let keywords = [&b"\x80\x04"[..], &named("a", "B"), b")}\x92."].concat();
    let heap = pickle::read(&keywords).unwrap();
    assert!(matches!(heap.get(heap.root), Value::Inert(_)));
}

#[test]
fn what_is_built_from_an_inert_value_is_inert() {
    let evil = || called("os", "system");
    let parts = |at: usize| {
        let storage = tuple(&[
            text("storage"),
            if at == 0 { named("torch", "MetaStorage") } else { named("torch", "FloatStorage") },
            if at == 1 { evil() } else { text("0") },
            text("cpu"),
            if at == 2 { evil() } else { int(6) },
        ]);
        let storage = if at == 3 { evil() } else { [storage, b"Q".to_vec()].concat() };
        let lengths = |own: usize, value: i32| match at {
            _ if at == own => evil(),
            _ if at == own + 1 => tuple(&[evil()]),
            _ => tuple(&[int(value)]),
        };
        let hooks = match at {
            10 => evil(),
            11 => dict(&[("hook", evil())]),
            _ => b"}".to_vec(),
        };
        let offset = if at == 4 { evil() } else { int(0) };
        let arguments = tuple(&[storage, offset, lengths(5, 6), lengths(7, 1), b"\x89".to_vec(), hooks]);
        [named("torch._utils", "_rebuild_tensor_v2"), arguments, b"R".to_vec()].concat()
    };
    assert!(read_value(&dict(&[("w", parts(99))])).is_ok());
    for at in [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11] {
        let wanted = if at == 0 { "torch.MetaStorage" } else { "os.system" };
        asks_for(read_value(&dict(&[("w", parts(at))])), wanted, "`w`");
        // passed over where no weight needs it
        let beside = dict(&[("optimizer", parts(at)), ("model", dict(&[("w", weight())]))]);
        assert!(read_value(&beside).is_ok(), "{at}");
    }
    let parameter = [named("torch._utils", "_rebuild_parameter"), tuple(&[evil(), b"\x88}".to_vec()])];
    asks_for(read_value(&dict(&[("w", [parameter.concat(), b"R".to_vec()].concat())])), "os.system", "`w`");
    let ordered = [named("collections", "OrderedDict"), evil(), b"\x85R".to_vec()].concat();
    asks_for(read_value(&dict(&[("model", ordered)])), "os.system", "`model`");
    // attributes that a call makes, on the dictionary of the weights
    let built = [dict(&[("w", weight())]), evil(), b"b".to_vec()].concat();
    asks_for(read_value(&dict(&[("model", built)])), "os.system", "`model`");
}

#[test]
fn averaged_weights_are_taken_unless_the_others_are_asked_for() {
    let scaled = |at: i32| dict(&[("w", tensor("FloatStorage", "0", 6, at, &[1], &[1]))]);
    let value = |contents: &[(&str, Vec<u8>)], wanted| {
        let contents = read_set(&dict(contents), wanted).unwrap();
        (contents.tensors["w"].values[0], contents.taken.and_then(|taken| taken.component()))
    };
    let (ema, raw) = (Some(WeightSet::Ema), Some(WeightSet::Raw));
    for (averaged, other) in [
        ("state_dict_ema", "state_dict"),
        ("model_ema", "model"),
        ("state_dict_ema", "model"),
        ("model_ema", "state_dict"),
    ] {
        let both = [(other, scaled(1)), (averaged, scaled(2))];
        assert_eq!(value(&both, None), (2.0, Some("ema")));
        assert_eq!(value(&both, ema), (2.0, Some("ema")));
        assert_eq!(value(&both, raw), (1.0, None));
        // of one set there is no choice
        assert_eq!(value(&[(other, scaled(1)), (averaged, b"N".to_vec())], None), (1.0, None));
        assert_eq!(value(&[(averaged, scaled(2))], None), (2.0, None));
        let none = read_set(&dict(&[(averaged, scaled(2))]), raw).unwrap_err().to_string();
        assert!(
            none.contains("`model.weights` is \"raw\"") && none.contains("averaged weights only"),
            "{none}"
        );
        let none = read_set(&dict(&[(other, scaled(1))]), ema).unwrap_err().to_string();
        assert!(none.contains("`model.weights` is \"ema\"") && none.contains("under none of"), "{none}");
    }
    // version 0.1.0 knew neither `model_state` nor `model_ema`
    let later = [("state_dict_ema", scaled(2)), ("model_state", scaled(1)), ("model_ema", scaled(3))];
    assert_eq!(value(&later, None), (2.0, None));
    assert_eq!(value(&later, raw), (1.0, Some("raw")));
    assert_eq!(value(&[("model_state_dict", scaled(1))], None), (1.0, None));
    assert_eq!(value(&[("model_state_dict", scaled(1)), ("model", scaled(2))], None), (2.0, None));
}

#[test]
fn averaged_weights_that_are_inert_are_refused_with_the_way_out() {
    let file =
        dict(&[("state_dict", dict(&[("w", weight())])), ("model_ema", object("timm.utils", "ModelEmaV2"))]);
    let refused = read_set(&file, None).unwrap_err().to_string();
    assert!(refused.contains("`timm.utils.ModelEmaV2`"), "{refused}");
    assert!(refused.contains("`model.weights = \"raw\"` takes `state_dict`"), "{refused}");
    assert_eq!(read_set(&file, Some(WeightSet::Raw)).unwrap().tensors.len(), 1);
}

#[test]
fn counters_of_averages_are_left_out() {
    let count = || tensor("LongStorage", "0", 3, 0, &[], &[]);
    let file = dict(&[("n_averaged", count()), ("module.n_averaged", count()), ("module.w", weight())]);
    let contents = read_set(&file, None).unwrap();
    assert_eq!(contents.tensors.keys().collect::<Vec<_>>(), ["module.w"]);
    assert_eq!(contents.unreadable, None);
}
