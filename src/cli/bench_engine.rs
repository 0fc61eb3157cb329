//! `bench engine`: the network alone.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::engine::{ConvSearch, CudaOptions, DeviceRequest, OrtOptions, Provider};
use crate::failure::{Exit, Failure};
use crate::model::Precision;
use crate::workbench::bench::{EngineBenchOptions, EngineReport, Measured, Table, bench_engine};

use super::global::GlobalArgs;
use super::model::{PrecisionArg, architecture};
use super::print::line;
use super::summary::Summary;
use super::{examples, files};

#[derive(Debug, Args)]
#[command(after_help = examples::BENCH_ENGINE)]
pub(super) struct EngineArgs {
    /// Models to measure: checkpoints or .onnx files; the others are measured in turn with the first (default:
    /// random weights of --arch)
    #[arg(value_name = "MODEL", conflicts_with_all = ["arch", "table"])]
    models: Vec<PathBuf>,
    /// Networks with random weights of their true shapes: tresnet_m, tresnet_l, tresnet_xl, tresnet_v2_l, or a
    /// description such as tresnet[1,1,1,1]x16, as `model inspect` prints it; may be repeated
    #[arg(long, value_name = "NAME", default_value = "tresnet_m")]
    arch: Vec<String>,
    /// Pixels a side (default: the first model's own, or 224; 224 and 448 for --table basic)
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    image_size: Vec<u32>,
    /// Images of a batch (default: 32 on a CPU, 128 on CUDA)
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch_size: Vec<u32>,
    /// Arithmetic (default: fp32 on a CPU, fp16 on CUDA, as in a job)
    #[arg(long, value_enum)]
    precision: Option<PrecisionArg>,
    /// What computes
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    device: DeviceArg,
    /// Number of the CUDA device
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..))]
    device_id: i32,
    /// What is compared, each row in turn with the first
    #[arg(long, value_enum)]
    table: Option<TableArg>,
    /// Measure the rows of --table forms or optimisations in turn with this model, such as another exporter's graph
    #[arg(long, value_name = "MODEL", requires = "table")]
    against: Option<PathBuf>,
    /// Rounds; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// The least time of a round
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    seconds: f64,
    /// Threads of the CPU provider (default: all cores)
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Change an option of the engine from what a run uses, such as pinned=false or spinning=true; may be repeated
    #[arg(long, value_name = "OPTION=VALUE")]
    set: Vec<String>,
    /// Where ONNX Runtime writes its profile of a CUDA session
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Write the result to FILE, too
    #[arg(long, value_name = "FILE")]
    json_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DeviceArg {
    Auto,
    Cpu,
    Cuda,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TableArg {
    /// TResNet-M, L and XL at 224 and 448, beside the paper's figures
    Basic,
    /// Other ways of drawing the same network
    Forms,
    /// The network without one of its refinements: speed only, accuracy is not measured
    Ablation,
    /// The same graph without one of the engine's optimisations
    Optimisations,
}

pub(super) fn bench(arguments: &EngineArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let options = resolve(arguments, global)?;
    let report = bench_engine(&options, &mut global.notes())?;
    show(&report);
    let fields = json!(report);
    if let Some(path) = &arguments.json_file {
        files::write(path, format!("{fields:#}\n").as_bytes())?;
    }
    Ok(Summary::new(fields))
}

fn resolve(arguments: &EngineArgs, global: &GlobalArgs) -> Result<EngineBenchOptions, Failure> {
    let usage = |why: String| Failure::new(Exit::Usage, why);
    let time = Duration::try_from_secs_f64(arguments.seconds).ok().filter(|time| !time.is_zero());
    let time = time.ok_or_else(|| usage("--seconds is a number above 0".into()))?;
    for name in &arguments.arch {
        architecture(name, 1000)?;
    }
    let mut options = EngineBenchOptions {
        wish: match arguments.device {
            DeviceArg::Auto => DeviceRequest::Auto,
            DeviceArg::Cpu => DeviceRequest::Only(Provider::Cpu),
            DeviceArg::Cuda => DeviceRequest::Only(Provider::Cuda),
        },
        onnxruntime: global.onnxruntime.clone(),
        models: arguments.models.clone(),
        against: arguments.against.clone(),
        archs: arguments.arch.clone(),
        image_sizes: arguments.image_size.clone(),
        batch_sizes: arguments.batch_size.iter().map(|size| *size as usize).collect(),
        precision: arguments.precision.map(Precision::from),
        table: match arguments.table {
            None => Table::Models,
            Some(TableArg::Basic) => Table::Basic,
            Some(TableArg::Forms) => Table::Forms,
            Some(TableArg::Ablation) => Table::Ablation,
            Some(TableArg::Optimisations) => Table::Optimisations,
        },
        rounds: arguments.rounds as usize,
        time,
        cpu: OrtOptions { threads: arguments.threads, ..OrtOptions::default() },
        cuda: CudaOptions {
            device_id: arguments.device_id,
            profile: arguments.profile.clone(),
            ..CudaOptions::default()
        },
    };
    for typed in &arguments.set {
        set(&mut options, typed).map_err(usage)?;
    }
    if !arguments.set.iter().any(|typed| typed.starts_with("conv_search=")) {
        let is_single = options.precision == Some(Precision::Fp32);
        options.cuda.conv_search = ConvSearch::untyped(options.cuda.tf32, is_single);
    }
    Ok(options)
}

/// One `--set`.
fn set(options: &mut EngineBenchOptions, typed: &str) -> Result<(), String> {
    let (name, value) =
        typed.split_once('=').ok_or_else(|| format!("--set `{typed}` is not OPTION=VALUE"))?;
    let EngineBenchOptions { cpu, cuda, .. } = options;
    let switch = match name {
        "spinning" => &mut cpu.spinning,
        "arena" => &mut cpu.arena,
        "cpu_memory_pattern" => &mut cpu.memory_pattern,
        "io_binding" => &mut cpu.io_binding,
        "nhwc" => &mut cuda.prefer_nhwc,
        "tf32" => &mut cuda.tf32,
        "fuse_conv_bias" => &mut cuda.fuse_conv_bias,
        "cuda_graph" => &mut cuda.cuda_graph,
        "pinned" => &mut cuda.pinned,
        "copy_streams" => &mut cuda.copy_streams,
        "cuda_memory_pattern" => &mut cuda.memory_pattern,
        "lanes" => {
            cuda.lanes =
                value.parse().ok().filter(|lanes| (1..=2).contains(lanes)).ok_or("lanes is 1 or 2")?;
            return Ok(());
        }
        "conv_search" => {
            cuda.conv_search = match value {
                "exhaustive" => ConvSearch::Exhaustive,
                "heuristic" => ConvSearch::Heuristic,
                "default" => ConvSearch::Default,
                _ => return Err("conv_search is exhaustive, heuristic or default".into()),
            };
            return Ok(());
        }
        _ => {
            return Err(format!(
                "--set `{name}` is no option; there are spinning, arena, cpu_memory_pattern, io_binding for the CPU, and \
                 nhwc, tf32, fuse_conv_bias, cuda_graph, pinned, copy_streams, cuda_memory_pattern, lanes, conv_search \
                 for CUDA"
            ));
        }
    };
    *switch = value.parse().map_err(|_| format!("--set `{name}` is true or false"))?;
    Ok(())
}

fn show(report: &EngineReport) {
    line(format!(
        "{} on {}, ONNX Runtime {}, {} cores, medians of {} rounds",
        report.provider, report.device, report.onnxruntime, report.cores, report.rounds
    ));
    if report.table == Table::Ablation {
        line("speed only: what a refinement does for accuracy needs a training, and is not measured here");
    }
    let name = |row: &Measured| {
        format!("{} {} px, batch {}, {}", row.name, row.image_size, row.batch_size, row.precision)
    };
    let width = report.rows.iter().map(|row| name(row).chars().count()).max().unwrap_or(0);
    let with_paper = report.rows.iter().any(|row| row.paper_images_per_s.is_some());
    let on_device = report.rows.iter().any(|row| row.device_bytes.is_some());
    let mut head = format!(
        "{:width$}  {:>9}  {:>9}  {:>8}  {:>8}  {:>20}",
        "", "images/s", "ms/batch", "GFLOP/s", "peak MiB", "ratio (least–most)"
    );
    if on_device {
        head.push_str("  device MiB");
    }
    if with_paper {
        head.push_str("  paper, V100");
    }
    line(head);
    let number =
        |value: Option<f64>, digits: usize| value.map_or("–".into(), |value| format!("{value:.digits$}"));
    for row in &report.rows {
        let mib = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64 / f64::from(1 << 20));
        let ratio = match (row.ratio, row.ratio_range) {
            (Some(ratio), Some([least, most])) => format!("{ratio:.3} ({least:.3}–{most:.3})"),
            _ => "–".into(),
        };
        let mut text = format!(
            "{:width$}  {:>9.1}  {:>9.1}  {:>8}  {:>8}  {ratio:>20}",
            name(row),
            row.images_per_s,
            row.ms_per_batch,
            number(row.gflops, 0),
            number(mib(row.peak_bytes), 0),
        );
        if on_device {
            text.push_str(&format!("  {:>10}", number(mib(row.device_bytes), 0)));
        }
        if with_paper {
            text.push_str(&format!("  {:>11}", number(row.paper_images_per_s, 0)));
        }
        if let Some(note) = row.note {
            text.push_str(&format!("  ({note})"));
        }
        line(text);
    }
}
