//! Which of Hugging Face's image processors are followed, and how.

use serde_json::{Value, json};

use super::image_processor::{is_one, read};
use super::preprocessing::Preprocessing;

const MEAN: [f64; 3] = [0.5, 0.4, 0.3];

/// A file of a kind with the keys that nearly all have, and others over them.
fn file(kind: &str, mut keys: Value) -> Value {
    let usual = json!({
        "image_processor_type": kind, "do_resize": true, "do_rescale": true, "do_normalize": true,
        "rescale_factor": 0.00392156862745098, "image_mean": MEAN, "image_std": [0.5, 0.5, 0.5], "resample": 3,
    });
    let keys = keys.as_object_mut().expect("keys");
    let mut file = usual.as_object().expect("keys").clone();
    file.append(keys);
    Value::Object(file)
}

fn pixels(
    (image_size, resize_side): (u32, Option<u32>),
    crop_pct: f64,
    crop_mode: Option<&str>,
) -> Preprocessing {
    Preprocessing {
        image_size: Some(image_size),
        crop_pct: Some(crop_pct),
        crop_mode: crop_mode.map(str::to_owned),
        resize_side,
        interpolation: Some("bicubic".to_owned()),
        mean: Some(MEAN),
        std: Some([0.5; 3]),
    }
}

#[test]
fn the_square_is_that_of_each_kind_of_processor() {
    let crop = json!({ "height": 224, "width": 224 });
    let cases = [
        (
            file("ViTImageProcessor", json!({ "size": { "height": 384, "width": 384 } })),
            (384, None),
            1.0,
            true,
        ),
        (file("ViTFeatureExtractor", json!({ "size": 224 })), (224, None), 1.0, true),
        (
            file("DeiTImageProcessor", json!({ "size": { "height": 256, "width": 256 }, "crop_size": crop })),
            (224, Some(256)),
            0.875,
            true,
        ),
        (
            file("BitImageProcessorFast", json!({ "size": { "shortest_edge": 256 }, "crop_size": crop })),
            (224, Some(256)),
            0.875,
            false,
        ),
        (
            file("CLIPFeatureExtractor", json!({ "size": 224, "crop_size": 224, "do_center_crop": true })),
            (224, Some(224)),
            1.0,
            false,
        ),
        (
            file("ConvNextImageProcessor", json!({ "size": { "shortest_edge": 224 }, "crop_pct": 0.875 })),
            (224, Some(256)),
            0.875,
            false,
        ),
        (file("ConvNextImageProcessor", json!({ "size": { "shortest_edge": 384 } })), (384, None), 1.0, true),
        (
            file("LevitImageProcessor", json!({ "size": { "shortest_edge": 224 }, "crop_size": crop })),
            (224, Some(256)),
            0.875,
            false,
        ),
        (
            file("PoolFormerImageProcessor", json!({ "size": { "shortest_edge": 224 }, "crop_size": crop })),
            (224, Some(248)),
            224.0 / 248.0,
            false,
        ),
    ];
    for (document, sides, share, is_squashed) in cases {
        assert!(is_one(&document));
        let expected = pixels(sides, share, is_squashed.then_some("squash"));
        assert_eq!(read(&document), Ok(expected), "{document}");
    }
}

#[test]
fn numbers_are_those_of_values_from_0_to_1() {
    let size = json!({ "height": 224, "width": 224 });
    let bytes = file("ViTImageProcessor", json!({ "size": size, "do_rescale": false }));
    assert_eq!(read(&bytes).unwrap().mean, Some(MEAN.map(|mean| mean / 255.0)));
    let plain = file("ViTImageProcessor", json!({ "size": size, "do_normalize": false }));
    let found = read(&plain).unwrap();
    assert_eq!((found.mean, found.std), (Some([0.0; 3]), Some([1.0; 3])));
    let open = file("ViTImageProcessor", json!({ "size": size, "resample": null, "image_mean": null }));
    let found = read(&open).unwrap();
    assert_eq!((found.mean, found.interpolation), (None, None));
}

