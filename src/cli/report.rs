//! `report JOB|OUTPUT`: accuracy from the rows alone; the model is never read.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::job::{JobError, JobSpec, ReportFormat};
use crate::output::{Layout, Standing, Success};
use crate::pipeline::{failed_gates, report_on, write_report};
use crate::report::{Gate, GateError};

use super::Summary;
use super::print::line;
use super::target::TargetArgs;

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    of: TargetArgs,
    /// A gate that must hold, such as `top1 >= 80.5`, beside those of the job file
    #[arg(long, value_name = "GATE")]
    require: Vec<String>,
    /// Files to write (default: those of the job file, else both)
    #[arg(long, value_enum)]
    format: Vec<FormatArg>,
    /// Report on the parts that stand, although the output is not finished
    #[arg(long)]
    partial: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Json,
    Markdown,
}

pub(super) async fn report(arguments: &ReportArgs) -> Result<Summary, Failure> {
    let target = arguments.of.open()?;
    let Wishes { mut gates, formats } = wishes(arguments, target.job.as_ref());
    gates.extend(arguments.require.iter().cloned());
    let gates = gates.iter().map(|gate| Gate::parse(gate)).collect::<Result<Vec<_>, GateError>>();
    let gates = gates.map_err(|error| JobError::Mismatch(format!("a gate cannot be read: {error}")))?;
    let frozen = target.begun().await?;
    let output = target.output;
    let success = Success::read(&output).await?;
    let parts = match &success {
        Some(success) => success.parts.clone(),
        None if arguments.partial => {
            let layout = Layout::new(&frozen.fingerprint);
            let standing = Standing::list(&output, &layout).await?;
            standing.footers(&output, &layout, &frozen.fingerprint).await?
        }
        None => {
            return Err(Failure::new(
                Exit::TryAgain,
                format!("the output `{}` is not finished; finish it, or give --partial", output.uri()),
            ));
        }
    };
    let report = report_on(&output, &frozen, &parts, success.is_some()).await?;
    let metrics = report.metrics();
    let verdicts: Vec<_> = gates.iter().map(|gate| gate.check(&metrics)).collect();
    let names = write_report(&output, &report, &verdicts, &formats).await?;
    for (name, value) in [("top-1", report.top1), ("top-5", report.top5)] {
        if let Some(share) = value {
            line(format!(
                "{name} {:.2} % (95 % interval {:.2} to {:.2}) of {} rows",
                share.percent, share.low, share.high, share.of
            ));
        }
    }
    if let Some(percent) = report.macro_accuracy {
        line(format!("macro {percent:.2} %"));
    }
    let part = if success.is_some() { "" } else { " (of an output that is not finished)" };
    line(format!("{} rows, {} errors{part}", report.counts.rows, report.counts.errors));
    for verdict in &verdicts {
        line(verdict);
    }
    let files: Vec<String> = names.iter().map(|name| format!("{}/{name}", output.uri())).collect();
    for file in &files {
        line(file);
    }
    let mut summary =
        Summary::new(json!({ "complete": success.is_some(), "files": files, "metrics": metrics }));
    summary.failure = failed_gates(&verdicts);
    Ok(summary)
}

/// What a job file wants of its report; an address alone wants every format.
struct Wishes {
    gates: Vec<String>,
    formats: Vec<ReportFormat>,
}

fn wishes(arguments: &ReportArgs, job: Option<&JobSpec>) -> Wishes {
    let typed: Vec<ReportFormat> = arguments
        .format
        .iter()
        .map(|format| match format {
            FormatArg::Json => ReportFormat::Json,
            FormatArg::Markdown => ReportFormat::Markdown,
        })
        .collect();
    let of_job = job.map(|job| &job.report);
    let both = || vec![ReportFormat::Json, ReportFormat::Markdown];
    let formats = if typed.is_empty() {
        of_job.and_then(|report| report.formats.clone()).unwrap_or_else(both)
    } else {
        typed
    };
    Wishes { gates: of_job.map(|report| report.require.clone()).unwrap_or_default(), formats }
}
