//! The choice of a provider with CUDA installed: the real ONNX Runtime with its provider, over recording libraries in
//! place of NVIDIA's. `make test-cuda` builds them and names their folder; without it these tests report that they
//! skip.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::plan;
use crate::support::job::{IMAGES, Job, ended, own_model, program};

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("TRESNET_BATCH_CUDA_TRACE").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: there are no recording libraries here; run `make test-cuda`");
    }
    folder
}

fn recorded(devices: u32) -> Option<Job> {
    let folder = folder()?;
    let job = Job::own().env("ORT_DYLIB_PATH", &folder).env("LD_LIBRARY_PATH", &folder);
    Some(job.env("CUDA_TRACE_DEVICES", devices.to_string()))
}

#[test]
fn auto_takes_cuda_with_half_precision_and_says_what_it_took() {
    let Some(job) = recorded(1) else { return };
    let planned = plan(&job);
    assert_eq!(planned.exits(0)["device"], json!({ "provider": "cuda", "why": null }));
    assert!(planned.stderr.contains("device      cuda (Recorder 0), batches of 4"), "{}", planned.stderr);
    let job = job.set("engine.conv_search=heuristic").set("engine.memory_limit=1GiB");
    let ended = job.run();
    let engine = ended.exits(0)["engine"].clone();
    assert_eq!((&engine["provider"], &engine["precision"]), (&json!("cuda"), &json!("fp16")));
    assert_eq!((&engine["devices"], engine.get("why")), (&json!(["Recorder 0"]), None));
    let options = engine["options"].as_str().unwrap();
    for setting in ["memory_limit=1073741824", "conv_search=heuristic", "nhwc=true", "cuda_graph=true"] {
        assert!(options.split(' ').any(|told| told == setting), "no {setting} in {options}");
    }
    assert!(ended.stderr.contains("on Recorder 0, batches of 4, fp16"), "{}", ended.stderr);
}

#[test]
fn single_precision_without_tf32_takes_the_fallback_engines() {
    for (precision, search) in [("fp32", "conv_search=default"), ("fp16", "conv_search=exhaustive")] {
        let Some(job) = recorded(1) else { return };
        let job = job.set("engine.tf32=false").set(format!("model.precision={precision}"));
        let engine = job.run().exits(0)["engine"].clone();
        let options = engine["options"].as_str().unwrap();
        assert!(options.split(' ').any(|told| told == search), "no {search} in {options}");
    }
}

#[test]
fn the_cpu_by_name_leaves_cuda_alone() {
    let Some(job) = recorded(1) else { return };
    let summary = job.set("engine.device=cpu").run().exits(0);
    assert_eq!((&summary["provider"], &summary["engine"]["precision"]), (&json!("cpu"), &json!("fp32")));
}

#[test]
fn a_driver_that_shows_no_device_is_69_by_name_and_the_cpu_for_auto() {
    let Some(job) = recorded(0) else { return };
    let summary = job.run().exits(0);
    let why = summary["engine"]["why"].as_str().unwrap();
    assert!(summary["provider"] == "cpu" && why.contains("no device"), "{summary}");
    let Some(job) = recorded(0) else { return };
    let job = job.set("engine.device=cuda");
    job.run().fails(69, &["no CUDA device answers", "CUDA_VISIBLE_DEVICES"]);
    assert!(!job.output().exists());
}

#[test]
fn a_driver_that_does_not_start_is_69_with_its_code() {
    let Some(job) = recorded(1) else { return };
    let job = job.set("engine.device=cuda").env("CUDA_TRACE_FAIL", "cuInit:1+=999");
    job.run().fails(69, &["no CUDA device answers", "cuInit", "999"]);
}

#[test]
fn a_number_that_no_device_has_is_78() {
    let Some(job) = recorded(2) else { return };
    let job = job.set("engine.device_ids=[1, 2]");
    job.run().fails(78, &["`engine.device_ids` names device 2", "shows 2"]);
    assert!(!job.output().exists());
}

#[test]
fn a_provider_that_does_not_register_is_78_and_never_the_cpu() {
    for device in ["auto", "cuda"] {
        let Some(job) = recorded(1) else { return };
        // the provider asks the driver itself, after the program has asked it
        let job =
            job.env("CUDA_TRACE_FAIL", "cudaGetDeviceCount:1+=36").set(format!("engine.device={device}"));
        job.run().fails(78, &["the provider `cuda`", "does not register"]);
        assert!(!job.output().exists());
    }
}

#[test]
fn an_int8_model_stays_on_the_processor() {
    let (Some(job), Some(by_name)) = (recorded(1), recorded(1)) else { return };
    let graph = job.file().with_file_name("int8.onnx");
    let mut quantize = program();
    quantize.args(["model", "quantize"]).arg(own_model("v1_odd.safetensors")).arg("-o").arg(&graph);
    quantize.args(["--image-size", "64", "--calibrate"]).arg(&IMAGES.folder);
    ended(&mut quantize).exits(0);
    let model = format!("model.path={}", graph.display());
    let job = job.set(&model);
    let summary = job.run().exits(0);
    assert_eq!((&summary["provider"], &summary["engine"]["precision"]), (&json!("cpu"), &json!("int8")));
    assert!(summary["engine"]["why"].as_str().unwrap().contains("int8"), "{summary}");
    let words = ["int8", "`engine.device` is \"cuda\""];
    by_name.set(&model).set("engine.device=cuda").run().fails(78, &words);
}

#[test]
fn auto_batches_are_tried_on_cuda_from_32_on() {
    let Some(job) = recorded(1) else { return };
    let engine = job.set("engine.batch_size=auto").run().exits(0)["engine"].clone();
    let tried = engine["tried"].as_array().unwrap();
    let sizes: Vec<&Value> = tried.iter().map(|tried| &tried["batch_size"]).collect();
    assert!(sizes.len() >= 2 && sizes[..2] == [&json!(32), &json!(64)], "{engine}");
    assert!(sizes.contains(&&engine["batch_size"]), "{engine}");
}

#[test]
fn doctor_names_driver_and_devices() {
    let Some(folder) = folder() else { return };
    let mut command = program();
    command.arg("doctor").env("ORT_DYLIB_PATH", &folder).env("LD_LIBRARY_PATH", &folder);
    let ended = ended(command.env("CUDA_TRACE_DEVICES", "2"));
    let summary = ended.exits(0);
    assert_eq!(summary["auto"], json!({ "provider": "cuda", "why": null }));
    assert_eq!(summary["cuda"]["devices"][1]["name"], "Recorder 1");
    assert!(summary["cuda"]["devices"][1]["memory"].as_u64().unwrap() > 1 << 30, "{summary}");
    for words in ["NVIDIA driver: ", "for CUDA up to 13.0", "device 1: Recorder 1, ", "takes cuda here"] {
        assert!(ended.stderr.contains(words), "no `{words}` in\n{}", ended.stderr);
    }
}
