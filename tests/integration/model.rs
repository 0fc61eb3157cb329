//! A checkpoint becomes a graph that computes the same as timm. ONNX's own checker checks it and Python's ONNX Runtime
//! runs it, so that no code of the project is on both sides.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};
use tempfile::TempDir;
use tresnet_batch::model::onnx::{Graph, Map};
use tresnet_batch::model::{
    Architecture, BUILDER_VERSION, Blur, BuildOptions, Checkpoint, Dim, ElementType, Form, ImageModel,
    Metadata, ModelError, OnnxInfo, Precision, Preprocessing, Roles, Tensor, build_onnx, load,
};

use super::support::{root, run_python, shared};

/// What `tresnet.md` demands of fp32.
const FP32: f64 = 1e-5;

/// Graphs to be run by one Python process, in a separate folder.
pub(super) struct Runs {
    folder: TempDir,
    jobs: Vec<Value>,
}

impl Runs {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), jobs: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds a graph; `job` holds `inputs`, `tensor` and what else `run_models.py` takes.
    pub(super) fn add(&mut self, name: &str, graph: &[u8], job: Value) {
        let model = self.path(&format!("{name}.onnx"));
        std::fs::write(&model, graph).unwrap();
        let mut job = job;
        job["model"] = json!(model);
        job["outputs"] = json!(self.path(&format!("{name}.safetensors")));
        self.jobs.push(job);
    }

    /// Checks and runs all graphs, and returns the outputs of each by its name.
    pub(super) fn run(self) -> BTreeMap<String, Checkpoint> {
        let jobs = self.path("jobs.json");
        std::fs::write(&jobs, Value::from(self.jobs.clone()).to_string()).unwrap();
        run_python("run_models.py", &[jobs.to_str().unwrap()]);
        let outputs = self.jobs.iter().map(|job| {
            let path = PathBuf::from(job["outputs"].as_str().unwrap());
            (path.file_stem().unwrap().to_str().unwrap().to_owned(), load(&path).unwrap())
        });
        outputs.collect()
    }
}

pub(super) fn build(checkpoint: &Checkpoint, precision: Precision, image_size: u32) -> Vec<u8> {
    let architecture = Architecture::infer(checkpoint).unwrap();
    let options = BuildOptions { precision, image_size, form: Form::PLAIN };
    build_onnx(checkpoint, &architecture, &options, &Metadata::default()).unwrap()
}

/// ‖a − b‖ / ‖b‖ over everything.
pub(super) fn relative_error(ours: &Tensor, theirs: &Tensor) -> f64 {
    assert_eq!(ours.shape, theirs.shape);
    let pairs = || ours.values.iter().zip(&theirs.values).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let distance: f64 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
    (distance / pairs().map(|(_, b)| b * b).sum::<f64>()).sqrt()
}

pub(super) fn top1(logits: &Tensor) -> Vec<usize> {
    let best = |row: &[f32]| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
    logits.values.chunks(logits.shape[1]).map(best).collect()
}

pub(super) fn own(name: &str) -> PathBuf {
    root().join("tests/data/model").join(name)
}

pub(super) fn own_inputs(crop: u32) -> Value {
    json!({"inputs": own("images.safetensors"), "tensor": "images", "crop": crop})
}

#[track_caller]
pub(super) fn assert_close(what: &str, ours: &Tensor, theirs: &Tensor, bound: f64) {
    let error = relative_error(ours, theirs);
    println!("{what}: relative error {error:.2e}, bound {bound:.0e}");
    assert!(error <= bound, "{what}: relative error {error:e} above {bound:e}");
}

pub(super) fn without_se(checkpoint: &Checkpoint) -> Checkpoint {
    let mut bare = checkpoint.clone();
    bare.tensors.retain(|name, _| !name.contains(".se."));
    bare
}

#[test]
fn small_networks_compute_what_timm_computes_on_even_and_odd_maps() {
    let v1 = load(&own("v1_odd.safetensors")).unwrap();
    let v2 = load(&own("v2.safetensors")).unwrap();
    let models = [("v1_odd", "", v1.clone()), ("v1_odd", "_no_se", without_se(&v1)), ("v2", "", v2)];
    let mut runs = Runs::new();
    for (name, suffix, checkpoint) in &models {
        for size in [92, 64, 36] {
            let graph = build(checkpoint, Precision::Fp32, size);
            runs.add(&format!("{name}{suffix}_{size}"), &graph, own_inputs(size));
        }
    }
    let outputs = runs.run();
    for (name, suffix, _) in &models {
        let expected = load(&own(&format!("{name}_expected.safetensors"))).unwrap();
        for size in [92, 64, 36] {
            let ours = &outputs[&format!("{name}{suffix}_{size}")].tensors;
            for output in ["logits", "embedding"] {
                let theirs = &expected.tensors[&format!("{output}_{size}{suffix}")];
                assert_close(&format!("{name}{suffix} {output} at {size}"), &ours[output], theirs, FP32);
            }
            let theirs = &expected.tensors[&format!("logits_{size}{suffix}")];
            assert_eq!(top1(&ours["logits"]), top1(theirs));
        }
    }
}

