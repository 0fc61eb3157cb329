//! The tables after the headline.

use super::super::figures::Report;
use super::super::proportion;
use super::super::slices::{Slice, Slices};
use super::super::throughput::Throughput;
use super::super::values::{Counts, Inputs, Range};
use super::super::worst_classes::worst_classes_first;
use super::page::Markdown;
use super::text::{NONE, ends, escape, percent, short};

/// Classes that are shown; all of them are in the JSON.
const CLASSES_SHOWN: usize = 50;
/// Values of a slice that are shown; the JSON has all of them, up to 1,000.
const VALUES_SHOWN: usize = 30;
/// Confused pairs that are shown; the JSON has a hundred.
const PAIRS_SHOWN: usize = 10;

impl Markdown {
    pub(super) fn errors(&mut self, counts: &Counts) {
        if counts.errors == 0 {
            return;
        }
        self.line("\n## Errors by kind");
        self.table(&["kind", ">rows", ">of all"]);
        for (kind, rows) in by_count(counts.errors_by_kind.iter()) {
            self.row(&[short(kind), rows.to_string(), of_all(rows, counts.rows)]);
        }
    }

    pub(super) fn slices(&mut self, slices: &Slices) {
        self.line(&format!("\n## By {}", short(&slices.by)));
        self.table(&[
            &short(&slices.by),
            ">rows",
            ">errors",
            ">top-1",
            ">95 % interval",
            ">top-5",
            ">top-1, errors as wrong",
        ]);
        let told = &slices.values[..slices.values.len().min(VALUES_SHOWN)];
        let named = |slice: &Slice| slice.value.as_deref().map_or("*no value*".to_owned(), short);
        let values = told.iter().map(|slice| (named(slice), slice));
        for (value, slice) in
            values.chain(slices.other.iter().map(|slice| ("*other values*".to_owned(), slice)))
        {
            self.row(&[
                value,
                slice.rows.to_string(),
                slice.errors.to_string(),
                percent(slice.top1.map(|share| share.percent)),
                slice.top1.map_or(NONE.to_owned(), |share| ends(share.low, share.high)),
                percent(slice.top5.map(|share| share.percent)),
                percent(slice.top1_all.map(|share| share.percent)),
            ]);
        }
        if told.len() < slices.values.len() {
            let (shown, all) = (told.len(), slices.values.len());
            self.line(&format!("\nThe first {shown} of {all} values. The JSON report has the others."));
        }
    }

    pub(super) fn pairs(&mut self, report: &Report) {
        let pairs = &report.confusion.pairs;
        if pairs.is_empty() {
            return;
        }
        self.line("\n## Most confused pairs");
        self.table(&["is", "taken for", ">rows", ">of the class"]);
        let class = |index: usize| {
            let name = report.classes.get(index).and_then(|class| class.name.as_deref());
            name.map_or_else(|| format!("class {index}"), short)
        };
        for pair in pairs.iter().take(PAIRS_SHOWN) {
            let (is, taken) = (class(pair.target), class(pair.predicted));
            self.row(&[is, taken, pair.rows.to_string(), of_all(pair.rows, pair.of)]);
        }
        let uncertain = report.confusion.uncertain_by;
        if uncertain > 0 {
            self.line(&format!("\nEach count may be too small by up to {uncertain}: too many pairs occur."));
        }
    }

    pub(super) fn throughput(&mut self, told: Option<&Throughput>) {
        let Some(told) = told else { return };
        self.line("\n## Throughput");
        let rate = |rate: Option<f64>| rate.map_or(NONE.to_owned(), |rate| format!("{rate:.1}"));
        let seconds = |seconds: f64| if seconds > 0.0 { format!("{seconds:.1}") } else { NONE.to_owned() };
        self.table(&["provider", "parts", ">rows", ">seconds of work", ">rows/s"]);
        for p in &told.providers {
            let (provider, parts) = (short(&p.provider), short(&p.parts_in_words()));
            self.row(&[provider, parts, p.rows.to_string(), seconds(p.seconds), rate(p.rows_per_second)]);
        }
        if told.providers.len() > 1 {
            let (all, took) = (told.rows.to_string(), seconds(told.seconds));
            self.row(&["all".to_owned(), NONE.to_owned(), all, took, rate(told.rows_per_second)]);
        }
        if told.untimed_parts > 0 {
            self.line(&format!(
                "\nTimes exclude the {} parts that do not record theirs.",
                told.untimed_parts
            ));
        }
    }

