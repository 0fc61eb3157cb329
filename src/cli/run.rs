//! `run JOB`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::output::Success;
use crate::pipeline::decode::isolate::Isolation;
use crate::pipeline::progress::{Progress, Snapshot};
use crate::pipeline::share::Share;
use crate::pipeline::shutdown::Shutdown;
use crate::runner::opened::Invocation;
use crate::runner::run::{Ended, JobRunner};
use crate::telemetry::trace::Tracer;

use super::ended::Now;
use super::global::GlobalArgs;
use super::job::{Changes, JobArgs};
use super::metrics::{MetricsFile, Writer};
use super::one_line::{ImagesArgs, job_file};
use super::print::{count, counted, line};
use super::progress::Display;
use super::ranges::{self, Parts};
use super::summary::{Summary, end_of};
use super::{device, ended, examples, next_steps, signals, timeline, utilisation};

#[derive(Debug, Args)]
#[command(after_help = examples::RUN)]
pub(super) struct RunArgs {
    /// A job file (TOML), or with --model images: a folder, a bucket, a pattern or a list
    #[arg(value_name = "JOB|IMAGES")]
    of: PathBuf,
    #[command(flatten)]
    changes: Changes,
    /// Run the i-th of n shares of the parts, from 0; worker 0 makes the plan, the others wait for it
    #[arg(long, value_name = "I/N", value_parser = Share::worker)]
    worker: Option<Share>,
    /// Run the parts from A to B, both inclusive, of a plan that `plan --write` or worker 0 makes; with -, one such range
    /// for each line of standard input, with the model loaded once and a line of JSON for each
    #[arg(long, value_name = "A-B|-", value_parser = Parts::parse, conflicts_with = "worker")]
    parts: Option<Parts>,
    /// Exit with this code, such as 99, if the job was already finished, so that a scheduler can detect it
    #[arg(long, value_name = "CODE")]
    already_done_exit: Option<u8>,
    /// Decode in processes apart: an image that kills its decoder becomes an error row
    #[arg(long)]
    isolate: bool,
    /// Write a timeline of this run to FILE, for Perfetto (ui.perfetto.dev) or chrome://tracing; an existing file is
    /// overwritten
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write the run's metrics to FILE every few seconds and at its end, for the textfile collector of Prometheus's
    /// node_exporter; the name ends in .prom
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    #[command(flatten)]
    images: ImagesArgs,
}

impl RunArgs {
    /// The arguments of `run FILE`.
    pub fn of(file: PathBuf) -> RunArgs {
        RunArgs {
            of: file,
            changes: Changes::default(),
            worker: None,
            parts: None,
            already_done_exit: None,
            isolate: false,
            trace: None,
            metrics: None,
            images: ImagesArgs::default(),
        }
    }

    /// True if standard output has a line of JSON for each range of standard input.
    pub fn answers_ranges(&self) -> bool {
        self.parts == Some(Parts::OfInput)
    }

    /// Where images are decoded.
    fn isolation(&self) -> Result<Isolation, Failure> {
        if self.isolate { Isolation::on() } else { Ok(Isolation::Off) }
    }
}

/// What may follow `run IMAGES`.
const AFTER_IMAGES: [(&str, &str); 2] = [
    ("audit", "images that are nearly the same, labels that look wrong"),
    ("export --format timm-csv --to exported", "the rows for other tools; `help export` has the formats"),
];

pub(super) async fn run(arguments: &RunArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let RunArgs { of, changes, images, .. } = arguments;
    let job = JobArgs { file: job_file(of, images, changes, global).await?, changes: changes.clone() };
    let mut ran = run_job_file(arguments, &job, global).await;
    if let (Ok(summary), Some(_)) = (&mut ran, &images.model) {
        summary.add([("job_file", json!(job.file))]);
        if summary.failure.is_none() {
            line("next:");
            next_steps::show(&job.file, &AFTER_IMAGES);
        }
    }
    ran
}

async fn run_job_file(arguments: &RunArgs, job: &JobArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let overrides = job.overrides();
    let invocation = job.invocation(&overrides, global)?;
    let share = match (arguments.worker, arguments.parts) {
        (_, Some(Parts::OfInput)) => return run_ranges(arguments, global, invocation).await,
        (_, Some(Parts::Range(share))) | (Some(share), None) => share,
        (None, None) => Share::WHOLE,
    };
    let tracer = timeline::begin(arguments.trace.as_deref())?;
    let progress = Arc::new(Progress::traced(tracer.clone()));
    let writer =
        |path: &PathBuf| Writer::start(path, invocation.file, &invocation.source, share, progress.clone());
    let Some(writer) = arguments.metrics.as_ref().map(writer).transpose()? else {
        return run_alone(arguments, global, invocation, (share, progress, tracer), None).await;
    };
    let file = writer.file();
    let mut ran = run_alone(arguments, global, invocation, (share, progress, tracer), Some(file)).await;
    let told = writer.end(end_of(&ran));
    if let Ok(summary) = &mut ran {
        summary.add([("metrics", told)]);
    }
    ran
}

/// Runs the one share of this process.
async fn run_alone(
    arguments: &RunArgs,
    global: &GlobalArgs,
    mut invocation: Invocation<'_>,
    (share, progress, tracer): (Share, Arc<Progress>, Tracer),
    metrics: Option<Arc<MetricsFile>>,
) -> Result<Summary, Failure> {
    invocation.isolation = arguments.isolation()?;
    let shutdown = Shutdown::default();
    signals::listen(shutdown.clone(), metrics)?;
    let mut runner = JobRunner::of_one(invocation);
    let mut ran = run_share(arguments, global, &mut runner, (share, progress), shutdown).await;
    timeline::end(arguments.trace.as_deref(), &tracer, &mut ran);
    ran
}

