//! `export OUTPUT --findings FILE`: what an audit found, for people who review it in another tool.

use clap::Args;
use serde_json::json;

use crate::audit::FindingKind;
use crate::audit::review::{Choices, ImageAddresses, Places, ReviewTool};
use crate::audit::stored::{StoredFindings, read_findings};
use crate::failure::{Exit, Failure};
use crate::job::Frozen;

use super::export_writer::Writer;
use super::print::{counted, line};
use super::summary::Summary;
use super::target::{CommittedOutput, Target};

/// The most findings of each kind in one export.
const MOST: u32 = 10_000;

/// What is exported of the findings of an audit.
#[derive(Debug, Args)]
pub(super) struct FindingsArgs {
    /// fiftyone, label-studio: the file that `audit --parquet` wrote
    #[arg(long, value_name = "FILE")]
    findings: Option<String>,
    /// fiftyone, label-studio: the output of the audit's --against, for findings that name its images
    #[arg(long, value_name = "JOB|OUTPUT", requires = "findings")]
    against: Option<String>,
    /// fiftyone, label-studio: findings of this kind alone, such as `label`; may be given several times
    #[arg(long, value_name = "KIND", value_parser = kind, requires = "findings")]
    kind: Vec<FindingKind>,
    /// fiftyone, label-studio: the most suspicious findings of each kind (default: 1000, at most 10,000)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST as i64), requires = "findings")]
    most: Option<u32>,
    /// fiftyone, label-studio: where the tool finds the images, in place of the job's input; keys are appended
    #[arg(long, value_name = "ADDRESS", requires = "findings")]
    image_root: Option<String>,
    /// The same for the images of --against
    #[arg(long, value_name = "ADDRESS", requires = "against")]
    against_image_root: Option<String>,
}

impl FindingsArgs {
    /// Refuses options that the format does not take, or that it needs.
    ///
    /// # Errors
    /// A format of findings without `--findings`, or `--findings` with another format (64).
    pub fn check(&self, is_of_findings: bool) -> Result<(), Failure> {
        let what = match (is_of_findings, &self.findings) {
            (true, None) => {
                "this format exports findings: give the file that `audit --parquet` wrote as --findings"
            }
            (false, Some(_)) => "--findings needs --format fiftyone or label-studio",
            _ => return Ok(()),
        };
        Err(Failure::new(Exit::Usage, what))
    }
}

fn kind(typed: &str) -> Result<FindingKind, String> {
    let known = || FindingKind::ALL.map(FindingKind::as_str).join(", ");
    FindingKind::parse(typed).ok_or_else(|| format!("it must be one of {}", known()))
}

/// Writes the findings of an output in the form of a tool.
pub(super) async fn export_findings(
    arguments: &FindingsArgs,
    (tool, date): (ReviewTool, Option<&str>),
    of: &CommittedOutput,
    mut writer: Writer,
) -> Result<Summary, Failure> {
    let file = arguments.findings.as_deref().unwrap_or_default();
    let most = u64::from(arguments.most.unwrap_or(1000));
    let stored = read_findings(file, &arguments.kind, most).await?;
    if stored.fingerprint.as_ref().is_some_and(|fingerprint| *fingerprint != of.frozen.fingerprint) {
        let what = format!("`{file}` has the findings of another job than that of `{}`", of.output.uri());
        return Err(Failure::new(Exit::Config, what));
    }
    let addresses = |frozen: &Frozen, root: &Option<String>| {
        let addresses = ImageAddresses::of(frozen, tool, root.as_deref());
        addresses.map_err(|why| Failure::new(Exit::Config, why))
    };
    let own = addresses(&of.frozen, &arguments.image_root)?;
    let other = match other(arguments, date, &stored).await? {
        Some(frozen) => Some(addresses(&frozen, &arguments.against_image_root)?),
        None => None,
    };
    let choices = Choices::new(of.frozen.model.labels.as_deref(), of.frozen.model.classes);
    let files = tool.files(&stored.findings, &Places { own, other }, &choices);
    let files = files.map_err(|why| Failure::new(Exit::Config, why))?;
    let kinds: Vec<(&str, &str, &str)> =
        tool.names().iter().map(|&(stem, ending)| ("", stem, ending)).collect();
    writer.refuse_other_files(&kinds).await?;
    for file in files {
        writer.write(format!("{}.{}", file.stem, file.ending), file.bytes).await?;
    }
    let written = writer.written.clone();
    writer.to.sweep_drafts(&[""], move |name, _| written.iter().any(|own| own == name)).await?;
    let (count, left_out) = (stored.findings.len(), stored.left_out);
    let without = if left_out > 0 { format!(", {left_out} left out") } else { String::new() };
    line(format!("{} in {} files{without}", counted(count as u64, "finding"), writer.written.len()));
    let names: Vec<String> =
        writer.written.iter().map(|name| format!("{}/{name}", writer.to.uri())).collect();
    names.iter().for_each(line);
    Ok(Summary::new(json!({
        "complete": of.complete,
        "findings": count,
        "left_out": left_out,
        "to": writer.to.uri(),
        "files": names.len(),
        "first_file": names.first(),
    })))
}

/// The job of the other output, if findings name its images.
async fn other(
    arguments: &FindingsArgs,
    date: Option<&str>,
    stored: &StoredFindings,
) -> Result<Option<Frozen>, Failure> {
    if !stored.findings.iter().any(|finding| finding.kind.is_between()) {
        return Ok(None);
    }
    let was = stored.against.as_deref().map(|uri| format!(" (it was `{uri}`)")).unwrap_or_default();
    let Some(against) = &arguments.against else {
        let what = format!("the findings name images of another output: give it as --against{was}");
        return Err(Failure::new(Exit::Usage, what));
    };
    let target = Target::open(against, &[], date).map_err(|failure| failure.within("--against"))?;
    let frozen = target.begun().await.map_err(|failure| failure.within("--against"))?;
    if stored.against_fingerprint.as_ref().is_some_and(|fingerprint| *fingerprint != frozen.fingerprint) {
        let what = format!(
            "--against: the findings name images of another job than that of `{}`{was}",
            target.output.uri()
        );
        return Err(Failure::new(Exit::Config, what));
    }
    Ok(Some(frozen))
}
