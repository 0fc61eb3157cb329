//! `report JOB|OUTPUT`: accuracy from the rows alone; the model is never read.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::job::{Frozen, JobError, ReportFormat, Source, load};
use crate::output::{Layout, Standing, Success};
use crate::pipeline::{failed_gates, report_on, write_report};
use crate::report::{Gate, GateError};
use crate::store::{Location, Role, Uri};

use super::Summary;
use super::print::line;

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// A job file (*.toml), or the address of an output
    #[arg(value_name = "JOB|OUTPUT")]
    of: String,
    /// Override a key of the job file
    #[arg(long, value_name = "TABLE.KEY=VALUE")]
    set: Vec<String>,
    /// The value of ${DATE} in the job file (default: today in UTC)
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,
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
    let Wishes { uri, input, mut gates, formats } = wishes(arguments)?;
    gates.extend(arguments.require.iter().cloned());
    let gates = gates.iter().map(|gate| Gate::parse(gate)).collect::<Result<Vec<_>, GateError>>();
    let gates = gates.map_err(|error| JobError::Mismatch(format!("a gate cannot be read: {error}")))?;
    let output = Location::open(&uri, Role::Output)?;
    let frozen = Frozen::read(&output)
        .await?
        .ok_or_else(|| Failure::new(Exit::NoInput, format!("no job has begun at `{}`", output.uri())))?;
    if let Some(input) = input.filter(|input| *input != frozen.input) {
        return Err(JobError::Mismatch(format!(
            "the output `{}` belongs to another job, over `{}` and not `{input}`",
            output.uri(),
            frozen.input
        ))
        .into());
    }
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

/// What is reported on, from a job file or for an address.
struct Wishes {
    uri: String,
    /// The input that a job file names.
    input: Option<String>,
    gates: Vec<String>,
    formats: Vec<ReportFormat>,
}

fn wishes(arguments: &ReportArgs) -> Result<Wishes, Failure> {
    let typed: Vec<ReportFormat> = arguments
        .format
        .iter()
        .map(|format| match format {
            FormatArg::Json => ReportFormat::Json,
            FormatArg::Markdown => ReportFormat::Markdown,
        })
        .collect();
    let both = vec![ReportFormat::Json, ReportFormat::Markdown];
    let chosen = |default: Vec<ReportFormat>| if typed.is_empty() { default } else { typed.clone() };
    if !arguments.of.ends_with(".toml") {
        let uri = arguments.of.clone();
        return Ok(Wishes { uri, input: None, gates: Vec::new(), formats: chosen(both) });
    }
    let date = super::job::date(arguments.date.as_deref())?;
    let spec = load(arguments.of.as_ref(), &Source { overrides: &arguments.set, date })?;
    let input = Uri::parse(&spec.input.uri)?.to_string();
    let formats = chosen(spec.report.formats.unwrap_or(both));
    Ok(Wishes { uri: spec.output.uri, input: Some(input), gates: spec.report.require, formats })
}
