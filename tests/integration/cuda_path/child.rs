//! The engine in a separate process, which loads the recording libraries: this test binary again, with its task in an
//! environment variable.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use ort::value::TensorElementType;
use serde_json::{Value, json};
use tresnet_batch::engine::{
    ConvSearch, CudaEngine, CudaOptions, Engine, EngineError, GraphNames, Operators, Outputs, OwnOperators,
    Runtime, Slot, own_operators,
};
use tresnet_batch::failure::Failure;
use tresnet_batch::model::{
    Architecture, BuildOptions, Checkpoint, EMBEDDING, Form, INPUT, LOGITS, Metadata, Operators as Chosen,
    Precision, StemDesign, build_onnx, load,
};

use super::trace::Trace;
use crate::engines::keeps_the_contract;
use crate::own_operators::mixtures;
use crate::own_operators::twin::{self, Place};
use crate::support::job::own_model;
use crate::support::root;

const TOLD: &str = "TRESNET_BATCH_CUDA_CHILD";
/// What a child prints before its report.
const REPORT: &str = "CHILD ";

/// How a child ended.
pub struct Ran {
    pub report: Value,
    pub trace: Trace,
}

/// Runs the engine on the recording libraries in `folder`, with planted failures.
pub fn run(folder: &Path, told: &Value, fail: &str) -> Ran {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("trace");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["cuda_path::child::does_what_it_is_told", "--exact", "--ignored", "--nocapture"])
        .env(TOLD, told.to_string())
        .env("LD_LIBRARY_PATH", folder)
        .env("ORT_DYLIB_PATH", folder)
        .env("CUDA_TRACE_FILE", &file)
        .env("CUDA_TRACE_FAIL", fail)
        .env("CUDA_TRACE_KERNELS", told["kernels"].as_str().unwrap_or_default())
        .env("CUDA_TRACE_DEVICES", told["devices"].as_u64().unwrap_or(1).to_string())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    let report =
        said.lines().find_map(|line| line.split_once(REPORT)).unwrap_or_else(|| panic!("no report: {said}"));
    Ran { report: serde_json::from_str(report.1).unwrap(), trace: Trace::read(&file) }
}

#[test]
#[ignore = "other tests start it, on the recording libraries"]
fn does_what_it_is_told() {
    let Some(told) = std::env::var_os(TOLD) else { return };
    let told: Value = serde_json::from_str(told.to_str().unwrap()).unwrap();
    let report = work(&told).unwrap_or_else(|error| {
        let words = error.to_string();
        json!({"error": words, "exit": Failure::from(error).exit.code()})
    });
    println!("{REPORT}{report}");
}

fn mark(phase: &str) {
    let Some(file) = std::env::var_os("CUDA_TRACE_FILE") else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    file.write_all(format!("0 mark phase={phase}\n").as_bytes()).unwrap();
}

fn graph(told: &Value) -> Vec<u8> {
    if told["own_operators"] == true {
        return std::fs::read(root().join("tests/data/graphs/own_operators.onnx")).unwrap();
    }
    let checkpoint = match told["architecture"].as_str() {
        Some(name) => {
            let architecture = Architecture::named(name, 1000).unwrap();
            Checkpoint::random(&architecture, StemDesign::SpaceToDepth, 7).unwrap()
        }
        None => load(&own_model("v1_odd.safetensors")).unwrap(),
    };
    let precision = told["precision"].as_str().unwrap_or("fp16").parse::<Precision>().unwrap();
    let architecture = Architecture::infer(&checkpoint).unwrap();
    let own = told["own"].as_u64().map(|at| mixtures(architecture.convolutions().len())[at as usize]);
    let form = match own {
        Some(own) => Form { operators: Chosen::Own(own), ..Form::FOR_CUDA },
        None if told["planar"] == true => Form::PLAIN,
        None => Form::FOR_CUDA,
    };
    let image_size = told["size"].as_u64().unwrap_or(64) as u32;
    let options = BuildOptions { precision, image_size, form };
    build_onnx(&checkpoint, &architecture, &options, &Metadata::default()).unwrap()
}

/// Operators that have the shapes of ours and compute nothing.
fn operators(told: &Value) -> Option<Operators> {
    if told["own"].is_u64() {
        return Some(Operators::new(|| twin::domain(TensorElementType::Float16, Place::NothingOnCuda)));
    }
    (told["operators"] == true).then(|| {
        Operators::new(|| {
            mark("operators");
            ort::operator::OperatorDomain::new("ours")
        })
    })
}

