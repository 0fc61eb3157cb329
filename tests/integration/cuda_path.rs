//! The CUDA path without a GPU: the real ONNX Runtime and its real CUDA provider, over libraries that record every call
//! of the driver, the runtime and cuDNN (`tests/support/cuda_trace`). Kernels compute nothing there, so what these
//! tests hold is structure: what is allocated, copied, launched and waited for, in which order, on which stream.
//!
//! `make test-cuda` fetches and builds what they need and names its folder in [`FOLDER`].

mod child;
mod trace;

use std::path::PathBuf;

use serde_json::{Value, json};

use child::{Ran, run};
use trace::{Call, story};

/// Names the folder with ONNX Runtime, its CUDA provider and the recording libraries.
const FOLDER: &str = "TRESNET_BATCH_CUDA_TRACE";

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    match &folder {
        Some(folder) => {
            assert!(folder.join("libcuda.so.1").exists(), "{} holds no recorder", folder.display())
        }
        None => println!("skipped: {FOLDER} names no recording libraries; run `make test-cuda`"),
    }
    folder
}

#[test]
fn first_look() {
    let Some(folder) = folder() else { return };
    let Ran { report, trace, said } = run(&folder, &json!({}), "");
    println!("{report}\n{said}");
    for phase in ["load", "allocate", "work", "drop", "slots"] {
        let told = story(trace.phase(phase));
        println!("{phase}: {}", told.len());
        for line in told.iter().take(400) {
            println!("  {line}");
        }
    }
    let _: (Option<Call>, Option<Value>) = (None, None);
}
