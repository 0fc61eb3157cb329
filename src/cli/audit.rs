//! `audit OUTPUT`: which labels are likely wrong, which images are the same? From the rows alone; no model is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde_json::json;

use crate::audit::stored::{AGAINST, AGAINST_FINGERPRINT, FINGERPRINT};
use crate::audit::{AuditOptions, Findings, METRICS, NearOptions, audit as run_audit};
use crate::evaluation::report_input::ReportInput;
use crate::failure::{Exit, Failure};
use crate::job::JobSpec;
use crate::output::Layout;
use crate::pipeline::progress::Progress;
use crate::runner::finish::failed_gates;
use crate::store::Settings;

use super::files::{self, Draft};
use super::flips::unwritten;
use super::gates::{check_gates, parse_gates};
use super::global::GlobalArgs;
use super::print::{counted, line};
use super::progress::Display;
use super::summary::Summary;
use super::target::{CommittedOutput, Target, TargetArgs};
use super::{examples, signals};

#[derive(Debug, Args)]
#[command(after_help = examples::AUDIT)]
pub(super) struct AuditArgs {
    #[command(flatten)]
    of: TargetArgs,
    /// The model was trained on these images: the figures of labels are marked, since they are too low
    #[arg(long)]
    in_sample: bool,
    /// Look for images that this output has too, such as that of the training images: a job file (*.toml), or the
    /// address of an output of the same model
    #[arg(long, value_name = "JOB|OUTPUT")]
    against: Option<String>,
    /// With --against: look for drift by the values of this column, too (`format`, or one that both outputs carry)
    #[arg(long, value_name = "COLUMN", requires = "against")]
    by: Option<String>,
    /// The cosine of two embeddings from which images are near duplicates, above 0 and below 1 (default: from the
    /// cosines of random pairs, at least 0.9)
    #[arg(long, value_name = "COSINE", value_parser = cosine)]
    threshold: Option<f64>,
    /// Keep what was computed in this folder, so that an audit that was stopped resumes
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
    /// A gate that must hold, such as `label_noise <= 2`; may be given several times
    #[arg(long, value_name = "GATE")]
    require: Vec<String>,
    /// Write the findings, one row each, most suspicious first
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json_file: Option<PathBuf>,
    /// Write the figures as a page that needs no network, with pictures of the most suspicious findings
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the JSON and the page below the output too (`_report/audit.json`, `_report/audit.html`): the page of
    /// `report` then has their figures and a link
    #[arg(long)]
    attach: bool,
    /// Audit the parts that are committed, although the output is not finished
    #[arg(long)]
    partial: bool,
}

pub(super) async fn audit(arguments: &AuditArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let gates = parse_gates(&METRICS, &arguments.require)?;
    let target = arguments.of.open()?;
    let storage = storage(&target)?;
    let of = target.read(arguments.partial).await?;
    let (against, other_storage) = match &arguments.against {
        Some(other) => {
            let (other, storage) = open_other(arguments, other).await?;
            (Some(other), storage)
        }
        None => (None, Settings::default()),
    };
    let input = report_input(&of, storage);
    let other = against.as_ref().map(|other| report_input(other, other_storage));
    if let (Some(by), Some(other)) = (&arguments.by, other) {
        check_column(by, [input, other])?;
    }
    let options = AuditOptions {
        in_sample: arguments.in_sample,
        by: arguments.by.clone(),
        near: NearOptions { threshold: arguments.threshold, scratch: arguments.scratch.clone() },
    };
    let progress = Arc::new(Progress::default());
    progress.begin();
    let display = Display::start(progress.clone(), global);
    let audited = signals::unless_interrupted(run_audit(input, other, &options, &progress)).await;
    drop(display);
    let (audit, findings) = audited?;
    let metrics = audit.metrics();
    let verdicts = check_gates(&gates, &metrics);
    let unfinished = if of.complete { "" } else { " (not finished: the parts that are committed)" };
    line(format!("{}{unfinished}", of.output.uri()));
    audit.summary().iter().for_each(line);
    verdicts.iter().for_each(line);
    let mut written = Vec::new();
    if let Some(path) = &arguments.parquet {
        write_findings(path, &findings, &of, against.as_ref())?;
        written.push(path.display().to_string());
    }
    if let Some(path) = &arguments.json_file {
        files::write(path, audit.to_json(&verdicts)?.as_bytes())?;
        written.push(path.display().to_string());
    }
    if arguments.html.is_some() || arguments.attach {
        let gallery = signals::unless_interrupted(findings.gallery(input, other)).await?;
        let page = audit.to_html(&verdicts, &gallery)?;
        if let Some(path) = &arguments.html {
            files::write(path, page.as_bytes())?;
            written.push(path.display().to_string());
        }
        if arguments.attach {
            // the JSON last: a report looks for it
            for (form, text) in [("html", page), ("json", audit.to_json(&verdicts)?)] {
                let name = Layout::audit(form);
                of.output.overwrite(&name, text.into()).await?;
                written.push(format!("{}/{name}", of.output.uri()));
            }
        }
    }
    if findings.left_out > 0 {
        line(format!("too many findings: {} left out of the files", counted(findings.left_out, "finding")));
    }
    written.iter().for_each(line);
    let mut summary = Summary::new(json!({
        "output": of.output.uri(),
        "against": against.as_ref().map(|other| other.output.uri()),
        "complete": of.complete && against.as_ref().is_none_or(|other| other.complete),
        "findings": findings.count(),
        "findings_left_out": findings.left_out,
        "files": written,
        "metrics": metrics,
        "gates": verdicts,
    }));
    summary.failure = failed_gates(&verdicts);
    if !audit.has_figures() {
        let what =
            format!("there is nothing to audit at `{}`: {}", of.output.uri(), audit.summary().join("; "));
        summary.failure = Some(Failure::new(Exit::Config, what));
    }
    Ok(summary)
}