#[test]
fn what_is_not_followed_is_named() {
    let size = json!({ "height": 224, "width": 224 });
    for (document, part) in [
        (file("EfficientNetImageProcessor", json!({ "size": size })), "EfficientNetImageProcessor"),
        (file("ViTImageProcessor", json!({ "size": size, "do_flip_channel_order": true })), "flip"),
        (file("ViTImageProcessor", json!({ "size": size, "do_resize": false })), "resize"),
        (file("ViTImageProcessor", json!({ "size": { "height": 224, "width": 192 } })), "192"),
        (file("ViTImageProcessor", json!({ "size": { "longest_edge": 224 } })), "longest_edge"),
        (
            file("ViTImageProcessor", json!({ "size": { "height": 4294967296u64, "width": 4294967296u64 } })),
            "4294967296",
        ),
        (file("ViTImageProcessor", json!({})), "`size`"),
        (file("ViTImageProcessor", json!({ "size": size, "resample": 9 })), "filter 9"),
        (file("ViTImageProcessor", json!({ "size": size, "image_std": [1, 0, 1] })), "image_std"),
        (file("ViTImageProcessor", json!({ "size": size, "image_mean": "x" })), "image_mean"),
        (file("ViTImageProcessor", json!({ "size": size, "rescale_factor": 0 })), "scales by 0"),
        (file("BeitImageProcessor", json!({ "size": size })), "do_center_crop"),
        (file("BitImageProcessor", json!({ "size": { "shortest_edge": 224 } })), "crop_size"),
        (
            file("BitImageProcessor", json!({ "size": { "shortest_edge": 224 }, "crop_size": 256 })),
            "256 pixels of 224",
        ),
        (file("CLIPImageProcessor", json!({ "size": 224, "do_center_crop": false })), "square"),
        (file("ConvNextImageProcessor", json!({ "size": 224, "crop_pct": 0 })), "crop share 0"),
        (json!({ "image_mean": [0, 0, 0], "size": 224 }), "image_processor_type"),
        (json!([1]), "JSON object"),
    ] {
        let reason = read(&document).expect_err("not followed");
        assert!(reason.contains(part), "{document}: {reason}");
    }
}

/// The five ways to write a flag, and what Python takes them for.
fn flags() -> [(Value, bool); 5] {
    [(json!(true), true), (json!(1), true), (json!(false), false), (json!(null), false), (json!(0), false)]
}

#[test]
fn flags_are_what_python_takes_them_for() {
    let square = |side: u32| json!({ "height": side, "width": side });
    for (value, is_set) in flags() {
        let with = |key: &str| file("ViTImageProcessor", json!({ "size": square(224), key: value }));
        let found = read(&with("do_normalize")).unwrap();
        assert_eq!(found.mean, Some(if is_set { MEAN } else { [0.0; 3] }), "do_normalize {value}");
        let found = read(&with("do_rescale")).unwrap();
        let expected = if is_set { MEAN } else { MEAN.map(|mean| mean / 255.0) };
        assert_eq!(found.mean, Some(expected), "do_rescale {value}");
        for (key, is_followed) in [
            ("do_resize", is_set),
            ("do_pad", !is_set),
            ("do_flip_channel_order", !is_set),
            ("use_square_size", !is_set),
            ("do_convert_rgb", true),
        ] {
            assert_eq!(read(&with(key)).is_ok(), is_followed, "{key} {value}");
        }
        for kind in ["ViTImageProcessor", "DeiTImageProcessor", "BeitImageProcessor"] {
            let keys = json!({ "size": square(256), "crop_size": square(224), "do_center_crop": value });
            let expected = Some(if is_set { 224 } else { 256 });
            assert_eq!(read(&file(kind, keys)).unwrap().image_size, expected, "{kind} {value}");
        }
        let keys = json!({ "size": 256, "crop_size": 224, "do_center_crop": value });
        assert_eq!(read(&file("CLIPImageProcessor", keys)).is_ok(), is_set, "{value}");
    }
}

#[test]
fn a_size_of_one_number_is_that_of_both_sides_where_the_file_or_the_processor_says_so() {
    let keys = || json!({ "size": 256, "crop_size": 224, "do_center_crop": true });
    for (kind, is_square) in [("ViTImageProcessor", true), ("CLIPImageProcessor", false)] {
        let mode = |document: &Value| read(document).unwrap().crop_mode.is_some();
        assert_eq!(mode(&file(kind, keys())), is_square, "{kind}");
        for (value, is_set) in flags() {
            let mut keys = keys();
            keys["default_to_square"] = value;
            assert_eq!(mode(&file(kind, keys.clone())), is_set, "{kind} {keys}");
        }
    }
    assert!(read(&file("SiglipImageProcessor", json!({ "size": 224 }))).unwrap_err().contains("square"));
}

#[test]
fn values_of_another_type_are_refused_with_key_and_value() {
    for (key, value) in [
        ("do_resize", json!("true")),
        ("do_rescale", json!(2)),
        ("do_normalize", json!("false")),
        ("do_center_crop", json!([])),
        ("do_convert_rgb", json!(1.0)),
        ("do_pad", json!(0.0)),
        ("default_to_square", json!(-1)),
        ("use_square_size", json!("x")),
        ("rescale_factor", json!("0.5")),
        ("rescale_factor", json!(true)),
        ("rescale_factor", json!(null)),
        ("crop_pct", json!("0.9")),
    ] {
        let size = json!({ "shortest_edge": 224 });
        let document = file("ConvNextImageProcessor", json!({ "size": size, key: value }));
        let reason = read(&document).expect_err("refused");
        assert!(reason.contains(&format!("`{key}` {value}")), "{key} {value}: {reason}");
    }
    let unused = json!({ "size": { "shortest_edge": 224 }, "do_rescale": false, "rescale_factor": null });
    assert!(read(&file("ConvNextImageProcessor", unused)).is_ok());
}
