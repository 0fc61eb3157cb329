//! The CUDA path without a GPU: the real ONNX Runtime and its real CUDA provider, over libraries that record every call
//! of the driver, the runtime and cuDNN (`tests/support/cuda_trace`). Kernels compute nothing there, so what these
//! tests hold is structure: what is allocated, copied, launched and waited for, in which order, on which stream.
//!
//! `make test-cuda` fetches and builds what they need and names its folder in [`FOLDER`].

mod check;
mod child;
mod operators;
mod own;
mod program;
mod trace;
mod trouble;

use std::path::PathBuf;

use serde_json::{Value, json};

use child::{Ran, run};
use trace::{Call, story};

/// Names the folder with ONNX Runtime, its CUDA provider and the recording libraries.
const FOLDER: &str = "TRESNET_BATCH_CUDA_TRACE";

/// All calls of a batch, with streams for the copy in, the computing and the copy out.
const BATCH: [&str; 8] = [
    "cuMemcpyHtoDAsync s0",
    "cuEventRecord s0 e0",
    "cuStreamWaitEvent s1 e0",
    "cudaGraphLaunch s1",
    "cuEventRecord s1 e1",
    "cuStreamWaitEvent s2 e1",
    "cuMemcpyDtoHAsync s2",
    "cuEventRecord s2 e2",
];

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    match &folder {
        Some(folder) => {
            assert!(folder.join("libcuda.so.1").exists(), "{} holds no recorder", folder.display());
        }
        None => println!("skipped: {FOLDER} names no recording libraries; run `make test-cuda`"),
    }
    folder
}

/// Each call from a batch's first to its last, and that which waits for it.
fn batches(work: &[Call]) -> Vec<(&[Call], &Call)> {
    let starts = work.iter().enumerate().filter(|(_, call)| call.name == "cuMemcpyHtoDAsync");
    starts
        .map(|(at, _)| {
            let calls = &work[at..at + BATCH.len()];
            let done = calls[7].fact("event");
            let waits =
                |call: &&Call| call.is_wait() && call.facts.get("event").is_some_and(|event| event == done);
            (calls, work[at..].iter().find(waits).expect("no call waits for the batch"))
        })
        .collect()
}

#[test]
fn the_cuda_engine_keeps_the_contract_of_all_engines() {
    let Some(folder) = folder() else { return };
    for lanes in [1, 2] {
        let Ran { report, .. } = run(&folder, &json!({"contract": true, "lanes": lanes}), "");
        assert_eq!(report, json!({"depth": lanes, "repeats": false}), "{report}");
    }
}

#[test]
fn a_batch_is_one_copy_in_one_graph_and_one_copy_out_on_three_streams() {
    let Some(folder) = folder() else { return };
    let Ran { report, trace } = run(&folder, &json!({}), "");
    assert_eq!(
        (&report["depth"], &report["fixed_batch"], &report["errors"]),
        (&json!(2), &json!(4), &json!([]))
    );
    let work = trace.phase("work");
    let found = batches(work);
    assert_eq!(found.len(), 6);
    for (calls, _) in &found {
        assert_eq!(story(calls), BATCH, "{calls:#?}");
    }
    // and nothing else: no allocation, no other copy, no wait but the one for each batch
    assert_eq!(work.len(), 6 * (BATCH.len() + 1), "{:#?}", story(work));
    assert!(!work.iter().any(Call::is_allocation));
    assert_eq!(work.iter().filter(|call| call.is_copy()).count(), 12);
    assert_eq!(work.iter().filter(|call| call.is_wait()).count(), 6);
    // streams are those that were made for it, all without the default stream's waiting
    let made: Vec<_> = trace.phase("load").iter().filter(|call| call.name == "cuStreamCreate").collect();
    assert_eq!(made.iter().map(|call| call.fact("flags")).collect::<Vec<_>>(), ["1", "1", "1"]);
    let mut used: Vec<&str> = found[0].0.iter().map(|call| call.fact("stream")).collect();
    used.dedup();
    let mut made: Vec<&str> = made.iter().map(|call| call.fact("stream")).collect();
    used.sort_unstable();
    used.dedup();
    made.sort_unstable();
    assert_eq!(used, made);
}

