//! The report for people: GitHub-flavoured Markdown that also reads well as plain text.
//!
//! Names of classes, error kinds and URIs are data that somebody else chose. All of it goes through
//! [`escape`], so that none of it can end a cell, start a table, or become HTML, a link or an image.

mod tables;
#[cfg(test)]
mod tests;
mod text;

use super::bootstrap::Interval;
use super::figures::{Counts, Mean, Report};
use super::gate::Verdict;
use super::metrics::Metrics;
use super::multilabel::MultiLabel;
use super::proportion::Proportion;
pub(super) use text::{escape, short};

/// Stands for what cannot be said.
pub(super) const NONE: &str = "–";

impl Report {
    /// The report as Markdown, with the gates that were checked.
    pub fn to_markdown(&self, verdicts: &[Verdict]) -> String {
        let mut out = Markdown(String::from("# Accuracy report\n"));
        if !self.provenance.complete {
            out.line("\n**The output was not finished when this was made: these are the figures of a part of it.**");
        }
        out.scoring(self);
        out.headline(self, &self.metrics());
        out.gates(verdicts);
        out.rows(&self.counts);
        out.errors(&self.counts);
        self.slices.iter().for_each(|slices| out.slices(slices));
        out.pairs(self);
        out.classes(self);
        out.inputs(&self.inputs);
        out.throughput(self.throughput.as_ref());
        out.provenance(self);
        out.0
    }
}

pub(super) struct Markdown(pub(super) String);

impl Markdown {
    pub(super) fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// Starts a table; a column whose name starts with `>` holds numbers.
    pub(super) fn table(&mut self, columns: &[&str]) {
        self.0.push('\n');
        self.row(&columns.iter().map(|c| c.trim_start_matches('>').to_owned()).collect::<Vec<_>>());
        let rules = columns.iter().map(|c| if c.starts_with('>') { "---:" } else { "---" });
        self.line(&format!("|{}|", rules.collect::<Vec<_>>().join("|")));
    }

    /// Cells are Markdown already.
    pub(super) fn row(&mut self, cells: &[String]) {
        self.line(&format!("| {} |", cells.join(" | ")));
    }

    /// What the figures mean where a target is not one class among all.
    fn scoring(&mut self, report: &Report) {
        if let Some(masked) = &report.masked {
            self.line(&format!(
                "\nRows are scored among {} of the model's {} classes alone, by the softmax over their logits.",
                masked.classes,
                report.classes.len()
            ));
        }
        if report.target_sets {
            self.line(
                "\nA row's target is a set of classes: its prediction is right where it is in the set. By class, the row \
                 counts for the best of its set.",
            );
        }
    }

    fn headline(&mut self, report: &Report, metrics: &Metrics) {
        let counts = &report.counts;
        if counts.rows > 0 && counts.with_target == 0 && report.multi_label.is_none() {
            return self.line(
                "\nNo row has a target, so there is no accuracy. Targets come from class folders, a list or a truth file \
                 (`[input] targets`), or afterwards from a list of keys and targets (`report --targets FILE`).",
            );
        }
        self.table(&["figure", ">value", ">95 % interval", "over"]);
        let mut figure = |name: &str, title: &str, cells: Option<[String; 3]>| {
            let missing = || {
                let why = metrics.why_missing(name).unwrap_or(NONE);
                [NONE.to_owned(), NONE.to_owned(), format!("not known: {}", escape(why))]
            };
            let cells = cells.unwrap_or_else(missing);
            self.row(&[&[title.to_owned()], &cells[..]].concat());
        };
        for (name, title, share) in [
            ("top1", "**top-1**", report.top1),
            ("top5", "**top-5**", report.top5),
            ("top1_all", "top-1, errors counted as wrong", report.top1_all),
            ("top5_all", "top-5, errors counted as wrong", report.top5_all),
        ] {
            figure(name, title, share.map(share_cells));
        }
        let with_support = report.classes.iter().filter(|c| c.support > 0).count();
        let with_rows = report.classes.iter().filter(|c| c.support + c.errors > 0).count();
        let with_f1 = report.classes.iter().filter(|c| c.f1.is_some()).count();
        for (name, title, value, interval, classes) in [
            ("macro", "macro accuracy", report.macro_accuracy, report.macro_interval, with_support),
            (
                "macro_all",
                "macro accuracy, errors counted as wrong",
                report.macro_accuracy_all,
                report.macro_all_interval,
                with_rows,
            ),
            ("f1_macro", "macro F1", report.f1_macro, None, with_f1),
        ] {
            let ends = interval.map_or(NONE.to_owned(), |Interval { low, high }| ends(low, high));
            let cells = value.map(|p| [format!("{p:.2} %"), ends, format!("{classes} classes")]);
            figure(name, title, cells);
        }
        if let Some(masked) = &report.masked {
            let title = |top| format!("{top}, unmasked: among all {} classes", report.classes.len());
            figure("top1_unmasked", &title("top-1"), masked.top1_unmasked.map(share_cells));
            figure("top5_unmasked", &title("top-5"), masked.top5_unmasked.map(share_cells));
        }
        if let Some(MultiLabel { map, rows, classes, .. }) = &report.multi_label {
            let over = format!("{classes} classes, {rows} rows");
            let cells = map.map(|map| [format!("{map:.2} %"), NONE.to_owned(), over]);
            figure("map", "**mean average precision**", cells);
        }
        let calibration = &report.calibration;
        let binned = calibration.bins.iter().filter_map(|bin| bin.accuracy).map(|share| share.of).sum();
        let ece = Mean { mean: calibration.ece, rows: binned };
        for (name, title, Mean { mean, rows }) in [
            ("ece", "expected calibration error (ECE)", ece),
            ("nll", "negative log-likelihood (NLL)", calibration.nll),
            ("brier", "Brier score", calibration.brier),
            ("target_prob", "mean probability of the target", report.target_prob),
            ("top1_prob", "mean probability of the prediction", report.top1_prob),
        ] {
            // most outputs keep no logits, which is no news
            if name == "brier" && mean.is_none() {
                continue;
            }
            let cells = mean.map(|mean| [format!("{mean:.4}"), NONE.to_owned(), format!("{rows} rows")]);
            figure(name, title, cells);
        }
    }

