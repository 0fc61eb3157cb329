//! Files as they should be, as they should not be, and what is made of both.

use std::path::Path;

use ::safetensors::tensor::{Dtype, TensorView, serialize};

use super::*;

/// Writes timm's layout down by hand, so that it does not come from the code under test. Values are left out.
struct Layout(Checkpoint);

impl Layout {
    fn new(width: usize, depths: [usize; 4], v2: bool, se: bool, classes: usize) -> Self {
        let mut layout = Self(Checkpoint { tensors: Default::default(), sha256: String::new() });
        layout.conv("body.conv1", width, 48, 3);
        let mut inputs = width;
        for (index, depth) in depths.into_iter().enumerate() {
            let planes = width * [1, 2, 4, 8][index];
            let bottleneck = v2 || index >= 2;
            let outputs = if bottleneck { planes * 4 } else { planes };
            for block in 0..depth {
                let scope = format!("body.layer{}.{block}", index + 1);
                let hidden = if bottleneck {
                    layout.conv(&format!("{scope}.conv1"), planes, inputs, 1);
                    layout.conv(&format!("{scope}.conv2"), planes, planes, 3);
                    layout.conv(&format!("{scope}.conv3"), outputs, planes, 1);
                    std::cmp::max(planes * 4 / 8, 64)
                } else {
                    layout.conv(&format!("{scope}.conv1"), planes, inputs, 3);
                    layout.conv(&format!("{scope}.conv2"), planes, planes, 3);
                    std::cmp::max(planes / 4, 64)
                };
                if se && index < 3 {
                    layout.add(&format!("{scope}.se.fc1.weight"), &[hidden, planes, 1, 1]);
                    layout.add(&format!("{scope}.se.fc1.bias"), &[hidden]);
                    layout.add(&format!("{scope}.se.fc2.weight"), &[planes, hidden, 1, 1]);
                    layout.add(&format!("{scope}.se.fc2.bias"), &[planes]);
                }
                if block == 0 && index > 0 {
                    layout.conv(&format!("{scope}.downsample.1"), outputs, inputs, 1);
                } else if block == 0 && inputs != outputs {
                    layout.conv(&format!("{scope}.downsample.0"), outputs, inputs, 1);
                }
                inputs = outputs;
            }
        }
        layout.add("head.fc.weight", &[classes, inputs]);
        layout.add("head.fc.bias", &[classes]);
        layout
    }

    fn conv(&mut self, name: &str, outputs: usize, inputs: usize, kernel: usize) {
        self.add(&format!("{name}.conv.weight"), &[outputs, inputs, kernel, kernel]);
        for part in ["weight", "bias", "running_mean", "running_var"] {
            self.add(&format!("{name}.bn.{part}"), &[outputs]);
        }
    }

    fn add(&mut self, name: &str, shape: &[usize]) {
        self.0.tensors.insert(name.to_owned(), Tensor { shape: shape.to_vec(), values: Vec::new() });
    }

    fn infer(&self) -> Result<Architecture, ModelError> {
        Architecture::infer(&self.0)
    }

