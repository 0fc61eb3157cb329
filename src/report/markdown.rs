//! The report for people: GitHub-flavoured Markdown that also reads well as plain text.
//!
//! Names of classes, error kinds and URIs are data that somebody else chose. All of it goes through
//! [`escape`], so that none of it can end a cell, start a table, or become HTML, a link or an image.

use std::fmt::Write as _;

use super::figures::{ClassFigures, Counts, Inputs, Mean, Range, Report};
use super::gate::Verdict;
use super::metrics::Metrics;
use super::multilabel::MultiLabel;
use super::proportion::Proportion;

/// Classes that are shown; all of them are in the JSON.
const CLASSES_SHOWN: usize = 50;

/// Characters of a foreign text that are shown in a table of figures; the JSON has the whole.
const NAME_SHOWN: usize = 80;

/// Stands for what cannot be said.
pub(super) const NONE: &str = "–";

impl Report {
    /// The report as Markdown, with the gates that were checked.
    pub fn to_markdown(&self, verdicts: &[Verdict]) -> String {
        let mut out = Markdown(String::from("# Accuracy report\n"));
        if !self.provenance.complete {
            out.line("\n**The output was not finished when this was made: these are the figures of a part of it.**");
        }
        out.headline(self, &self.metrics());
        out.gates(verdicts);
        out.rows(&self.counts);
        out.errors(&self.counts);
        out.classes(self);
        out.inputs(&self.inputs);
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

    fn headline(&mut self, report: &Report, metrics: &Metrics) {
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
        for (name, title, value, classes) in [
            ("macro", "macro accuracy", report.macro_accuracy, with_support),
            ("macro_all", "macro accuracy, errors counted as wrong", report.macro_accuracy_all, with_rows),
        ] {
            let cells = value.map(|p| [format!("{p:.2} %"), NONE.to_owned(), format!("{classes} classes")]);
            figure(name, title, cells);
        }
        if let Some(masked) = &report.masked {
            figure("top1_unmasked", "top-1 among all classes", masked.top1_unmasked.map(share_cells));
            figure("top5_unmasked", "top-5 among all classes", masked.top5_unmasked.map(share_cells));
        }
        if let Some(MultiLabel { map, rows, classes, .. }) = &report.multi_label {
            let over = format!("{classes} classes, {rows} rows");
            let cells = map.map(|map| [format!("{map:.2} %"), NONE.to_owned(), over]);
            figure("map", "**mean average precision**", cells);
        }
        for (name, title, Mean { mean, rows }) in [
            ("target_prob", "mean probability of the target", report.target_prob),
            ("top1_prob", "mean probability of the prediction", report.top1_prob),
        ] {
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

    fn errors(&mut self, counts: &Counts) {
        if counts.errors == 0 {
            return;
        }
        self.line("\n## Errors by kind");
        self.table(&["kind", ">rows", ">of all"]);
        for (kind, rows) in by_count(counts.errors_by_kind.iter()) {
            self.row(&[short(kind), rows.to_string(), of_all(rows, counts.rows)]);
        }
    }

    fn classes(&mut self, report: &Report) {
        self.line("\n## Classes");
        let mut seen: Vec<&ClassFigures> =
            report.classes.iter().filter(|c| c.support + c.errors + c.predicted > 0).collect();
        if seen.is_empty() {
            self.line("\nNo row has a target, so nothing can be said of the classes.");
            return;
        }
        seen.sort_by(|a, b| {
            badness(a).total_cmp(&badness(b)).then((b.support, a.index).cmp(&(a.support, b.index)))
        });
        let (all, shown) = (seen.len(), seen.len().min(CLASSES_SHOWN));
        self.line(&if shown < all {
            format!("\nThe {shown} worst of {all}, by recall. The JSON report has every class.")
        } else {
            "\nWorst first, by recall.".to_owned()
        });
        self.table(&[
            ">index",
            "class",
            ">rows",
            ">right",
            ">predicted",
            ">errors",
            ">recall",
            ">precision",
            ">F1",
        ]);
        for c in &seen[..shown] {
            self.row(&[
                c.index.to_string(),
                c.name.as_deref().map_or(NONE.to_owned(), short),
                c.support.to_string(),
                c.correct.to_string(),
                c.predicted.to_string(),
                c.errors.to_string(),
                percent(c.recall),
                percent(c.precision),
                percent(c.f1),
            ]);
        }
    }

    fn inputs(&mut self, inputs: &Inputs) {
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

    fn provenance(&mut self, report: &Report) {
        let p = &report.provenance;
        self.line("\n## Provenance");
        self.table(&["", ""]);
        for (what, value) in [
            ("tool", p.tool_version.as_str()),
            ("model", &p.model_arch),
            ("weights, SHA-256", &p.model_sha256),
            ("precision", &p.precision),
            ("providers", &p.providers.join(", ")),
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
        if let Some(masked) = &report.masked {
            self.line(&format!(
                "\nRows are scored among {} classes alone, by the softmax over their logits.",
                masked.classes
            ));
        }
        self.line(
            "\nIntervals are Wilson's at 95 %. Accuracy is over scored rows, which are ok and have a target; \
             with errors counted as wrong it is over all rows with a target.",
        );
    }
}

fn share_cells(p: Proportion) -> [String; 3] {
    [
        format!("{:.2} %", p.percent),
        format!("{:.2} – {:.2} %", p.low, p.high),
        format!("{} of {} rows", p.hits, p.of),
    ]
}

/// What classes are sorted by: recall; a class whose rows all failed is as bad as one that is always wrong,
/// and a class without rows of its own comes last.
fn badness(class: &ClassFigures) -> f64 {
    class.recall.unwrap_or(if class.errors > 0 { 0.0 } else { f64::INFINITY })
}

fn by_count<'a>(counts: impl Iterator<Item = (&'a String, &'a u64)>) -> Vec<(&'a str, u64)> {
    let mut counts: Vec<(&str, u64)> = counts.map(|(text, &rows)| (text.as_str(), rows)).collect();
    counts.sort_by_key(|&(_, rows)| std::cmp::Reverse(rows));
    counts
}

pub(super) fn percent(value: Option<f64>) -> String {
    value.map_or(NONE.to_owned(), |value| format!("{value:.2} %"))
}

fn of_all(part: u64, whole: u64) -> String {
    percent((whole > 0).then(|| super::proportion::percent(part, whole)))
}

/// [`escape`] of the first characters.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(NAME_SHOWN) {
        Some((end, _)) => format!("{}…", escape(&text[..end])),
        None => escape(text),
    }
}

/// Foreign text as one line of a table's cell: HTML as entities, Markdown's signs behind backslashes,
/// controls and line ends as spaces, and signs that turn or hide text as U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '$' => {
                let _ = write!(out, "\\{c}");
            }
            '\u{2028}' | '\u{2029}' => out.push(' '),
            c if c.is_control() => out.push(' '),
            // Bidirectional overrides and isolates, marks, zero widths, byte order mark.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {
                out.push('\u{fffd}');
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestRow, batch};
    use super::super::{Accumulator, Classes, Gate, Provenance};
    use super::*;

    fn markdown(names: Vec<String>, rows: &[TestRow], gates: &[&str]) -> String {
        let mut accumulator = Accumulator::new(Classes::Named(names));
        accumulator.push(&batch(rows)).unwrap();
        let report = accumulator.finish(Provenance { complete: true, ..Provenance::default() });
        let metrics = report.metrics();
        let verdicts: Vec<Verdict> = gates.iter().map(|g| Gate::parse(g).unwrap().check(&metrics)).collect();
        report.to_markdown(&verdicts)
    }

    #[test]
    fn foreign_text_stays_one_harmless_cell() {
        for (hostile, harmless) in [
            ("a|b", r"a\|b"),
            ("a\\|b", r"a\\\|b"),
            ("a\r\nb\u{85}c\u{2028}d", "a  b c d"),
            ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
            ("&lt;script&gt;", "&amp;lt;script&amp;gt;"),
            ("![x](javascript:y)", r"\!\[x\](javascript:y)"),
            ("`**_~~", r"\`\*\*\_\~\~"),
            ("exe\u{202e}gpj", "exe\u{fffd}gpj"),
            ("Königin – 猫", "Königin – 猫"),
        ] {
            assert_eq!(escape(hostile), harmless);
        }
    }

    #[test]
    fn a_table_of_hostile_names_keeps_its_shape() {
        let names = vec!["a|b\n| c |".to_owned(), "<b>|\\".to_owned(), "n".repeat(5_000) + "|\n"];
        let text = markdown(names, &[TestRow::ok(0, &[1]), TestRow::ok(2, &[1])], &[]);
        let table: Vec<&str> =
            text.lines().filter(|line| line.starts_with("| ") && line.contains(" 0.00 %")).collect();
        assert_eq!(
            table.iter().filter(|line| line.replace("\\|", "").matches('|').count() == 10).count(),
            3,
            "{text}"
        );
        assert!(!text.contains("<b>") && text.contains("&lt;b&gt;\\|\\\\"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() < 260));
    }

    #[test]
    fn many_classes_are_cut_to_the_worst_and_say_so() {
        let names: Vec<String> = (0..60).map(|i| format!("class-{i}")).collect();
        let rows: Vec<TestRow> = (0..60).map(|i| TestRow::ok(i, &[if i < 7 { 59 } else { i }])).collect();
        let text = markdown(names.clone(), &rows, &[]);
        assert!(text.contains("The 50 worst of 60, by recall."));
        let shown: Vec<&str> = text.lines().filter(|line| line.contains("| class-")).collect();
        assert_eq!(shown.len(), 50);
        assert!(
            shown[0].starts_with("| 0 | class-0 | 1 | 0 | 0 | 0 | 0.00 % | – | 0.00 % |"),
            "{}",
            shown[0]
        );
        assert!(shown[7].starts_with("| 7 | class-7 | 1 | 1 |"), "{}", shown[7]);

        let text = markdown(names, &rows[7..57], &[]);
        assert!(text.contains("Worst first, by recall."), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains("| class-")).count(), 50);
    }

    #[test]
    fn a_class_whose_images_all_failed_is_among_the_worst() {
        let names = ["never seen", "failed", "fine", "wrong"].map(str::to_owned).to_vec();
        let rows = [TestRow::error("limit").target(1), TestRow::ok(2, &[2]), TestRow::ok(3, &[2])];
        let text = markdown(names, &rows, &[]);
        let order: Vec<Option<usize>> =
            ["| wrong |", "| failed |", "| fine |"].map(|name| text.find(name)).to_vec();
        assert!(order.is_sorted() && order[0].is_some(), "{text}");
        assert!(!text.contains("never seen"));
    }

    #[test]
    fn a_report_without_targets_says_what_it_cannot_say() {
        let text = markdown(vec!["a".to_owned()], &[TestRow::ok(None, &[0])], &["top1 > 1", "rows == 1"]);
        assert!(text.contains("| **top-1** | – | – | not known: no row has a target |"), "{text}");
        assert!(text.contains("| top1 &gt; 1 | **failed** | not known: no row has a target |"), "{text}");
        assert!(text.contains("| rows == 1 | passed | 1 |"), "{text}");
        assert!(text.contains("No row has a target, so nothing can be said of the classes."));
        assert!(!text.contains("## Errors"));
    }
}