#[test]
fn the_next_batch_is_queued_before_the_last_one_is_waited_for() {
    let Some(folder) = folder() else { return };
    let Ran { trace, .. } = run(&folder, &json!({}), "");
    let work = trace.phase("work");
    let mut in_flight = 0;
    let mut most = Vec::new();
    for call in work {
        match call.name.as_str() {
            "cuMemcpyHtoDAsync" => in_flight += 1,
            "cuEventSynchronize" => {
                most.push(in_flight);
                in_flight -= 1;
            }
            _ => {}
        }
    }
    // two lanes are full whenever the device is waited for, up to the last batch
    assert_eq!(most, [2, 2, 2, 2, 2, 1]);
    // each lane has its own graph, memory and events
    let found = batches(work);
    let of = |name: &str, at: usize, fact: &str| {
        let mut all: Vec<&str> = found.iter().map(|(calls, _)| calls[at].fact(fact)).collect();
        assert_eq!(all.iter().step_by(2).collect::<Vec<_>>(), vec![&all[0]; 3], "{name}");
        assert_eq!(all.iter().skip(1).step_by(2).collect::<Vec<_>>(), vec![&all[1]; 3], "{name}");
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 2, "{name}");
    };
    of("input", 0, "to");
    of("graph", 3, "graph");
    of("output", 6, "from");
    of("results", 6, "to");
    of("done", 7, "event");
}

#[test]
fn rows_are_copied_from_pinned_slots_and_results_arrive_in_pinned_memory() {
    let Some(folder) = folder() else { return };
    let Ran { report, trace } = run(&folder, &json!({}), "");
    assert!(report["slot"].as_str().unwrap().ends_with(", pinned)"), "{report}");
    let pinned = trace.pinned();
    // two lanes' results and three slots
    assert_eq!(pinned.len(), 5);
    let row_bytes = report["row_bytes"].as_u64().unwrap() as usize;
    for (calls, _) in batches(trace.phase("work")) {
        let (copy_in, copy_out) = (&calls[0], &calls[6]);
        assert_eq!(copy_in.bytes(), 4 * row_bytes);
        // logits and embedding in one block, the second at a multiple of 256 bytes
        let outputs = 4 * 4 * report["outputs"].as_u64().unwrap() as usize;
        assert!((outputs..outputs + 256).contains(&copy_out.bytes()), "{} for {outputs}", copy_out.bytes());
        for (call, end) in [(copy_in, "from"), (copy_out, "to")] {
            let at = call.address(end);
            let within = |block: &std::ops::Range<usize>| block.start <= at && at + call.bytes() <= block.end;
            assert!(pinned.iter().any(within), "{call:?} is not pinned");
        }
    }
    // a slot may be run by another device's engine
    let flags = trace.0.iter().filter(|call| call.name == "cuMemHostAlloc").map(|call| call.fact("flags"));
    assert!(flags.into_iter().all(|flags| flags == "1"));
}

#[test]
fn slots_outlive_the_engine_and_the_context_outlives_them() {
    let Some(folder) = folder() else { return };
    let Ran { trace, .. } = run(&folder, &json!({}), "");
    let names = |phase: &str| trace.phase(phase).iter().map(|call| call.name.clone()).collect::<Vec<_>>();
    let slots = names("slots");
    assert_eq!(slots, ["cuMemFreeHost", "cuMemFreeHost", "cuMemFreeHost", "cuDevicePrimaryCtxRelease"]);
    // the session goes before the stream that it computes on, and nothing goes while the device works
    let dropped = trace.phase("drop");
    let waits = dropped.iter().take_while(|call| call.name == "cuStreamSynchronize").count();
    assert_eq!(waits, 3);
    let first =
        |name: &str| dropped.iter().position(|call| call.name == name).unwrap_or_else(|| panic!("no {name}"));
    assert!(first("cudaGraphExecDestroy") < first("cuStreamDestroy"));
    // no context but the device's own frees pinned memory, whichever thread does it
    let made = trace.0.iter().find(|call| call.name == "cuMemHostAlloc").unwrap().fact("context");
    let freed = trace.0.iter().filter(|call| call.name == "cuMemFreeHost");
    assert!(freed.into_iter().all(|call| call.fact("context") == made));
}

