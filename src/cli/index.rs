//! `index OUTPUT…`: accuracy over time, from what finished outputs record of themselves.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::evaluation::page_link::relative;
use crate::failure::{Exit, Failure};
use crate::output::{Layout, Success};
use crate::report::{Index, IndexEntry, Throughput};
use crate::store::Location;
use crate::telemetry::clock::now;

use super::print::{counted, line};
use super::summary::Summary;
use super::target::Target;
use super::{examples, files};

/// Outputs of one index.
const MOST: usize = 10_000;

#[derive(Debug, Args)]
#[command(after_help = examples::INDEX)]
pub(super) struct IndexArgs {
    /// Job files (*.toml), or addresses of outputs
    #[arg(value_name = "JOB|OUTPUT", required = true)]
    of: Vec<String>,
    /// Write the page to this file
    #[arg(long, value_name = "FILE", required_unless_present = "json_file")]
    html: Option<PathBuf>,
    /// Write the JSON to this file
    #[arg(long, value_name = "FILE")]
    json_file: Option<PathBuf>,
    /// The value of ${DATE} in job files (default: today in UTC)
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,
}

pub(super) async fn index(arguments: &IndexArgs) -> Result<Summary, Failure> {
    if arguments.of.len() > MOST {
        return Err(Failure::new(Exit::Usage, format!("an index has at most {MOST} outputs")));
    }
    let mut outputs = Vec::new();
    for of in &arguments.of {
        let target = Target::open(of, &[], arguments.date.as_deref())?;
        outputs.push(entry(target, arguments.html.as_deref()).await.map_err(|failure| failure.within(of))?);
    }
    let index = Index::new(now(), outputs);
    let mut written = Vec::new();
    if let Some(path) = &arguments.html {
        files::write(path, index.to_html()?.as_bytes())?;
        written.push(path);
    }
    if let Some(path) = &arguments.json_file {
        files::write(path, index.to_json()?.as_bytes())?;
        written.push(path);
    }
    for entry in &index.outputs {
        let top1 = entry.top1.map_or("top-1 not known".to_owned(), |share| {
            format!("top-1 {:.2} % ({:.2} to {:.2})", share.percent, share.low, share.high)
        });
        let finished = entry.finished.as_deref().unwrap_or("not finished");
        line(format!("{finished}  {top1}  {}  {}", entry.model, entry.output));
    }
    written.iter().for_each(|path| line(path.display()));
    let finished = index.outputs.iter().filter(|entry| entry.finished.is_some()).count();
    line(format!("{}, {finished} of them finished", counted(index.outputs.len() as u64, "output")));
    Ok(Summary::new(json!({ "outputs": index.outputs, "files": written })))
}

/// What an output records: its job, and where it is finished its metrics.
async fn entry(target: Target, page: Option<&Path>) -> Result<IndexEntry, Failure> {
    let frozen = target.begun().await?;
    let output = target.output;
    let success = Success::read(&output).await?;
    let mut entry = IndexEntry {
        job: frozen.name,
        model: frozen.model.arch,
        model_sha256: frozen.model.sha256,
        precision: frozen.model.precision,
        input: frozen.input,
        output: output.uri(),
        ..IndexEntry::default()
    };
    if let Some(success) = success {
        entry.rows_per_second = Throughput::of(&success.parts).and_then(|told| told.rows_per_second);
        entry.finished = Some(success.finished);
        entry.metrics = success.metrics;
        if let Some(page) = page {
            entry.page = report_page(&output, page).await?;
        }
    }
    Ok(entry.with_shares())
}

/// The output's own page as the index links to it: only from local disk to local disk, since the page of an output on a
/// store has no address that everyone can open.
async fn report_page(output: &Location, index: &Path) -> Result<Option<String>, Failure> {
    let name = Layout::report("html");
    let Some(folder) = output.local_path() else { return Ok(None) };
    if output.size(&name).await?.is_none() {
        return Ok(None);
    }
    let index = std::path::absolute(index).unwrap_or_else(|_| index.to_owned());
    let page = std::path::absolute(folder).unwrap_or_else(|_| folder.clone()).join(name);
    Ok(index.parent().and_then(|from| relative(from, &page)))
}
