//! `report JOB|OUTPUT`: accuracy from the rows alone; the model is never read.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::evaluation::attached_audit::PagePlace;
use crate::evaluation::report_input::ReportInput;
use crate::evaluation::target_override::TargetOverride;
use crate::failure::{Exit, Failure};
use crate::job::{JobSpec, ReportFormat, check_gates_without_classes};
use crate::report::{METRICS, Report, SliceBy, Verdict};
use crate::runner::finish::failed_gates;

use super::examples;
use super::gates::{check_gates, parse_gates};
use super::print::line;
use super::summary::Summary;
use super::target::{CommittedOutput, TargetArgs};

#[derive(Debug, Args)]
#[command(after_help = examples::REPORT)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    of: TargetArgs,
    /// Split the rows by a carried column, or by `format`, `pixels` or `size` of their images; may be given several
    /// times
    #[arg(long, value_name = "COLUMN")]
    by: Vec<String>,
    /// Compare the rows with this truth instead of the job's own: a file of the ImageNet validation set (val.txt,
    /// synset labels, LOC_val_solution.csv, real.json), by its content, or a manifest (*.csv, *.tsv, *.jsonl,
    /// *.parquet) of the rows' keys (`path`) and their targets (`target`)
    #[arg(long, value_name = "FILE")]
    targets: Option<String>,
    /// A gate that must hold, such as `top1 >= 80.5`, beside those of the job file
    #[arg(long, value_name = "GATE")]
    require: Vec<String>,
    /// Files to write below the output (default: those of the job file, else json and markdown)
    #[arg(long, value_enum)]
    format: Vec<FormatArg>,
    /// Write the page to this file; with one of these four, nothing is written below the output unless --format
    /// asks for it
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the JSON to this file
    #[arg(long, value_name = "FILE")]
    json_file: Option<PathBuf>,
    /// Write the Markdown to this file
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write one row as timm's validate.py does to this file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Report on the parts that are committed, although the output is not finished
    #[arg(long)]
    partial: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Json,
    Markdown,
    Html,
    Csv,
}

impl ReportArgs {
    /// The files that were named one by one.
    fn files(&self) -> Vec<(ReportFormat, &Path)> {
        let named = [
            (ReportFormat::Json, &self.json_file),
            (ReportFormat::Markdown, &self.markdown),
            (ReportFormat::Html, &self.html),
            (ReportFormat::Csv, &self.csv),
        ];
        named.into_iter().filter_map(|(format, file)| Some((format, file.as_deref()?))).collect()
    }
}

pub(super) async fn report(arguments: &ReportArgs) -> Result<Summary, Failure> {
    let target = arguments.of.open()?;
    let ReportOptions { mut gates, formats } = report_options(arguments, target.job.as_ref());
    gates.extend(arguments.require.iter().cloned());
    let gates = parse_gates(&METRICS, &gates)?;
    let storage = target.job.as_ref().map(JobSpec::storage_settings).transpose()?.unwrap_or_default();
    let CommittedOutput { output, frozen, parts, complete } = target.read(arguments.partial).await?;
    if frozen.model.classes == 0 {
        check_gates_without_classes(&gates)?;
    }
    let target_override = match &arguments.targets {
        Some(file) => Some(TargetOverride::open(file, &frozen, storage).await?),
        None => None,
    };
    let (output, frozen, parts) = (&output, &frozen, &parts);
    let input =
        ReportInput { output, frozen, parts, complete, storage, target_override: target_override.as_ref() };
    let by = arguments.by.iter().map(|name| SliceBy::parse(name, input.carried()));
    let by = by.collect::<Result<Vec<_>, String>>().map_err(|why| Failure::new(Exit::Usage, why))?;
    let report = input.report(&by).await?;
    let metrics = report.metrics();
    let verdicts = check_gates(&gates, &metrics);
    let mut files = Vec::new();
    for (format, file) in arguments.files() {
        let text = input.render(&report, &verdicts, format, PagePlace::File(file)).await?;
        std::fs::write(file, text).map_err(|error| {
            Failure::caused(Exit::CannotCreate, format!("cannot write `{}`", file.display()), error)
        })?;
        files.push(file.display().to_string());
    }
    let names = input.write(&report, &verdicts, &formats).await?;
    files.extend(names.iter().map(|name| format!("{}/{name}", output.uri())));
    print_report(&report, &verdicts, complete);
    files.iter().for_each(line);
    let mut summary = Summary::new(json!({ "complete": complete, "files": files, "metrics": metrics }));
    summary.failure = failed_gates(&verdicts);
    Ok(summary)
}