#[test]
fn graphs_are_captured_and_launched_by_one_thread_whoever_holds_the_engine() {
    let Some(folder) = folder() else { return };
    let Ran { trace, .. } = run(&folder, &json!({}), "");
    let load = trace.phase("load");
    let captures: Vec<&Call> = load.iter().filter(|call| call.name == "cudaStreamBeginCapture").collect();
    assert_eq!(captures.len(), 2, "one a lane");
    let owner = captures[0].thread;
    let launches = trace.0.iter().filter(|call| call.name == "cudaGraphLaunch");
    assert!(launches.into_iter().all(|call| call.thread == owner));
    assert!(trace.phase("work").iter().all(|call| call.thread == owner));
    assert!(
        trace
            .phase("drop")
            .iter()
            .filter(|call| call.name != "cuMemFreeHost")
            .all(|call| call.thread == owner)
    );
    // the captured calls neither allocate memory nor wait, and copy nothing to or from the host
    for capture in &captures {
        let start = load.iter().position(|call| std::ptr::eq(call, *capture)).unwrap();
        let captured: Vec<&Call> =
            load[start..].iter().take_while(|call| call.name != "cudaStreamEndCapture").collect();
        assert!(captured.len() > 50, "{}", captured.len());
        assert!(!captured.iter().any(|call| call.is_allocation() || call.is_wait()));
        let copies = captured.iter().filter(|call| call.is_copy());
        assert!(copies.into_iter().all(|call| call.fact("kind") == "device-device"));
    }
    // capture is over before any slot is made, and none follows
    assert!(trace.phase("allocate").iter().all(|call| call.name == "cuMemHostAlloc"));
    assert_eq!(trace.0.iter().filter(|call| call.name == "cudaStreamBeginCapture").count(), 2);
}

#[test]
fn the_graphs_work_on_the_memory_that_is_copied_to_and_from() {
    let Some(folder) = folder() else { return };
    // the classifier is computed in single precision, whose product is recorded with its target
    let Ran { trace, .. } = run(&folder, &json!({}), "");
    let load = trace.phase("load");
    let starts = load.iter().enumerate().filter(|(_, call)| call.name == "cudaStreamBeginCapture");
    let graphs: Vec<(&str, &str)> = starts
        .map(|(start, _)| {
            let capture = load[start..].iter().take_while(|call| call.name != "cudaStreamEndCapture");
            let named = |name: &'static str| capture.clone().filter(move |call| call.name == name);
            let products: Vec<&Call> = named("cublasSgemm").collect();
            // the classifier of halves is drawn as two products
            assert_eq!(products.len(), 2);
            (named("cudnnWorksOn").next().unwrap().fact("memory"), products[1].fact("to"))
        })
        .collect();
    for ((calls, _), (first_convolution, classifier)) in
        batches(trace.phase("work")).iter().zip(graphs.iter().cycle())
    {
        // rows that come packed are read by the first convolution itself
        assert!(
            first_convolution.split(',').any(|memory| memory == calls[0].fact("to")),
            "{first_convolution}"
        );
        assert_eq!(*classifier, calls[6].fact("from"));
    }
}

#[test]
fn every_node_of_tresnet_m_runs_on_cuda() {
    let Some(folder) = folder() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let profile = scratch.path().join("profile");
    for planar in [false, true] {
        let told = json!({
            "architecture": "tresnet_m", "size": 224, "batch": 2, "batches": [2, 2], "planar": planar,
            "profile": profile.join(planar.to_string()),
        });
        std::fs::create_dir_all(&profile).unwrap();
        let Ran { report, trace } = run(&folder, &told, "");
        assert_eq!(report["errors"], json!([]));
        assert_eq!(report["layout"], if planar { "Nchw" } else { "SpaceToDepth" });
        let written: Vec<PathBuf> =
            std::fs::read_dir(&profile).unwrap().map(|item| item.unwrap().path()).collect();
        assert_eq!(written.len(), 1, "{written:?}");
        let events: Vec<Value> = serde_json::from_slice(&std::fs::read(&written[0]).unwrap()).unwrap();
        std::fs::remove_file(&written[0]).unwrap();
        let mut nodes = std::collections::BTreeMap::new();
        for event in events.iter().filter(|event| event["args"]["provider"].is_string()) {
            let node = (event["name"].as_str().unwrap(), event["args"]["op_name"].as_str().unwrap());
            let before = nodes.insert(node, event["args"]["provider"].as_str().unwrap());
            assert!(before.is_none_or(|before| before == event["args"]["provider"]), "{event}");
        }
        let convolutions = nodes.keys().filter(|(_, operator)| operator.ends_with("Conv")).count();
        println!("planar {planar}: {} nodes, {convolutions} convolutions", nodes.len());
        assert!(convolutions >= 60, "{nodes:#?}");
        let elsewhere: Vec<_> =
            nodes.iter().filter(|(_, provider)| **provider != "CUDAExecutionProvider").collect();
        assert!(elsewhere.is_empty(), "{elsewhere:#?}");
        // rows that come packed cost no rearrangement and at most one transposition of maps
        let rearranged = nodes.keys().filter(|(_, operator)| operator.contains("SpaceToDepth")).count();
        assert_eq!(rearranged, usize::from(planar));
        assert_eq!(batches(trace.phase("work")).len(), 2);
    }
}

