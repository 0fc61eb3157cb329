//! The contents of the page: texts and drawings, ready to be shown.

use minijinja::Value;
use serde::Serialize;

use super::super::figures::Report;
use super::super::gate::Verdict;
use super::super::values::Range;
use super::attached::AuditSection;
use super::gallery::Gallery;
use super::gates::{GateRow, gate_rows};
use super::headline::{self, AccuracyRow, Card, Fact};
use super::map::{self, MapView};
use super::pictures::{self, PictureEntry};
use super::tables::{self, ClassTable, PairRow, SliceTable};
use super::words::{NONE, clip, count, decimal, name};
use super::{heatmap, plots};

/// Characters of an address or a note that are shown.
const TEXT: usize = 300;

/// The page's contents.
#[derive(Debug, Serialize)]
pub(super) struct PageView {
    title: String,
    model: String,
    summary: String,
    complete: bool,
    gates: Vec<GateRow>,
    scoring: Option<String>,
    cards: Vec<Card>,
    facts: Vec<Fact>,
    both_ways: Vec<AccuracyRow>,
    counts: Vec<Fact>,
    notes: Vec<String>,
    errors: Vec<ShareBar>,
    formats: Vec<ShareBar>,
    sides: Vec<SideRange>,
    reliability: Option<Value>,
    confidence: Option<Value>,
    coverage: Option<Value>,
    distribution: Option<Value>,
    distribution_note: String,
    heatmap: Option<Value>,
    matrix_note: String,
    ece: String,
    resolution: String,
    pairs: Vec<PairRow>,
    pairs_note: Option<String>,
    classes: ClassTable,
    scored: bool,
    slices: Vec<SliceTable>,
    mistakes: Vec<PictureEntry>,
    examples: Vec<PictureEntry>,
    query: Option<String>,
    map: Option<MapView>,
    failed: Vec<PictureEntry>,
    gallery_note: Option<String>,
    audit: Option<AuditSection>,
    provenance: Vec<Fact>,
    providers: Vec<Provider>,
}

/// A share of the rows as a bar.
#[derive(Debug, Serialize)]
struct ShareBar {
    name: String,
    rows: String,
    share: String,
    bar: u32,
}

#[derive(Debug, Serialize)]
struct SideRange {
    side: &'static str,
    min: String,
    mean: String,
    max: String,
}

#[derive(Debug, Serialize)]
struct Provider {
    provider: String,
    parts: String,
    rows: String,
    seconds: String,
    rate: String,
}

impl PageView {
    pub fn of(report: &Report, verdicts: &[Verdict], gallery: &Gallery, class_rows: usize) -> Self {
        let p = &report.provenance;
        let c = &report.counts;
        let drawing = |svg: Option<String>| svg.map(Value::from_safe_string);
        let matrix = &report.confusion.matrix;
        Self {
            title: clip(if p.job.is_empty() { "Accuracy report" } else { &p.job }, 120),
            model: clip(&p.model_arch, 120),
            summary: summary(report),
            complete: p.complete,
            gates: gate_rows(verdicts),
            scoring: headline::scoring(report),
            cards: headline::cards(report),
            facts: headline::facts(report),
            both_ways: headline::both_ways(report),
            counts: counts(report),
            notes: notes(report),
            errors: parts(c.errors_by_kind.iter().map(|(kind, rows)| (kind.as_str(), *rows)), c.rows),
            formats: parts(
                report
                    .inputs
                    .formats
                    .iter()
                    .map(|(format, rows)| (format.as_str(), *rows))
                    .chain([("not known", report.inputs.unknown_format)]),
                c.rows,
            ),
            sides: [("width", report.inputs.width), ("height", report.inputs.height)]
                .into_iter()
                .filter_map(|(side, range)| range.map(|range| side_of(side, range)))
                .collect(),
            reliability: drawing(plots::reliability(report)),
            confidence: drawing(plots::confidence(report)),
            coverage: drawing(plots::coverage(report)),
            distribution: drawing(plots::classes(report)),
            distribution_note: distribution_note(report),
            heatmap: drawing(heatmap::heatmap(report, &pictures::pictured(report, gallery))),
            matrix_note: if matrix.whole {
                "All classes of the model.".to_owned()
            } else {
                format!(
                    "The {} classes with the lowest recall of the {} with images; the last column is every class that is \
                     not in the picture.",
                    matrix.classes.len(),
                    count(report.macro_classes.classes)
                )
            },
            ece: report.calibration.ece.map_or_else(|| NONE.to_owned(), |ece| decimal(ece, 4)),
            resolution: count((1.0 / report.confidence.coverage.resolution).round() as u64),
            pairs: tables::pairs(report),
            pairs_note: (report.confusion.uncertain_by > 0).then(|| {
                format!(
                    "More than a million different pairs occur: each count may be too small by up to {}.",
                    count(report.confusion.uncertain_by)
                )
            }),
            classes: tables::classes(report, class_rows),
            scored: c.scored > 0,
            slices: report.slices.iter().map(tables::slices).collect(),
            mistakes: pictures::mistakes(report, gallery),
            examples: pictures::examples(report, gallery),
            query: gallery.query.as_deref().map(|query| clip(query, TEXT)),
            map: map::map(report, gallery),
            failed: pictures::failed(report, gallery),
            gallery_note: gallery.note.as_deref().map(|note| clip(note, TEXT)),
            audit: gallery.audit.as_ref().map(AuditSection::of),
            provenance: provenance(report),
            providers: providers(report),
        }
    }
}