#[test]
fn the_golden_networks_agree_with_timm() {
    let Some(golden) = shared("golden") else { return };
    let names = ["tiny_v1", "small_v1", "small_v2"];
    let mut runs = Runs::new();
    for name in names {
        let checkpoint = load(&golden.join(format!("{name}.safetensors"))).unwrap();
        for size in [224, 92] {
            let inputs = golden.join("inputs_224_u8.safetensors");
            let job = json!({"inputs": inputs, "tensor": "images", "crop": size});
            runs.add(&format!("{name}_{size}"), &build(&checkpoint, Precision::Fp32, size), job.clone());
            runs.add(&format!("{name}_{size}_half"), &build(&checkpoint, Precision::Fp16, size), job);
        }
    }
    let outputs = runs.run();
    for name in names {
        for (size, file) in [(224, "expected"), (92, "expected_92")] {
            let expected = load(&golden.join(format!("{name}_{file}.safetensors"))).unwrap().tensors;
            // ONNX Runtime computes halves on the CPU in single precision, operator by operator, and rounds each map
            // to half; the bound is the one that CUDA must hold
            for (suffix, bound) in [("", FP32), ("_half", 5e-3)] {
                let ours = &outputs[&format!("{name}_{size}{suffix}")].tensors;
                for output in ["logits", "embedding"] {
                    let what = format!("{name} {output} at {size}{suffix}");
                    assert_close(&what, &ours[output], &expected[output], bound);
                }
                let (ours, theirs) = (top1(&ours["logits"]), top1(&expected["logits"]));
                let same = ours.iter().zip(&theirs).filter(|(a, b)| a == b).count();
                println!("{name} at {size}{suffix}: {same} of {} top-1 agree", theirs.len());
                // random weights put some images between two classes: one such may turn over in halves
                let allowed = usize::from(suffix == "_half");
                assert!(same + allowed >= theirs.len());
            }
        }
    }
}

#[test]
fn each_block_moves_the_logits() {
    let checkpoint = load(&own("v1_odd.safetensors")).unwrap();
    let mut runs = Runs::new();
    runs.add("whole", &build(&checkpoint, Precision::Fp32, 64), own_inputs(64));
    let last_norms = [
        "body.layer1.0.conv2.bn",
        "body.layer2.0.conv2.bn",
        "body.layer2.1.conv2.bn",
        "body.layer3.0.conv3.bn",
        "body.layer4.0.conv3.bn",
    ];
    for norm in last_norms {
        let mut without = checkpoint.clone();
        for part in ["weight", "bias"] {
            without.tensors.get_mut(&format!("{norm}.{part}")).unwrap().values.fill(0.0);
        }
        runs.add(norm, &build(&without, Precision::Fp32, 64), own_inputs(64));
    }
    let outputs = runs.run();
    for norm in last_norms {
        let moved = relative_error(&outputs[norm].tensors["logits"], &outputs["whole"].tensors["logits"]);
        assert!(moved > 0.02, "{norm}: {moved}");
    }
}

#[test]
fn a_row_depends_on_its_image_alone() {
    let checkpoint = load(&own("v1_odd.safetensors")).unwrap();
    let graph = build(&checkpoint, Precision::Fp32, 92);
    let mut runs = Runs::new();
    for (name, batch, pad) in [("one", 1, 0), ("four", 4, 0), ("all", 6, 0), ("padded", 16, 10)] {
        let mut job = own_inputs(92);
        job["batch"] = json!(batch);
        job["pad"] = json!(pad);
        runs.add(name, &graph, job);
    }
    let outputs = runs.run();
    for name in ["four", "all", "padded"] {
        for output in ["logits", "embedding"] {
            let (ours, alone) = (&outputs[name].tensors[output], &outputs["one"].tensors[output]);
            // not to the bit: a matrix product of several rows may sum in another order than one of a single row
            assert_close(&format!("{output}, {name} against one"), ours, alone, 1e-6);
        }
    }
}

/// A graph of what `draw` makes of an input `[channels, height, width]`.
fn one_operator(shape: [usize; 3], draw: impl FnOnce(&mut Graph, &Map)) -> Vec<u8> {
    one_operator_as(Form::PLAIN, shape, draw)
}

