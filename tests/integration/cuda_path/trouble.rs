//! Batches that do not fit, missing devices and failing calls: a clear error, and every slot is returned.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tresnet_batch::engine::{CudaEngine, CudaOptions, EngineError, GraphNames, Runtime};

use super::child::{Ran, run};
use super::trace::story;
use super::{BATCH, batches, folder};
use crate::support::root;

fn strings(values: &Value) -> Vec<&str> {
    values.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect()
}

#[test]
fn a_last_batch_of_fewer_rows_copies_its_rows_and_gives_its_slot_back() {
    let Some(folder) = folder() else { return };
    let Ran { report, trace } = run(&folder, &json!({"batches": [4, 4, 3, 1]}), "");
    assert_eq!((&report["errors"], &report["slots"]), (&json!([]), &json!(3)));
    let row_bytes = report["row_bytes"].as_u64().unwrap() as usize;
    let found = batches(trace.phase("work"));
    let rows: Vec<usize> = found.iter().map(|(calls, _)| calls[0].bytes() / row_bytes).collect();
    assert_eq!(rows, [4, 4, 3, 1]);
    // the graph is one and its shape is fixed, so the results of a whole batch come back
    let results: Vec<usize> = found.iter().map(|(calls, _)| calls[6].bytes()).collect();
    assert_eq!(results, vec![results[0]; 4]);
    for (calls, _) in found {
        assert_eq!(story(calls), BATCH);
    }
}

#[test]
fn a_batch_that_does_not_fit_is_refused_and_its_slot_comes_back() {
    let Some(folder) = folder() else { return };
    let Ran { report, trace } = run(&folder, &json!({"batches": [4, 5, 0, 4]}), "");
    let errors = strings(&report["errors"]);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("5 rows of a slot of 4"), "{errors:?}");
    assert_eq!((batches(trace.phase("work")).len(), &report["slots"]), (2, &json!(3)));
}

#[test]
fn whatever_call_fails_every_slot_comes_back_and_nothing_is_under_way_by_then() {
    let Some(folder) = folder() else { return };
    // each in the second of six batches; capture and warm-up have launched a graph a lane before
    for (fail, words) in [
        ("cuMemcpyHtoDAsync:2=719", "cuMemcpyHtoDAsync gave CUDA_ERROR_LAUNCH_FAILED"),
        ("cuStreamWaitEvent:3=719", "cuStreamWaitEvent gave"),
        ("cudaGraphLaunch:4=719", "inference failed: "),
        ("cuMemcpyDtoHAsync:2=719", "cuMemcpyDtoHAsync gave"),
        ("cuEventRecord:6=719", "cuEventRecord gave"),
        ("cuEventSynchronize:2=719", "cuEventSynchronize gave"),
    ] {
        let Ran { report, trace } = run(&folder, &json!({}), fail);
        let errors = strings(&report["errors"]);
        println!("{fail}: {errors:?}");
        assert_eq!(errors.len(), 1, "{fail}: {errors:?}");
        assert!(
            errors[0].starts_with("inference failed: ") && errors[0].contains(words),
            "{fail}: {errors:?}"
        );
        assert_eq!(report["slots"], 3, "{fail}");
        let work = trace.phase("work");
        let failed = work.iter().position(|call| call.facts.contains_key("failed"));
        let failed = failed.unwrap_or_else(|| panic!("{fail} was not reached"));
        // before the next batch, and so before the slot goes back
        let settled = work[failed + 1..].iter().take_while(|call| call.name != "cuMemcpyHtoDAsync");
        let settled: BTreeSet<&str> = settled
            .filter(|call| call.name == "cuStreamSynchronize")
            .map(|call| call.fact("stream"))
            .collect();
        assert_eq!(settled.len(), 3, "{fail}");
    }
}

#[test]
fn a_batch_that_the_device_has_no_room_for_is_told_by_its_size() {
    let Some(folder) = folder() else { return };
    let Ran { report, .. } = run(&folder, &json!({"batch": 64, "size": 448, "memory_limit": 32 << 20}), "");
    let error = report["error"].as_str().unwrap_or_else(|| panic!("no error: {report}"));
    println!("{}: {error}", report["exit"]);
    assert_eq!(report["exit"], 78);
    assert!(error.contains("a batch of 64 does not fit") && error.contains("`engine.batch_size`"), "{error}");
    // the line of ONNX Runtime's source does not help the user
    assert!(error.contains("memory: Available memory of ") && !error.contains('\n'), "{error}");
    // memory that cannot be pinned
    let Ran { report, .. } = run(&folder, &json!({}), "cuMemHostAlloc:4+=2");
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("a batch of 4 does not fit") && error.contains("out of memory"), "{error}");
}

#[test]
fn a_device_that_is_not_there_is_named() {
    let Some(folder) = folder() else { return };
    for (told, fail, words) in [
        (json!({"devices": 2, "device": 2}), "", "number 2 was asked for, and the driver shows 2"),
        (json!({}), "cuInit:1+=100", "no CUDA-capable device is detected"),
    ] {
        let Ran { report, .. } = run(&folder, &told, fail);
        println!("{report}");
        assert_eq!(report["exit"], 69, "{report}");
        let error = report["error"].as_str().unwrap();
        assert!(error.starts_with("no CUDA device answers: ") && error.contains(words), "{error}");
    }
}

#[test]
fn a_runtime_without_the_provider_is_refused_before_the_driver_is_asked() {
    let runtime = Runtime::load(Some(&root().join(".runtime/cpu"))).unwrap();
    let names = GraphNames { input: "images".into(), logits: Some("logits".into()), ..GraphNames::default() };
    let Err(error) = CudaEngine::load(&runtime, b"", names, 1, &CudaOptions::default()) else {
        panic!("it was loaded")
    };
    assert!(matches!(error, EngineError::Provider { provider: "cuda", .. }), "{error}");
    assert!(error.to_string().contains("make setup-cuda"), "{error}");
}
