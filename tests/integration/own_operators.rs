//! The network drawn with our own operators, computed on the CPU by a twin of each, gives the same numbers as timm and as
//! the graph of ONNX's operators.

mod arithmetic;
pub mod twin;

use half::f16;
use ort::session::Session;
use ort::value::{Tensor as OrtTensor, TensorElementType};
use tresnet_batch::engine::Runtime;
use tresnet_batch::model::{
    Architecture, BuildOptions, Checkpoint, EMBEDDING, Form, LOGITS, Metadata, Operators, Own, Pixels,
    Precision, StemDesign, Tensor, Way, Ways, build_onnx, load,
};

use super::model::{assert_close, own, relative_error, top1, without_se};

/// What a graph returns.
struct Found {
    logits: Tensor,
    embedding: Tensor,
}

impl Found {
    fn outputs(&self) -> [(&str, &Tensor); 2] {
        [(LOGITS, &self.logits), (EMBEDDING, &self.embedding)]
    }
}

fn build(checkpoint: &Checkpoint, precision: Precision, form: Form, image_size: u32) -> Vec<u8> {
    let architecture = Architecture::infer(checkpoint).unwrap();
    let options = BuildOptions { precision, image_size, form };
    build_onnx(checkpoint, &architecture, &options, &Metadata::default()).unwrap()
}

/// Runs a graph on pixels `[n, 3, side, side]`, packed where it takes them packed.
fn run(graph: &[u8], precision: Precision, pixels: &Tensor) -> Found {
    let runtime = Runtime::load(None).unwrap();
    let element = match precision {
        Precision::Fp16 => TensorElementType::Float16,
        _ => TensorElementType::Float32,
    };
    let mut session = Session::builder(runtime.environment())
        .unwrap()
        .with_operators(twin::domain(element, twin::Place::Cpu).unwrap())
        .unwrap()
        .commit_from_memory(graph)
        .unwrap();
    let is_packed = session.inputs()[0].dtype().tensor_shape().unwrap()[3] == 48;
    let pixels = if is_packed { &packed(pixels) } else { pixels };
    let results = match precision {
        Precision::Fp16 => {
            let halves: Vec<f16> = pixels.values.iter().map(|value| f16::from_f32(*value)).collect();
            let input = OrtTensor::from_array((pixels.shape.clone(), halves)).unwrap();
            session.run(ort::inputs![input]).unwrap()
        }
        _ => {
            let input = OrtTensor::from_array((pixels.shape.clone(), pixels.values.clone())).unwrap();
            session.run(ort::inputs![input]).unwrap()
        }
    };
    let output = |name: &str| {
        let (shape, values) = results[name].try_extract_tensor::<f32>().unwrap();
        Tensor { shape: shape.iter().map(|axis| *axis as usize).collect(), values: values.to_vec() }
    };
    Found { logits: output(LOGITS), embedding: output(EMBEDDING) }
}

/// `[n, 3, h, w]` to `[n, h / 4, w / 4, 48]`.
fn packed(pixels: &Tensor) -> Tensor {
    let [n, _, side, _] = pixels.shape[..] else { panic!("{:?}", pixels.shape) };
    let squares = side / 4;
    let mut values = Vec::with_capacity(pixels.values.len());
    for place in 0..n * squares * squares {
        let (image, row, column) = (place / (squares * squares), place / squares % squares, place % squares);
        for channel in 0..48 {
            let (y, x, c) = (4 * row + channel / 12, 4 * column + channel / 3 % 4, channel % 3);
            values.push(pixels.values[((image * 3 + c) * side + y) * side + x]);
        }
    }
    Tensor { shape: vec![n, squares, squares, 48], values }
}