fn summary(report: &Report) -> String {
    let c = &report.counts;
    let scored = match (c.scored, c.rows) {
        (_, rows) if report.classes.is_empty() => {
            format!("{} images, of which the model gives embeddings and no classes", count(rows))
        }
        (0, rows) => format!("{} images, without ground truth", count(rows)),
        (scored, rows) if scored == rows => format!("{} images, all of them scored", count(rows)),
        (scored, rows) => format!("{} images, {} of them scored", count(rows), count(scored)),
    };
    let errors = match c.errors {
        0 => "no image failed".to_owned(),
        errors => format!("{} failed", count(errors)),
    };
    format!("{scored}; {errors}.")
}

fn distribution_note(report: &Report) -> String {
    let recalls = || report.classes.iter().filter_map(|class| class.recall);
    let all = recalls().count() as u64;
    let whole = recalls().filter(|recall| *recall >= 100.0).count() as u64;
    let less = recalls().filter(|recall| *recall < 50.0).count() as u64;
    format!(
        "Of {} classes, {} are right in every image and {} in fewer than half of them.",
        count(all),
        count(whole),
        count(less)
    )
}

fn counts(report: &Report) -> Vec<Fact> {
    let c = &report.counts;
    let shown = if report.asks_for_targets() { 6 } else { 3 };
    [
        ("rows", c.rows),
        ("ok", c.ok),
        ("errors", c.errors),
        ("with a target", c.with_target),
        ("target unknown", c.unknown_target),
        ("scored", c.scored),
    ]
    .into_iter()
    .take(shown)
    .map(|(what, rows)| Fact { what, value: count(rows), note: String::new() })
    .collect()
}

fn notes(report: &Report) -> Vec<String> {
    let c = &report.counts;
    let mut notes: Vec<String> =
        report.missing_targets().map(|missing| format!("{missing}.")).into_iter().collect();
    if c.scored > 0 && c.top5_unknown > 0 {
        notes.push(format!(
            "Top-5 is not known: {} scored rows keep fewer than five classes and no rank of the target.",
            count(c.top5_unknown)
        ));
    }
    if c.rank_conflicts > 0 {
        notes.push(format!(
            "In {} scored rows target_rank contradicts index, which was believed: probabilities are tied, or the rows \
             are damaged.",
            count(c.rank_conflicts)
        ));
    }
    if report.calibration.nll_clipped > 0 {
        notes.push(format!(
            "In {} rows the target's probability is below 2⁻⁵² and counts as that in the NLL.",
            count(report.calibration.nll_clipped)
        ));
    }
    notes
}

fn parts<'a>(parts: impl Iterator<Item = (&'a str, u64)>, all: u64) -> Vec<ShareBar> {
    let mut sorted: Vec<(&str, u64)> = parts.filter(|(_, rows)| *rows > 0).collect();
    sorted.sort_by(|(a, x), (b, y)| (y, a).cmp(&(x, b)));
    let share = |rows: u64| 100.0 * rows as f64 / all.max(1) as f64;
    let part = |(text, rows): (&str, u64)| ShareBar {
        name: name(text),
        rows: count(rows),
        share: decimal(share(rows), 2),
        // a small share still gets a visible bar
        bar: share(rows).round().max(1.0) as u32,
    };
    sorted.into_iter().map(part).collect()
}

fn side_of(side: &'static str, range: Range) -> SideRange {
    SideRange { side, min: range.min.to_string(), mean: decimal(range.mean, 1), max: range.max.to_string() }
}

fn provenance(report: &Report) -> Vec<Fact> {
    let p = &report.provenance;
    [
        ("tool", format!("tresnet-batch {}", p.tool_version)),
        ("model", p.model_arch.clone()),
        ("weights, SHA-256", p.model_sha256.clone()),
        ("precision", p.precision.clone()),
        ("providers", p.computed_by()),
        ("preprocessing", p.preprocess.clone()),
        ("targets", p.targets.clone()),
        ("input", p.input_uri.clone()),
        ("output", p.output_uri.clone()),
        ("fingerprint", p.fingerprint.clone()),
        ("made", p.created.clone()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(what, value)| Fact { what, value: clip(&value, TEXT), note: String::new() })
    .collect()
}

fn providers(report: &Report) -> Vec<Provider> {
    let told = report.throughput.iter().flat_map(|told| &told.providers);
    told.map(|share| Provider {
        provider: name(&share.provider),
        parts: share.parts_in_words(),
        rows: count(share.rows),
        seconds: if share.seconds > 0.0 { decimal(share.seconds, 1) } else { NONE.to_owned() },
        rate: share.rows_per_second.map_or_else(|| NONE.to_owned(), |rate| decimal(rate, 1)),
    })
    .collect()
}
