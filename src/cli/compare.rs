//! `compare A B`: is B as good as A? From the rows alone; no model is read.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::evaluation::compare::compare_outputs;
use crate::evaluation::report_input::ReportInput;
use crate::evaluation::target_override::TargetOverride;
use crate::failure::Failure;
use crate::report::compare::{CompareOptions, METRICS};
use crate::runner::finish::failed_gates;
use crate::store::Settings;

use super::flips::FlipFile;
use super::gates::{check_gates, parse_gates};
use super::print::line;
use super::summary::Summary;
use super::target::{CommittedOutput, Target};
use super::{examples, files};

/// The most images that each list names.
const EXAMPLES: usize = 100;

#[derive(Debug, Args)]
#[command(after_help = examples::COMPARE)]
pub(super) struct CompareArgs {
    /// The baseline: a job file (*.toml), or the address of an output
    #[arg(value_name = "A")]
    a: String,
    /// What is to be accepted: a job file (*.toml), or the address of an output
    #[arg(value_name = "B")]
    b: String,
    /// A gate that must hold, such as `top1_drop_high <= 0.2`; may be given several times
    #[arg(long, value_name = "GATE")]
    require: Vec<String>,
    /// Split the rows by format, pixels, size, or a column that both outputs carry
    #[arg(long, value_name = "COLUMN")]
    by: Option<String>,
    /// Write every image whose predicted class changed (*.csv or *.parquet)
    #[arg(long, value_name = "FILE")]
    flips: Option<PathBuf>,
    /// Write the comparison as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the comparison as JSON
    #[arg(long, value_name = "FILE")]
    json_file: Option<PathBuf>,
    /// Write the comparison as a page that needs no network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Compare both with the targets of this file instead of those in their rows, as with `report --targets`
    #[arg(long, value_name = "FILE")]
    targets: Option<String>,
    /// Compare the parts that are committed, although an output is not finished
    #[arg(long)]
    partial: bool,
    /// The value of ${DATE} in job files (default: today in UTC)
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,
}

pub(super) async fn compare(arguments: &CompareArgs) -> Result<Summary, Failure> {
    let gates = parse_gates(&METRICS, &arguments.require)?;
    let a = open(arguments, &arguments.a, "A").await?;
    let b = open(arguments, &arguments.b, "B").await?;
    let names = [&a, &b].iter().find_map(|side| side.frozen.model.labels.clone()).unwrap_or_default();
    let mut flips = arguments.flips.as_deref().map(|path| FlipFile::create(path, names)).transpose()?;
    let options = CompareOptions { by: None, examples: EXAMPLES, changes: flips.is_some() };
    let (truth_a, truth_b) = (truth(arguments, &a).await?, truth(arguments, &b).await?);
    let (a_side, b_side) = (report_input(&a, truth_a.as_ref()), report_input(&b, truth_b.as_ref()));
    let by = arguments.by.as_deref();
    let mut on_changes = |changed: Vec<_>| flips.as_mut().map_or(Ok(()), |file| file.add(&changed));
    let compared = compare_outputs(a_side, b_side, options, by, &mut on_changes).await?;
    let metrics = compared.metrics();
    let verdicts = check_gates(&gates, &metrics);
    line(format!("A          {}{}", a.output.uri(), unfinished(&a)));
    line(format!("B          {}{}", b.output.uri(), unfinished(&b)));
    compared.summary().iter().for_each(line);
    verdicts.iter().for_each(line);
    let mut written = Vec::new();
    if let (Some(file), Some(path)) = (flips, &arguments.flips) {
        file.finish()?;
        written.push(path);
    }
    if let Some(path) = &arguments.markdown {
        files::write(path, compared.to_markdown(&verdicts).as_bytes())?;
        written.push(path);
    }
    if let Some(path) = &arguments.json_file {
        files::write(path, compared.to_json(&verdicts)?.as_bytes())?;
        written.push(path);
    }
    if let Some(path) = &arguments.html {
        files::write(path, compared.to_html(&verdicts)?.as_bytes())?;
        written.push(path);
    }
    written.iter().for_each(|path| line(path.display()));
    let mut summary = Summary::new(json!({
        "a": a.output.uri(),
        "b": b.output.uri(),
        "complete": a.complete && b.complete,
        "join": compared.join.method,
        "files": written,
        "metrics": metrics,
        "gates": verdicts,
    }));
    summary.failure = failed_gates(&verdicts);
    Ok(summary)
}

async fn open(arguments: &CompareArgs, of: &str, name: &str) -> Result<CommittedOutput, Failure> {
    let target = Target::open(of, &[], arguments.date.as_deref());
    let target = target.map_err(|failure| failure.within(name))?;
    target.read(arguments.partial).await.map_err(|failure| failure.within(name))
}

async fn truth(arguments: &CompareArgs, of: &CommittedOutput) -> Result<Option<TargetOverride>, Failure> {
    let Some(file) = &arguments.targets else { return Ok(None) };
    TargetOverride::open(file, &of.frozen, Settings::default()).await.map(Some)
}

fn report_input<'a>(
    side: &'a CommittedOutput,
    target_override: Option<&'a TargetOverride>,
) -> ReportInput<'a> {
    let CommittedOutput { output, frozen, parts, complete } = side;
    ReportInput { output, frozen, parts, complete: *complete, storage: Settings::default(), target_override }
}

fn unfinished(side: &CommittedOutput) -> &'static str {
    if side.complete { "" } else { " (not finished: the committed parts)" }
}
