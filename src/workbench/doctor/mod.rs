//! Checks everything that a run of a job will need, and goes on after a failed check, so that one call reports all.
//!
//! It uses the run's own code: the same opening, planning, reading, decoding, loading and creating. What it writes to
//! the output is test data, and is deleted again.

mod check;
mod estimate;
mod images;
mod output;
mod room;
mod whole;

use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt;

use crate::engine::{Choice, EngineError};
use crate::failure::{Exit, Failure};
use crate::job::{Frozen, JobSpec, LoadedModel, LocatedModel, ResolvedJob, load};
use crate::model::TakenSet;
use crate::store::{Location, Role, Settings, escaped};

use crate::runner::inputs::Input;
use crate::runner::opened::{Invocation, Opened};
use crate::runner::provider::{choice_for, for_defaults};
use crate::runner::widths::settle;

use check::Findings;
pub use check::{Check, State};
pub(super) use estimate::{Counted, count};
pub use estimate::{Estimate, Exactness};
use whole::whole;

/// One operation is not tried for longer: the user waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// What was found.
#[derive(Debug)]
pub struct DoctorReport {
    /// All checks, in order.
    pub checks: Vec<Check>,
    /// What the job will take, if nothing was in the way of measuring.
    pub estimate: Option<Estimate>,
}

impl DoctorReport {
    /// Returns the first check that failed, as the failure of the command.
    pub fn failure(&self) -> Option<Failure> {
        let mut failed = self.checks.iter().filter(|check| check.state == State::Failed);
        let first = failed.next()?;
        let failure = Failure::new(first.exit.unwrap_or(Exit::Bug), &first.text);
        Some(match failed.count() {
            0 => failure.within(format!("the check `{}` failed", first.check)),
            more => failure.within(format!("{} checks failed; the first, `{}`", more + 1, first.check)),
        })
    }
}

/// Checks a job. Calls `tell` with each check as soon as it is done.
pub async fn examine(invocation: &Invocation<'_>, tell: &mut dyn FnMut(&Check)) -> DoctorReport {
    let mut found = Findings::new(tell);
    let estimate = look(invocation, &mut found).await;
    DoctorReport { checks: found.checks, estimate }
}

async fn look(invocation: &Invocation<'_>, found: &mut Findings<'_>) -> Option<Estimate> {
    let Some((spec, settings)) = found.take("job", read(invocation)) else {
        found.not_checked("everything else", "the job file comes first");
        return None;
    };
    found.ok("job", format!("`{}`: {} into {}", invocation.file.display(), spec.input.uri, spec.output.uri));
    let mut model = found.take("model", model(&spec, settings).await).map(|(text, model)| {
        found.ok("model", text);
        model
    });
    let input = found.take("input", Input::open(&spec, settings).await);
    let output = found.take("output", Location::open_with(&spec.output.uri, Role::Output, settings));
    access(input.as_ref(), output.as_ref(), found).await;
    let standing = match &output {
        Some(output) => found.take("output", Frozen::read(output).await),
        None => None,
    };
    let resolved = match (&mut model, &input, &standing) {
        (Some(model), Some(input), Some(standing)) => {
            found.take("settings", resolve(&spec, invocation, model, input, standing.clone()))
        }
        _ => None,
    };
    match (resolved, model, input, output) {
        (Some(resolved), Some(model), Some(input), Some(output)) => {
            let Resolved { choice, job, frozen, other } = resolved;
            let onnxruntime = invocation.onnxruntime.map(Path::to_owned);
            let opened = Opened {
                spec,
                settings,
                model: model.into(),
                choice,
                onnxruntime,
                job,
                input,
                output,
                frozen,
            };
            whole(opened, other, found).await
        }
        (_, _, input, output) => {
            if let Some(input) = input {
                reachable(&input.location, found).await;
            }
            if let (Some(output), Some(_)) = (output, standing) {
                output::writes(&output, found).await;
            }
            found.not_checked("the rest", "targets, images, device, room and time follow once this is fixed");
            None
        }
    }
}

/// Reads the job as it is typed, with short timeouts, since the user waits.
fn read(invocation: &Invocation<'_>) -> Result<(JobSpec, Settings), Failure> {
    let spec = load(invocation.file, &invocation.source)?;
    spec.input.check()?;
    let settings = spec.storage_settings()?;
    Ok((spec, Settings { retry: settings.retry.min(PATIENCE), ..settings }))
}

