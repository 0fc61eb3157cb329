//! `doctor`: what this machine has to run with.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::engine::{EngineError, Runtime};
use crate::failure::Failure;

use super::print::line;
use super::{Cli, Summary, decode};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(subcommand)]
    about: Option<About>,
}

#[derive(Debug, Subcommand)]
enum About {
    /// Decode files as a run would, and say what becomes of each; needs no ONNX Runtime
    Decode(decode::DecodeArgs),
}

impl DoctorArgs {
    pub fn name(&self) -> &'static str {
        match self.about {
            None => "doctor",
            Some(About::Decode(_)) => "doctor decode",
        }
    }
}

pub(super) async fn doctor(arguments: &DoctorArgs, cli: &Cli) -> Result<Summary, Failure> {
    match &arguments.about {
        None => machine(cli),
        Some(About::Decode(arguments)) => decode::decode(arguments, cli).await,
    }
}

fn machine(cli: &Cli) -> Result<Summary, Failure> {
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
