//! The arguments of every command that takes a job.

use std::path::PathBuf;

use clap::Args;
use time::{Date, OffsetDateTime};

use crate::failure::{Exit, Failure};
use crate::job::Source;
use crate::pipeline::decode::isolate::Isolation;
use crate::runner::opened::Invocation;

use super::global::GlobalArgs;

#[derive(Debug, Args)]
pub(super) struct JobArgs {
    /// The job file (TOML)
    #[arg(value_name = "JOB")]
    pub file: PathBuf,
    #[command(flatten)]
    pub changes: Changes,
}

/// What a command line changes in a job file.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Changes {
    /// Override a key of the job file, such as `engine.batch_size=64`; may be given several times
    #[arg(long, value_name = "TABLE.KEY=VALUE")]
    pub set: Vec<String>,
    /// Take only the first N images of the input
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// The value of ${DATE} in the job file (default: today in UTC)
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<String>,
}

impl JobArgs {
    /// All overrides: `--limit` is one of them.
    pub fn overrides(&self) -> Vec<String> {
        let Changes { set, limit, .. } = &self.changes;
        let limit = limit.map(|limit| format!("input.limit={limit}"));
        set.iter().cloned().chain(limit).collect()
    }

    /// Returns what a run is opened with: the job file, its changes and the path of ONNX Runtime.
    ///
    /// # Errors
    /// `--date` is no date of the form YYYY-MM-DD (64).
    pub fn invocation<'a>(
        &'a self,
        overrides: &'a [String],
        global: &'a GlobalArgs,
    ) -> Result<Invocation<'a>, Failure> {
        let source = source(overrides, &self.changes)?;
        let onnxruntime = global.onnxruntime.as_deref();
        Ok(Invocation { file: &self.file, source, onnxruntime, isolation: Isolation::Off })
    }
}

/// What a job file is read with.
pub(super) fn source<'a>(overrides: &'a [String], changes: &Changes) -> Result<Source<'a>, Failure> {
    Ok(Source { overrides, date: date(changes.date.as_deref())? })
}

/// The value of `${DATE}`: as typed, or today in UTC.
pub(super) fn date(typed: Option<&str>) -> Result<String, Failure> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    let date = match typed {
        None => OffsetDateTime::now_utc().date(),
        Some(typed) => Date::parse(typed, &format).map_err(|_| {
            Failure::new(Exit::Usage, format!("--date `{typed}` is no date; write it as YYYY-MM-DD"))
        })?,
    };
    date.format(&format).map_err(|error| Failure::caused(Exit::Bug, "cannot write a date", error))
}
