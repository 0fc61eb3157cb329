//! The figures at the head of the report, and what they mean.

use super::super::figures::Report;
use super::super::macro_interval::{Interval, MacroClasses};
use super::super::metrics::Metrics;
use super::super::multilabel::MultiLabel;
use super::super::proportion::Proportion;
use super::super::values::Mean;
use super::page::Markdown;
use super::text::{NONE, ends, escape};

impl Markdown {
    /// What the figures mean if a target is not one class among all.
    pub(super) fn scoring(&mut self, report: &Report) {
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

    pub(super) fn headline(&mut self, report: &Report, metrics: &Metrics) {
        let counts = &report.counts;
        if report.classes.is_empty() {
            return self
                .line("\nThe model gives an embedding and no logits: rows have no classes and no accuracy.");
        }
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
        let with_f1 = report.classes.iter().filter(|c| c.f1.is_some()).count() as u64;
        let with_f1 = MacroClasses { classes: with_f1, single_image: 0 };
        for (name, title, value, interval, classes) in [
            ("macro", "macro accuracy", report.macro_accuracy, report.macro_interval, report.macro_classes),
            (
                "macro_all",
                "macro accuracy, errors counted as wrong",
                report.macro_accuracy_all,
                report.macro_all_interval,
                report.macro_all_classes,
            ),
            ("f1_macro", "macro F1", report.f1_macro, None, with_f1),
        ] {
            let ends = interval.map_or(NONE.to_owned(), |Interval { low, high }| ends(low, high));
            let cells = value.map(|p| [format!("{p:.2} %"), ends, class_count(classes)]);
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
            // most outputs keep no logits, which needs no line
            if name == "brier" && mean.is_none() {
                continue;
            }
            let cells = mean.map(|mean| [format!("{mean:.4}"), NONE.to_owned(), format!("{rows} rows")]);
            figure(name, title, cells);
        }
    }
}

fn class_count(of: MacroClasses) -> String {
    match of {
        MacroClasses { classes, single_image: 0 } => format!("{classes} classes"),
        MacroClasses { classes, single_image } => {
            format!("{classes} classes; {single_image} of {classes} classes have a single image")
        }
    }
}

fn share_cells(p: Proportion) -> [String; 3] {
    [format!("{:.2} %", p.percent), ends(p.low, p.high), format!("{} of {} rows", p.hits, p.of)]
}
