//! The network with our own operators in the real CUDA provider: no map is transposed, whatever is stock, and the launches
//! of a batch. The operators here have ours' names and shapes and compute nothing.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::child::run;
use super::folder;
use super::trace::Call;
use crate::own_operators::mixtures;

/// A convolution's inputs and a mean's have maps; those of squeeze-and-excitation's layers have one pixel.
fn has_map(shapes: &Value) -> bool {
    let shapes =
        shapes.as_array().into_iter().flatten().flat_map(|shape| shape.as_object().unwrap().values());
    shapes.filter_map(Value::as_array).any(|axes| {
        // two axes besides the batch are longer than 1 if there is more than one pixel
        axes.len() == 4 && axes[1..].iter().filter(|axis| axis.as_u64() > Some(1)).count() > 1
    })
}

/// The nodes that ONNX Runtime ran, by its profile.
fn nodes(folder: &Path, told: Value) -> Vec<Value> {
    let scratch = tempfile::tempdir().unwrap();
    let mut told = told;
    told["profile"] = json!(scratch.path().join("profile"));
    let report = run(folder, &told, "").report;
    assert_eq!(report["errors"], json!([]), "{report}");
    let written = std::fs::read_dir(scratch.path()).unwrap().next().unwrap().unwrap().path();
    let events: Vec<Value> = serde_json::from_slice(&std::fs::read(written).unwrap()).unwrap();
    events.into_iter().filter(|event| event["args"]["provider"].is_string()).collect()
}

/// Transpositions of maps; all nodes must be on CUDA.
#[track_caller]
fn transposed(folder: &Path, told: Value) -> Vec<Value> {
    let nodes = nodes(folder, told.clone());
    assert!(nodes.len() > 20, "{told}: {nodes:#?}");
    let elsewhere = nodes.iter().filter(|node| node["args"]["provider"] != "CUDAExecutionProvider");
    assert_eq!(elsewhere.count(), 0, "{told}");
    let transpositions = nodes.into_iter().filter(|node| node["args"]["op_name"] == "Transpose");
    transpositions.filter(|node| has_map(&node["args"]["input_type_shape"])).collect()
}

#[track_caller]
fn transposes_no_map(folder: &Path, told: Value) {
    let transposed = transposed(folder, told.clone());
    assert!(transposed.is_empty(), "{told}: {transposed:#?}");
}

#[test]
fn transpositions_are_seen_where_the_provider_computes_in_planes() {
    let Some(folder) = folder() else { return };
    // all, and every other convolution
    for mixture in [0, 8] {
        let told = json!({"own": mixture, "size": 92, "batch": 2, "batches": [2], "prefer_nhwc": false});
        assert!(!transposed(&folder, told).is_empty(), "{mixture}");
    }
}

#[test]
fn no_map_is_transposed_in_any_mixture_of_stock_and_own_layers() {
    let Some(folder) = folder() else { return };
    for mixture in 0..mixtures(1).len() {
        // sides of 23, 12, 6 and 3
        transposes_no_map(&folder, json!({"own": mixture, "size": 92, "batch": 2, "batches": [2]}));
    }
}

#[test]
fn no_map_of_tresnet_m_is_transposed() {
    let Some(folder) = folder() else { return };
    // all, none, convolutions alone, every other convolution
    for mixture in [0, 1, 4, 8] {
        let told =
            json!({"architecture": "tresnet_m", "own": mixture, "size": 224, "batch": 2, "batches": [2]});
        transposes_no_map(&folder, told);
    }
}

/// What a call launches, in words.
fn kind(call: &Call) -> Option<String> {
    let name = match call.name.as_str() {
        "own" => return Some(format!("ours: {}", call.fact("operator"))),
        "cudnnBackendExecute" => "convolution",
        "cudnnAddTensor" => "bias",
        "cudnnPoolingForward" => "pooling",
        "cudnnReduceTensor" => "mean",
        "cublasSgemm" => "classifier",
        "kernel" => call.fact("name"),
        _ => return None,
    };
    let known = ["LeakyRelu", "Sigmoid", "Relu", "Transpose", "Mul", "Add", "Cast"];
    Some(known.into_iter().find(|known| name.contains(known)).unwrap_or(name).to_owned())
}

fn launches(folder: &Path, own: Option<usize>) -> BTreeMap<String, usize> {
    let told = json!({
        "architecture": "tresnet_m", "own": own, "size": 224, "batch": 2, "batches": [2], "cuda_graph": false,
    });
    let ran = run(folder, &told, "");
    let mut counts = BTreeMap::new();
    for kind in ran.trace.phase("work").iter().filter_map(kind) {
        *counts.entry(kind).or_default() += 1;
    }
    counts
}

#[test]
fn our_operators_launch_less_than_half_as_much() {
    let Some(folder) = folder() else { return };
    let [stock, own] = [None, Some(0)].map(|own| launches(&folder, own));
    for kind in stock.keys().chain(own.keys()).collect::<std::collections::BTreeSet<_>>() {
        let count = |counts: &BTreeMap<String, usize>| counts.get(kind).copied().unwrap_or(0);
        println!("| {kind} | {} | {} |", count(&stock), count(&own));
    }
    let [before, after] = [&stock, &own].map(|counts| counts.values().sum::<usize>());
    println!("| all | {before} | {after} |");
    assert!(2 * after < before, "{after} after {before}");
    // nothing of a convolution is left
    assert!(
        !own.keys().any(|kind| ["convolution", "bias", "LeakyRelu", "Transpose"].contains(&kind.as_str()))
    );
}

#[test]
fn our_operators_are_captured_with_everything_else() {
    let Some(folder) = folder() else { return };
    let ran = run(&folder, &json!({"own": 0, "size": 64}), "");
    assert_eq!(ran.report["errors"], json!([]));
    let work = ran.trace.phase("work");
    let count = |name: &str| work.iter().filter(|call| call.name == name).count();
    assert_eq!((count("cudaGraphLaunch"), count("own"), count("kernel")), (6, 0, 0));
    assert!(!work.iter().any(Call::is_allocation));
}
