//! Operators of our own over the recording libraries, in `tests/data/graphs/own_operators.onnx`.

use std::process::Command;

use serde_json::{Value, json};

use super::child::{Ran, run};
use super::trace::Call;
use super::{BATCH, batches, folder};
use crate::support::{root, scratch};

/// Kernels of one run of the graph, sorted.
const KERNELS: [&str; 8] = [
    "activated_mean",
    "activated_mean",
    "activated_mean",
    "gate",
    "gate_add_relu",
    "leaky_blur",
    "leaky_blur",
    "squeeze_excite",
];

fn launched(calls: &[Call]) -> Vec<&str> {
    let launches = calls.iter().filter(|call| call.name == "cuLaunchKernel");
    launches.map(|call| call.fact("name")).collect()
}

#[test]
fn our_operators_are_launched_on_one_stream_and_captured_in_one_graph() {
    let Some(folder) = folder() else { return };
    let Ran { report, trace } = run(&folder, &json!({"own_operators": true}), "");
    assert_eq!(report["errors"], json!([]), "{report}");
    let load = trace.phase("load");
    let starts = load.iter().enumerate().filter(|(_, call)| call.name == "cudaStreamBeginCapture");
    let mut graphs = 0;
    for (start, begin) in starts {
        let length = load[start..].iter().position(|call| call.name == "cudaStreamEndCapture").unwrap();
        let captured = &load[start..start + length];
        let mut names = launched(captured);
        // what an operator reads is launched before it
        let at = |name: &str| names.iter().position(|launched| *launched == name).unwrap();
        assert!(at("leaky_blur") < at("activated_mean") && at("activated_mean") < at("squeeze_excite"));
        assert!(at("squeeze_excite") < at("gate") && at("squeeze_excite") < at("gate_add_relu"), "{names:?}");
        names.sort_unstable();
        assert_eq!(names, KERNELS);
        let launches = captured.iter().filter(|call| call.name == "cuLaunchKernel");
        assert!(launches.into_iter().all(|call| call.fact("stream") == begin.fact("stream")));
        assert!(!captured.iter().any(|call| call.is_allocation() || call.is_wait()));
        graphs += 1;
    }
    assert_eq!(graphs, 2, "one a lane");
    // after the warm-up there is nothing but the batches
    let work = trace.phase("work");
    assert_eq!(work.len(), batches(work).len() * (BATCH.len() + 1));
    assert!(launched(work).is_empty() && !work.iter().any(Call::is_allocation));
    // graphs launch the module's kernels, so it is unloaded after them
    let at = |name: &str| trace.0.iter().rposition(|call| call.name == name).unwrap();
    assert!(at("cudaGraphExecDestroy") < at("cuModuleUnload"));
}

#[test]
fn launches_compute_the_operators_numbers_where_kernels_run_on_the_cpu() {
    let Some(folder) = folder() else { return };
    let kernels = scratch().join("libtresnet_kernels.so");
    let built =
        Command::new(root().join("tests/support/kernels/build.sh")).arg("library").arg(&kernels).output();
    let built = built.unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let told = json!({"own_operators": true, "cuda_graph": false, "batches": [4, 4, 4], "kernels": kernels});
    let Ran { report, .. } = run(&folder, &told, "");
    assert_eq!(report["errors"], json!([]), "{report}");
    let numbers = |name: &str| -> Vec<f64> {
        report[name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let (logits, embedding) = (numbers("last_logits"), numbers("last_embedding"));
    assert_eq!((logits.len(), embedding.len()), (48, 48));
    // pixels of -1 are -0.5 and 2 after the two blurs, and the mean is -0.25
    for channel in 0..48 {
        let excited: f64 = (0..8).map(|hidden| 1.5 + 0.25 * f64::from(hidden)).sum();
        let sign = if channel % 2 == 0 { 0.0625 } else { -0.0625 };
        let gate = 1.0 / (1.0 + (-(sign * excited + channel as f64 / 64.0)).exp());
        let close = |found: f64, expected: f64| (found - expected).abs() < 1e-3;
        assert!(close(logits[channel], 2.0 - 0.5 * gate), "{channel}: {logits:?}");
        assert!(close(embedding[channel], -0.25 * gate), "{channel}: {embedding:?}");
    }
}

#[test]
fn a_launch_that_fails_names_the_operator_and_the_call() {
    let Some(folder) = folder() else { return };
    let Ran { report, .. } = run(&folder, &json!({"own_operators": true}), "cuLaunchKernel:3=719");
    let error = report["error"].as_str().unwrap_or_else(|| panic!("no error: {report}"));
    println!("{error}");
    for words in ["the operator `tresnet.", "` failed: cuLaunchKernel gave CUDA_ERROR_LAUNCH_FAILED"] {
        assert!(error.contains(words), "{error}");
    }
    // and one that the driver refuses to load
    let Ran { report, .. } = run(&folder, &json!({"own_operators": true}), "cuModuleLoadData:1=200");
    let error = report["error"].as_str().unwrap_or_else(|| panic!("no error: {report}"));
    assert!(error.contains("our kernels were not loaded: cuModuleLoadData gave"), "{error}");
    assert_ne!(report["exit"], Value::from(0));
}