fn print_report(report: &Report, verdicts: &[Verdict], complete: bool) {
    for (name, value) in [("top-1", report.top1), ("top-5", report.top5)] {
        if let Some(share) = value {
            line(format!(
                "{name} {:.2} % (95 % interval {:.2} to {:.2}) of {} rows",
                share.percent, share.low, share.high, share.of
            ));
        }
    }
    if let (Some(percent), Some(interval)) = (report.macro_accuracy, report.macro_interval) {
        let of = report.macro_classes;
        let singles = match of.single_image {
            0 => String::new(),
            singles => format!("; {singles} of {} classes have a single image", of.classes),
        };
        line(format!(
            "macro {percent:.2} % (95 % interval {:.2} to {:.2}){singles}",
            interval.low, interval.high
        ));
    }
    if let (Some(f1), Some(ece)) = (report.f1_macro, report.calibration.ece) {
        line(format!("macro F1 {f1:.2} %, ECE {ece:.4}"));
    }
    for slices in &report.slices {
        line(format!("by {}:", slices.by));
        for slice in slices.values.iter().take(SLICES_TOLD) {
            let value = slice.value.as_deref().map_or("(no value)".to_owned(), shown);
            let top1 = slice.top1.map_or("not known".to_owned(), |share| {
                format!("{:.2} % ({:.2} to {:.2})", share.percent, share.low, share.high)
            });
            line(format!("  {value}: {} rows, {} errors, top-1 {top1}", slice.rows, slice.errors));
        }
        if slices.values.len() > SLICES_TOLD {
            line(format!("  and {} more values, in the report's files", slices.values.len() - SLICES_TOLD));
        }
    }
    if report.counts.rows > 0 && report.counts.with_target == 0 && report.multi_label.is_none() {
        line(
            "no row has a target, so there is no accuracy; `--targets FILE` compares the rows with a list of targets",
        );
    }
    if let Some(missing) = report.missing_targets() {
        line(missing);
    }
    let part = if complete { "" } else { " (of an output that is not finished)" };
    line(format!("{} rows, {} errors{part}", report.counts.rows, report.counts.errors));
    for verdict in verdicts {
        line(verdict);
    }
}

/// Values of a column that are printed.
const SLICES_TOLD: usize = 20;

/// A value of the data on one line.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

/// The gates and files of a report: the job file's, or JSON and Markdown for an address alone.
struct ReportOptions {
    gates: Vec<String>,
    formats: Vec<ReportFormat>,
}

fn report_options(arguments: &ReportArgs, job: Option<&JobSpec>) -> ReportOptions {
    let typed: Vec<ReportFormat> = arguments
        .format
        .iter()
        .map(|format| match format {
            FormatArg::Json => ReportFormat::Json,
            FormatArg::Markdown => ReportFormat::Markdown,
            FormatArg::Html => ReportFormat::Html,
            FormatArg::Csv => ReportFormat::Csv,
        })
        .collect();
    let of_job = job.map(|job| &job.report);
    let usual = || match of_job.and_then(|report| report.formats.clone()) {
        Some(formats) => formats,
        None => vec![ReportFormat::Json, ReportFormat::Markdown],
    };
    let formats = match (typed.is_empty(), arguments.files().is_empty()) {
        (false, _) => typed,
        (true, true) => usual(),
        (true, false) => Vec::new(),
    };
    ReportOptions { gates: of_job.map(|report| report.require.clone()).unwrap_or_default(), formats }
}
