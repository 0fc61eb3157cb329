//! PyTorch's own files, in either layout, become the very networks that their safetensors twins are. All of them were
//! written by PyTorch: those here by `make_torch_checkpoints.py`, the golden ones by others.

use std::path::Path;

use serde_json::{Value, json};
use tresnet_batch::model::{
    Architecture, Checkpoint, ModelError, OnnxInfo, Precision, Tensor, TorchError, load,
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
