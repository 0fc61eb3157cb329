//! Findings with their pictures, as the page shows them.

use minijinja::Value;
use serde::Serialize;

use crate::report::html::words::{clip, decimal};
use crate::report::html::{Exhibit, Picture};

use super::finding::{Example, FindingKind};
use super::gallery::{AuditGallery, ShownFinding};
use super::texts::{KEY, called};

/// A finding with one or two pictures.
#[derive(Debug, Serialize)]
pub(super) struct Shot {
    views: Vec<View>,
    /// The class that it more likely has.
    proposed: Option<String>,
    label: Option<String>,
    score: String,
}

/// One picture.
#[derive(Debug, Serialize)]
struct View {
    key: String,
    /// Where the image is, if everyone can see it there.
    link: Option<String>,
    /// Of signs that need no escape.
    address: Option<Value>,
    missing: Option<String>,
}

fn view(exhibit: &Exhibit) -> View {
    View {
        key: clip(&exhibit.key, KEY),
        link: exhibit.link.clone(),
        address: exhibit.picture.address().map(Value::from_safe_string),
        missing: match &exhibit.picture {
            Picture::Shown(..) => None,
            Picture::Missing(why) => Some(clip(why, 40)),
        },
    }
}

/// The findings of a kind that have pictures, at most `most`, with their captions.
pub(super) fn shots(kind: FindingKind, examples: &[Example], gallery: &AuditGallery, most: u64) -> Vec<Shot> {
    let shown = gallery.shown.iter().filter(|shown| shown.kind == kind && shown.rank <= most);
    let shot = |shown: &ShownFinding| {
        let found = examples.iter().find(|found| (found.kind, found.rank) == (kind, shown.rank))?;
        let is_known = |class: Option<u32>, name: &Option<String>| class.map(|_| called(name, class));
        Some(Shot {
            views: [Some(&shown.image), shown.other.as_ref()].into_iter().flatten().map(view).collect(),
            proposed: is_known(found.proposed, &found.proposed_label),
            label: is_known(found.target, &found.target_label),
            score: decimal(found.score, 4),
        })
    };
    shown.filter_map(shot).collect()
}
