//! PyTorch's own files, in either layout, become the same networks as their safetensors twins. PyTorch wrote all of
//! them: those here by `make_torch_checkpoints.py`, the golden ones by others.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tresnet_batch::model::{
    Architecture, Checkpoint, ModelError, OnnxInfo, Precision, Tensor, TorchError, WeightSet, load, load_set,
};

use super::model::{Runs, assert_close, build, own, own_inputs, top1};
use super::support::{ask_python, shared};

/// What `tresnet.md` demands of fp32.
const FP32: f64 = 1e-5;

/// The largest difference of two checkpoints' values, relative to the value; names and shapes must agree.
#[track_caller]
fn largest_difference(ours: &Checkpoint, theirs: &Checkpoint) -> f64 {
    let names = |checkpoint: &Checkpoint| checkpoint.tensors.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(ours), names(theirs));
    let mut largest = 0.0f64;
    for (name, theirs) in &theirs.tensors {
        let ours: &Tensor = &ours.tensors[name];
        assert_eq!(ours.shape, theirs.shape, "{name}");
        assert_eq!(ours.values.len(), theirs.values.len(), "{name}");
        for (a, b) in ours.values.iter().zip(&theirs.values) {
            let scale = f64::from(b.abs()).max(1e-6);
            let is_scale = name.ends_with(".bn.weight");
            assert!(is_scale || a == b, "{name}: {a} instead of {b}");
            largest = largest.max((f64::from(*a) - f64::from(*b)).abs() / scale);
        }
    }
    largest
}

#[test]
fn every_type_stride_and_shared_storage_reads_as_pytorch_reads_it() {
    let ours = load(&own("small_timm.pth")).unwrap();
    let theirs = load(&own("small_timm.safetensors")).unwrap();
    assert_eq!(ours.tensors, theirs.tensors);
    let architecture = Architecture::infer(&ours).unwrap();
    assert_eq!(architecture.name(), "tresnet[1,1,1,1]x1+se[]");
    assert!(OnnxInfo::parse(&build(&ours, Precision::Fp32, 64)).is_ok());
}

#[test]
fn the_authors_file_is_the_network_that_its_twin_is() {
    let ours = load(&own("v1_odd_authors.pth")).unwrap();
    let theirs = load(&own("v1_odd.safetensors")).unwrap();
    let difference = largest_difference(&ours, &theirs);
    println!("scales differ by {difference:.1e}");
    assert!(difference < 1e-6);
    assert_ne!(ours.sha256, theirs.sha256, "an identity is the file's");

    let mut runs = Runs::new();
    for size in [92, 64, 36] {
        runs.add(&size.to_string(), &build(&ours, Precision::Fp32, size), own_inputs(size));
    }
    let expected = load(&own("v1_odd_expected.safetensors")).unwrap().tensors;
    for (size, outputs) in runs.run() {
        for output in ["logits", "embedding"] {
            let what = format!("v1_odd_authors {output} at {size}");
            assert_close(&what, &outputs.tensors[output], &expected[&format!("{output}_{size}")], FP32);
        }
    }
}

#[test]
fn the_golden_files_of_the_authors_agree_with_timm() {
    let Some(golden) = shared("golden") else { return };
    let names = ["tiny_v1", "small_v1", "small_v2"];
    let mut runs = Runs::new();
    for name in names {
        let ours = load(&golden.join(format!("{name}_miil.pth"))).unwrap();
        let theirs = load(&golden.join(format!("{name}.safetensors"))).unwrap();
        let difference = largest_difference(&ours, &theirs);
        println!("{name}: scales differ by {difference:.1e}");
        assert!(difference < 1e-6, "{name}: {difference:e}");
        assert_eq!(Architecture::infer(&ours).unwrap(), Architecture::infer(&theirs).unwrap());
        for size in [224, 92] {
            let inputs = golden.join("inputs_224_u8.safetensors");
            let job = json!({"inputs": inputs, "tensor": "images", "crop": size});
            runs.add(&format!("{name}_{size}"), &build(&ours, Precision::Fp32, size), job);
        }
    }
    let outputs = runs.run();
    for name in names {
        for (size, file) in [(224, "expected"), (92, "expected_92")] {
            let ours = &outputs[&format!("{name}_{size}")].tensors;
            let expected = load(&golden.join(format!("{name}_{file}.safetensors"))).unwrap().tensors;
            for output in ["logits", "embedding"] {
                let what = format!("{name}_miil {output} at {size}");
                assert_close(&what, &ours[output], &expected[output], FP32);
            }
            assert_eq!(top1(&ours["logits"]), top1(&expected["logits"]), "{name} at {size}");
        }
    }
}

