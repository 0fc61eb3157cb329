//! `bench job JOB`: how fast each stage is, alone and together.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::workbench::bench::{BenchOptions, BenchReport, CommitRate, bench_job};

use super::fetching::Fetching;
use super::global::GlobalArgs;
use super::job::JobArgs;
use super::print::line;
use super::summary::Summary;
use super::{bench_engine, examples, utilisation};

#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Measure each stage of a job alone and all together, on its own input and model; the job is not run
    Job(BenchArgs),
    /// Measure the network alone: models against each other, the paper's networks, ways to draw and to run them
    Engine(bench_engine::EngineArgs),
}

#[derive(Debug, Args)]
#[command(after_help = examples::BENCH_JOB)]
pub(super) struct BenchArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Number of images to measure with, from the start of the plan; with a few hundred, the rates are not reliable,
    /// since the first batches are filled before the network works
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..))]
    images: u64,
    /// The longest that a stage may take in a round
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    seconds: f64,
    /// Rounds; every rate is the median of them
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// Write the result to FILE, too
    #[arg(long, value_name = "FILE")]
    json_file: Option<PathBuf>,
}

pub(super) async fn bench(arguments: &BenchArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let overrides = arguments.job.overrides();
    let invocation = arguments.job.invocation(&overrides, global)?;
    let time = Duration::try_from_secs_f64(arguments.seconds).ok().filter(|time| !time.is_zero());
    let time = time.ok_or_else(|| Failure::new(Exit::Usage, "--seconds is a number above 0"))?;
    let options =
        BenchOptions { images: arguments.images, time, rounds: arguments.rounds as usize, commit: true };
    let fetching = Fetching::show(global);
    let report = bench_job(&invocation, options, &mut global.notes()).await?;
    drop(fetching);
    show(&report);
    let fields = json!(report);
    if let Some(path) = &arguments.json_file {
        let text = format!("{fields:#}\n");
        std::fs::write(path, text).map_err(|error| {
            Failure::caused(Exit::Io, format!("cannot write `{}`", path.display()), error)
        })?;
    }
    Ok(Summary::new(fields))
}

fn show(report: &BenchReport) {
    let BenchReport { fetch, decode, engine, together, expected, .. } = report;
    line(format!(
        "{} images of {:.0} kB, medians of {} rounds",
        report.images,
        report.bytes_per_image / 1e3,
        report.rounds
    ));
    let row = |stage: &str, rate: f64, more: String| match (rate > 0.0, stage) {
        (true, _) => line(format!("{stage:<10} {rate:>10.1} images/s  {more}")),
        // images that fail are not counted
        (false, "decode") => line(
            "decode     not measured: no image was decoded in the time (`tresnet-batch doctor JOB` shows whether the first \
             ones can be; or raise --seconds)",
        ),
        (false, _) => {
            line(format!("{stage:<10} not measured: no image was done in the time (raise --seconds)"))
        }
    };
    row(
        "fetch",
        fetch.images_per_s,
        format!("{:.1} MB/s, {:.1} images on their way", fetch.bytes_per_s / 1e6, fetch.in_flight),
    );
    row(
        "decode",
        decode.images_per_s,
        format!("{} workers, {:.1} images/s each", decode.workers, decode.images_per_s_per_worker),
    );
    row("engine", engine.images_per_s, format!("{}, batches of {}", engine.provider, engine.batch_size));
    match &report.encode {
        Some(encode) => row(
            "encode",
            encode.images_per_s,
            format!(
                "one thread, {:.0} bytes an image, parts of {:.0} rows",
                encode.bytes_per_image, encode.rows_per_part
            ),
        ),
        None => line("encode     not measured: no part was done in the time (raise --seconds)"),
    }
    match &report.commit {
        CommitRate::Measured { images_per_s, bytes_per_s, seconds_per_part } => row(
            "commit",
            *images_per_s,
            format!(
                "{seconds_per_part:.4} s for each of these parts, {:.1} MB/s, one after another",
                bytes_per_s / 1e6
            ),
        ),
        CommitRate::Not { not_measured } => line(format!("commit     not measured: {not_measured}")),
    }
    row(
        "together",
        together.images_per_s,
        match expected.images_per_s > 0.0 {
            true => format!(
                "{:.1} % of the {:.1} to be expected, {}",
                100.0 * report.share,
                expected.images_per_s,
                expected.formula
            ),
            false => format!("the expected rate is not known, {}", expected.formula),
        },
    );
    line("together:");
    utilisation::show_stages(&together.utilisation);
    match report.bottleneck {
        Some(bottleneck) => line(format!("bottleneck: {}; {}", bottleneck.as_str(), bottleneck.advice())),
        None => line("bottleneck: not known, since a stage was not measured"),
    }
}