/// The project's test images, cut to the centre.
fn test_images(side: usize) -> Tensor {
    let bytes = std::fs::read(own("images.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let images = file.tensor("images").unwrap();
    let [n, c, h, w] = *images.shape() else { panic!("{:?}", images.shape()) };
    let (top, left) = ((h - side) / 2, (w - side) / 2);
    let mut values = Vec::new();
    for plane in images.data().chunks(h * w) {
        for row in plane.chunks(w).skip(top).take(side) {
            values.extend(row[left..left + side].iter().map(|value| f32::from(*value) / 255.0));
        }
    }
    Tensor { shape: vec![n, c, side, side], values }
}

/// Smooth pictures with noise, as a worker normalises them.
fn pictures(count: usize, side: usize) -> Tensor {
    let mut noise = 1u32;
    let values = (0..count * 3 * side * side).map(|at| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (plane, y, x) = (at / (side * side), at / side % side, at % side);
        let wave = (y as f32 * 0.07 + plane as f32).sin() * (x as f32 * 0.05 - plane as f32).cos();
        0.5 + 0.35 * wave + 0.15 * (noise >> 8) as f32 / (1 << 24) as f32
    });
    Tensor { shape: vec![count, 3, side, side], values: values.collect() }
}

fn form(own: Own) -> Form {
    Form { operators: Operators::Own(own), ..Form::FOR_CUDA }
}

/// Every other convolution, or one of three ways in turn.
fn mixed(ways: &[Way], count: usize) -> Ways {
    (0..count).fold(Ways::all(Way::Stock), |all, at| all.with(at, ways[at % ways.len()]))
}

/// Each choice alone and in mixtures.
pub fn mixtures(convolutions: usize) -> Vec<Own> {
    let (fused, apart) = (Ways::all(Way::Fused), Ways::all(Way::Apart));
    vec![
        Own::ALL,
        Own::NONE,
        Own { convolutions: apart, ..Own::ALL },
        Own { convolutions: Ways::all(Way::Stock), ..Own::ALL },
        Own { convolutions: fused, ..Own::NONE },
        Own { convolutions: apart, ..Own::NONE },
        Own { blur: false, ..Own::ALL },
        Own { squeeze_excite: false, ..Own::ALL },
        Own { convolutions: mixed(&[Way::Fused, Way::Stock], convolutions), ..Own::ALL },
        Own { convolutions: mixed(&[Way::Stock, Way::Apart, Way::Fused], convolutions), ..Own::ALL },
        Own {
            convolutions: mixed(&[Way::Apart, Way::Stock], convolutions),
            blur: true,
            squeeze_excite: false,
        },
    ]
}

#[test]
fn every_mixture_of_operators_computes_what_timm_computes_on_even_and_odd_maps() {
    let odd = load(&own("v1_odd.safetensors")).unwrap();
    let v2 = load(&own("v2.safetensors")).unwrap();
    let models = [("v1_odd", "", &odd), ("v1_odd", "_no_se", &without_se(&odd)), ("v2", "", &v2)];
    for (name, suffix, checkpoint) in models {
        let expected = load(&own(&format!("{name}_expected.safetensors"))).unwrap().tensors;
        let count = Architecture::infer(checkpoint).unwrap().convolutions().len();
        for side in [92, 64] {
            let images = test_images(side);
            for own in mixtures(count) {
                let graph = build(checkpoint, Precision::Fp32, form(own), side as u32);
                let found = run(&graph, Precision::Fp32, &images);
                for (output, ours) in found.outputs() {
                    let theirs = &expected[&format!("{output}_{side}{suffix}")];
                    assert_close(&format!("{name}{suffix} {output} at {side}, {own:?}"), ours, theirs, 1e-5);
                }
            }
        }
    }
}

#[test]
fn bytes_are_normalised_before_our_operators_read_them() {
    let checkpoint = load(&own("v2.safetensors")).unwrap();
    let own = Form { pixels: Pixels::Bytes, ..Form::OWN_FOR_CUDA };
    let graph = build(&checkpoint, Precision::Fp32, own, 64);
    let images = test_images(64);
    let runtime = Runtime::load(None).unwrap();
    let domain = twin::domain(TensorElementType::Float32, twin::Place::Cpu).unwrap();
    let builder = Session::builder(runtime.environment()).unwrap().with_operators(domain).unwrap();
    let mut session = { builder }.commit_from_memory(&graph).unwrap();
    let rows = packed(&images);
    let bytes: Vec<u8> = rows.values.iter().map(|value| (value * 255.0).round() as u8).collect();
    let input = OrtTensor::from_array((rows.shape.clone(), bytes)).unwrap();
    let results = session.run(ort::inputs![input]).unwrap();
    let (shape, values) = results[LOGITS].try_extract_tensor::<f32>().unwrap();
    let shape = shape.iter().map(|axis| *axis as usize).collect();
    let ours = Tensor { shape, values: values.to_vec() };
    let expected = load(&super::model::own("v2_expected.safetensors")).unwrap().tensors;
    assert_close("logits", &ours, &expected["logits_64"], 1e-5);
}

#[test]
fn a_network_with_something_taken_away_is_drawn_with_onnxs_operators() {
    use tresnet_batch::model::{Design, build_design};
    let checkpoint = load(&own("v2.safetensors")).unwrap();
    let architecture = Architecture::infer(&checkpoint).unwrap();
    let graph = |form: Form| {
        let design = Design { antialias: false, ..Design::TRESNET };
        let options = BuildOptions { precision: Precision::Fp16, image_size: 64, form };
        build_design(&checkpoint, &architecture, &options, &Metadata::default(), design).unwrap()
    };
    assert_eq!(graph(Form::OWN_FOR_CUDA), graph(Form::FOR_CUDA));
}

/// Compares both forms of a network on one picture. Returns a line of docs/parity.md.
fn compared(name: &str, checkpoint: &Checkpoint, side: usize) -> String {
    let pixels = pictures(1, side);
    let stock =
        run(&build(checkpoint, Precision::Fp32, Form::FOR_CPU, side as u32), Precision::Fp32, &pixels);
    let mut line = format!("| {name} | {side} |");
    for (precision, bound) in [(Precision::Fp32, 1e-5), (Precision::Fp16, 5e-3)] {
        let graph = |form: Form| build(checkpoint, precision, form, side as u32);
        let ours = run(&graph(Form::OWN_FOR_CUDA), precision, &pixels);
        for ((output, ours), (_, theirs)) in ours.outputs().into_iter().zip(stock.outputs()) {
            assert_close(&format!("{name} {output} at {side}, {precision:?}"), ours, theirs, bound);
            line += &format!(" {:.2e} |", relative_error(ours, theirs));
        }
        assert_eq!(top1(&ours.logits), top1(&stock.logits), "{name} at {side}, {precision:?}");
        if precision == Precision::Fp16 {
            let halves = run(&graph(Form::FOR_CPU), precision, &pixels);
            for ((_, halves), (_, theirs)) in halves.outputs().into_iter().zip(stock.outputs()) {
                line += &format!(" {:.2e} |", relative_error(halves, theirs));
            }
        }
    }
    line
}

/// How much the logits move at least if the branch of one block is taken away.
fn least_moved(checkpoint: &Checkpoint, side: usize) -> f64 {
    let pixels = pictures(1, side);
    let logits = |checkpoint: &Checkpoint| {
        let graph = build(checkpoint, Precision::Fp32, Form::FOR_CPU, side as u32);
        run(&graph, Precision::Fp32, &pixels).logits
    };
    let whole = logits(checkpoint);
    let convolutions = Architecture::infer(checkpoint).unwrap().convolutions();
    let block = |name: &str| name.rsplit_once(".conv").map(|(block, _)| block.to_owned());
    let in_blocks: Vec<&String> = convolutions.iter().filter(|name| block(name).is_some()).collect();
    let last_of_each = in_blocks.chunk_by(|a, b| block(a) == block(b)).filter_map(|all| all.last());
    let moved = last_of_each.map(|name| {
        let mut without = checkpoint.clone();
        for part in ["weight", "bias"] {
            without.tensors.get_mut(&format!("body.{name}.bn.{part}")).unwrap().values.fill(0.0);
        }
        relative_error(&logits(&without), &whole)
    });
    moved.fold(f64::INFINITY, f64::min)
}

#[test]
fn tresnet_m_computes_the_same_in_our_operators() {
    let architecture = Architecture::named("tresnet_m", 1000).unwrap();
    let checkpoint = Checkpoint::random(&architecture, StemDesign::SpaceToDepth, 11).unwrap();
    println!("{}", compared("tresnet_m", &checkpoint, 224));
}

#[test]
fn all_networks_compute_the_same_in_our_operators() {
    if std::env::var_os("TRESNET_BATCH_ALL_PARITY").is_none() {
        println!("skipped: TRESNET_BATCH_ALL_PARITY is not set");
        return;
    }
    for name in ["tresnet_m", "tresnet_l", "tresnet_xl", "tresnet_v2_l"] {
        let architecture = Architecture::named(name, 1000).unwrap();
        let checkpoint = Checkpoint::random(&architecture, StemDesign::SpaceToDepth, 11).unwrap();
        if name == "tresnet_m" {
            let moved = least_moved(&checkpoint, 224);
            println!("without a block, the logits of {name} move by at least {moved:.2e}");
            assert!(moved > 1e-2, "{moved}");
        }
        for side in [224, 368, 448] {
            println!("{}", compared(name, &checkpoint, side));
        }
    }
}
