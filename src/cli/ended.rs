//! How a run ended, for a person: the result first, then what the stages did, and last where everything is.

use crate::job::HubOrigin;
use crate::output::Success;
use crate::pipeline::device_summary::DeviceSummary;
use crate::pipeline::failed_images::FailedImage;
use crate::pipeline::progress::Snapshot;
use crate::report::Verdict;
use crate::runner::finish::Finished;
use crate::runner::repeated_keys::RepeatedKeys;
use crate::store::Location;

use super::job::Changes;
use super::print::{are, count, counted, line, note, seconds};
use super::{device, utilisation};

/// Examples that are printed of one kind of error.
const EXAMPLES: usize = 3;

/// A run that finished its job.
pub(super) struct Now<'a> {
    pub finished: &'a Finished,
    pub run: &'a Snapshot,
    /// The rule that gave targets, if any did.
    pub rule: Option<&'a str>,
    pub model: Option<&'a HubOrigin>,
    pub price_per_hour: Option<f64>,
    pub device: &'a DeviceSummary,
    pub output: &'a Location,
}

/// Prints that there was nothing to do, and which options had no effect therefore.
pub(super) fn show_before(success: &Success, verdicts: &[Verdict], changes: &Changes) {
    line(format!(
        "complete since {}: {}, {}",
        success.finished,
        counted(success.totals.planned, "row"),
        counted(success.totals.error, "error")
    ));
    show_accuracy(success, verdicts);
    if !changes.set.is_empty() {
        line(format!("  nothing was run, so that `--set {}` changed nothing", changes.set.join(" --set ")));
    }
    line(
        "  images that were added later are not looked at. To classify them, or to try again what failed, run into \
         another `output.uri` with `[input] exclude_done` on this one",
    );
}

/// Prints the commit of a hub that the model is from.
pub(super) fn show_model(model: Option<&HubOrigin>) {
    if let Some(model) = model {
        line(format!("  the model is {model}"));
    }
}

/// Prints what is committed after an interruption.
pub(super) fn show_parts(run: &Snapshot) {
    if run.planned_parts > 0 {
        let planned = match run.parts_are_known {
            true => counted(run.planned_parts, "part"),
            false => format!("{}+ parts", count(run.planned_parts)),
        };
        note(format!(
            "{} of {planned} {} committed; the next run starts the unfinished ones again",
            count(run.resumed_parts + run.parts),
            are(run.planned_parts)
        ));
    }
}

impl Now<'_> {
    pub fn show(&self) {
        let Now { finished, run, .. } = self;
        self.show_totals();
        for (kind, rows) in &finished.report.counts.errors_by_kind {
            show_errors(kind, *rows, &finished.failed);
        }
        self.show_left_out();
        show_model(self.model);
        if let Some(rule) = self.rule {
            line(format!("  targets by the rule {rule}"));
        }
        if let Some(missing) = finished.report.missing_targets() {
            line(format!("  {missing}"));
        }
        show_accuracy(&finished.success, &finished.verdicts);
        if run.rows > 0 {
            device::show(self.device);
            utilisation::show(&run.utilisation());
            utilisation::show_cost(run, self.price_per_hour);
        }
        self.show_files();
    }

    fn show_totals(&self) {
        let totals = &self.finished.success.totals;
        let rows = format!(
            "{}: {} ok, {}",
            counted(totals.planned, "image"),
            count(totals.ok),
            counted(totals.error, "error")
        );
        let run = self.run;
        let (resumed, took) = (counted(run.resumed, "row"), seconds(run.elapsed));
        line(match (run.rows, run.resumed) {
            (0, 0) => format!("{rows}, in {took}"),
            (0, _) => format!("{rows}, all committed by an earlier run"),
            (_, earlier) => {
                let earlier =
                    if earlier > 0 { format!("; {resumed} already committed") } else { String::new() };
                format!("{rows}, in {took} ({:.1} images/s on {}{earlier})", run.rate(), self.device.provider)
            }
        });
    }

    fn show_left_out(&self) {
        let Now { finished, .. } = self;
        let success = &finished.success;
        let damaged = success.parts.iter().map(|part| part.damaged).sum::<u64>();
        if damaged > 0 {
            line(format!("  {} could not be read to {} end", counted(damaged, "input"), its(damaged)));
        }
        let skipped = success.parts.iter().map(|part| part.skipped).sum::<u64>();
        if skipped > 0 {
            let items = counted(skipped, "item");
            line(format!("  {items} in the inputs left out: links, texts, other files"));
        }
        if !success.left_out.is_empty() {
            line(format!("  {}", success.left_out));
        }
        if let Some(RepeatedKeys { rows, first: Some(key), .. }) = &finished.repeated_keys {
            let key = key.escape_debug();
            line(format!(
                "  {} {} the key of an earlier row; the first of these keys is `{key}`",
                counted(*rows, "row"),
                if *rows == 1 { "has" } else { "have" }
            ));
        }
    }

    fn show_files(&self) {
        let (files, output) = (&self.finished.files, self.output);
        line(format!("  rows: {}/part-*.parquet", output.uri()));
        // the page for people, if there are several reports
        let page = ["html", "md"].iter().find_map(|kind| files.iter().find(|name| name.ends_with(kind)));
        if let Some(name) = page.or(files.first()) {
            line(format!("  report: {}/{name}", output.uri()));
        }
    }
}

/// Prints how many rows are errors of one kind, and an image for each of the first reasons.
fn show_errors(kind: &str, rows: u64, failed: &[FailedImage]) {
    let mut examples: Vec<&FailedImage> = Vec::new();
    for image in failed.iter().filter(|image| image.kind == kind) {
        if examples.len() < EXAMPLES && examples.iter().all(|shown| shown.message != image.message) {
            examples.push(image);
        }
    }
    let named = |image: &FailedImage| format!("`{}`: {}", image.key.escape_debug(), image.message);
    match examples.as_slice() {
        [] => line(format!("  {} {kind}", count(rows))),
        [only] => line(format!("  {} {kind}, such as {}", count(rows), named(only))),
        several => {
            line(format!("  {} {kind}, such as", count(rows)));
            for image in several {
                line(format!("    {}", named(image)));
            }
        }
    }
}

fn its(number: u64) -> &'static str {
    if number == 1 { "its" } else { "their" }
}

fn show_accuracy(success: &Success, verdicts: &[Verdict]) {
    let metric = |name: &str| success.metrics.get(name).copied();
    if let (Some(top1), Some(top5)) = (metric("top1"), metric("top5")) {
        let macro_accuracy =
            metric("macro").map_or_else(String::new, |value| format!(", macro {value:.2} %"));
        line(format!("  top-1 {top1:.2} %, top-5 {top5:.2} %{macro_accuracy}"));
    }
    for verdict in verdicts {
        line(format!("  {verdict}"));
    }
}
