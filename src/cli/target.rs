//! The arguments of every command that reads an output, by its job file or by its address.

use clap::Args;

use crate::failure::{Exit, Failure};
use crate::job::{Frozen, JobError, JobSpec, Source, load};
use crate::output::{self, CommittedPart, Layout, Repair, Success};
use crate::store::{Location, Role, Uri};

#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// A job file (*.toml), or the address of an output
    #[arg(value_name = "JOB|OUTPUT")]
    of: String,
    /// Override a key of the job file
    #[arg(long, value_name = "TABLE.KEY=VALUE")]
    set: Vec<String>,
    /// The value of ${DATE} in the job file (default: today in UTC)
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,
}

/// An output that the arguments name.
pub(super) struct Target {
    pub output: Location,
    /// The job file, if one was given.
    pub job: Option<JobSpec>,
}

impl TargetArgs {
    /// The value of `--date`, as typed.
    pub fn date(&self) -> Option<&str> {
        self.date.as_deref()
    }

    /// Reads the job file, if it is one, and opens the output; asks nothing of the store yet.
    ///
    /// # Errors
    /// Those of [`Target::open`].
    pub fn open(&self) -> Result<Target, Failure> {
        Target::open(&self.of, &self.set, self.date.as_deref())
    }
}

/// The committed parts of an output, with its job.
#[derive(Debug)]
pub(super) struct CommittedOutput {
    pub output: Location,
    pub frozen: Frozen,
    pub parts: Vec<CommittedPart>,
    /// Whether the output is finished.
    pub complete: bool,
}

impl Target {
    /// Does what [`TargetArgs::open`] does, for a command with more than one output.
    ///
    /// # Errors
    /// `date` is no date (64). The job file cannot be read, or has an unknown key or a wrong value. The address of
    /// the output or the environment's settings of its store are invalid.
    pub fn open(of: &str, overrides: &[String], date: Option<&str>) -> Result<Target, Failure> {
        let job = if of.ends_with(".toml") {
            let date = super::job::date(date)?;
            Some(load(of.as_ref(), &Source { overrides, date })?)
        } else {
            None
        };
        let uri = job.as_ref().map_or(of, |job| &job.output.uri);
        let settings = job.as_ref().map(JobSpec::storage_settings).transpose()?.unwrap_or_default();
        Ok(Target { output: Location::open_with(uri, Role::Output, settings)?, job })
    }

    /// The parts of a finished output, or with `partial` those that are committed.
    ///
    /// # Errors
    /// Those of [`Target::begun`]; the output is not finished and `partial` is false (75). A part is missing, damaged
    /// or of another job; a repair has begun and not ended.
    pub async fn read(self, partial: bool) -> Result<CommittedOutput, Failure> {
        let frozen = self.begun().await?;
        let output = self.output;
        let success = Success::read(&output).await?;
        let complete = success.is_some();
        let parts = match success {
            Some(success) => {
                success.check_parts(&output).await?;
                success.parts
            }
            None if partial => {
                let layout = Layout::new(&frozen.fingerprint);
                let committed = output::CommittedParts::list(&output, &layout).await?;
                committed.footers(&output, &layout, &frozen.fingerprint).await?
            }
            None => {
                Repair::refuse_begun(&output).await?;
                return Err(Failure::new(
                    Exit::TryAgain,
                    format!("the output `{}` is not finished; finish it, or give --partial", output.uri()),
                ));
            }
        };
        Ok(CommittedOutput { output, frozen, parts, complete })
    }

    /// Reads `job.json`; `None` if no job has begun. A job file over another input is an error.
    ///
    /// # Errors
    /// The store cannot be read; `job.json` is of another protocol or version; the job file has another input.
    pub async fn frozen(&self) -> Result<Option<Frozen>, Failure> {
        let Some(frozen) = Frozen::read(&self.output).await? else { return Ok(None) };
        if let Some(job) = &self.job {
            let input = Uri::parse(&job.input.uri)?.to_string();
            if input != frozen.input {
                return Err(JobError::Mismatch(format!(
                    "the output `{}` belongs to another job, over `{}` and not `{input}`",
                    self.output.uri(),
                    frozen.input
                ))
                .into());
            }
        }
        Ok(Some(frozen))
    }

    /// Does what [`Target::frozen`] does, but fails if no job has begun.
    ///
    /// # Errors
    /// Those of [`Target::frozen`]; no job has begun (66).
    pub async fn begun(&self) -> Result<Frozen, Failure> {
        self.frozen().await?.ok_or_else(|| self.nothing_begun())
    }

    /// The failure of a command that needs a job there.
    pub fn nothing_begun(&self) -> Failure {
        Failure::new(Exit::NoInput, format!("no job has begun at `{}`", self.output.uri()))
    }
}
