//! The tables of the page.

use serde::Serialize;

use super::super::figures::Report;
use super::super::slices::{Slice, Slices};
use super::super::worst_classes::worst_classes_first;
use super::heatmap::pair_anchor;
use super::plots::{class_name, interval};
use super::words::{NONE, count, decimal, name, percent};

/// Confused pairs that are shown; the JSON has a hundred.
const PAIRS: usize = 30;
/// Values of a slice that are shown; the JSON has all of them, up to 1,000.
const VALUES: usize = 60;

/// The table of classes, worst first.
#[derive(Debug, Serialize)]
pub(super) struct ClassTable {
    /// How many classes it is about, in words.
    pub all: String,
    /// Why not all of them are in the table.
    pub cut: Option<String>,
    /// Whether they have an average precision.
    pub with_ap: bool,
    pub rows: Vec<ClassRow>,
}

#[derive(Debug, Serialize)]
pub(super) struct ClassRow {
    index: usize,
    name: String,
    support: u64,
    correct: u64,
    predicted: u64,
    errors: u64,
    recall: String,
    precision: String,
    f1: String,
    /// Average precision, if images have several classes.
    ap: Option<String>,
    /// Width of the bar, in whole percent.
    bar: u32,
    /// Whether it has images, so that it may open them.
    opens: bool,
}

pub(super) fn classes(report: &Report, most: usize) -> ClassTable {
    let seen = worst_classes_first(&report.classes);
    let all = seen.len();
    let cut = (all > most).then(|| {
        format!(
            "The {} classes with the lowest recall of {}: a page holds 5 MB. The JSON report has every class.",
            count(most as u64),
            count(all as u64)
        )
    });
    let rows = seen.into_iter().take(most).map(|class| ClassRow {
        index: class.index,
        name: class.name.as_deref().map_or_else(|| format!("class {}", class.index), name),
        support: class.support,
        correct: class.correct,
        predicted: class.predicted,
        errors: class.errors,
        recall: percent(class.recall),
        precision: percent(class.precision),
        f1: percent(class.f1),
        ap: (report.multi_label.as_ref())
            .map(|multi| percent(multi.average_precision.get(class.index).copied().flatten())),
        bar: class.recall.unwrap_or_default().round() as u32,
        opens: class.support > 0,
    });
    let with_images = report.macro_all_classes.classes;
    let all = match all as u64 - with_images {
        0 => format!("{} classes with images", count(with_images)),
        predicted => {
            format!(
                "{} classes with images and {} that are only predicted",
                count(with_images),
                count(predicted)
            )
        }
    };
    ClassTable { all, cut, with_ap: report.multi_label.is_some(), rows: rows.collect() }
}

/// One line of the confused pairs.
#[derive(Debug, Serialize)]
pub(super) struct PairRow {
    /// Where its pictures open.
    anchor: String,
    target: String,
    predicted: String,
    rows: String,
    of: String,
    share: String,
    bar: u32,
}

pub(super) fn pairs(report: &Report) -> Vec<PairRow> {
    let most = report.confusion.pairs.first().map_or(1, |pair| pair.rows);
    let pairs = report.confusion.pairs.iter().take(PAIRS);
    let row = |pair: &super::super::confusion::ConfusedPair| PairRow {
        anchor: pair_anchor(pair.target, pair.predicted),
        target: name(&class_name(&report.classes, pair.target)),
        predicted: name(&class_name(&report.classes, pair.predicted)),
        rows: count(pair.rows),
        of: count(pair.of),
        share: decimal(100.0 * pair.rows as f64 / pair.of.max(1) as f64, 1),
        bar: (100.0 * pair.rows as f64 / most as f64).round() as u32,
    };
    pairs.map(row).collect()
}

/// The table of one column that rows are grouped by.
#[derive(Debug, Serialize)]
pub(super) struct SliceTable {
    by: String,
    rows: Vec<SliceRow>,
    /// What the intervals are drawn from and to.
    scale: String,
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct SliceRow {
    value: String,
    /// The value is none of the data's: no value, or several.
    special: bool,
    rows: u64,
    errors: u64,
    top1: String,
    /// Both ends of the interval.
    ends: String,
    top5: String,
    top1_all: String,
    whiskers: String,
}

pub(super) fn slices(slices: &Slices) -> SliceTable {
    let told: Vec<&Slice> = slices.values.iter().take(VALUES).collect();
    let shares = || told.iter().filter_map(|slice| slice.top1);
    let low = shares().map(|share| share.low).fold(100.0, f64::min);
    let high = shares().map(|share| share.high).fold(0.0, f64::max);
    let scale = ((low / 10.0).floor() * 10.0, (high / 10.0).ceil() * 10.0);
    let row = |slice: &Slice, value: String, special: bool| SliceRow {
        value,
        special,
        rows: slice.rows,
        errors: slice.errors,
        top1: percent(slice.top1.map(|share| share.percent)),
        ends: slice.top1.map_or_else(
            || NONE.to_owned(),
            |share| format!("{} – {}", decimal(share.low, 2), decimal(share.high, 2)),
        ),
        top5: percent(slice.top5.map(|share| share.percent)),
        top1_all: percent(slice.top1_all.map(|share| share.percent)),
        whiskers: slice.top1.map_or_else(|| NONE.to_owned(), |share| interval(&share, scale)),
    };
    let values = told.iter().map(|slice| match &slice.value {
        Some(value) => row(slice, name(value), false),
        None => row(slice, "no value".to_owned(), true),
    });
    let other = slices.other.iter().map(|slice| row(slice, "other values".to_owned(), true));
    let left = slices.values.len() - told.len();
    let note = (left > 0).then(|| {
        format!("The {VALUES} most frequent values; {} more are in the JSON report.", count(left as u64))
    });
    SliceTable {
        by: name(&slices.by),
        rows: values.chain(other).collect(),
        scale: format!("{} – {} %", decimal(scale.0, 0), decimal(scale.1, 0)),
        note,
    }
}
