//! The gallery's pictures with their captions.

use std::collections::{HashMap, HashSet};

use minijinja::Value;
use serde::Serialize;

use super::super::figures::Report;
use super::gallery::{Exhibit, Gallery, Picture};
use super::plots;
use super::words::{clip, decimal, name};

/// Characters of a key or a message that are shown.
const TEXT: usize = 300;

/// A picture with its caption.
#[derive(Debug, Default, Serialize)]
pub(super) struct PictureEntry {
    number: u64,
    key: String,
    /// Where the image is, if everyone can see it there.
    link: Option<String>,
    /// Of signs that need no escape.
    address: Option<Value>,
    missing: Option<String>,
    /// Indices of the classes, by which the page finds its pictures.
    at: Option<[usize; 2]>,
    target: Option<String>,
    predicted: Option<String>,
    right: bool,
    prob: String,
    target_prob: Option<String>,
    kind: Option<String>,
    message: Option<String>,
    /// Pictures of other rows that are shown beside it.
    beside: Vec<Beside>,
}

/// A right example of one of a mistake's classes.
#[derive(Debug, Serialize)]
struct Beside {
    number: u64,
    class: String,
}

fn shown(exhibit: &Exhibit) -> PictureEntry {
    let missing = match &exhibit.picture {
        Picture::Shown(..) => None,
        Picture::Missing(kind) => Some(clip(kind, 40)),
    };
    PictureEntry {
        number: exhibit.number,
        key: clip(&exhibit.key, TEXT),
        link: exhibit.link.clone(),
        address: exhibit.picture.address().map(Value::from_safe_string),
        missing,
        message: exhibit.message.as_deref().map(|message| clip(message, TEXT)),
        ..PictureEntry::default()
    }
}

/// The rows that are right and have a picture, by their class; the first of each.
fn right_examples(report: &Report, gallery: &Gallery) -> HashMap<usize, u64> {
    let pictured: HashSet<u64> = gallery.examples.iter().map(|exhibit| exhibit.number).collect();
    let right = report.examples.iter().filter(|row| row.is_right() && pictured.contains(&row.number));
    let mut found = HashMap::new();
    for row in right {
        found.entry(row.target).or_insert(row.number);
    }
    found
}

pub(super) fn mistakes(report: &Report, gallery: &Gallery) -> Vec<PictureEntry> {
    let class = |index| name(&plots::class_name(&report.classes, index));
    let right = right_examples(report, gallery);
    let of = |exhibit: &Exhibit| {
        let mistake = report.worst.mistakes.iter().find(|mistake| mistake.number == exhibit.number)?;
        let beside = [mistake.target, mistake.predicted].into_iter().filter_map(|index| {
            right.get(&index).map(|number| Beside { number: *number, class: class(index) })
        });
        Some(PictureEntry {
            at: Some([mistake.target, mistake.predicted]),
            target: Some(class(mistake.target)),
            predicted: Some(class(mistake.predicted)),
            prob: decimal(100.0 * f64::from(mistake.prob), 1),
            target_prob: mistake.target_prob.map(|prob| decimal(100.0 * f64::from(prob), 1)),
            beside: beside.collect(),
            ..shown(exhibit)
        })
    };
    gallery.mistakes.iter().filter_map(of).collect()
}

pub(super) fn examples(report: &Report, gallery: &Gallery) -> Vec<PictureEntry> {
    let class = |index| name(&plots::class_name(&report.classes, index));
    let of = |exhibit: &Exhibit| {
        let row = report.examples.iter().find(|row| row.number == exhibit.number)?;
        Some(PictureEntry {
            at: Some([row.target, row.predicted]),
            target: Some(class(row.target)),
            predicted: Some(class(row.predicted)),
            right: row.is_right(),
            prob: decimal(100.0 * f64::from(row.prob), 1),
            target_prob: row.target_prob.map(|prob| decimal(100.0 * f64::from(prob), 1)),
            ..shown(exhibit)
        })
    };
    gallery.examples.iter().filter_map(of).collect()
}

/// The targets and predictions of which the page has a picture.
pub(super) fn pictured(report: &Report, gallery: &Gallery) -> HashSet<(usize, usize)> {
    let shown = |exhibits: &[Exhibit]| -> HashSet<u64> {
        let shown = exhibits.iter().filter(|exhibit| matches!(exhibit.picture, Picture::Shown(..)));
        shown.map(|exhibit| exhibit.number).collect()
    };
    let (mistakes, examples) = (shown(&gallery.mistakes), shown(&gallery.examples));
    let worst = report.worst.mistakes.iter().filter(|row| mistakes.contains(&row.number));
    let others = report.examples.iter().filter(|row| examples.contains(&row.number));
    worst
        .map(|row| (row.target, row.predicted))
        .chain(others.map(|row| (row.target, row.predicted)))
        .collect()
}

pub(super) fn failed(report: &Report, gallery: &Gallery) -> Vec<PictureEntry> {
    let of = |exhibit: &Exhibit| {
        let row = report.worst.failed.iter().find(|row| row.number == exhibit.number)?;
        let target = row.target.map(|index| name(&plots::class_name(&report.classes, index)));
        let kind = row.kind.as_deref().unwrap_or("unspecified");
        Some(PictureEntry { target, kind: Some(clip(kind, 40)), ..shown(exhibit) })
    };
    gallery.failed.iter().filter_map(of).collect()
}
