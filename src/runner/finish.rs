//! The end of a job: checks what is committed against the plan, writes the report, and seals both with `_SUCCESS`.

use std::collections::BTreeSet;

use crate::failpoints;
use crate::failure::{Exit, Failure};
use crate::ids::PartId;
use crate::job::{Frozen, PROTOCOL, ReportFormat};
use crate::output::{CommittedPart, CommittedParts, Layout, OutputError, Success, Totals};
use crate::report::{Gate, Metrics, Report, ReportError, Verdict};
use crate::store::{Location, Settings};
use crate::telemetry;

use crate::evaluation::gallery::failed_images;
use crate::evaluation::report_input::ReportInput;
use crate::pipeline::error_budget::{refused, too_damaged};
use crate::pipeline::failed_images::FailedImage;
use crate::pipeline::opening::{Plan, PlannedPart};

use super::repeated_keys::RepeatedKeys;

/// A finished job.
#[derive(Debug)]
pub struct Finished {
    /// The content of `_SUCCESS`.
    pub success: Success,
    /// The report that was written.
    pub report: Report,
    /// The gates, judged.
    pub verdicts: Vec<Verdict>,
    /// Names of the report's files.
    pub files: Vec<String>,
    /// Some of the rows that failed, each kind's first one among them.
    pub failed: Vec<FailedImage>,
    /// Rows whose key an earlier row has, if keys come from a column.
    pub repeated_keys: Option<RepeatedKeys>,
}

/// Failed rows that are looked up; there are about ten kinds.
const LOOKED_UP: usize = 10;

/// How far a job is when a process has done its share of it.
#[derive(Debug)]
pub enum Outcome {
    /// Every part is committed, and so is `_SUCCESS`.
    Finished(Box<Finished>),
    /// Parts of other shares are missing; how many is known if the plan is whole.
    PartsMissing {
        /// Parts that are not committed.
        missing: Option<usize>,
    },
}

/// What a job requests at its end.
#[derive(Debug, Clone)]
pub struct FinishOptions<'a> {
    /// Files of the report.
    pub formats: &'a [ReportFormat],
    /// Gates.
    pub gates: &'a [Gate],
    /// Error rows by all rows, above which there is no `_SUCCESS`.
    pub max_error_fraction: f64,
    /// Inputs that could not be read to their end, above which there is no `_SUCCESS`.
    pub max_damaged_inputs: u64,
    /// How the input's store is used, for the pictures of a page.
    pub storage: Settings,
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Failure {
        Failure::caused(Exit::Bug, "the rows cannot be reported on", error)
    }
}

/// Checks by a separate listing that exactly the planned parts are committed, writes the report, then `_SUCCESS`: the
/// first process that finds all parts finishes the job. Failed gates do not prevent that; the caller must act on them.
///
/// # Errors
/// A part is not of the plan or the job; a footer is damaged or contradicts the plan. More rows or inputs failed than
/// the options allow; the store cannot be read or refuses a write.
pub async fn finish(
    output: &Location,
    layout: &Layout,
    frozen: &Frozen,
    plan: Plan,
    options: &FinishOptions<'_>,
) -> Result<Outcome, Failure> {
    let Plan { parts: planned, mut left_out, is_whole } = plan;
    if !is_whole {
        return Ok(Outcome::PartsMissing { missing: None });
    }
    let committed = CommittedParts::list(output, layout).await?;
    let expected: BTreeSet<PartId> = PartId(0).and_after().take(planned.len()).collect();
    let found: BTreeSet<PartId> = committed.parts.keys().copied().collect();
    if let Some(extra) = found.difference(&expected).next() {
        let why = format!("is not in the plan, which ends before part {}", planned.len());
        return Err(OutputError::Foreign { name: layout.part(*extra), why }.into());
    }
    if !expected.is_subset(&found) && !failpoints::on("mutant.no_final_listing") {
        return Ok(Outcome::PartsMissing { missing: Some(expected.len() - found.len()) });
    }
    let own = layout.clone();
    output.sweep_drafts(&Layout::FOLDERS, move |name, age| own.is_garbage(name, age, true)).await?;
    let parts = committed.footers(output, layout, &frozen.fingerprint).await?;
    for (part, planned) in parts.iter().zip(&planned) {
        if part.plan != planned.plan || planned.rows.is_some_and(|rows| part.rows != u64::from(rows)) {
            let why = "holds other rows than the plan".into();
            return Err(OutputError::Inconsistent { name: part.name.clone(), why }.into());
        }
    }
    let totals = totals(&parts);
    left_out.further_images = parts.iter().map(|part| part.further).sum();
    let rows = |(part, planned): (&CommittedPart, &PlannedPart)| planned.rows.map_or(part.rows, u64::from);
    let planned_rows: u64 = parts.iter().zip(&planned).map(rows).sum();
    let damaged = parts.iter().map(|part| part.damaged).sum();
    if planned_rows != totals.ok + totals.error {
        return Err(Failure::new(
            Exit::Bug,
            format!(
                "{planned_rows} rows are planned, but {} ok and {} error rows are committed",
                totals.ok, totals.error
            ),
        ));
    }
    let reported = ReportInput {
        output,
        frozen,
        parts: &parts,
        complete: true,
        storage: options.storage,
        target_override: None,
    };
    failpoints::reach("finish", "report");
    let report = reported.report(&[]).await?;
    let metrics = report.metrics();
    let verdicts: Vec<Verdict> = options.gates.iter().map(|gate| gate.check(&metrics)).collect();
    if damaged > options.max_damaged_inputs {
        return Err(too_damaged(damaged, options.max_damaged_inputs));
    }
    let failed = failed_images(output, &parts, &report.worst, LOOKED_UP).await?;
    if totals.error as f64 > options.max_error_fraction * totals.planned as f64 {
        let by_kind = &report.counts.errors_by_kind;
        return Err(refused(totals.error, totals.planned, options.max_error_fraction, by_kind, &failed));
    }
    let repeated_keys = RepeatedKeys::count(output, frozen, &parts).await?;
    let files = reported.write(&report, &verdicts, options.formats).await?;
    let success = Success {
        protocol: PROTOCOL,
        fingerprint: frozen.fingerprint.clone(),
        finished: telemetry::clock::now(),
        totals,
        left_out,
        metrics: metrics.iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        parts,
    };
    let success = success.create(output).await?;
    Ok(Outcome::Finished(Box::new(Finished { success, report, verdicts, files, failed, repeated_keys })))
}

/// Sums the rows of these parts.
pub fn totals(parts: &[CommittedPart]) -> Totals {
    let planned = parts.iter().map(|part| part.rows).sum();
    let ok = parts.iter().map(|part| part.ok).sum();
    Totals { planned, ok, error: planned - ok }
}

/// Judges gates by the metrics of a finished output; the failure names every gate that does not hold.
pub fn judge(gates: &[Gate], success: &Success) -> (Vec<Verdict>, Option<Failure>) {
    let metrics = Metrics::stored(&success.metrics);
    let verdicts: Vec<Verdict> = gates.iter().map(|gate| gate.check(&metrics)).collect();
    let failure = failed_gates(&verdicts);
    (verdicts, failure)
}

/// The failure of gates that do not hold, if there are any.
pub fn failed_gates(verdicts: &[Verdict]) -> Option<Failure> {
    let failed: Vec<String> =
        verdicts.iter().filter(|verdict| !verdict.passed).map(ToString::to_string).collect();
    (!failed.is_empty()).then(|| Failure::new(Exit::Rejected, failed.join("; ")))
}
