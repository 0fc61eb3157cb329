//! `doctor`: what this machine has to run with, or whether a job can run on it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::engine::{DeviceRequest, Runtime, Survey, choose, has_int8_dot, processor};
use crate::failure::{Exit, Failure};

use super::global::GlobalArgs;
use super::job::{Changes, JobArgs};
use super::print::line;
use super::summary::Summary;
use super::{decode, doctor_job, examples};

#[derive(Debug, Args)]
#[command(after_help = examples::DOCTOR)]
pub(super) struct DoctorArgs {
    #[command(subcommand)]
    about: Option<About>,
    /// A job file (TOML) to check as well as the machine: is everything there that a run needs, and what will it take?
    /// Test objects are written to its output and deleted again
    #[arg(value_name = "JOB")]
    job: Option<PathBuf>,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Debug, Subcommand)]
enum About {
    /// Decode files as a run would, and print the result of each; needs no ONNX Runtime
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

pub(super) async fn doctor(arguments: &DoctorArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let Changes { set, limit, date } = &arguments.changes;
    let changes = !set.is_empty() || limit.is_some() || date.is_some();
    match (&arguments.about, &arguments.job) {
        (None, None) if changes => {
            Err(Failure::new(Exit::Usage, "--set, --limit and --date change a job: name its file"))
        }
        (None, None) => machine(global),
        (None, Some(file)) => {
            let job = JobArgs { file: file.clone(), changes: arguments.changes.clone() };
            doctor_job::doctor(&job, global).await
        }
        (Some(About::Decode(decoding)), None) if !changes => decode::decode(decoding, global).await,
        (Some(About::Decode(_)), _) => {
            Err(Failure::new(Exit::Usage, "`doctor decode` takes its job as `--job JOB`, after `decode`"))
        }
    }
}

fn machine(global: &GlobalArgs) -> Result<Summary, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    line(format!("tresnet-batch {} on {cores} cores ({})", env!("CARGO_PKG_VERSION"), processor()));
    let int8 = if has_int8_dot() { "exact (VNNI or similar)" } else { "neither exact nor fast (no VNNI)" };
    line(format!("int8 on this processor: {int8}"));
    let survey = Survey::of(global.onnxruntime.as_deref());
    show_cuda(&survey);
    let mut summary = json!({
        "cores": cores,
        "processor": processor(),
        "int8_dot": has_int8_dot(),
        "cuda": {
            "library": survey.cuda.as_ref().ok(),
            "libraries": survey.libraries.iter().map(|(name, there)| json!({ "name": name, "there": there }))
                .collect::<Vec<_>>(),
            "driver": survey.driver.as_ref().ok().map(|driver| json!({ "version": driver.version, "cuda": driver.cuda })),
            "devices": survey.driver.as_ref().map_or_else(|_| Vec::new(), |driver| {
                driver.devices.iter()
                    .map(|device| json!({ "name": device.name, "memory": device.memory }))
                    .collect()
            }),
        },
    });
    // last, for it may fail
    let choice = choose(DeviceRequest::Auto, global.onnxruntime.as_deref())?;
    let runtime = Runtime::for_choice(&choice)?;
    line(format!("ONNX Runtime {} at {}", runtime.version(), runtime.path().display()));
    line(format!("providers in it: {}", runtime.providers().join(", ")));
    line(match &choice.why {
        Some(_) => {
            "`engine.device = \"auto\"` takes the CPU here, as CUDA does not answer (above)".to_owned()
        }
        None => format!("`engine.device = \"auto\"` takes {} here", choice.provider.as_str()),
    });
    summary["onnxruntime"] =
        json!({ "path": runtime.path(), "version": runtime.version(), "providers": runtime.providers() });
    summary["auto"] = json!({ "provider": choice.provider.as_str(), "why": choice.why });
    Ok(Summary::new(summary))
}

fn show_cuda(survey: &Survey) {
    match &survey.cuda {
        Ok(library) => {
            line(format!("CUDA provider: installed, with {}", library.display()));
            let missing: Vec<&str> =
                survey.libraries.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
            match missing.as_slice() {
                [] => line(format!("CUDA libraries: all {} are there", survey.libraries.len())),
                missing => {
                    line(format!("CUDA libraries: {} missing; run `make setup-cuda`", missing.join(", ")))
                }
            }
        }
        Err(_) => line(
            "CUDA provider: not installed; it is needed for a GPU alone. The wheel has it with its extra `cuda`, a \
             checkout of the project after `make setup-cuda`",
        ),
    }
    match &survey.driver {
        Ok(driver) => {
            let version = driver.version.as_deref().unwrap_or("of unknown version");
            line(format!("NVIDIA driver: {version}, for CUDA up to {}", driver.cuda));
            for (number, device) in driver.devices.iter().enumerate() {
                line(format!("  device {number}: {}, {} MiB", device.name, device.memory >> 20));
            }
        }
        // without the provider, a driver that does not answer is no second fault
        Err(_) if survey.cuda.is_err() => line("NVIDIA driver: none answers"),
        Err(why) => line(format!("NVIDIA driver: {why}")),
    }
}
