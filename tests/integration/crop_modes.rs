//! The files beside a model determine its pixels: timm's crop modes, and Hugging Face's image processors.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::job::{IMAGES, Job, ended, own_model, program, rows};
use crate::support::scratch;

/// A model of seven classes with files beside it.
struct Beside {
    folder: TempDir,
}

/// timm's configuration, with more keys in it.
fn timms(more: &str) -> String {
    format!(
        r#"{{"pretrained_cfg": {{"input_size": [3, 64, 64], "crop_pct": 0.875, "interpolation": "bilinear",
            "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]{more}}}}}"#
    )
}

/// An image processor of transformers, with more keys in it.
fn processor(kind: &str, more: &str) -> String {
    format!(
        r#"{{"image_processor_type": "{kind}", "image_mean": [0.0, 0.0, 0.0], "image_std": [1.0, 1.0, 1.0],
            "resample": 2{more}}}"#
    )
}

impl Beside {
    fn new(files: &[(&str, &str)]) -> Beside {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        std::fs::copy(own_model("v1_odd.safetensors"), folder.path().join("model.safetensors")).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Beside { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("model.safetensors")
    }

    /// A job over a few images with these keys only.
    fn job(&self, typed: &[&str]) -> Job {
        let job = Job::new(IMAGES.folder.to_str().unwrap(), &self.path())
            .set("input.limit=6")
            .set("limits.max_error_fraction=1");
        typed.iter().fold(job, |job, key| job.set(*key))
    }

    /// The rows of such a job, and its components.
    fn rows(&self, typed: &[&str]) -> (Vec<Value>, Value) {
        let job = self.job(typed);
        job.run().exits(0);
        let frozen = std::fs::read(job.output().join("_tresnet/job.json")).unwrap();
        let frozen: Value = serde_json::from_slice(&frozen).unwrap();
        let predictions = rows(&job.output()).iter().map(|row| row["prob"].clone()).collect();
        (predictions, frozen["components"].clone())
    }
}

#[test]
fn the_crop_mode_of_the_configuration_is_that_of_the_job() {
    let plain = Beside::new(&[("config.json", &timms(""))]);
    let (cropped, _) = plain.rows(&[]);
    for mode in ["squash", "border"] {
        let own = Beside::new(&[("config.json", &timms(&format!(r#", "crop_mode": "{mode}""#)))]);
        let (rows, components) = own.rows(&[]);
        assert_eq!(components["preprocess.mode"], mode);
        assert_eq!(components["preprocess.crop_pct"], 0.875);
        let is_squash = mode == "squash";
        assert_eq!(components.get("rules.squash").is_some(), is_squash, "{components}");
        let typed_mode = format!("preprocess.mode={mode}");
        let (typed, typed_components) = plain.rows(&[typed_mode.as_str(), "preprocess.crop_pct=0.875"]);
        assert_eq!(rows, typed, "{mode}");
        assert_eq!(components, typed_components, "{mode}");
        assert_ne!(rows, cropped, "{mode}");
        assert_eq!(own.rows(&["preprocess.mode=crop"]).0, cropped, "{mode}");
    }
}

#[test]
fn a_typed_squash_without_a_share_shows_the_whole_image_and_has_the_components_of_version_0_1_0() {
    let own = Beside::new(&[("config.json", &timms(r#", "crop_mode": "squash""#))]);
    let (rows, components) = own.rows(&["preprocess.mode=squash"]);
    assert_eq!(components["preprocess.crop_pct"], 0.875, "{components}");
    assert_eq!(components.get("rules.squash"), None, "{components}");
    let (whole, components) = own.rows(&["preprocess.mode=squash", "preprocess.crop_pct=1.0"]);
    assert_eq!(components.get("rules.squash"), None, "{components}");
    assert_eq!(rows, whole);
    assert_ne!(rows, own.rows(&[]).0);
}

#[test]
fn a_crop_mode_that_is_not_known_is_78_until_one_is_typed() {
    let own = Beside::new(&[("config.json", &timms(r#", "crop_mode": "corner""#))]);
    own.job(&[]).run().fails(78, &["`corner`", "preprocess.mode"]);
    own.job(&["preprocess.mode=crop"]).run().exits(0);
}

#[test]
fn a_graph_that_is_imported_carries_the_crop_mode() {
    let own = Beside::new(&[("config.json", &timms(r#", "crop_mode": "squash""#))]);
    let graph = Beside::new(&[]);
    let (weights, onnx) = (own.path(), graph.folder.path().join("model.onnx"));
    let import = ["model", "import", weights.to_str().unwrap(), "-o", onnx.to_str().unwrap()];
    ended(program().args(import)).exits(0);
    let job = Job::new(IMAGES.folder.to_str().unwrap(), &onnx)
        .set("input.limit=6")
        .set("limits.max_error_fraction=1");
    job.run().exits(0);
    let predictions: Vec<Value> = job.rows().iter().map(|row| row["index"].clone()).collect();
    let of_weights = own.job(&[]);
    of_weights.run().exits(0);
    let expected: Vec<Value> = of_weights.rows().iter().map(|row| row["index"].clone()).collect();
    assert_eq!(predictions, expected);
    let frozen = std::fs::read_to_string(job.output().join("_tresnet/job.json")).unwrap();
    assert!(frozen.contains("\"preprocess.mode\": \"squash\""), "{frozen}");
}

#[test]
fn an_image_processor_gives_the_resized_side_and_its_labels_the_names() {
    let names = r#"{"model_type": "bit", "id2label": {"0": "a", "1": "b", "2": "c", "3": "d", "4": "e", "5": "f", "6": "g"}}"#;
    let pixels = processor("BitImageProcessor", r#", "size": {"shortest_edge": 73}, "crop_size": 64"#);
    let own = Beside::new(&[("config.json", names), ("preprocessor_config.json", &pixels)]);
    let job = own.job(&[]);
    let ran = job.run();
    ran.exits(0);
    assert!(!ran.stderr.contains("no whole config.json"), "{}", ran.stderr);
    let frozen: Value =
        serde_json::from_slice(&std::fs::read(job.output().join("_tresnet/job.json")).unwrap()).unwrap();
    let components = &frozen["components"];
    assert_eq!(components["preprocess.resize_side"], 73, "{components}");
    assert_eq!(components["preprocess.crop_offset"], "floor", "{components}");
    assert_eq!(components["preprocess.crop_pct"], 64.0 / 73.0, "{components}");
    assert_eq!(frozen["model"]["labels"][6], "g");
    // the same command does the job's rest, and a typed share is another job
    job.run().exits(0);
    job.set("preprocess.crop_pct=0.9")
        .run()
        .fails(78, &["`preprocess.resize_side`", "`preprocess.crop_offset`"]);
}

#[test]
fn an_image_processor_that_is_not_followed_is_78_until_its_keys_are_typed() {
    let pixels = processor("EfficientNetImageProcessor", "");
    let own = Beside::new(&[("preprocessor_config.json", &pixels)]);
    own.job(&[]).run().fails(78, &["preprocessor_config.json", "EfficientNetImageProcessor", "image_size"]);
    let (weights, graph) =
        (own.folder.path().join("model.safetensors"), own.folder.path().join("model.onnx"));
    let import = ["model", "import", weights.to_str().unwrap(), "-o", graph.to_str().unwrap()];
    ended(program().args(import)).fails(78, &["EfficientNetImageProcessor", "--config"]);
    let typed = [
        "preprocess.image_size=64",
        "preprocess.crop_pct=1.0",
        "preprocess.interpolation=lanczos",
        "preprocess.mean=[0.0, 0.0, 0.0]",
        "preprocess.std=[1.0, 1.0, 1.0]",
    ];
    own.job(&typed).run().exits(0);
}
