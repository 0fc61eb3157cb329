//! `model` and its commands: `import`, `new`, `inspect`; others have files of their name.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::job::{LoadedModel, ModelRequest, read_labels};
use crate::model::{
    Architecture, Checkpoint, ChosenCheckpoint, Form, Metadata, OnnxInfo, Precision, Preprocessing,
    StemDesign, TakenSet, WeightSet, load, load_set,
};
use crate::workbench::calibrate::CalibrationOptions;
use crate::workbench::init::weights;

use super::examples;
use super::files;
use super::global::GlobalArgs;
use super::print::{count, line};
use super::pull::{self, PullArgs};
use super::quantize::{Half, QuantizeArgs, measure_half};
use super::summary::Summary;

#[derive(Debug, Subcommand)]
pub(super) enum ModelCommand {
    /// Write the ONNX graph of a checkpoint, as `run` builds it
    #[command(after_help = examples::MODEL_IMPORT)]
    Import {
        /// A checkpoint: .safetensors, .pth or .bin, in timm's or the authors' layout, the index or folder of several, or
        /// hf://ORG/NAME
        #[arg(value_name = "WEIGHTS")]
        weights: PathBuf,
        /// The file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Arithmetic of the graph
        #[arg(long, value_enum, default_value_t = PrecisionArg::Fp32)]
        precision: PrecisionArg,
        /// Side of the square input in pixels (default: the model's own)
        #[arg(long, value_name = "N")]
        image_size: Option<u32>,
        /// timm's config.json (default: the one beside the weights)
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Class names: `imagenet-1k`, or a file with one name a line (default: the model's own)
        #[arg(long, value_name = "FILE")]
        classes: Option<String>,
        /// Which weights of a training checkpoint: their average or those of its last step (default: ema, if the file
        /// has it)
        #[arg(long = "weights", value_enum, value_name = "SET")]
        set: Option<SetArg>,
        /// Fail unless the weights are this architecture, such as tresnet_m
        #[arg(long, value_name = "NAME")]
        arch: Option<String>,
        /// With fp16: keep in fp32 what is larger than 32,000 on any image of a job's input or a folder
        #[arg(long, value_name = "JOB|FOLDER")]
        calibrate: Option<String>,
        /// Images of that sample, spread evenly over the input
        #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        images: u64,
    },
    /// Fetch a model of a Hugging Face hub into its cache, with all that belongs to it
    Pull(PullArgs),
    /// Write random weights of a network's true shapes, to measure a machine before real weights are there
    #[command(after_help = examples::MODEL_NEW)]
    New {
        /// tresnet_m, tresnet_l, tresnet_xl, tresnet_v2_l, or a description such as tresnet[1,1,1,1]x16
        #[arg(long, value_name = "NAME")]
        arch: String,
        /// The .safetensors file to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Outputs of the classifier
        #[arg(long, value_name = "C", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        classes: u32,
        /// Equal seeds give equal weights
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
    /// Write an int8 graph for CPUs, with ranges measured on images, and compare it with fp32
    Quantize(QuantizeArgs),
    /// Show what a checkpoint or an ONNX file holds
    #[command(after_help = examples::MODEL_INSPECT)]
    Inspect {
        /// A checkpoint, an .onnx file, the folder that it is in, or hf://ORG/NAME
        #[arg(value_name = "MODEL")]
        path: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum PrecisionArg {
    Fp32,
    Fp16,
}

impl From<PrecisionArg> for Precision {
    fn from(typed: PrecisionArg) -> Precision {
        match typed {
            PrecisionArg::Fp32 => Precision::Fp32,
            PrecisionArg::Fp16 => Precision::Fp16,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum SetArg {
    Ema,
    Raw,
}

impl From<SetArg> for WeightSet {
    fn from(typed: SetArg) -> WeightSet {
        match typed {
            SetArg::Ema => WeightSet::Ema,
            SetArg::Raw => WeightSet::Raw,
        }
    }
}

pub(super) async fn model(command: &ModelCommand, global: &GlobalArgs) -> Result<Summary, Failure> {
    match command {
        ModelCommand::Import {
            weights,
            output,
            precision,
            image_size,
            config,
            classes,
            set,
            arch,
            calibrate,
            images,
        } => {
            let located = pull::find(weights, global).await?;
            let (weights, config) = (&located.path, config.as_ref().or(located.config.as_ref()));
            if let Some(arch) = arch {
                Architecture::infer(&load(weights)?)?.check_name(arch)?;
            }
            let set = set.map(WeightSet::from);
            let asked = ModelRequest { weights: set, ..ModelRequest::default() };
            let model = LoadedModel::read_as(weights, config.map(PathBuf::as_path), &asked)?;
            if let Some(taken) = model.chosen().and_then(TakenSet::text) {
                line(format!("{}: the graph has {taken}", weights.display()));
            }
            if let Some(reason) = &model.refused {
                let what = format!(
                    "the model's preprocessing is not known: {reason}; name another file with --config"
                );
                return Err(Failure::new(Exit::Config, what));
            }
            if model.assumes_preprocessing {
                tracing::warn!(
                    "no whole config.json is beside `{}`: the graph carries TResNet's usual preprocessing",
                    weights.display()
                );
            }
            if !model.weights().is_empty() || model.head().is_some() {
                return Err(Failure::new(
                    Exit::Config,
                    "an ONNX graph is used as it comes: let `model.path` name it; `model import` takes weights, and graphs of \
                     its own",
                ));
            }
            let labels = match classes {
                Some(typed) => Some(read_labels(typed, model.classes()?)?),
                None => model.labels.clone(),
            };
            let size = image_size.or(model.preprocessing.image_size).unwrap_or(224);
            let precision = Precision::from(*precision);
            let preprocessing = Preprocessing { image_size: Some(size), ..Preprocessing::default() }
                .or(model.preprocessing.clone());
            let metadata = Metadata { preprocessing, classes: labels };
            let measured = match (calibrate, precision) {
                (None, Precision::Fp16) => {
                    tracing::warn!(
                        "no map was looked at: one beyond 65,504 becomes infinite in fp16 (`--calibrate FOLDER` keeps \
                         such maps in fp32)"
                    );
                    None
                }
                (None, _) => None,
                (Some(calibrate), Precision::Fp16) => {
                    let measuring = CalibrationOptions {
                        model: weights,
                        weights: set,
                        config: config.map(PathBuf::as_path),
                        image_size: Some(size),
                        calibrate,
                        check: None,
                        images: *images as usize,
                        checks: 0,
                        seed: 0,
                        onnxruntime: global.onnxruntime.as_deref(),
                    };
                    Some(measure_half(&measuring, global).await?)
                }
                (Some(_), _) => {
                    let why = "--calibrate goes with `--precision fp16`; int8 is made by `model quantize`";
                    return Err(Failure::new(Exit::Usage, why));
                }
            };
            let mut graph = model.graph(precision, size, Form::FOR_CPU, &metadata)?.into_owned();
            if let Some(half) = &measured {
                graph = half.graph(&model.graph(Precision::Fp32, size, Form::FOR_CPU, &metadata)?, &graph)?;
                half.show();
            }
            files::write(output, &graph)?;
            line(format!(
                "{}: {} {}, {size}×{size}, {} classes, {} bytes",
                output.display(),
                model.arch(),
                precision.as_str(),
                model.classes()?,
                count(graph.len() as u64)
            ));
            let mut summary =
                Summary::new(json!({ "file": output, "arch": model.arch(), "bytes": graph.len() }));
            if let Some(Half { calibration, most: (_, most) }) = &measured {
                summary.add([("calibration", json!(calibration)), ("largest", json!(most))]);
            }
            Ok(summary)
        }
        ModelCommand::Pull(arguments) => pull::pull(arguments, global).await,
        ModelCommand::New { arch, output, classes, seed } => new(arch, output, *classes as usize, *seed),
        ModelCommand::Quantize(arguments) => super::quantize::run(arguments, global).await,
        ModelCommand::Inspect { path } => {
            let path = weights(&pull::find(path, global).await?.path)?;
            match path.extension().is_some_and(|extension| extension == "onnx") {
                true => inspect_graph(&path),
                false => inspect_checkpoint(&path),
            }
        }
    }
}

/// The network that `--arch` asks for.
pub(super) fn architecture(typed: &str, classes: usize) -> Result<Architecture, Failure> {
    Architecture::described(typed, classes).ok_or_else(|| {
        let names = Architecture::names().join(", ");
        let why =
            format!("--arch `{typed}` is neither {names} nor a description such as tresnet[1,1,1,1]x16");
        Failure::new(Exit::Usage, why)
    })
}

fn new(arch: &str, output: &Path, classes: usize, seed: u64) -> Result<Summary, Failure> {
    let architecture = architecture(arch, classes)?;
    let weights = Checkpoint::random(&architecture, StemDesign::SpaceToDepth, seed)?;
    let bytes = weights.to_safetensors()?;
    files::write(output, &bytes)?;
    line(format!(
        "{}: {arch} of {classes} classes with random weights, {} bytes; it has learnt nothing",
        output.display(),
        count(bytes.len() as u64)
    ));
    Ok(Summary::new(json!({
        "file": output,
        "arch": arch,
        "bytes": bytes.len(),
        "sha256": weights.sha256,
    })))
}

fn inspect_checkpoint(path: &Path) -> Result<Summary, Failure> {
    let ChosenCheckpoint { checkpoint, taken } = load_set(path, None)?;
    let architecture = Architecture::infer(&checkpoint)?;
    let model = LoadedModel::read(path, None)?;
    let size = model.preprocessing.image_size.unwrap_or(224);
    line(format!("architecture {}", architecture.name()));
    for (position, stage) in architecture.stages.iter().enumerate() {
        line(format!(
            "  stage {}: {} × {:?}, {} channels{}",
            position + 1,
            stage.depth,
            stage.kind,
            architecture.channels(position),
            if stage.squeeze_excite { ", squeeze-and-excitation" } else { "" }
        ));
    }
    line(format!("classes      {}", architecture.classes));
    line(format!("embedding    {}", architecture.embedding_dim()));
    line(format!("parameters   {:.2} M", architecture.parameters() as f64 / 1e6));
    line(format!("MACs         {:.2} G at {size}×{size}", architecture.macs(size) as f64 / 1e9));
    line(format!("sha256       {}", checkpoint.sha256));
    if let Some(taken) = taken.as_ref().and_then(TakenSet::text) {
        line(format!("weights      {taken}; `model.weights` chooses"));
    }
    show_preprocessing(&model);
    Ok(Summary::new(json!({
        "weights": taken.map(|taken| taken.key),
        "arch": architecture.name(),
        "classes": architecture.classes,
        "embedding": architecture.embedding_dim(),
        "parameters": architecture.parameters(),
        "macs": architecture.macs(size),
        "sha256": checkpoint.sha256,
    })))
}

fn inspect_graph(path: &Path) -> Result<Summary, Failure> {
    let info = OnnxInfo::read(path)?;
    let model = LoadedModel::read(path, None)?;
    line(format!("ONNX IR {}, opset {}, by {}", info.ir_version, info.opset, info.producer));
    for (role, tensors) in [("input", &info.inputs), ("output", &info.outputs)] {
        for tensor in tensors {
            line(format!("  {role} {}: {:?} {:?}", tensor.name, tensor.element, tensor.shape));
        }
    }
    let names = model.names();
    let unknown = || "by a trial".to_owned();
    for (role, name, width) in
        [("logits", &names.logits, model.classes()), ("embedding", &names.embedding, model.dim())]
    {
        let Some(name) = name else { continue };
        let width = width.map_or_else(|_| unknown(), |width| width.to_string());
        line(format!("{role:<12} {name}, {width}"));
    }
    if let Some(head) = model.head() {
        line(format!("head         {}, which is not computed: logits are read before it", head.as_str()));
    }
    for (file, bytes) in model.weights() {
        line(format!("weights      in {file}, {} bytes", count(bytes.len() as u64)));
    }
    line(format!("architecture {}", model.arch()));
    line(format!("weights      sha256 {}", model.sha256()));
    show_preprocessing(&model);
    Ok(Summary::new(
        json!({ "arch": model.arch(), "sha256": model.sha256(), "properties": info.properties.len() }),
    ))
}

fn show_preprocessing(model: &LoadedModel) {
    let Preprocessing { image_size, crop_pct, crop_mode, resize_side, interpolation, mean, std } =
        &model.preprocessing;
    let cut = match (crop_mode.as_deref(), resize_side) {
        (None | Some("center"), None) => "crop".to_owned(),
        (mode, None) => format!("{}, crop", mode.unwrap_or("center")),
        (mode, Some(side)) => format!("{} of {side} px, crop", mode.unwrap_or("center")),
    };
    let text = |value: Option<String>| value.unwrap_or_else(|| "?".into());
    line(format!(
        "pixels       {} px, {cut} {}, {}, mean {}, std {}",
        text(image_size.map(|size| size.to_string())),
        text(crop_pct.map(|part| part.to_string())),
        text(interpolation.clone()),
        text(mean.map(|mean| format!("{mean:?}"))),
        text(std.map(|std| format!("{std:?}"))),
    ));
    if model.assumes_preprocessing {
        line("             TResNet's usual ones: no whole config.json is beside the weights");
    }
    if let Some([first, .., last]) = model.labels.as_deref() {
        line(format!("names        {first} … {last}"));
    }
}
