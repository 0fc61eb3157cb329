//! `verify JOB|OUTPUT`: is exactly one row there for every row of the plan? The model is never read.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::job::{Frozen, PROTOCOL, fingerprint};
use crate::output::verify::{self, Defects, ExpectedJob, Step, Verified};
use crate::output::{Layout, Repair};
use crate::pipeline::progress::Progress;
use crate::runner::repair::Repairing;

use super::examples;
use super::global::GlobalArgs;
use super::print::{are, count, counted, line, numbers};
use super::progress::Display;
use super::repair::{repair, show_defects};
use super::signals;
use super::summary::Summary;
use super::target::TargetArgs;

#[derive(Debug, Args)]
#[command(after_help = examples::VERIFY)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    of: TargetArgs,
    /// Be content with an output that is not finished, as long as nothing in it is wrong
    #[arg(long)]
    partial: bool,
    /// Remove damaged parts of this job, `_SUCCESS` and the report, so that the next run makes these parts again;
    /// asks before it removes anything
    #[arg(long, conflicts_with = "partial")]
    repair: bool,
    /// With --repair: remove without asking. On a store, this is your word that no run works on the output
    #[arg(long, requires = "repair")]
    yes: bool,
}

pub(super) async fn verify(arguments: &VerifyArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let target = arguments.of.open()?;
    let output = &target.output;
    let Some(frozen) = target.frozen().await? else {
        // without its job.json nothing can be checked, but the output is not empty either
        return match verify::find_job_file(output).await? {
            None => Err(target.nothing_begun()),
            Some(name) => {
                let mut defects = Defects::default();
                let expected = format!("the job that `{name}` belongs to");
                defects.add(Layout::JOB, "is missing", expected);
                Ok(rejected(&defects, json!({ "output": output.uri(), "complete": false })))
            }
        };
    };
    let repairing = match arguments.repair {
        true => Some(Repairing::begin(output, &frozen).await?),
        false => None,
    };
    let mut defects = of_job(&frozen);
    if repairing.is_none() && Repair::read(output, &frozen.fingerprint).await?.is_some() {
        defects.add(
            Layout::REPAIR,
            "exists: a repair has begun and not ended",
            "`verify --repair` to end it",
        );
    }
    let progress = Arc::new(Progress::default());
    progress.begin();
    let display = Display::start(progress.clone(), global);
    let tell = |step: Step| match step {
        Step::Planned(rows) => progress.plan(rows, rows),
        Step::PlanEnds => progress.plan_ends(),
        Step::Checked(rows, errors) => progress.rows(rows, errors),
    };
    let expected = ExpectedJob {
        fingerprint: &frozen.fingerprint,
        protocol: PROTOCOL,
        // the keys of a folder are planned in byte order; a manifest keeps its own order
        ordered: frozen.components.get("input.format").is_none_or(|format| format == "folder"),
        has_own_keys: frozen.components.contains_key("input.key_column"),
    };
    let checking = async { Ok(verify::verify(output, expected, defects, &tell).await?) };
    let verified = signals::unless_interrupted(checking).await;
    drop(display);
    let verified = verified?;
    show(&verified);
    let Verified { totals, missing, .. } = &verified;
    let fields = json!({
        "output": output.uri(),
        "complete": verified.is_complete(),
        "parts": verified.parts,
        "rows": totals.planned,
        "ok": totals.ok,
        "errors": totals.error,
        "plan_is_whole": verified.plan_is_whole,
        "planned_parts": verified.planned_parts,
        "planned_rows": verified.planned_rows,
        "missing_parts": missing.count(),
        "missing": missing.texts(),
    });
    if let Some(repairing) = repairing
        && let Some(removed) = repair(output, repairing, &verified, arguments.yes).await?
    {
        let mut summary = Summary::new(fields);
        summary.add([("complete", json!(false)), ("removed", removed)]);
        return Ok(summary);
    }
    if !verified.defects.is_empty() {
        return Ok(rejected(&verified.defects, fields));
    }
    let mut summary = Summary::new(fields);
    summary.fields.insert("defects".into(), json!([]));
    if !verified.is_complete() {
        let unfinished = unfinished(&verified);
        if arguments.partial {
            line(format!("not finished: {unfinished}"));
        } else {
            let what = format!("nothing is wrong at `{}`, but {unfinished}; run again", output.uri());
            summary.failure = Some(Failure::new(Exit::TryAgain, what));
        }
    }
    Ok(summary)
}

/// What is wrong with `job.json` itself.
fn of_job(frozen: &Frozen) -> Defects {
    let mut defects = Defects::default();
    let own = fingerprint(&frozen.components);
    if own != frozen.fingerprint {
        let what = format!("has the fingerprint `{}`", frozen.fingerprint);
        defects.add(Layout::JOB, what, format!("`{own}`, the hash of its components"));
    }
    defects
}

fn show(verified: &Verified) {
    let Verified { totals, .. } = verified;
    let planned = match verified.plan_is_whole {
        true => counted(verified.planned_parts, "part"),
        false => format!("{}+ parts", count(verified.planned_parts)),
    };
    line(format!(
        "{} of {planned} {} committed: {}, {} ok, {}",
        count(verified.parts),
        are(verified.planned_parts),
        counted(totals.planned, "row"),
        count(totals.ok),
        counted(totals.error, "error")
    ));
    if verified.defects.is_empty() && verified.is_complete() {
        line("verified: every row of the plan exists exactly once");
    }
}

/// What keeps an output without defects from being finished.
fn unfinished(verified: &Verified) -> String {
    let missing = match verified.missing.count() {
        0 => "no part is missing".to_owned(),
        1 => format!(
            "1 of {} is missing: {}",
            counted(verified.planned_parts, "part"),
            numbers(&verified.missing)
        ),
        parts => {
            format!("{parts} of {} parts are missing: {}", verified.planned_parts, numbers(&verified.missing))
        }
    };
    match (verified.plan_is_whole, verified.missing.is_empty()) {
        (true, true) => "`_SUCCESS` is not written yet".to_owned(),
        (true, false) => missing,
        (false, _) => format!("its plan has no end yet, and of what is planned {missing}"),
    }
}

/// The end of a check that found something.
fn rejected(defects: &Defects, fields: serde_json::Value) -> Summary {
    show_defects(defects);
    let mut summary = Summary::new(fields);
    let more = defects.count() - defects.first().len() as u64;
    summary.fields.insert("defects".into(), json!(defects.first()));
    summary.fields.insert("more_defects".into(), json!(more));
    let first = defects.first().first().map(ToString::to_string).unwrap_or_default();
    let what = match defects.count() {
        1 => format!("the output is not what was planned: {first}"),
        found => format!("the output is not what was planned: {found} defects; the first: {first}"),
    };
    summary.failure = Some(Failure::new(Exit::Rejected, what));
    summary
}