fn one_operator_as(form: Form, shape: [usize; 3], draw: impl FnOnce(&mut Graph, &Map)) -> Vec<u8> {
    let mut graph = Graph::new(Precision::Fp32, form);
    let map = graph.input("x", shape[0], shape[1], shape[2]);
    draw(&mut graph, &map);
    graph.finish(&[]).unwrap()
}

#[test]
fn the_seeds_own_modules_are_drawn_exactly() {
    let Some(file) = shared("golden/seed_modules.safetensors") else { return };
    let mut runs = Runs::new();
    let inputs = |tensor: &str| json!({"inputs": &file, "tensor": tensor});
    let stem = one_operator([3, 16, 24], |graph, map| {
        let squares = graph.space_to_depth("y", map);
        graph.output_map(&squares);
    });
    runs.add("s2d", &stem, inputs("s2d_in"));
    for (name, height, width) in [("blur_even", 8, 12), ("blur_odd", 7, 9)] {
        let blur = one_operator([5, height, width], |graph, map| {
            let blurred = graph.blur("y", map).unwrap();
            graph.output_map(&blurred);
        });
        runs.add(name, &blur, inputs(&format!("{name}_in")));
    }
    let mean = one_operator([6, 7, 7], |graph, map| {
        let vectors = graph.pooled("y", map, 6);
        graph.output(&vectors);
    });
    runs.add("mean", &mean, inputs("mean_in"));

    let expected = load(&file).unwrap().tensors;
    for (name, outputs) in runs.run() {
        let ours = outputs.tensors.values().next().unwrap();
        let bound = if name == "s2d" { 0.0 } else { 1e-6 };
        assert_close(&name, ours, &expected[&format!("{name}_out")], bound);
    }
}

/// The blur as its definition reads: a weighted mean around each second pixel, reflected at the edges.
fn blurred(map: &[f32], height: usize, width: usize) -> Vec<f32> {
    let reflected = |position: isize, length: usize| {
        let last = length as isize - 1;
        (last - (last - position.abs()).abs()) as usize
    };
    let mut out = Vec::new();
    for y in (0..height).step_by(2) {
        for x in (0..width).step_by(2) {
            let mut sum = 0.0;
            for (dy, fy) in [(-1, 1.0), (0, 2.0), (1, 1.0)] {
                for (dx, fx) in [(-1, 1.0), (0, 2.0), (1, 1.0)] {
                    let row = reflected(y as isize + dy, height);
                    sum += fy * fx / 16.0 * map[row * width + reflected(x as isize + dx, width)];
                }
            }
            out.push(sum);
        }
    }
    out
}

#[test]
fn a_blur_reflects_each_edge_by_its_own_parity() {
    let shapes = [(8, 8), (7, 8), (8, 7), (7, 7), (2, 3), (2, 2)];
    let map = |height: usize, width: usize| -> Vec<f32> {
        (0..height * width).map(|i| ((i * i * 7919 + i * 31) % 101) as f32 / 50.0 - 1.0).collect()
    };
    let forms = [Blur::Convolution, Blur::PaddedAround, Blur::Pools, Blur::PoolsPaddedAround];
    let cases = || forms.into_iter().flat_map(|blur| shapes.map(|shape| (blur, shape)));
    let mut runs = Runs::new();
    for (blur, (height, width)) in cases() {
        let name = format!("{blur:?} {height}x{width}");
        let bytes: Vec<u8> = map(height, width).iter().flat_map(|value| value.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![1, 1, height, width], &bytes).unwrap();
        let inputs = runs.path(&format!("{name}.inputs"));
        std::fs::write(&inputs, serialize([("x", view)], None).unwrap()).unwrap();
        let graph = one_operator_as(Form { blur, ..Form::PLAIN }, [1, height, width], |graph, map| {
            let blurred = graph.blur("y", map).unwrap();
            graph.output_map(&blurred);
        });
        runs.add(&name, &graph, json!({"inputs": inputs, "tensor": "x"}));
    }
    let outputs = runs.run();
    for (blur, (height, width)) in cases() {
        let name = format!("{blur:?} {height}x{width}");
        let ours = outputs[&name].tensors.values().next().unwrap();
        let shape = vec![1, 1, height.div_ceil(2), width.div_ceil(2)];
        assert_close(
            &name,
            ours,
            &Tensor { shape, values: blurred(&map(height, width), height, width) },
            1e-6,
        );
    }
}

