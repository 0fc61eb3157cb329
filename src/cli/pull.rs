//! `model pull`: a model of a hub, fetched into the cache.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::job::LocatedModel;

use super::examples;
use super::fetching::Fetching;
use super::global::GlobalArgs;
use super::print::{count, line};
use super::summary::Summary;

/// How long a request is tried while nothing comes.
pub(super) const PATIENCE: Duration = Duration::from_secs(150);

#[derive(Debug, Args)]
#[command(after_help = examples::MODEL_PULL)]
pub(super) struct PullArgs {
    /// hf://ORG/NAME, with @REVISION and /FILE where they are needed
    #[arg(value_name = "ADDRESS")]
    address: PathBuf,
}

pub(super) async fn pull(arguments: &PullArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let located = find(&arguments.address, global).await?;
    let Some(origin) = &located.origin else {
        let why = format!(
            "`{}` is no address of a hub: write hf://ORG/NAME; a path needs no pull",
            arguments.address.display()
        );
        return Err(Failure::new(Exit::Usage, why));
    };
    line(format!("hf://{}@{} is at the commit {}", origin.repo, origin.revision, origin.commit));
    for file in &located.files {
        line(format!("  {:>13} bytes  {}", count(file.bytes), file.name));
    }
    line(format!("the weights are at {}", located.path.display()));
    let files: Vec<_> = located
        .files
        .iter()
        .map(|file| json!({ "name": file.name, "bytes": file.bytes, "path": file.path }))
        .collect();
    Ok(Summary::new(json!({
        "repo": origin.repo,
        "revision": origin.revision,
        "commit": origin.commit,
        "file": origin.file,
        "path": located.path,
        "files": files,
    })))
}

/// Finds a model that a command line names; one of a hub is fetched, and shown while it comes.
pub(super) async fn find(typed: &Path, global: &GlobalArgs) -> Result<LocatedModel, Failure> {
    let _shown = Fetching::show(global);
    LocatedModel::find(typed, None, PATIENCE).await
}