async fn open_other(arguments: &AuditArgs, other: &str) -> Result<(CommittedOutput, Settings), Failure> {
    let target = Target::open(other, &[], arguments.of.date());
    let target = target.map_err(|failure| failure.within("--against"))?;
    let storage = storage(&target).map_err(|failure| failure.within("--against"))?;
    let read = target.read(arguments.partial).await.map_err(|failure| failure.within("--against"))?;
    Ok((read, storage))
}

/// The storage settings of a job, with which the pictures of the page are read.
fn storage(target: &Target) -> Result<Settings, Failure> {
    Ok(target.job.as_ref().map(JobSpec::storage_settings).transpose()?.unwrap_or_default())
}

fn report_input(of: &CommittedOutput, storage: Settings) -> ReportInput<'_> {
    let CommittedOutput { output, frozen, parts, complete } = of;
    ReportInput { output, frozen, parts, complete: *complete, storage, target_override: None }
}

/// Refuses a column that one of the outputs does not carry.
fn check_column(by: &str, sides: [ReportInput<'_>; 2]) -> Result<(), Failure> {
    for side in sides {
        if by != "format" && !side.carried().contains(&by) {
            let known = [vec!["format"], side.carried()].concat().join("`, `");
            let uri = side.output.uri();
            let what =
                format!("--by `{by}`: the output `{uri}` has no such column to compare by; it has `{known}`");
            return Err(Failure::new(Exit::Usage, what));
        }
    }
    Ok(())
}

fn cosine(typed: &str) -> Result<f64, String> {
    let value = typed.parse().ok().filter(|value: &f64| *value > 0.0 && *value < 1.0);
    value.ok_or_else(|| "it must be a number above 0 and below 1".to_owned())
}

/// Writes the findings of an output, and of what it has in common with another one, as Parquet, also if there are none.
fn write_findings(
    path: &Path,
    findings: &Findings,
    of: &CommittedOutput,
    against: Option<&CommittedOutput>,
) -> Result<(), Failure> {
    let names = of.frozen.model.labels.as_deref();
    let value = |key: &str, value: String| KeyValue::new(key.to_owned(), value);
    let mut origin = vec![value(FINGERPRINT, of.frozen.fingerprint.clone())];
    if let Some(other) = against {
        origin.push(value(AGAINST, other.output.uri()));
        origin.push(value(AGAINST_FINGERPRINT, other.frozen.fingerprint.clone()));
    }
    let unwritten = |error: ParquetError| unwritten(path, error);
    let level = ZstdLevel::try_new(3).map_err(unwritten)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_key_value_metadata(Some(origin))
        .build();
    let writer = ArrowWriter::try_new(Draft::create(path)?, Findings::schema(), Some(properties));
    let mut writer = writer.map_err(unwritten)?;
    for batch in findings.batches(names) {
        batch.map_err(ParquetError::from).and_then(|batch| writer.write(&batch)).map_err(unwritten)?;
    }
    writer.into_inner().map_err(unwritten)?.finish()
}
