//! `doctor JOB`: can it run here, and what will it take?

use serde_json::json;

use crate::failure::Failure;
use crate::pipeline::utilisation::Bottleneck;
use crate::workbench::doctor::{Check, Estimate, Exactness, State, examine};

use super::fetching::Fetching;
use super::global::GlobalArgs;
use super::job::JobArgs;
use super::print::{count, duration, line};
use super::summary::Summary;

pub(super) async fn doctor(job: &JobArgs, global: &GlobalArgs) -> Result<Summary, Failure> {
    let overrides = job.overrides();
    let invocation = job.invocation(&overrides, global)?;
    let fetching = Fetching::show(global);
    let examined = examine(&invocation, &mut show).await;
    drop(fetching);
    if let Some(estimate) = &examined.estimate {
        show_estimate(estimate, invocation.file.display());
    }
    let many = |state: State| examined.checks.iter().filter(|check| check.state == state).count();
    let (ok, warnings, failed) = (many(State::Ok), many(State::Warning), many(State::Failed));
    line(format!("{ok} ok, {warnings} warnings, {failed} failed"));
    let mut summary = Summary::new(json!({
        "ok": ok,
        "warnings": warnings,
        "failed": failed,
        "checks": examined.checks,
        "estimate": examined.estimate,
    }));
    summary.failure = examined.failure();
    Ok(summary)
}

fn show(check: &Check) {
    let state = match check.state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Failed => "FAILED",
        State::NotChecked => "not yet",
    };
    line(format!("{state:<8} {:<9} {}", check.check, check.text));
}

fn show_estimate(estimate: &Estimate, file: std::path::Display<'_>) {
    let known = match estimate.images_are {
        Exactness::Exactly => "",
        Exactness::AtLeast => "at least ",
        Exactness::About => "about ",
    };
    let plural = if estimate.parts == 1 { "" } else { "s" };
    let each = estimate.seconds / estimate.parts.max(1) as f64;
    line(format!(
        "all of it  {known}{} images in {} part{plural} of about {} each, which is what a stop may cost",
        count(estimate.images),
        count(estimate.parts),
        duration(each.ceil() as u64)
    ));
    line(format!("  time     {known}{}", duration(estimate.seconds.ceil() as u64)));
    line(format!("  rows     {known}{} kB", count(estimate.output_bytes.div_ceil(1000))));
    let asked = &estimate.requests;
    if asked.listings + asked.reads + asked.writes > 0 {
        line(format!(
            "  requests {known}{} pages of the listing, {} reads, {} writes",
            count(asked.listings),
            count(asked.reads),
            count(asked.writes)
        ));
    }
    match estimate.cost {
        Some(cost) => line(format!("  cost     {known}{cost:.2}, at `job.price_per_hour`")),
        None => line("  cost     unknown: `job.price_per_hour` is not set"),
    }
    let slowest = estimate.bottleneck.map_or("unknown", Bottleneck::as_str);
    line(format!("  slowest  {slowest}; `tresnet-batch bench job {file}` measures longer"));
}