#[test]
fn a_graph_says_what_it_is() {
    let checkpoint = load(&own("v1_odd.safetensors")).unwrap();
    let architecture = Architecture::infer(&checkpoint).unwrap();
    let classes: Vec<String> = (0..7).map(|index| format!("class \"{index}\"")).collect();
    let metadata = Metadata { preprocessing: Preprocessing::tresnet(), classes: Some(classes.clone()) };
    for (precision, element) in [(Precision::Fp32, ElementType::F32), (Precision::Fp16, ElementType::F16)] {
        let options = BuildOptions { precision, image_size: 64, form: Form::PLAIN };
        let graph = build_onnx(&checkpoint, &architecture, &options, &metadata).unwrap();
        assert_eq!(
            graph,
            build_onnx(&checkpoint, &architecture, &options, &metadata).unwrap(),
            "deterministic"
        );
        let info = OnnxInfo::parse(&graph).unwrap();
        assert_eq!((info.ir_version, info.opset, info.external_data), (8, 17, false));
        let batch = || Dim::Free(Some("batch".to_owned()));
        assert_eq!(info.inputs.len(), 1);
        assert_eq!(info.inputs[0].name, "images");
        assert_eq!(info.inputs[0].shape, [batch(), Dim::Fixed(3), Dim::Fixed(64), Dim::Fixed(64)]);
        let image_model = ImageModel::find(&info, &graph, &Roles::default()).unwrap();
        assert_eq!((image_model.element, image_model.image_size), (element, Some(64)));
        assert_eq!((image_model.fixed_batch, image_model.classes), (None, Some(7)));
        assert_eq!(image_model.embedding, Some(("embedding".to_owned(), Some(160))));

        let card = info.card.unwrap();
        assert_eq!(card.arch, "tresnet[1,2,1,1]x5");
        assert_eq!(card.precision, precision);
        assert_eq!(card.preprocessing, Preprocessing { image_size: Some(64), ..Preprocessing::tresnet() });
        assert_eq!(card.classes.as_ref(), Some(&classes));
        assert_eq!(
            (card.weights_sha256.as_str(), card.builder),
            (checkpoint.sha256.as_str(), BUILDER_VERSION)
        );
        assert_eq!(card.weights_sha256.len(), 64);
        assert_eq!(info.properties["tresnet.mean"], "[0.0,0.0,0.0]");
    }
}

#[test]
fn what_cannot_be_built_says_why() {
    let checkpoint = load(&own("v1_odd.safetensors")).unwrap();
    let architecture = Architecture::infer(&checkpoint).unwrap();
    let options = |image_size| BuildOptions { precision: Precision::Fp32, image_size, form: Form::PLAIN };
    for size in [0, 16, 18, 222, 4100, u32::MAX] {
        let error = build_onnx(&checkpoint, &architecture, &options(size), &Metadata::default()).unwrap_err();
        assert!(error.to_string().contains("take a multiple of 4 from 20 to 4096"), "{error}");
    }
    let metadata = Metadata { classes: Some(vec!["one".to_owned()]), ..Metadata::default() };
    let error = build_onnx(&checkpoint, &architecture, &options(64), &metadata).unwrap_err();
    assert!(error.to_string().contains("1 class names for 7 classes"), "{error}");

    let other = Architecture { width: 6, ..architecture.clone() };
    let error = build_onnx(&checkpoint, &other, &options(64), &Metadata::default()).unwrap_err();
    assert!(matches!(error, ModelError::Tensors(_)), "{error}");

    let mut huge = checkpoint.clone();
    huge.tensors.get_mut("body.conv1.bn.weight").unwrap().values.fill(1e9);
    let half = BuildOptions { precision: Precision::Fp16, image_size: 64, form: Form::PLAIN };
    let error = build_onnx(&huge, &architecture, &half, &Metadata::default()).unwrap_err();
    assert!(error.to_string().contains("overflows fp16: build this model as fp32"), "{error}");
    build_onnx(&huge, &architecture, &options(64), &Metadata::default()).unwrap();

    let mut diverged = checkpoint;
    diverged.tensors.get_mut("head.fc.bias").unwrap().values[0] = f32::NAN;
    let error = build_onnx(&diverged, &architecture, &options(64), &Metadata::default()).unwrap_err();
    assert!(error.to_string().contains("`head.fc.bias`"), "{error}");
}

#[test]
fn the_smallest_sizes_run() {
    let checkpoint = load(&own("v2.safetensors")).unwrap();
    let mut runs = Runs::new();
    for size in [20, 28, 44] {
        runs.add(&size.to_string(), &build(&checkpoint, Precision::Fp32, size), own_inputs(size));
    }
    for (name, outputs) in runs.run() {
        assert_eq!(outputs.tensors["logits"].shape, [6, 5], "{name}");
        assert!(outputs.tensors["logits"].values.iter().all(|value| value.is_finite()), "{name}");
    }
}

#[test]
fn a_foreign_path_is_no_checkpoint() {
    let error = load(Path::new("/nowhere/model.safetensors")).unwrap_err();
    assert!(matches!(error, ModelError::Read { .. }), "{error}");
}