    pub(super) fn gates(&mut self, verdicts: &[Verdict]) {
        if verdicts.is_empty() {
            return;
        }
        self.line("\n## Gates");
        self.table(&["gate", "result", "found"]);
        for verdict in verdicts {
            let result = if verdict.passed { "passed" } else { "**failed**" };
            self.row(&[escape(&verdict.gate.to_string()), result.to_owned(), escape(&verdict.found())]);
        }
    }

    fn rows(&mut self, counts: &Counts) {
        self.line("\n## Rows");
        self.table(&[">rows", ">ok", ">errors", ">with target", ">target unknown", ">scored"]);
        let c = counts;
        self.row(&[c.rows, c.ok, c.errors, c.with_target, c.unknown_target, c.scored].map(|n| n.to_string()));
        if c.top5_unknown > 0 {
            self.line(&format!(
                "\nTop-5 is not known: {} of the scored rows keep fewer than five classes and no rank of the target.",
                c.top5_unknown
            ));
        }
        if c.rank_conflicts > 0 {
            self.line(&format!(
                "\nIn {} of the scored rows `target_rank` contradicts `index`, which was believed: probabilities are \
                 tied, or the rows are damaged.",
                c.rank_conflicts
            ));
        }
    }

    fn provenance(&mut self, report: &Report) {
        let p = &report.provenance;
        self.line("\n## Provenance");
        self.table(&["", ""]);
        for (what, value) in [
            ("tool", p.tool_version.as_str()),
            ("model", &p.model_arch),
            ("weights, SHA-256", &p.model_sha256),
            ("precision", &p.precision),
            ("providers", &p.computed_by()),
            ("preprocessing", &p.preprocess),
            ("targets", &p.targets),
            ("input", &p.input_uri),
            ("output", &p.output_uri),
            ("fingerprint", &p.fingerprint),
            ("created", &p.created),
        ] {
            let value = if value.is_empty() { NONE.to_owned() } else { escape(value) };
            self.row(&[what.to_owned(), value]);
        }
        self.line(
            "\nIntervals are at 95 %: Wilson's for shares, of 1000 resamples within classes for macro accuracy. Accuracy is over scored rows, which are ok and have a target; \
             with errors counted as wrong it is over all rows with a target.",
        );
    }
}

fn ends(low: f64, high: f64) -> String {
    format!("{low:.2} – {high:.2} %")
}

fn share_cells(p: Proportion) -> [String; 3] {
    [format!("{:.2} %", p.percent), ends(p.low, p.high), format!("{} of {} rows", p.hits, p.of)]
}

pub(super) fn percent(value: Option<f64>) -> String {
    value.map_or(NONE.to_owned(), |value| format!("{value:.2} %"))
}