#[test]
fn pools_and_means_are_cudnns_on_even_maps() {
    let Some(folder) = folder() else { return };
    let told =
        json!({"architecture": "tresnet_m", "size": 224, "batch": 2, "batches": [2], "cuda_graph": false});
    let Ran { trace, .. } = run(&folder, &told, "");
    let work = trace.phase("work");
    let count = |name: &str| work.iter().filter(|call| call.name == name).count();
    // three blurs of two pools and three halved shortcuts; 18 gates and the embedding
    assert_eq!((count("cudnnPoolingForward"), count("cudnnReduceTensor")), (9, 19), "{:#?}", story(work));
    let kernels: Vec<&str> =
        work.iter().filter(|call| call.name == "kernel").map(|call| call.fact("name")).collect();
    assert!(!kernels.iter().any(|name| name.contains("Pool")), "{kernels:#?}");
}

#[test]
fn the_search_decides_which_heuristics_are_asked() {
    let Some(folder) = folder() else { return };
    for (search, mode) in [("exhaustive", "1"), ("heuristic", "3"), ("default", "2")] {
        for precision in ["fp32", "fp16"] {
            let told = json!({"conv_search": search, "precision": precision, "tf32": false});
            let Ran { trace, .. } = run(&folder, &told, "");
            let asked = trace.0.iter().filter(|call| call.name == "cudnnHeuristics");
            let mut modes: Vec<&str> = asked.map(|call| call.fact("mode")).collect();
            modes.dedup();
            assert_eq!(modes, [mode], "{search} {precision}");
        }
    }
}

#[test]
fn each_part_of_the_path_can_be_switched_off() {
    let Some(folder) = folder() else { return };
    // kernel by kernel
    let Ran { trace, .. } = run(&folder, &json!({"cuda_graph": false}), "");
    let work = trace.phase("work");
    let count = |name: &str| work.iter().filter(|call| call.name == name).count();
    assert_eq!((count("cudaGraphLaunch"), count("cuMemcpyHtoDAsync"), count("cuMemcpyDtoHAsync")), (0, 6, 6));
    assert!(count("cudnnBackendExecute") >= 6 * 8 && count("kernel") > 6, "{:#?}", story(work));
    assert!(!trace.0.iter().any(|call| call.name == "cudaStreamBeginCapture"));
    let compute = work.iter().find(|call| call.name == "cuStreamWaitEvent").unwrap().fact("stream");
    assert!(work.iter().filter(|call| call.name == "kernel").all(|call| call.fact("stream") == compute));
    assert_eq!(work.iter().filter(|call| call.is_wait()).count(), 6);

    // memory of the allocator
    let Ran { report, trace } = run(&folder, &json!({"pinned": false}), "");
    assert!(report["slot"].as_str().unwrap().ends_with(", heap)"), "{report}");
    assert!(trace.pinned().is_empty());
    assert_eq!(batches(trace.phase("work")).len(), 6);

    // one stream, and nothing to hold together
    let Ran { trace, .. } = run(&folder, &json!({"copy_streams": false}), "");
    let work = trace.phase("work");
    let expected =
        ["cuMemcpyHtoDAsync s0", "cudaGraphLaunch s0", "cuMemcpyDtoHAsync s0", "cuEventRecord s0 e0"];
    assert_eq!(story(&work[..4]), expected);
    assert_eq!(work.len(), 6 * 5);

    // one batch at a time
    let Ran { report, trace } = run(&folder, &json!({"lanes": 1}), "");
    assert_eq!((&report["depth"], &report["slots"]), (&json!(1), &json!(2)));
    let work = trace.phase("work");
    for one in work.chunks(BATCH.len() + 1) {
        assert_eq!(story(&one[..8]), BATCH);
        assert!(one[8].is_wait());
    }

    // the other layout of the rows and of the maps
    let Ran { report, trace } = run(&folder, &json!({"planar": true, "prefer_nhwc": false}), "");
    assert_eq!(report["layout"], "Nchw");
    assert_eq!(batches(trace.phase("work")).len(), 6);
}

#[test]
fn operators_of_our_own_are_asked_for_once_before_the_graph_is_read() {
    let Some(folder) = folder() else { return };
    let Ran { report, trace } = run(&folder, &json!({"operators": true}), "");
    assert_eq!(report["errors"], json!([]));
    let marks: Vec<&str> =
        trace.0.iter().filter(|call| call.name == "mark").map(|call| call.fact("phase")).collect();
    assert_eq!(marks, ["load", "operators", "allocate", "work", "drop", "slots", "end"]);
    // weights are not on the device yet
    assert!(!trace.phase("load").iter().any(Call::is_copy));
}
