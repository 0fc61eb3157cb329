//! `demo [DIR]`: the model and the pictures of an installation, copied to a folder and classified there.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::workbench::init::InitOptions;

use super::examples;
use super::files::refused;
use super::global::GlobalArgs;
use super::init::write_job_file;
use super::install::share;
use super::print::line;
use super::run::{RunArgs, run};
use super::summary::Summary;

#[derive(Debug, Args)]
#[command(after_help = examples::DEMO)]
pub(super) struct DemoArgs {
    /// Where model, pictures and rows go: a new or empty folder, or that of an earlier demo
    #[arg(value_name = "DIR", default_value = "tresnet-batch-demo")]
    folder: PathBuf,
}

/// Copies the demo into the folder, writes its job file, and runs it; a second call resumes.
///
/// # Errors
/// The program is not installed with a demo (66), the folder has something else in it (73), and the errors of `run`.
pub(super) async fn demo(arguments: &DemoArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let folder = &arguments.folder;
    let text = |path: PathBuf| {
        let no_text = |path: PathBuf| {
            Failure::new(Exit::Usage, format!("the path `{}` is not UTF-8: choose another", path.display()))
        };
        path.into_os_string().into_string().map_err(|path| no_text(path.into()))
    };
    let (images, output) = (text(folder.join("images"))?, text(folder.join("rows"))?);
    let (job, model) = (folder.join("job.toml"), folder.join("model"));
    if !job.exists() {
        let source = installed()?;
        check_is_new(folder)?;
        for part in ["model", "images"] {
            copy(&source.join(part), &folder.join(part))?;
        }
        line(format!("model and pictures are in {}", folder.display()));
        let options =
            InitOptions { input: &images, below: None, model: &model, output: Some(&output), file: &job };
        write_job_file(&options).await?;
    }
    line(format!("tresnet-batch run {}", job.display()));
    let mut summary = run(&RunArgs::of(job.clone()), global).await?;
    if summary.failure.is_none() {
        line(format!(
            "next:\n  tresnet-batch report {} --html report.html  # the accuracy, as a page\n  tresnet-batch init \
             FOLDER --model {}  # a job for pictures of yours",
            job.display(),
            model.display()
        ));
    }
    summary.add([("job_file", json!(job))]);
    Ok(summary)
}

/// The folder of the demo that is installed with this program.
fn installed() -> Result<PathBuf, Failure> {
    let folder = share().map(|share| share.join("demo"));
    folder.clone().filter(|folder| folder.join("model").is_dir()).ok_or_else(|| {
        let place = folder.map_or_else(String::new, |folder| format!(" (looked at {})", folder.display()));
        Failure::new(
            Exit::NoInput,
            format!(
                "no demo is installed with this program{place}: the wheel, the archive and the Debian package bring \
                 it; in a checkout of the project run `make demo`"
            ),
        )
    })
}

/// Refuses a folder that has other files; one with an incomplete copy of the demo is filled.
fn check_is_new(folder: &Path) -> Result<(), Failure> {
    let items = match std::fs::read_dir(folder) {
        Ok(items) => items,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused(folder, error)),
    };
    for item in items {
        let name = item.map_err(|error| refused(folder, error))?.file_name();
        if name != "model" && name != "images" {
            let why = format!(
                "`{}` has `{}` in it: give a new or empty folder, as in `tresnet-batch demo try`",
                folder.display(),
                name.display()
            );
            return Err(Failure::new(Exit::CannotCreate, why));
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(to).map_err(|error| refused(to, error))?;
    let unreadable = |error: std::io::Error| {
        Failure::caused(Exit::NoInput, format!("cannot read `{}`", from.display()), error)
    };
    for item in std::fs::read_dir(from).map_err(unreadable)? {
        let item = item.map_err(unreadable)?;
        let (source, target) = (item.path(), to.join(item.file_name()));
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            std::fs::copy(&source, &target).map_err(|error| refused(&target, error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_other_files_is_refused_and_one_of_an_interrupted_copy_is_not() {
        let folder = tempfile::tempdir().unwrap();
        check_is_new(&folder.path().join("missing")).unwrap();
        check_is_new(folder.path()).unwrap();
        std::fs::create_dir(folder.path().join("images")).unwrap();
        check_is_new(folder.path()).unwrap();
        std::fs::write(folder.path().join("notes"), b"").unwrap();
        let failure = check_is_new(folder.path()).unwrap_err();
        assert_eq!(failure.exit, Exit::CannotCreate);
        assert!(failure.explain().contains("`notes`"), "{}", failure.explain());
    }
}