    pub(super) fn classes(&mut self, report: &Report) {
        self.line("\n## Classes");
        let seen = worst_classes_first(&report.classes);
        if seen.is_empty() {
            self.line("\nNo row has a target, so nothing can be said of the classes.");
            return;
        }
        let (all, shown) = (seen.len(), seen.len().min(CLASSES_SHOWN));
        let with_images = report.macro_all_classes.classes;
        let only_predicted = match all as u64 - with_images {
            0 => String::new(),
            classes => format!(" and {classes} that are only predicted"),
        };
        let of = format!("{with_images} classes with images{only_predicted}");
        self.line(&if shown < all {
            format!("\nThe {shown} worst of {of}, by recall. The JSON report has every class.")
        } else {
            format!("\n{of}, worst first, by recall.")
        });
        let mut columns = vec![">index", "class", ">rows", ">right", ">predicted", ">errors"];
        columns.extend([">recall", ">precision", ">F1"]);
        columns.extend(report.multi_label.is_some().then_some(">AP"));
        self.table(&columns);
        for c in &seen[..shown] {
            let mut cells = vec![
                c.index.to_string(),
                c.name.as_deref().map_or(NONE.to_owned(), short),
                c.support.to_string(),
                c.correct.to_string(),
                c.predicted.to_string(),
                c.errors.to_string(),
                percent(c.recall),
                percent(c.precision),
                percent(c.f1),
            ];
            if let Some(multi) = &report.multi_label {
                cells.push(percent(multi.average_precision.get(c.index).copied().flatten()));
            }
            self.row(&cells);
        }
    }

    pub(super) fn inputs(&mut self, inputs: &Inputs) {
        self.line("\n## Inputs");
        let all = inputs.formats.values().sum::<u64>() + inputs.unknown_format;
        self.table(&["format", ">rows", ">of all"]);
        for (format, rows) in by_count(inputs.formats.iter()) {
            self.row(&[short(format), rows.to_string(), of_all(rows, all)]);
        }
        if inputs.unknown_format > 0 {
            self.row(&[
                "not known".to_owned(),
                inputs.unknown_format.to_string(),
                of_all(inputs.unknown_format, all),
            ]);
        }
        self.table(&["side", ">smallest", ">mean", ">largest", ">rows"]);
        for (side, range) in [("width", inputs.width), ("height", inputs.height)] {
            let numbers = range.map_or([NONE, NONE, NONE, "0"].map(str::to_owned), |r: Range| {
                [r.min.to_string(), format!("{:.1}", r.mean), r.max.to_string(), r.rows.to_string()]
            });
            self.row(&[vec![side.to_owned()], numbers.to_vec()].concat());
        }
    }

    pub(super) fn rows(&mut self, report: &Report) {
        self.line("\n## Rows");
        let c = &report.counts;
        let all = [c.rows, c.ok, c.errors, c.with_target, c.unknown_target, c.scored].map(|n| n.to_string());
        let names = [">rows", ">ok", ">errors", ">with target", ">target unknown", ">scored"];
        let shown = if report.asks_for_targets() { names.len() } else { 3 };
        self.table(&names[..shown]);
        self.row(&all[..shown]);
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

    pub(super) fn provenance(&mut self, report: &Report) {
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
            "\nIntervals are at 95 %: Wilson's for shares; for macro accuracy, Wilson's for the number of images that has its \
             variance within classes.",
        );
        if report.macro_classes.single_image > 0 {
            self.line(
                "\nThe variance of classes with a single image is estimated from their differences: the interval of macro \
                 accuracy is wider than 95 % needs.",
            );
        }
        self.line(
            "\nAccuracy is over scored rows, which are ok and have a target; with errors counted as wrong it is over all rows \
             with a target.",
        );
    }
}

fn by_count<'a>(counts: impl Iterator<Item = (&'a String, &'a u64)>) -> Vec<(&'a str, u64)> {
    let mut counts: Vec<(&str, u64)> = counts.map(|(text, &rows)| (text.as_str(), rows)).collect();
    counts.sort_by_key(|&(_, rows)| std::cmp::Reverse(rows));
    counts
}

fn of_all(part: u64, whole: u64) -> String {
    percent((whole > 0).then(|| proportion::percent(part, whole)))
}