async fn model(spec: &JobSpec, settings: Settings) -> Result<(String, LoadedModel), Failure> {
    // an output that cannot be read is a separate finding
    let begun = LocatedModel::begun(spec, settings).await.ok().flatten();
    let located = LocatedModel::find(Path::new(&spec.model.path), begun.as_ref(), settings.retry).await?;
    let model = located.read_for(&spec.model)?;
    let names = if model.labels.is_some() { "with names" } else { "without names" };
    let classes = match model.classes() {
        Ok(0) => "no logits".to_owned(),
        Ok(classes) => format!("{classes} classes {names}"),
        Err(_) => "classes by a trial".to_owned(),
    };
    let dim = model.dim().map_or_else(|_| "of a length by a trial".to_owned(), |dim| format!("of {dim}"));
    let head = model.head().map(|head| format!(", read before its {}", head.as_str())).unwrap_or_default();
    let taken =
        model.chosen().and_then(TakenSet::text).map_or_else(String::new, |taken| format!(", {taken}"));
    let commit = located
        .origin
        .map_or_else(String::new, |origin| format!(", {} of commit {}", origin.file, origin.commit));
    let text = format!(
        "`{}`: {}{taken}, {classes}{head}, embedding {dim}, sha256 {:.12}…{commit}",
        spec.model.path,
        model.arch(),
        model.sha256()
    );
    Ok((text, model))
}

/// Names how stores are reached, and which source gave the credentials.
async fn access(input: Option<&Input>, output: Option<&Location>, found: &mut Findings<'_>) {
    let mut told = None;
    let roots = input.into_iter().flat_map(|input| input.roots.all()).map(|(_, store)| store);
    for location in input.map(|input| &input.location).into_iter().chain(roots).chain(output) {
        let Some(Some(access)) = found.take("access", location.access().await) else { continue };
        // mostly one store has both
        if told.as_ref() == Some(&access) {
            continue;
        }
        match access.doubt {
            None => found.ok("access", format!("`{}` with {}", location.uri(), access.text)),
            Some(doubt) => {
                found.warn("access", format!("`{}` with {}; {doubt}", location.uri(), access.text));
            }
        }
        told = Some(access);
    }
}

/// A job resolved against its model, input and output.
struct Resolved {
    choice: Result<Choice, EngineError>,
    job: ResolvedJob,
    /// What is committed of this job.
    frozen: Option<Frozen>,
    /// Why the output belongs to another job, if it does; the job is then resolved as for a new output.
    other: Option<Failure>,
}

fn resolve(
    spec: &JobSpec,
    invocation: &Invocation<'_>,
    model: &mut LoadedModel,
    input: &Input,
    standing: Option<Frozen>,
) -> Result<Resolved, Failure> {
    let choice = choice_for(spec, model, invocation.onnxruntime)?;
    settle(model, spec, standing.as_ref(), &choice)?;
    let model = &*model;
    let provider = for_defaults(spec.device(), &choice);
    let resolve = |frozen: Option<&Frozen>| {
        ResolvedJob::resolve(spec, invocation.file, model, provider, frozen, input.observed())
    };
    let own = standing.as_ref().map(|frozen| {
        let job = resolve(Some(frozen))?;
        job.check_against(frozen)?;
        Ok::<_, Failure>(job)
    });
    Ok(match own {
        None => Resolved { choice, job: resolve(None)?, frozen: None, other: None },
        Some(Ok(job)) => Resolved { choice, job, frozen: standing, other: None },
        Some(Err(other)) => Resolved { choice, job: resolve(None)?, frozen: None, other: Some(other) },
    })
}

/// An input that cannot be planned yet: can it be listed?
async fn reachable(input: &Location, found: &mut Findings<'_>) {
    let first = input.entries(None, Box::new(|_| {})).try_next().await;
    match first {
        Ok(Some(entry)) => {
            found.ok("input", format!("`{}` can be listed; `{}` is there", input.uri(), escaped(&entry.key)))
        }
        Ok(None) => {
            let why = format!("`{}` is empty", input.uri());
            found.fail("input", &Failure::new(Exit::NoInput, why));
        }
        Err(error) => found.fail("input", &Failure::from(error)),
    }
}
