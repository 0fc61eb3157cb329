//! `run IMAGES --model MODEL`: the job file is written as `init` writes it, or is the one of an earlier call.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::{Exit, Failure};
use crate::job::load;
use crate::workbench::init::{InitOptions, check_again};

use super::fetching::Fetching;
use super::global::GlobalArgs;
use super::init::{is_job_file, show, write_job_file};
use super::job::{Changes, source};
use super::print::line;

#[derive(Debug, Default, Args)]
pub(super) struct ImagesArgs {
    /// The network, for IMAGES in place of JOB: writes a job file as `init` does and runs it. The same command resumes
    /// the job
    #[arg(long, value_name = "MODEL", help_heading = "Images in place of a job file")]
    pub model: Option<PathBuf>,
    /// Where the rows go (default: beside the images, in a folder whose name ends in -rows)
    #[arg(long, value_name = "URI", requires = "model", help_heading = "Images in place of a job file")]
    output: Option<String>,
    /// The folder that the paths of a list are relative to (default: the list's own)
    #[arg(long, value_name = "URI", requires = "model", help_heading = "Images in place of a job file")]
    images: Option<String>,
    /// The job file to write, or that an earlier call has written (default: job.toml)
    #[arg(
        short = 'o',
        long = "job",
        value_name = "FILE",
        requires = "model",
        help_heading = "Images in place of a job file"
    )]
    file: Option<PathBuf>,
}

/// The job file of a command line: `of`, or with a model the one that is written for the images `of`.
///
/// # Errors
/// The job file exists and is for another input or model, and the errors of `init`.
pub(super) async fn job_file(
    of: &Path,
    images: &ImagesArgs,
    changes: &Changes,
    global: &GlobalArgs,
) -> Result<PathBuf, Failure> {
    let Some(model) = &images.model else { return Ok(of.to_owned()) };
    let usage = |why: String| Failure::new(Exit::Usage, why);
    if is_job_file(of) {
        return Err(usage(format!(
            "--model goes with images, and `{}` is a job file, which names its model: leave --model out, or give \
             `--set model.path=…`",
            of.display()
        )));
    }
    let input = of.to_str().ok_or_else(|| usage(format!("the address `{}` is no UTF-8", of.display())))?;
    let file = images.file.clone().unwrap_or_else(|| "job.toml".into());
    let options = InitOptions {
        input,
        below: images.images.as_deref(),
        model,
        output: images.output.as_deref(),
        file: &file,
    };
    if file.exists() {
        check_again(&options, &load(&file, &source(&[], changes)?)?)?;
        line(format!("job file {}, which exists", file.display()));
        return Ok(file);
    }
    let fetching = Fetching::show(global);
    let draft = write_job_file(&options).await?;
    drop(fetching);
    show(&draft);
    line(format!("job file {}, written now:", file.display()));
    let text = draft.text();
    for typed in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        line(format!("  {typed}"));
    }
    Ok(file)
}