    fn mismatch(&self) -> TensorMismatch {
        match self.infer() {
            Err(ModelError::Tensors(mismatch)) => *mismatch,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_description_is_read_back_as_the_network_that_it_describes() {
    for text in [
        "tresnet_xl",
        "tresnet_v2_l",
        "tresnet[1,1,1,1]x16",
        "tresnet_v2[1,2,3,4]x8",
        "tresnet_nbbn[1,1,2,1]x7+se[1,4]",
        "tresnet[3,4,11,3]x64+se[]",
    ] {
        let architecture = Architecture::described(text, 5).unwrap();
        assert_eq!((architecture.name().as_str(), architecture.classes), (text, 5));
    }
    for text in [
        "resnet50",
        "tresnet",
        "tresnet[1,1,1]x16",
        "tresnet[1,1,1,0]x16",
        "tresnet[1,1,1,1]x0",
        "tresnet[1,1,1,1]x16+se[5]",
        "tresnet[1,1,1,1]x16+se[1",
        "tresnet_bb[1,1,1,1]x16",
        "tresnet[1,1,1,999999999]x16",
    ] {
        assert_eq!(Architecture::described(text, 5), None, "{text}");
    }
}

#[test]
fn without_its_refinements_it_multiplies_as_often_as_a_resnet() {
    let plain = Design { stem: StemDesign::Convolution7, antialias: false, ..Design::TRESNET };
    // timm's table of results: resnet34 3.67 and resnet50 4.11 GMACs at 224
    for (text, gmacs) in
        [("tresnet_bbbb[3,4,6,3]x64+se[]", "3.67"), ("tresnet_nnnn[3,4,6,3]x64+se[]", "4.11")]
    {
        let found = Architecture::described(text, 1000).unwrap().macs_of_design(224, plain);
        assert_eq!(format!("{:.2}", found as f64 / 1e9), gmacs, "{text}");
    }
}

#[test]
fn the_published_networks_are_known_by_their_shapes() {
    // name, width, depths, second version, embedding, millions of parameters, GMACs at 224
    let table = [
        ("tresnet_m", 64, [3, 4, 11, 3], false, 2048, "31.4", "5.75"),
        ("tresnet_l", 76, [4, 5, 18, 3], false, 2432, "56.0", "10.9"),
        ("tresnet_xl", 83, [4, 5, 24, 3], false, 2656, "78.4", "15.2"),
        ("tresnet_v2_l", 64, [3, 4, 23, 3], true, 2048, "46.2", "8.85"),
    ];
    for (name, width, depths, v2, dim, parameters, gmacs) in table {
        let found = Layout::new(width, depths, v2, true, 1000).infer().unwrap();
        assert_eq!(found.name(), name);
        assert_eq!(Some(&found), Architecture::named(name, 1000).as_ref());
        assert_eq!((found.classes, found.embedding_dim()), (1000, dim));
        assert_eq!(format!("{:.1}", found.parameters() as f64 / 1e6), parameters, "{name}");
        let decimals = gmacs.len() - gmacs.find('.').unwrap() - 1;
        assert_eq!(format!("{:.decimals$}", found.macs(224) as f64 / 1e9), gmacs, "{name}");
        found.check_name(name).unwrap();
        found.check_name(&format!("{name}.miil_in1k")).unwrap();
        let error = found.check_name("tresnet_s").unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}`, not `tresnet_s`")), "{error}");
    }
}

#[test]
fn any_depth_width_and_class_count_is_read_off() {
    for (width, depths, v2, se, classes, name) in [
        (16, [1, 1, 1, 1], false, true, 10, "tresnet[1,1,1,1]x16"),
        (19, [2, 2, 3, 2], false, true, 11_221, "tresnet[2,2,3,2]x19"),
        (1, [1, 12, 1, 1], false, true, 1, "tresnet[1,12,1,1]x1"),
        (16, [1, 2, 2, 1], true, true, 1000, "tresnet_v2[1,2,2,1]x16"),
        (64, [3, 4, 11, 3], false, false, 1000, "tresnet[3,4,11,3]x64+se[]"),
    ] {
        let found = Layout::new(width, depths, v2, se, classes).infer().unwrap();
        assert_eq!(found.name(), name);
        assert_eq!(found.stages.map(|stage| stage.depth), depths);
        assert_eq!((found.width, found.classes), (width, classes));
        assert!(found.stages[..3].iter().all(|stage| stage.squeeze_excite == se));
    }
}

#[test]
fn wrong_tensors_are_listed() {
    let mut layout = Layout::new(16, [1, 2, 1, 1], false, true, 10);
    layout.0.tensors.remove("body.layer2.1.conv2.bn.bias");
    layout.add("body.layer2.3.conv1.conv.weight", &[32, 32, 3, 3]);
    layout.add("head.fc.bias", &[11]);
    let mismatch = layout.mismatch();
    assert_eq!(mismatch.missing, ["body.layer2.1.conv2.bn.bias"]);
    assert_eq!(mismatch.unexpected, ["body.layer2.3.conv1.conv.weight"]);
    assert_eq!(mismatch.misshapen, [("head.fc.bias".to_owned(), vec![10], vec![11])]);
    assert_eq!(
        mismatch.to_string(),
        "the tensors are not those of a `tresnet[1,2,1,1]x16` in timm's layout; \
         1 missing: `body.layer2.1.conv2.bn.bias`; 1 unexpected: `body.layer2.3.conv1.conv.weight`; \
         1 wrong shape: `head.fc.bias` is [11], expected [10]"
    );
}

#[test]
fn a_lacking_block_is_a_gap_and_a_stray_number_is_no_block() {
    let mut layout = Layout::new(64, [3, 4, 11, 3], false, true, 1000);
    layout.0.tensors.retain(|name, _| !name.starts_with("body.layer3.5."));
    let mismatch = layout.mismatch();
    assert_eq!(mismatch.expected, "tresnet_m");
    assert_eq!((mismatch.missing.len(), mismatch.unexpected.len()), (19, 0));
    assert!(mismatch.missing.iter().all(|name| name.starts_with("body.layer3.5.")));

    let mut layout = Layout::new(64, [3, 4, 11, 3], false, true, 1000);
    for stray in ["11", "18446744073709551615", "4000000000", "x"] {
        layout.add(&format!("body.layer3.{stray}.conv1.conv.weight"), &[1]);
    }
    let mismatch = layout.mismatch();
    assert_eq!(mismatch.expected, "tresnet_m");
    assert_eq!((mismatch.missing.len(), mismatch.unexpected.len()), (0, 4));
}

#[test]
fn a_message_is_short_whatever_the_file_holds() {
    let mut layout = Layout::new(16, [1, 1, 1, 1], false, true, 10);
    for number in 0..5000 {
        layout.add(&format!("{number}{}", "\n\u{202e}x".repeat(500)), &[usize::MAX, usize::MAX]);
    }
    layout.add("body.conv1.conv.weight", &[1 << 62, 48, 3, 3]);
    layout.add("head.fc.weight", &[1 << 62, 1 << 62]);
    let message = layout.mismatch().to_string();
    assert!(message.len() < 8000, "{} bytes", message.len());
    assert!(message.contains("5000 unexpected") && message.contains("and 4992 more"), "{message}");
    assert!(!message.contains('\n') && !message.contains('\u{202e}'));
}

#[test]
fn what_gives_itself_away_gets_a_hint() {
    let empty = Layout(Checkpoint { tensors: Default::default(), sha256: String::new() });
    let mismatch = empty.mismatch();
    assert!(mismatch.missing.len() > 50 && mismatch.unexpected.is_empty());

    let mut wrapped = Layout(empty.0.clone());
    wrapped.add("module.body.conv1.conv.weight", &[64, 48, 3, 3]);
    assert!(wrapped.mismatch().to_string().contains("prefix"));

    let mut other = Layout(empty.0.clone());
    other.add("layer1.0.conv1.weight", &[64, 64, 1, 1]);
    assert!(other.mismatch().to_string().contains("the weights of another network"));

    let mut headless = Layout::new(16, [1, 1, 1, 1], false, true, 10);
    headless.0.tensors.retain(|name, _| !name.starts_with("head."));
    let mismatch = headless.mismatch();
    assert!(mismatch.to_string().contains("save the model with its head"));
    assert_eq!(mismatch.missing, ["head.fc.weight", "head.fc.bias"]);
}

#[test]
fn a_network_of_no_channels_is_refused() {
    for layout in
        [Layout::new(0, [1, 1, 1, 1], false, true, 10), Layout::new(8, [1, 1, 1, 1], false, true, 0)]
    {
        assert!(!layout.mismatch().misshapen.is_empty());
    }
}

fn written(bytes: &[u8], name: &str) -> Result<Checkpoint, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    load(&path)
}

fn valid() -> Vec<u8> {
    let data: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![2], &data).unwrap();
    serialize([("w", view)], None).unwrap()
}

fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), data].concat()
}

#[test]
fn every_float_type_is_read_and_counters_are_passed_over() {
    let values = [1.5f32, -2.0, 0.0];
    let bytes = |dtype: Dtype| -> Vec<u8> {
        let one = |value: &f32| match dtype {
            Dtype::F64 => f64::from(*value).to_le_bytes().to_vec(),
            Dtype::F32 => value.to_le_bytes().to_vec(),
            Dtype::F16 => half::f16::from_f32(*value).to_le_bytes().to_vec(),
            _ => half::bf16::from_f32(*value).to_le_bytes().to_vec(),
        };
        values.iter().flat_map(one).collect()
    };
    for dtype in [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::BF16] {
        let (data, counter) = (bytes(dtype), 7i64.to_le_bytes());
        let tensors = [
            ("a.weight", TensorView::new(dtype, vec![3, 1], &data).unwrap()),
            ("a.num_batches_tracked", TensorView::new(Dtype::I64, vec![], &counter).unwrap()),
        ];
        let checkpoint = written(&serialize(tensors, None).unwrap(), "model.safetensors").unwrap();
        assert_eq!(checkpoint.tensors.len(), 1);
        let expected = Tensor { shape: vec![3, 1], values: values.to_vec() };
        assert_eq!(checkpoint.tensors["a.weight"], expected, "{dtype:?}");
    }
    let error = written(
        &serialize([("q", TensorView::new(Dtype::I8, vec![2], &[1, 2]).unwrap())], None).unwrap(),
        "model.safetensors",
    );
    assert!(error.unwrap_err().to_string().contains("`q` holds `I8`"));
}

#[test]
fn the_identity_is_the_files_sha256() {
    let checkpoint = written(&valid(), "x.safetensors").unwrap();
    assert_eq!(checkpoint.sha256.len(), 64);
    assert_eq!(file::sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn a_file_cut_anywhere_is_an_error_and_no_panic() {
    let whole = valid();
    for length in 0..whole.len() {
        assert!(written(&whole[..length], "model.safetensors").is_err(), "{length} bytes");
    }
    let mut longer = whole;
    longer.push(0);
    assert!(matches!(written(&longer, "model.safetensors"), Err(ModelError::Safetensors { .. })));
}

#[test]
fn hostile_headers_are_refused() {
    let entry = |dtype: &str, shape: &str, from: u64, to: u64| {
        format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    // eight tensors whose sizes are fine one by one, and whose sum with the header's length wraps around to the
    // file's length: 8 · (2^61 − 1) + 8 + header ≡ header (mod 2^64)
    let most = (1u64 << 61) - 1;
    let wrapping: Vec<String> = (0..8)
        .map(|n| format!(r#""t{n}":{}"#, entry("U8", &format!("[{most}]"), n * most, (n + 1) * most)))
        .collect();
    let cases = [
        with_header(&format!("{{{}}}", wrapping.join(",")), &[]),
        with_header(&format!(r#"{{"a":{}}}"#, entry("F32", "[4]", 0, 16)), &[0; 8]),
        with_header(&format!(r#"{{"a":{}}}"#, entry("F32", "[2]", 8, 0)), &[0; 8]),
        with_header(&format!(r#"{{"a":{}}}"#, entry("F32", "[4611686018427387904,4]", 0, 8)), &[0; 8]),
        with_header(&format!(r#"{{"a":{}}}"#, entry("F32", "[3]", 0, 8)), &[0; 8]),
        with_header(
            &format!(r#"{{"a":{},"b":{}}}"#, entry("F32", "[2]", 0, 8), entry("F32", "[2]", 0, 8)),
            &[0; 8],
        ),
        with_header(
            &format!(r#"{{"a":{},"a":{}}}"#, entry("F32", "[1]", 0, 4), entry("F32", "[1]", 4, 8)),
            &[0; 8],
        ),
        with_header(&format!(r#"{{"a":{}}}"#, entry("F99", "[2]", 0, 8)), &[0; 8]),
        with_header(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-1,8]}}"#, &[0; 8]),
        with_header(r#"{"a":{"dtype":"F32","shape":[2]}}"#, &[0; 8]),
        with_header(r#"{"a":1}"#, &[]),
        with_header("{", &[]),
        with_header(&"[".repeat(100_000), &[]),
        with_header(&format!("{{\"a\":{}", "{\"a\":".repeat(100_000)), &[]),
        [&u64::MAX.to_le_bytes()[..], b"{}"].concat(),
        [&(5u64 << 20).to_le_bytes()[..], b"{}"].concat(),
        [&8u64.to_le_bytes()[..], b"{\"\xff\":1}"].concat(),
    ];
    for (number, bytes) in cases.iter().enumerate() {
        let error = written(bytes, "model.safetensors").expect_err(&number.to_string());
        assert!(
            matches!(error, ModelError::Header { .. } | ModelError::Safetensors { .. }),
            "case {number}: {error}"
        );
    }
}

#[test]
fn other_layouts_are_told_apart_by_content() {
    let chain = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.";
    let torch: [(&[u8], &str); 4] = [
        (b"PK\x03\x04 a zip that was cut short", "tresnet_m.pth"),
        (b"PK\x03\x04 under another name     ", "model.safetensors"),
        (chain, "tresnet_m.pth"),
        (chain, "model"),
    ];
    for (bytes, name) in torch {
        let error = written(bytes, name).unwrap_err();
        assert!(matches!(error, ModelError::Torch { .. }), "{name}: {error}");
    }
    let tar = [&[b'.'; 257][..], b"ustar\x0000"].concat();
    for (bytes, name, part) in [
        (&b"\x80\x02}q\x00.          "[..], "pytorch_model.bin", "a bare pickle"),
        (&tar, "tresnet_m.pth.tar", "a tar archive"),
    ] {
        let error = written(bytes, name).unwrap_err();
        assert!(matches!(error, ModelError::OldTorch { .. }), "{name}: {error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    // a safetensors header of 640 bytes begins as a pickle does
    let header = format!("{:640}", r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#);
    assert!(written(&with_header(&header, &[0; 4]), "model.safetensors").is_ok());
    let error = written(b"", "model.bin").unwrap_err();
    assert!(matches!(error, ModelError::NotACheckpoint { .. }), "{error}");
    assert!(written(&valid(), "pytorch_model.bin").is_ok(), "a name proves nothing");
    let error = written(b"\x08\x08\x12\x0dtresnet-batch", "model.onnx").unwrap_err();
    assert!(matches!(error, ModelError::NotACheckpoint { .. }), "{error}");
    assert!(matches!(load(Path::new("/")), Err(ModelError::Read { .. })));
}

#[test]
fn bytes_that_are_no_graph_are_refused() {
    for bytes in
        [&b""[..], b"\xff\xff\xff\xff", b"PK\x03\x04", b"{\"a\": 1}", &[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]]
    {
        assert!(OnnxInfo::parse(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn what_is_given_in_place_of_a_graph_is_named() {
    let pointer = OnnxInfo::parse(b"version https://git-lfs.github.com/spec/v1\n").unwrap_err().to_string();
    assert!(pointer.contains("no ONNX model (it looks like a Git LFS pointer"), "{pointer}");
}
