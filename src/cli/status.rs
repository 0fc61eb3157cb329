//! `status JOB|OUTPUT`: how far a job is, while runs may go on elsewhere. The model is never read.

use std::time::{Duration, SystemTime};

use clap::Args;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::failure::Failure;
use crate::output::Status;

use super::examples;
use super::print::{begin_again, count, counted, duration, line, numbers};
use super::summary::Summary;
use super::target::TargetArgs;

#[derive(Debug, Args)]
#[command(after_help = examples::STATUS)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    of: TargetArgs,
    /// Look again every few seconds (10, or SECONDS) until the job is complete; with --json, print the last look
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10", require_equals = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
}

pub(super) async fn status(arguments: &StatusArgs) -> Result<Summary, Failure> {
    let target = arguments.of.open()?;
    let frozen = target.begun().await?;
    let output = target.output;
    let (status, age) = loop {
        let status = Status::of(&output, &frozen.fingerprint).await?;
        // clocks differ: a part from the future was written now
        let now = SystemTime::now();
        let age = status.last_part.map(|at| now.duration_since(at).unwrap_or_default().as_secs());
        line(format!("job        {}, begun {}", frozen.name, frozen.created));
        line(format!("output     {}", output.uri()));
        show(&status, age);
        match arguments.watch.filter(|_| !status.is_complete()) {
            None => break (status, age),
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        }
        begin_again();
    };
    Ok(Summary::new(json!({
        "output": output.uri(),
        "job": frozen.name,
        "begun": frozen.created,
        "fingerprint": frozen.fingerprint,
        "complete": status.is_complete(),
        "finished": status.finished,
        "parts": status.parts,
        "planned_parts": status.planned_parts,
        "plan_is_whole": status.plan_is_whole,
        "missing_parts": status.missing.count(),
        "missing": status.missing.texts(),
        "lost_parts": status.lost.count(),
        "repairing": status.repairing,
        "rows": status.rows,
        "planned_rows": status.planned_rows,
        "ok": status.ok,
        "errors": status.errors(),
        "errors_by_kind": status.errors_by_kind,
        "images_per_s": status.rate.map(|rate| (rate * 100.0).round() / 100.0),
        "seconds_left": status.left().map(|left| left.as_secs()),
        "last_part": status.last_part.and_then(rfc3339),
        "seconds_since_last_part": age,
        "providers": status.providers,
        "bytes": status.bytes,
        "strange_files": status.strange_files,
        "strange": status.strange,
    })))
}

fn show(status: &Status, age: Option<u64>) {
    let more = if status.plan_is_whole { "" } else { "+, the plan is not whole yet" };
    line(format!("parts      {} of {}{more}", count(status.parts), count(status.planned_parts)));
    line(format!(
        "rows       {} of {}{more}: {} ok, {}",
        count(status.rows),
        count(status.planned_rows),
        count(status.ok),
        counted(status.errors(), "error")
    ));
    for (kind, rows) in &status.errors_by_kind {
        line(format!("           {} {kind}", count(*rows)));
    }
    if !status.missing.is_empty() {
        line(format!("missing    {}: {}", counted(status.missing.count(), "part"), numbers(&status.missing)));
    }
    if let Some(rate) = status.rate {
        let left =
            status.left().map_or_else(String::new, |left| format!(", {} left", duration(left.as_secs())));
        line(format!("speed      {rate:.1} images/s{left}"));
    }
    if let Some(age) = age {
        line(format!("last part  {} ago", duration(age)));
    }
    if !status.providers.is_empty() {
        let providers: Vec<&str> = status.providers.iter().map(String::as_str).collect();
        line(format!("ran on     {}", providers.join(", ")));
    }
    line(format!("size       {}", bytes(status.bytes)));
    match &status.finished {
        Some(finished) => line(format!("finished   {finished}")),
        None => line("finished   no, `_SUCCESS` does not exist"),
    }
    if !status.lost.is_empty() {
        line(format!("damaged    {}", status.lost));
        line("           `tresnet-batch verify JOB --repair`, then `run`, makes these parts again");
    }
    if status.repairing {
        line("repair     has begun and not ended; `tresnet-batch verify JOB --repair` ends it");
    }
    for strange in &status.strange {
        line(format!("strange    {strange}"));
    }
    if status.strange_files > 0 {
        line(format!("strange    {} in all; `verify` shows more", counted(status.strange_files, "file")));
    }
}

fn rfc3339(at: SystemTime) -> Option<String> {
    let at = OffsetDateTime::from(at).replace_nanosecond(0).ok()?;
    at.format(&Rfc3339).ok()
}

/// 1536 → `1.5 KiB`.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut number = bytes as f64;
    let mut unit = "bytes";
    for larger in UNITS {
        if number < 1024.0 {
            break;
        }
        (number, unit) = (number / 1024.0, larger);
    }
    if unit == "bytes" { format!("{bytes} bytes") } else { format!("{number:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_are_short_for_a_person() {
        for (number, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")]
        {
            assert_eq!(bytes(number), text);
        }
    }
}
