//! The comparison as a page: one file, which asks nothing of any network, in the style of the report's.

use serde::Serialize;

use super::super::error::ReportError;
use super::super::gate::Verdict;
use super::super::html::gates::{GateRow, gate_rows};
use super::super::html::page::render;
use super::super::html::words::{NONE, count, decimal, name, percent};
use super::super::proportion::Proportion;
use super::super::provenance::Provenance;
use super::drift::Drift;
use super::figures::{ClassChange, ComparisonReport, Flip, PairedMeasure};

const TEMPLATE: &str = include_str!("page.html");
/// Classes and images that are shown of each list; the JSON has all classes.
const SHOWN: usize = 50;

#[derive(Serialize)]
struct PageView {
    a: String,
    b: String,
    notes: Vec<String>,
    gates: Vec<GateRow>,
    sections: Vec<Section>,
}

/// A table; its first column is text.
#[derive(Serialize)]
struct Section {
    title: String,
    note: String,
    columns: Vec<&'static str>,
    /// The class of its cells: numbers, or words that may break anywhere.
    cells: &'static str,
    rows: Vec<Vec<String>>,
}

fn section(
    title: &str,
    note: impl Into<String>,
    columns: &[&'static str],
    rows: Vec<Vec<String>>,
) -> Section {
    Section { title: title.to_owned(), note: note.into(), columns: columns.to_vec(), cells: "n", rows }
}

impl ComparisonReport {
    /// The comparison as one HTML file. The template escapes all foreign text, and the page's policy lets nothing be
    /// loaded or run.
    ///
    /// # Errors
    /// None is known: the template is part of the program and its tests.
    pub fn to_html(&self, verdicts: &[Verdict]) -> Result<String, ReportError> {
        render(TEMPLATE, self.view(verdicts))
    }

    fn view(&self, verdicts: &[Verdict]) -> PageView {
        let called = |side: &Provenance| {
            let last = side.output_uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            name(last)
        };
        let unfinished = [("A", &self.a), ("B", &self.b)].into_iter().filter(|(_, side)| !side.complete);
        let mut sections = vec![self.accuracy(), self.rows_table(), self.drift_table()];
        sections.extend(self.slices_table());
        sections.extend(self.class_tables());
        sections.extend([
            self.flips_table("Lost: right in A, wrong in B", self.top1.pairs.only_a, &self.lost),
            self.flips_table("Gained: wrong in A, right in B", self.top1.pairs.only_b, &self.gained),
        ]);
        sections.push(self.origins());
        PageView {
            a: called(&self.a),
            b: called(&self.b),
            notes: unfinished
                .map(|(side, _)| format!("{side} was not finished: these are the figures of a part of it."))
                .collect(),
            gates: gate_rows(verdicts),
            sections,
        }
    }

    fn accuracy(&self) -> Section {
        let row = |title: &str, outcome: &PairedMeasure| {
            let mut cells = vec![title.to_owned()];
            cells.extend(outcome_cells(outcome));
            cells.push(count(outcome.pairs.rows()));
            cells.push(outcome.mcnemar.map_or(NONE.to_owned(), |test| test.method.words().to_owned()));
            cells
        };
        let none = match self.counts.both_ok {
            0 => "No image is ok in both.",
            _ => "The models have no classes.",
        };
        let note = self.agreement.map_or(none.to_owned(), |p| {
            format!(
                "Both predict the same class for {} of {} images: {:.2} % (95 % interval {:.2} to {:.2}).",
                count(p.hits),
                count(p.of),
                p.percent,
                p.low,
                p.high
            )
        });
        let rows = vec![
            row("top-1", &self.top1),
            row("top-5", &self.top5),
            row("top-1, failed images being wrong", &self.top1_all),
        ];
        let columns =
            ["figure", "A %", "B %", "drop", "95 % interval", "McNemar's p", "images", "kind of test"];
        section("Accuracy", note, &columns, rows)
    }

    fn rows_table(&self) -> Section {
        let c = &self.counts;
        let row = |title: &str, a: u64, b: u64| vec![title.to_owned(), count(a), count(b)];
        let note = format!(
            "Joined {}. Classes: {}. {} images are in both, {} of them ok in both and {} failed in both.",
            self.join.method.words(),
            self.join.classes,
            count(c.joined),
            count(c.both_ok),
            count(c.failed_both)
        );
        let rows = vec![
            row("all", c.rows_a, c.rows_b),
            row("in this one only", c.only_a, c.only_b),
            row("failed, the other did not", c.failed_only_a, c.failed_only_b),
        ];
        section("Images", note, &["images", "A", "B"], rows)
    }

    fn drift_table(&self) -> Section {
        let row = |title: &str, drift: &Drift, digits: usize| {
            let cell = |value: Option<f64>| value.map_or(NONE.to_owned(), |value| decimal(value, digits));
            let values = [drift.mean, drift.p50, drift.p95, drift.p99, drift.p999, drift.worst].map(cell);
            [vec![title.to_owned()], values.to_vec(), vec![count(drift.rows)]].concat()
        };
        let note = match &self.cosine_missing {
            Some(why) => format!("Embeddings were not compared: {why}."),
            None => "Probability is that of the predicted class, where both predict the same.".to_owned(),
        };
        let rows = vec![
            row("change of probability", &self.prob_drift, 6),
            row("cosine of embeddings", &self.cosine, 8),
        ];
        let columns = ["", "mean", "median", "1 in 20", "1 in 100", "1 in 1000", "worst", "images"];
        section("Drift", note, &columns, rows)
    }

    fn slices_table(&self) -> Option<Section> {
        let slices = self.slices.as_ref()?;
        let rows = slices.values.iter().map(|slice| {
            let share = percent(slice.agreement.map(|p| p.percent));
            let start = vec![name(&slice.value), count(slice.rows), share];
            [start, outcome_cells(&slice.top1).to_vec()].concat()
        });
        let columns =
            ["value", "images", "agreement %", "top-1 in A %", "in B %", "drop", "95 % interval", "p"];
        Some(section(&format!("By {}", name(&slices.column)), "", &columns, rows.collect()))
    }

    fn class_tables(&self) -> [Section; 2] {
        let lost = |class: &ClassChange| class.pairs.only_a as i64 - class.pairs.only_b as i64;
        let mut order: Vec<&ClassChange> = self.classes.iter().collect();
        order.sort_by(|a, b| b.drop.total_cmp(&a.drop).then(a.index.cmp(&b.index)));
        let falls: Vec<_> = order.iter().copied().filter(|class| lost(class) > 0).collect();
        let gains: Vec<_> = order.iter().rev().copied().filter(|class| lost(class) < 0).collect();
        [("Classes that fell most", falls), ("Classes that gained most", gains)].map(|(title, list)| {
            let rows = list.iter().take(SHOWN).map(|class| {
                vec![
                    class.name.as_deref().map_or_else(|| format!("class {}", class.index), name),
                    count(class.pairs.rows()),
                    count(class.pairs.only_a),
                    count(class.pairs.only_b),
                    decimal(class.recall_a, 2),
                    decimal(class.recall_b, 2),
                    format!("{:+.2}", class.drop),
                ]
            });
            let columns = ["class", "images", "lost", "gained", "recall in A %", "in B %", "drop"];
            section(title, shown(list.len().min(SHOWN), list.len() as u64), &columns, rows.collect())
        })
    }

    fn flips_table(&self, title: &str, all: u64, flips: &[Flip]) -> Section {
        let class = |index: i32| self.class_name(index).map_or_else(|| format!("class {index}"), name);
        let prob = |p: Option<f32>| p.map_or(NONE.to_owned(), |p| decimal(f64::from(p), 4));
        let rows = flips.iter().take(SHOWN).map(|flip| {
            vec![
                name(&flip.key),
                flip.target.map_or(NONE.to_owned(), class),
                class(flip.index_a),
                prob(flip.prob_a),
                class(flip.index_b),
                prob(flip.prob_b),
            ]
        });
        let columns = ["key", "target", "A predicts", "p", "B predicts", "p"];
        section(title, shown(flips.len().min(SHOWN), all), &columns, rows.collect())
    }

    fn origins(&self) -> Section {
        let (a, b) = (&self.a, &self.b);
        let row = |what: &str, a: &str, b: &str| vec![what.to_owned(), name(a), name(b)];
        let rows = vec![
            row("output", &a.output_uri, &b.output_uri),
            row("input", &a.input_uri, &b.input_uri),
            row("model", &a.model_arch, &b.model_arch),
            row("weights, SHA-256", &a.model_sha256, &b.model_sha256),
            row("precision", &a.precision, &b.precision),
            row("providers", &a.computed_by(), &b.computed_by()),
            row("tool", &a.tool_version, &b.tool_version),
            row("fingerprint", &a.fingerprint, &b.fingerprint),
        ];
        Section { cells: "t", ..section("Provenance", format!("Made {}.", a.created), &["", "A", "B"], rows) }
    }
}

/// A, B, drop, its interval, p.
fn outcome_cells(outcome: &PairedMeasure) -> [String; 5] {
    let share = |p: Option<Proportion>| percent(p.map(|p| p.percent));
    let dash = || NONE.to_owned();
    let (drop, test) = (outcome.drop, outcome.mcnemar);
    [
        share(outcome.a),
        share(outcome.b),
        drop.map_or_else(dash, |drop| format!("{:+.2}", drop.points)),
        drop.map_or_else(dash, |drop| format!("{:+.2} to {:+.2}", drop.low, drop.high)),
        test.map_or_else(dash, |test| super::markdown::p_value(test.p)),
    ]
}

fn shown(rows: usize, all: u64) -> String {
    match all {
        0 => "None.".to_owned(),
        all if rows as u64 == all => String::new(),
        all => format!("The first {} of {}.", count(rows as u64), count(all)),
    }
}
