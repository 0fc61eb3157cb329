//! A table of the page.

use serde::Serialize;

use super::finding::FindingKind;
use super::shots::Shot;

/// Classes, pairs and images that are shown of each list; the JSON and the findings have more.
pub(super) const SHOWN: usize = 50;

/// A table; its first column is text.
#[derive(Serialize)]
pub(super) struct Table {
    pub title: String,
    pub note: String,
    pub columns: Vec<&'static str>,
    /// The class of its cells: numbers, or words that may break anywhere.
    pub cells: &'static str,
    pub rows: Vec<Vec<String>>,
    /// The kind of findings that it lists.
    #[serde(skip)]
    pub kind: Option<FindingKind>,
    /// Whether its pictures come in pairs.
    pub paired: bool,
    /// Some of its findings with their pictures.
    pub shots: Vec<Shot>,
}

impl Table {
    pub fn new(title: &str, note: impl Into<String>) -> Table {
        let title = title.to_owned();
        Table {
            title,
            note: note.into(),
            columns: Vec::new(),
            cells: "n",
            rows: Vec::new(),
            kind: None,
            paired: false,
            shots: Vec::new(),
        }
    }

    /// A table of findings of a kind.
    pub fn of_kind(kind: FindingKind, title: &str, note: impl Into<String>) -> Table {
        Table { kind: Some(kind), paired: kind.is_of_two(), ..Table::new(title, note) }
    }
}
