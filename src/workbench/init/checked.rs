//! A draft as the program would read it.

use std::path::Path;

use crate::engine::Provider;
use crate::failure::Failure;
use crate::job::{Draft, JobError, JobSpec, LoadedModel, ResolvedJob, Source, parse_text};
use crate::runner::inputs::Input;
use crate::store::Settings;
use crate::workbench::doctor::PATIENCE;

/// A draft, read as a job file and checked against input and model.
pub(super) struct CheckedDraft {
    pub job: ResolvedJob,
    pub input: Input,
}

impl CheckedDraft {
    /// Reads the text of `draft` as a job file, opens its input and resolves its job.
    ///
    /// # Errors
    /// An address or a path of the draft has `${…}`; the input cannot be opened; the keys do not fit the model.
    pub async fn of(draft: &Draft, file: &Path, model: &LoadedModel) -> Result<CheckedDraft, Failure> {
        let spec: JobSpec = parse_text(&draft.text(), &draft.file, &Source::default())?;
        if spec.input.uri != draft.uri || spec.output.uri != draft.output || spec.model.path != draft.model {
            let why = "a job file takes `${…}` in an address or a path for a variable; rename it".to_owned();
            return Err(JobError::Mismatch(why).into());
        }
        spec.input.check()?;
        let input = Input::open(&spec, impatient()).await?;
        // what computes decides some defaults, and none that matters here
        let job = ResolvedJob::resolve(&spec, file, model, Provider::Cpu, None, input.observed())?;
        Ok(CheckedDraft { job, input })
    }
}

/// Returns settings with short timeouts, since the user waits.
pub(super) fn impatient() -> Settings {
    Settings { retry: PATIENCE, ..Settings::default() }
}
