//! The gallery's pictures with their captions.

use minijinja::Value;
use serde::Serialize;

use super::super::figures::Report;
use super::gallery::{Exhibit, Gallery, Picture};
use super::plots;
use super::words::{clip, decimal, name};

/// Characters of a key or a message that are shown.
const TEXT: usize = 300;

/// A picture with its caption.
#[derive(Debug, Serialize)]
pub(super) struct PictureEntry {
    key: String,
    /// Of signs that need no escape.
    address: Option<Value>,
    missing: Option<String>,
    target: Option<String>,
    predicted: Option<String>,
    prob: String,
    target_prob: Option<String>,
    kind: Option<String>,
    message: Option<String>,
}

fn shown(exhibit: &Exhibit) -> PictureEntry {
    let missing = match &exhibit.picture {
        Picture::Png(_) => None,
        Picture::Missing(kind) => Some(clip(kind, 40)),
    };
    PictureEntry {
        key: clip(&exhibit.key, TEXT),
        address: exhibit.picture.address().map(Value::from_safe_string),
        missing,
        target: None,
        predicted: None,
        prob: String::new(),
        target_prob: None,
        kind: None,
        message: exhibit.message.as_deref().map(|message| clip(message, TEXT)),
    }
}

pub(super) fn mistakes(report: &Report, gallery: &Gallery) -> Vec<PictureEntry> {
    let class = |index| name(&plots::class_name(&report.classes, index));
    let of = |exhibit: &Exhibit| {
        let mistake = report.worst.mistakes.iter().find(|mistake| mistake.number == exhibit.number)?;
        Some(PictureEntry {
            target: Some(class(mistake.target)),
            predicted: Some(class(mistake.predicted)),
            prob: decimal(100.0 * f64::from(mistake.prob), 1),
            target_prob: mistake.target_prob.map(|prob| decimal(100.0 * f64::from(prob), 1)),
            ..shown(exhibit)
        })
    };
    gallery.mistakes.iter().filter_map(of).collect()
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
