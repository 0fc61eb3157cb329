//! `init INPUT --model MODEL`: a job file for images and a model that are there.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::job::{Draft, TargetsSpec};
use crate::workbench::init::{InitOptions, start_job};

use super::examples;
use super::fetching::Fetching;
use super::files::refused;
use super::global::GlobalArgs;
use super::install::schema_line;
use super::next_steps;
use super::print::line;
use super::summary::Summary;

#[derive(Debug, Args)]
#[command(after_help = examples::INIT)]
pub(super) struct InitArgs {
    /// Where the images are: a folder or a bucket (s3://, gs://, az://) of images, of WebDataset shards or of Parquet
    /// files with images; one such file; a pattern of them; or a list of images (.csv, .tsv, .jsonl, .txt)
    #[arg(value_name = "INPUT")]
    input: String,
    /// The network: a checkpoint (.safetensors, .pth, .bin), an .onnx file, the folder in which one is, or a model of
    /// a Hugging Face hub (hf://ORG/NAME)
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,
    /// Where the rows go (default: beside the images, in a folder whose name ends in -rows)
    #[arg(long, value_name = "URI")]
    output: Option<String>,
    /// The folder that the paths of a list are relative to (default: the list's own)
    #[arg(long, value_name = "URI")]
    images: Option<String>,
    /// The job file to write; an existing file is never overwritten
    #[arg(short = 'o', long = "job", value_name = "FILE", default_value = "job.toml")]
    file: PathBuf,
}

pub(super) async fn init(arguments: &InitArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let file = &arguments.file;
    let fetching = Fetching::show(global);
    let draft = write_job_file(&InitOptions {
        input: &arguments.input,
        below: arguments.images.as_deref(),
        model: &arguments.model,
        output: arguments.output.as_deref(),
        file,
    })
    .await?;
    drop(fetching);
    show(&draft);
    line(format!("written  {}; next:", file.display()));
    next_steps::show(
        file,
        &[
            ("doctor", "is everything there, and what will it take?"),
            ("plan", "what will be done; writes nothing"),
            ("run", "the same again after any interruption"),
            ("report", "from the rows alone"),
        ],
    );
    Ok(Summary::new(json!({
        "job": file,
        "found": draft.found,
        "format": draft.format.as_str(),
        "targets": (draft.targets != TargetsSpec::None).then(|| draft.targets.as_str()),
        "targets_why": draft.targets_why,
        "model": draft.model,
        "assumed_preprocessing": draft.preprocessing.is_some(),
        "output": draft.output,
    })))
}

/// True for a name that a job file may have.
pub(super) fn is_job_file(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "toml")
}

/// Looks at input and model, and writes the job file that fits them.
///
/// # Errors
/// The file exists, or the input or the model cannot be read or used.
pub(super) async fn write_job_file(options: &InitOptions<'_>) -> Result<Draft, Failure> {
    let file = options.file;
    if !is_job_file(file) {
        let why = format!("the job file is called `{}`; its name ends in .toml", file.display());
        return Err(Failure::new(Exit::Usage, why));
    }
    if file.exists() {
        return Err(is_there(file));
    }
    let draft = start_job(options).await?;
    let schema = schema_line().unwrap_or_default();
    write(file, (schema + &draft.text()).as_bytes())?;
    Ok(draft)
}

/// What was found and chosen.
pub(super) fn show(draft: &Draft) {
    line(format!("found    {}", draft.found));
    line(format!("model    {} ({})", draft.model, draft.model_text));
    if draft.preprocessing.is_some() {
        line(
            "         no config.json is beside it: the usual preprocessing is typed in [preprocess], look at it",
        );
    }
    if !draft.has_names {
        line("         its classes have no names: `classes` in [input] takes a file with one name a line");
    }
    line(format!("targets  {}", draft.targets_why));
    line(format!("rows to  {}", draft.output));
}

fn is_there(file: &Path) -> Failure {
    let why = format!(
        "`{}` is there already and is not written over; give another name with -o FILE",
        file.display()
    );
    Failure::new(Exit::CannotCreate, why)
}

/// Writes a new file; never overwrites one.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => is_there(path),
        _ => refused(path, error),
    })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| {
        drop(std::fs::remove_file(path));
        refused(path, error)
    })
}
