//! `doctor`: what this machine has to run with.

use serde_json::json;

use crate::engine::{EngineError, Runtime};
use crate::failure::Failure;

use super::print::line;
use super::{Cli, Summary};

pub(super) fn doctor(cli: &Cli) -> Result<Summary, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    line(format!("tresnet-batch {} on {cores} cores", env!("CARGO_PKG_VERSION")));
    let runtime = Runtime::load(cli.onnxruntime.as_deref()).map_err(EngineError::from)?;
    line(format!("ONNX Runtime {} at {}", runtime.version(), runtime.path().display()));
    line(format!("providers in it: {}", runtime.providers().join(", ")));
    Ok(Summary::new(json!({
        "onnxruntime": { "path": runtime.path(), "version": runtime.version(), "providers": runtime.providers() },
        "cores": cores,
    })))
}