/// Runs the ranges of standard input one after the other, with one model.
async fn run_ranges(
    arguments: &RunArgs,
    global: &GlobalArgs,
    mut invocation: Invocation<'_>,
) -> Result<Summary, Failure> {
    if arguments.metrics.is_some() {
        let why =
            "--metrics is of one share of a job, and --parts - runs many: leave it out, and ask `status`";
        return Err(Failure::new(Exit::Usage, why));
    }
    invocation.isolation = arguments.isolation()?;
    let tracer = timeline::begin(arguments.trace.as_deref())?;
    let shutdown = Shutdown::default();
    signals::listen(shutdown.clone(), None)?;
    let mut runner = JobRunner::of_many(invocation);
    let answering = async {
        let lines = ranges::read_lines()?;
        runner.prepare(&shutdown).await?;
        let run = async |share| {
            let progress = Arc::new(Progress::traced(tracer.clone()));
            run_share(arguments, global, &mut runner, (share, progress), shutdown.clone()).await
        };
        ranges::answer_each(lines, &shutdown, run).await
    };
    let mut ran = answering.await;
    timeline::end(arguments.trace.as_deref(), &tracer, &mut ran);
    ran
}

/// Runs one share, and shows its progress and its result.
async fn run_share(
    arguments: &RunArgs,
    global: &GlobalArgs,
    runner: &mut JobRunner<'_>,
    (share, progress): (Share, Arc<Progress>),
    shutdown: Shutdown,
) -> Result<Summary, Failure> {
    let display = Display::start(progress.clone(), global);
    let ended = runner.run(share, progress.clone(), shutdown).await;
    drop(display);
    let last = progress.snapshot();
    if matches!(&ended, Err(failure) if failure.exit == Exit::TryAgain) {
        ended::show_parts(&last);
    }
    let ended = ended?;
    let failure = ended.failure();
    let mut summary = match &ended {
        Ended::Before { success, verdicts, output } => {
            ended::show_before(success, verdicts, &arguments.changes);
            let mut summary = Summary::new(json!({
                "complete": true,
                "already_complete": true,
                "since": success.finished,
                "output": output.uri(),
                "rows": totals(success),
            }));
            summary.exit = arguments.already_done_exit;
            summary
        }
        Ended::Share { run, model, device: ran, price_per_hour, missing, requests, output } => {
            let others = match missing {
                Some(1) => "1 part of another share is missing".to_owned(),
                Some(missing) => format!("{missing} parts of other shares are missing"),
                None => "the plan is not whole yet".to_owned(),
            };
            line(format!(
                "{} is done: {} in {}, {} already committed; {others}",
                share,
                counted(run.rows, "image"),
                counted(run.parts, "part"),
                count(run.resumed)
            ));
            ended::show_model(model.as_ref());
            device::show(ran);
            utilisation::show(&run.utilisation());
            utilisation::show_cost(run, *price_per_hour);
            let mut summary = Summary::new(json!({
                "complete": false,
                "share": share.to_string(),
                "output": output.uri(),
                "rows_done": run.rows,
                "resumed_rows": run.resumed,
                "parts_done": run.parts,
                "missing_parts": missing,
                "errors_by_kind": run.by_kind,
                "unreadable": unreadable(run),
                "images_per_s": rounded(run.rate()),
                "requests": requests,
                "provider": ran.provider,
                "engine": ran,
            }));
            summary.add(model.as_ref().map(|model| ("model", json!(model))));
            summary.add(utilisation::fields(run, *price_per_hour));
            summary
        }
        Ended::Now { finished, run, rule, model, price_per_hour, device: ran, requests, output } => {
            Now {
                finished,
                run,
                rule: rule.as_deref(),
                model: model.as_ref(),
                price_per_hour: *price_per_hour,
                device: ran,
                output,
            }
            .show();
            let success = &finished.success;
            let mut summary = Summary::new(json!({
                "complete": true,
                "output": output.uri(),
                "rows": totals(success),
                "errors_by_kind": finished.report.counts.errors_by_kind,
                "unreadable": unreadable(run),
                "left_out": success.left_out,
                "targets": rule,
                "damaged_inputs": success.parts.iter().map(|part| part.damaged).sum::<u64>(),
                "skipped": success.parts.iter().map(|part| part.skipped).sum::<u64>(),
                "repeated_keys": finished.repeated_keys,
                "parts": success.parts.len(),
                "resumed_rows": run.resumed,
                "seconds": rounded(run.elapsed.as_secs_f64()),
                "working_seconds": rounded(run.working.as_secs_f64()),
                "images_per_s": rounded(run.rate()),
                "requests": requests,
                "provider": ran.provider,
                "engine": ran,
                "fingerprint": success.fingerprint,
                "metrics": success.metrics,
            }));
            summary.add(model.as_ref().map(|model| ("model", json!(model))));
            summary.add(utilisation::fields(run, *price_per_hour));
            summary
        }
    };
    summary.failure = failure;
    Ok(summary)
}

fn totals(success: &Success) -> Value {
    json!({ "planned": success.totals.planned, "ok": success.totals.ok, "error": success.totals.error })
}

/// Objects that could not be read from the store in this run, by reason.
fn unreadable(run: &Snapshot) -> Value {
    run.unreadable.iter().map(|(reason, count)| (reason.as_str().to_owned(), json!(count))).collect()
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
