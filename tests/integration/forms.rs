//! Every form of a network's graph computes the same as timm.

use tresnet_batch::model::{
    Architecture, Blur, BuildOptions, Checkpoint, Classifier, Form, Mean, Metadata, Pixels, Precision,
    Preprocessing, Stem, build_onnx, load,
};

use super::model::{Runs, assert_close, own, own_inputs, top1};

const SIZES: [u32; 2] = [92, 64];

fn build(checkpoint: &Checkpoint, form: Form, image_size: u32, metadata: &Metadata) -> Vec<u8> {
    let architecture = Architecture::infer(checkpoint).unwrap();
    let options = BuildOptions { precision: Precision::Fp32, image_size, form };
    build_onnx(checkpoint, &architecture, &options, metadata).unwrap()
}

/// Each choice alone, and all together.
fn forms() -> Vec<Form> {
    let plain = Form::PLAIN;
    let packed = Form { stem: Stem::Packed, ..plain };
    vec![
        Form { stem: Stem::Strided, ..plain },
        packed,
        Form { pixels: Pixels::Bytes, ..plain },
        Form { pixels: Pixels::Bytes, ..packed },
        Form { blur: Blur::PaddedAround, ..plain },
        Form { blur: Blur::Pools, ..plain },
        Form { blur: Blur::PoolsPaddedAround, ..plain },
        Form { mean: Mean::Reduce, ..plain },
        Form { mean: Mean::Window, ..plain },
        // no channel count of these networks divides by it
        Form { channel_multiple: 48, ..plain },
        Form { stem: Stem::Strided, channel_multiple: 16, ..plain },
        Form { blur: Blur::Pools, mean: Mean::Reduce, channel_multiple: 16, ..packed },
        Form::FOR_CUDA,
    ]
}

#[test]
fn every_form_computes_what_timm_computes_on_even_and_odd_maps() {
    let models = ["v1_odd", "v2"].map(|name| (name, load(&own(&format!("{name}.safetensors"))).unwrap()));
    let mut runs = Runs::new();
    for (name, checkpoint) in &models {
        for (index, form) in forms().into_iter().enumerate() {
            for size in SIZES {
                let graph = build(checkpoint, form, size, &Metadata::default());
                runs.add(&format!("{name}_{index}_{size}"), &graph, own_inputs(size));
            }
        }
    }
    let outputs = runs.run();
    for (name, _) in &models {
        let expected = load(&own(&format!("{name}_expected.safetensors"))).unwrap().tensors;
        for (index, form) in forms().into_iter().enumerate() {
            for size in SIZES {
                let ours = &outputs[&format!("{name}_{index}_{size}")].tensors;
                for output in ["logits", "embedding"] {
                    let theirs = &expected[&format!("{output}_{size}")];
                    assert_close(
                        &format!("{name} {output} at {size}, {form:?}"),
                        &ours[output],
                        theirs,
                        1e-5,
                    );
                }
                assert_eq!(top1(&ours["logits"]), top1(&expected[&format!("logits_{size}")]));
            }
        }
    }
}

#[test]
fn a_graph_of_bytes_normalises_as_a_worker_would() {
    let checkpoint = load(&own("v2.safetensors")).unwrap();
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let preprocessing = Preprocessing { mean: Some(mean), std: Some(std), ..Preprocessing::default() };
    let metadata = Metadata { preprocessing, ..Metadata::default() };
    let mut runs = Runs::new();
    for (name, stem) in [("planar", Stem::SpaceToDepth), ("packed", Stem::Packed)] {
        let form = Form { stem, pixels: Pixels::Bytes, ..Form::PLAIN };
        runs.add(name, &build(&checkpoint, form, 64, &metadata), own_inputs(64));
    }
    let mut job = own_inputs(64);
    job["mean"] = serde_json::json!(mean);
    job["std"] = serde_json::json!(std);
    runs.add("by_hand", &build(&checkpoint, Form::PLAIN, 64, &metadata), job);
    let outputs = runs.run();
    for name in ["planar", "packed"] {
        for output in ["logits", "embedding"] {
            let (ours, by_hand) = (&outputs[name].tensors[output], &outputs["by_hand"].tensors[output]);
            assert_close(&format!("{name} {output}"), ours, by_hand, 1e-6);
        }
    }
}

#[test]
fn a_classifier_of_halves_in_two_products_has_the_accuracy_of_single_precision() {
    let checkpoint = load(&own("v2.safetensors")).unwrap();
    let architecture = Architecture::infer(&checkpoint).unwrap();
    let mut runs = Runs::new();
    for classifier in [Classifier::Whole, Classifier::Split] {
        let form = Form { classifier, ..Form::PLAIN };
        let options = BuildOptions { precision: Precision::Fp16, image_size: 64, form };
        let graph = build_onnx(&checkpoint, &architecture, &options, &Metadata::default()).unwrap();
        runs.add(&format!("{classifier:?}"), &graph, own_inputs(64));
    }
    let outputs = runs.run();
    let (weight, bias) = (&checkpoint.tensors["head.fc.weight"], &checkpoint.tensors["head.fc.bias"]);
    let [classes, width] = weight.shape[..] else { panic!("{:?}", weight.shape) };
    for (name, found) in &outputs {
        let (mut logits, embedding) = (found.tensors["logits"].clone(), &found.tensors["embedding"]);
        // what TF32 multiplies exactly
        assert!(embedding.values.iter().all(|value| half::f16::from_f32(*value).to_f32() == *value));
        let ours = logits.clone();
        let rows = logits.values.chunks_mut(classes).zip(embedding.values.chunks(width));
        for (row, features) in rows {
            for (class, logit) in row.iter_mut().enumerate() {
                let weights = &weight.values[class * width..][..width];
                let products = features.iter().zip(weights).map(|(a, b)| f64::from(*a) * f64::from(*b));
                *logit = (products.sum::<f64>() + f64::from(bias.values[class])) as f32;
            }
        }
        assert_close(&format!("logits of {name}"), &ours, &logits, 1e-6);
    }
}
