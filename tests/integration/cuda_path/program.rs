//! The program itself on the recording libraries, with a job as a person writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::json;

use super::trace::{Call, Trace, story};
use super::{BATCH, batches, folder};
use crate::support::job::Job;

/// The job of the other tests, on CUDA. It writes its record beside its output.
fn on_cuda(folder: &Path, devices: usize, fail: &str) -> Job {
    let job = Job::own().set("engine.device=cuda");
    let file = job.file().with_file_name("trace");
    job.env("ORT_DYLIB_PATH", folder)
        .env("LD_LIBRARY_PATH", folder)
        .env("CUDA_TRACE_FILE", file)
        .env("CUDA_TRACE_FAIL", fail)
        .env("CUDA_TRACE_DEVICES", devices.to_string())
}

fn traced(job: &Job) -> Trace {
    Trace::read(&job.file().with_file_name("trace"))
}

/// The calls from the first copy of rows to the last wait for results.
fn work(trace: &Trace) -> &[Call] {
    let calls = &trace.0;
    let start = calls.iter().position(|call| call.name == "cuMemcpyHtoDAsync").unwrap();
    let end = calls.iter().rposition(|call| call.name == "cuEventSynchronize").unwrap();
    &calls[start..=end]
}

#[test]
fn a_job_runs_on_cuda_and_a_batch_is_what_it_is_said_to_be() {
    let Some(folder) = folder() else { return };
    let job = on_cuda(&folder, 1, "");
    let summary = job.run().exits(0);
    assert_eq!(
        (&summary["provider"], &summary["rows"]["planned"]),
        (&json!("cuda"), &json!(90)),
        "{summary}"
    );
    assert_eq!(job.rows().len(), 90);
    let trace = traced(&job);
    let work = work(&trace);
    let found = batches(work);
    println!("{} batches, {} calls", found.len(), work.len());
    // 12 parts of 8 rows at most, 4 a batch, after the first images and a warm-up
    assert!(found.len() >= 23, "{}", found.len());
    for (calls, _) in &found {
        assert_eq!(story(calls), BATCH);
    }
    // slots are pinned while the warm-up runs; all other calls belong to batches and the waiting for them
    let other: Vec<&Call> = work
        .iter()
        .filter(|call| !["cuMemHostAlloc", "cuMemFreeHost"].contains(&call.name.as_str()))
        .collect();
    assert_eq!(other.len(), found.len() * (BATCH.len() + 1));
    let pinned = trace.pinned();
    for (calls, _) in &found {
        let at = calls[0].address("from");
        assert!(pinned.iter().any(|block| block.contains(&at)), "{:?} is not pinned", calls[0]);
    }
}

#[test]
fn devices_of_one_process_are_fed_from_one_queue() {
    let Some(folder) = folder() else { return };
    let job = on_cuda(&folder, 2, "").set("engine.device_ids=[0, 1]");
    let summary = job.run().exits(0);
    assert_eq!(
        (&summary["provider"], &summary["rows"]["planned"]),
        (&json!("cuda"), &json!(90)),
        "{summary}"
    );
    let keys: BTreeSet<String> =
        job.rows().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(keys.len(), 90, "each image once");
    let trace = traced(&job);
    let mut threads: BTreeMap<u32, usize> = BTreeMap::new();
    for call in trace.0.iter().filter(|call| call.name == "cuMemcpyHtoDAsync") {
        *threads.entry(call.thread).or_default() += 1;
    }
    println!("batches by device: {threads:?}");
    assert_eq!(threads.len(), 2, "one thread a device");
    assert!(threads.values().all(|batches| *batches > 1));
    // each session is on its own device, and one is warm before the other begins to capture
    let of = |name: &str| {
        trace.0.iter().filter(|call| call.name == name).map(|call| call.thread).collect::<Vec<_>>()
    };
    let captures = of("cudaStreamBeginCapture");
    assert_eq!(captures.len(), 4);
    assert!(captures[0] == captures[1] && captures[2] == captures[3] && captures[1] != captures[2]);
    let retained: Vec<&str> = trace
        .0
        .iter()
        .filter(|call| call.name == "cuDevicePrimaryCtxRetain")
        .map(|call| call.fact("device"))
        .collect();
    assert_eq!(retained, ["0", "1"]);
}

#[test]
fn a_device_that_fails_ends_the_run_and_the_next_one_does_the_rest() {
    let Some(folder) = folder() else { return };
    let job = on_cuda(&folder, 1, "cuEventSynchronize:20=719");
    job.run().fails(75, &["the engine stopped", "CUDA_ERROR_LAUNCH_FAILED"]);
    assert!(job.rows().len() < 90);
    let summary = job.env("CUDA_TRACE_FAIL", "").run().exits(0);
    assert_eq!(summary["rows"]["planned"], 90);
}

#[test]
fn a_batch_that_does_not_fit_is_78_and_names_the_key_before_any_image_is_read() {
    let Some(folder) = folder() else { return };
    let job = on_cuda(&folder, 1, "")
        .set("engine.memory_limit=\"32 MiB\"")
        .set("engine.batch_size=64")
        .set("preprocess.image_size=448");
    let summary = job.run().fails(78, &["a batch of 64 does not fit", "`engine.batch_size`"]);
    assert_eq!(summary.get("rows"), None);
    assert!(!job.output().exists());
}

#[test]
fn a_provider_that_does_not_register_is_78_and_never_the_cpu() {
    let Some(folder) = folder() else { return };
    // only the bridge over which ONNX Runtime opens the provider is missing; hard links, since ONNX Runtime looks
    // beside the target of a symbolic link
    let partial = tempfile::tempdir_in(folder.parent().unwrap()).unwrap();
    for item in std::fs::read_dir(&folder).unwrap() {
        let item = item.unwrap();
        if item.file_name() != "libonnxruntime_providers_shared.so" && !item.file_type().unwrap().is_dir() {
            std::fs::hard_link(item.path(), partial.path().join(item.file_name())).unwrap();
        }
    }
    let job = on_cuda(&folder, 1, "");
    let job = job.env("LD_LIBRARY_PATH", partial.path()).env("ORT_DYLIB_PATH", partial.path());
    job.run().fails(78, &["the provider `cuda` is not there: it does not register", "make setup-cuda"]);
    assert!(!job.output().exists());
}