fn options(told: &Value) -> CudaOptions {
    let defaults = CudaOptions::default();
    let flag = |name: &str, default: bool| told[name].as_bool().unwrap_or(default);
    CudaOptions {
        device_id: told["device"].as_i64().map_or(0, |number| number as i32),
        memory_limit: told["memory_limit"].as_u64().map(|bytes| bytes as usize),
        prefer_nhwc: flag("prefer_nhwc", defaults.prefer_nhwc),
        tf32: flag("tf32", defaults.tf32),
        conv_search: match told["conv_search"].as_str() {
            None | Some("exhaustive") => ConvSearch::Exhaustive,
            Some("heuristic") => ConvSearch::Heuristic,
            Some("default") => ConvSearch::Default,
            Some(other) => panic!("no search is called `{other}`"),
        },
        fuse_conv_bias: flag("fuse_conv_bias", defaults.fuse_conv_bias),
        cuda_graph: flag("cuda_graph", defaults.cuda_graph),
        pinned: flag("pinned", defaults.pinned),
        lanes: told["lanes"].as_u64().map_or(defaults.lanes, |lanes| lanes as usize),
        copy_streams: flag("copy_streams", defaults.copy_streams),
        profile: told["profile"].as_str().map(PathBuf::from),
        operators: operators(told),
        ..defaults
    }
}

fn work(told: &Value) -> Result<Value, EngineError> {
    let folder = std::env::var_os("ORT_DYLIB_PATH").unwrap();
    let runtime = Runtime::load(Some(Path::new(&folder)))?;
    let names = GraphNames {
        input: INPUT.into(),
        logits: Some(LOGITS.into()),
        embedding: Some(EMBEDDING.to_owned()),
        ..GraphNames::default()
    };
    let graph = graph(told);
    let batch = told["batch"].as_u64().unwrap_or(4) as usize;
    mark("load");
    let mut options = options(told);
    if told["own_operators"] == true {
        options.operators = match own_operators(options.device_id)? {
            OwnOperators::Ready(operators) => Some(operators),
            OwnOperators::NoKernels { architecture } => return Ok(json!({"no_kernels": architecture})),
        };
    }
    let mut engine = CudaEngine::load(&runtime, &graph, names, batch, &options)?;
    let spec = engine.spec().clone();
    if told["contract"] == true {
        keeps_the_contract(&mut engine);
        return Ok(json!({ "depth": spec.depth, "repeats": engine.repeats() }));
    }
    mark("allocate");
    let free: Vec<(Slot, Outputs)> =
        (0..spec.depth + 1).map(|_| engine.allocate(batch)).collect::<Result<_, _>>()?;
    let kind = format!("{:?}", free[0].0);
    mark("work");
    let batches: Vec<usize> = told["batches"]
        .as_array()
        .map_or(vec![batch; 6], |all| all.iter().map(|n| n.as_u64().unwrap() as usize).collect());
    let minus_ones = told["own_operators"] == true;
    // as in a run: one thread loads it, another one uses it
    let worked = std::thread::spawn(move || {
        let (free, errors) = feed(&mut engine, free, &batches, minus_ones);
        (engine, free, errors)
    });
    let (engine, free, errors) = worked.join().unwrap();
    mark("drop");
    drop(engine);
    mark("slots");
    let slots = free.len();
    // of the last batch, its last row
    let last = &free[slots - 1].1;
    let row = |values: &[f32], width: usize| values[values.len() - width..].to_vec();
    let (logits, embedding) = (row(&last.logits, spec.classes), row(&last.embedding, spec.dim));
    drop(free);
    mark("end");
    Ok(json!({
        "depth": spec.depth, "fixed_batch": spec.fixed_batch, "layout": format!("{:?}", spec.layout),
        "row_bytes": spec.row_bytes(), "outputs": spec.classes + spec.dim,
        "slot": kind, "slots": slots, "errors": errors, "last_logits": logits, "last_embedding": embedding,
    }))
}

/// Keeps as many batches in flight as the engine takes. Returns the slots, and the first error.
fn feed(
    engine: &mut CudaEngine,
    mut free: Vec<(Slot, Outputs)>,
    batches: &[usize],
    minus_ones: bool,
) -> (Vec<(Slot, Outputs)>, Vec<String>) {
    let (mut errors, mut in_flight) = (Vec::new(), 0);
    let mut batches: VecDeque<usize> = batches.iter().copied().collect();
    while !batches.is_empty() || in_flight > 0 {
        while in_flight < engine.spec().depth
            && let Some(rows) = batches.pop_front()
        {
            let (mut slot, outputs) = free.pop().unwrap();
            // in halves this is -1, and 0 in any form is every other test's
            let byte_of = |at: usize| if minus_ones && at % 2 == 1 { 0xbc } else { 0 };
            slot.bytes(rows).iter_mut().enumerate().for_each(|(at, byte)| *byte = byte_of(at));
            match engine.submit(slot, outputs, rows) {
                Ok(()) => in_flight += 1,
                Err(failed) => {
                    errors.push(failed.error.to_string());
                    free.push((failed.slot, failed.outputs));
                }
            }
        }
        if let Some((slot, outputs, ended)) = engine.finish() {
            in_flight -= 1;
            errors.extend(ended.err().map(|error| error.to_string()));
            free.push((slot, outputs));
        }
    }
    assert!(engine.finish().is_none(), "something was in flight still");
    (free, errors)
}