#[test]
fn a_file_cut_short_is_one_error() {
    let whole = std::fs::read(own("v1_odd_authors.pth")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.pth");
    for length in (4..whole.len()).step_by(997).chain([whole.len() - 1]) {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = load(&path).unwrap_err();
        let archive = matches!(&error, ModelError::Torch { reason: TorchError::Archive { .. }, .. });
        assert!(archive, "{length} bytes: {error}");
    }
}

/// Has Python pickle what would run a command, in the container that PyTorch uses.
fn harmful(folder: &Path) -> Value {
    ask_python("harmful_checkpoints.py", &[folder.to_str().unwrap()])
}

#[test]
fn a_pickle_that_would_run_something_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let files = harmful(folder.path());
    let files = files.as_array().unwrap();
    assert!(files.len() >= 4);
    for file in files {
        let (path, global) = (file["path"].as_str().unwrap(), file["global"].as_str().unwrap());
        let error = load(Path::new(path)).unwrap_err();
        println!("{error}");
        assert!(error.to_string().contains(&format!("asks for `{global}`")), "{error}");
        assert!(!folder.path().join("executed").exists(), "{path}");
    }
}

/// The files of `training_checkpoints.py`, the set of weights that is requested, and the expected one.
const TRAINING: [(&str, Option<WeightSet>, &str); 9] = [
    ("saver.pth.tar", None, "ema"),
    ("saver.pth.tar", Some(WeightSet::Ema), "ema"),
    ("saver.pth.tar", Some(WeightSet::Raw), "raw"),
    ("legacy.pth", None, "ema"),
    ("legacy.pth", Some(WeightSet::Raw), "raw"),
    ("averaged_compiled.pth", None, "raw"),
    ("sharded", None, "raw"),
    ("sharded/model.safetensors.index.json", None, "raw"),
    ("ema.safetensors", Some(WeightSet::Raw), "ema"),
];

fn training(name: &str) -> PathBuf {
    own(&format!("training/{name}"))
}

#[test]
fn the_files_that_timm_and_pytorch_leave_are_the_weights_that_were_trained() {
    for (name, wanted, set) in TRAINING {
        let ours = load_set(&training(name), wanted).unwrap();
        let theirs = load(&training(&format!("{set}.safetensors"))).unwrap();
        assert_eq!(ours.checkpoint.tensors, theirs.tensors, "{name} {wanted:?}");
        let taken = ours.taken.filter(|taken| taken.other.is_some());
        assert_eq!(taken.is_some(), name.starts_with("saver") || name.starts_with("legacy"), "{name}");
        assert!(taken.is_none_or(|taken| taken.set.as_str() == set), "{name} {wanted:?}");
    }
}

#[test]
fn a_training_computes_what_timm_computes_of_it() {
    let expected = load(&training("logits.safetensors")).unwrap().tensors;
    let mut runs = Runs::new();
    for (number, (name, wanted, _)) in TRAINING.iter().enumerate() {
        let ours = load_set(&training(name), *wanted).unwrap();
        runs.add(&number.to_string(), &build(&ours.checkpoint, Precision::Fp32, 64), own_inputs(64));
    }
    for (number, outputs) in runs.run() {
        let (name, _, set) = TRAINING[number.parse::<usize>().unwrap()];
        assert_close(&format!("{name}, {set}"), &outputs.tensors["logits"], &expected[set], 1e-6);
    }
}

#[test]
fn the_identity_of_several_files_is_that_of_what_sha256sum_prints_for_them() {
    let command = "sha256sum *.json *.safetensors | LC_ALL=C sort -k 2 | sha256sum";
    let mut sum = Command::new("sh");
    let output = sum.args(["-c", command]).current_dir(training("sharded")).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let ours = load(&training("sharded")).unwrap();
    assert_eq!(Some(ours.sha256.as_str()), printed.split_whitespace().next());
}

#[test]
fn a_pickle_that_would_run_something_beside_its_weights_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = own("v1_odd_authors.pth");
    let arguments = [data.parent().unwrap().to_str().unwrap(), folder.path().to_str().unwrap()];
    let files = ask_python("inert_checkpoints.py", &arguments);
    let files = files.as_array().unwrap();
    assert!(files.len() >= 9);
    let whole = load(&data).unwrap();
    for path in files {
        let ours = load(Path::new(path.as_str().unwrap())).unwrap();
        assert_eq!(ours.tensors, whole.tensors, "{path}");
        assert!(!folder.path().join("executed").exists(), "{path}");
    }
}
