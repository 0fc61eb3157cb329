//! `plan JOB`: what would be done.

use clap::Args;
use futures::TryStreamExt;
use serde_json::json;

use crate::dataset::FolderTargets;
use crate::failure::Failure;
use crate::job::{Format, FrozenTruth, ResolvedJob, Sets};
use crate::model::TakenSet;
use crate::runner::opened::{Opened, open_job};
use crate::runner::plan::write_plan;
use crate::store::escaped;

use super::device;
use super::examples;
use super::fetching::Fetching;
use super::global::GlobalArgs;
use super::job::JobArgs;
use super::print::{counted, line};
use super::summary::Summary;

#[derive(Debug, Args)]
#[command(after_help = examples::PLAN)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    job: JobArgs,
    /// How many rows of the plan are shown
    #[arg(long, value_name = "N", default_value_t = 10)]
    rows: usize,
    /// Freeze the job on its output and write the whole plan: the first step of a scheduler that runs ranges of
    /// parts
    #[arg(long)]
    write: bool,
}

pub(super) async fn plan(arguments: &PlanArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let overrides = arguments.job.overrides();
    let fetching = Fetching::show(global);
    let mut opened = open_job(&arguments.job.invocation(&overrides, global)?).await?;
    drop(fetching);
    if arguments.write {
        return write(&mut opened, &arguments.job).await;
    }
    let job = &opened.job;
    let (source, targets) = opened.source().await?;
    let most = arguments.rows.min(job.limit.map_or(usize::MAX, |limit| limit as usize));
    let mut rows = Vec::new();
    let mut listing = source.rows(None);
    while rows.len() < most.max(1)
        && let Some(row) = listing.try_next().await?
    {
        rows.push(row);
    }
    drop(listing);
    rows.truncate(most);

    line(format!("job         {}", job.name));
    line(format!("input       {}", opened.input_uri()));
    line(format!(
        "output      {}{}",
        opened.output.uri(),
        if opened.frozen.is_some() { " (begun)" } else { "" }
    ));
    line(format!(
        "model       {} {} from {} ({} classes, embedding of {})",
        job.model.arch,
        job.model.precision,
        job.model_path.display(),
        job.model.classes,
        job.model.dim
    ));
    if let Some(origin) = &job.model.hub {
        line(format!("            {origin}"));
    }
    if let Some(taken) = opened.model.chosen().and_then(TakenSet::text) {
        line(format!("weights     {taken}"));
    }
    line(format!("pixels      {}", job.preprocess_text()));
    match (&targets, &job.truth) {
        (Some(folders), _) => show_folders(folders, job),
        (None, Some(truth)) => line(format!("targets     by the rule {}", truth.rule)),
        (None, None) => line("targets     none"),
    }
    if let Some(truth) = &job.truth {
        show_truth(truth);
    }
    let part = match job.format {
        Format::Folder | Format::Manifest => format!("{} rows each", job.rows_per_part),
        Format::Webdataset => "a shard each".to_owned(),
        Format::Parquet => "a row group each".to_owned(),
    };
    line(format!("parts       {part}"));
    let device = device::show_choice(&opened.choice, &job.engine);
    line(format!(
        "limits      error rows up to {} of all, {} requests and {} MiB in flight, {} decode threads",
        job.limits.max_error_fraction,
        match job.limits.most_requests > job.limits.requests {
            true => format!("{} to {}", job.limits.requests, job.limits.most_requests),
            false => job.limits.requests.to_string(),
        },
        job.limits.in_flight_bytes >> 20,
        job.limits.decode_threads
    ));
    for gate in &job.gates {
        line(format!("gate        {gate}"));
    }
    line(format!("fingerprint {}", job.fingerprint));
    for (name, value) in &job.components {
        line(format!("  {name} = {value}"));
    }
    let left_out = source.take_left_out();
    if rows.is_empty() && left_out.already_done > 0 {
        line(format!("nothing to do; {left_out}"));
    }
    line(format!("first {} rows (how many there are is known when a run has listed them):", rows.len()));
    line("  target       bytes  key");
    for row in &rows {
        let target = row.target.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        line(format!("  {target:>6}  {:>10}  {}", row.size.unwrap_or_default(), escaped(&row.key)));
    }
    Ok(Summary::new(json!({
        "output": opened.output.uri(),
        "begun": opened.frozen.is_some(),
        "fingerprint": job.fingerprint,
        "rows_per_part": job.rows_per_part,
        "device": device,
    })))
}

/// Folders whose classes are shown.
const FOLDERS_SHOWN: usize = 5;

fn show_folders(targets: &FolderTargets, job: &ResolvedJob) {
    line(format!("targets     {} folders by the rule {}", targets.folders.len(), targets.rule.as_str()));
    for (folder, class) in targets.folders.iter().take(FOLDERS_SHOWN) {
        let labels = job.model.labels.as_deref().unwrap_or_default();
        let name = labels.get(*class as usize).map_or_else(String::new, |name| format!(" {name}"));
        line(format!("  {} is class {class}{name}", escaped(folder)));
    }
    if targets.folders.len() > FOLDERS_SHOWN {
        line(format!("  and {} more", targets.folders.len() - FOLDERS_SHOWN));
    }
}

fn show_truth(truth: &FrozenTruth) {
    if let Some(file) = &truth.file {
        line(format!("  {} images in {} (sha256 {})", file.images, file.uri, file.sha256));
    }
    match truth.sets {
        Some(Sets::AnyIsRight) => line("  an image has a set of classes, each of which is right"),
        Some(Sets::MultiLabel) => line("  an image has a list of classes, all of which are there"),
        None => {}
    }
    if let Some(among) = &truth.among {
        line(format!("  images are scored among {} of the model's classes", among.len()));
    }
}

async fn write(opened: &mut Opened, job: &JobArgs) -> Result<Summary, Failure> {
    let planned = write_plan(opened, &job.file).await?;
    line(format!(
        "{} in {} on {}",
        counted(planned.rows, "row"),
        counted(planned.parts, "part"),
        opened.output.uri()
    ));
    if !planned.left_out.is_empty() {
        line(&planned.left_out);
    }
    Ok(Summary::new(json!({
        "output": opened.output.uri(),
        "parts": planned.parts,
        "rows": planned.rows,
        "left_out": planned.left_out,
        "fingerprint": opened.job.fingerprint,
    })))
}
