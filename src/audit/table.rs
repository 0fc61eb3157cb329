//! A table of the page.

use serde::Serialize;

use crate::report::html::words::{NONE, name};

/// Classes, pairs and images that are shown of each list; the JSON and the findings have more.
pub(super) const SHOWN: usize = 50;
/// Characters of a key that are shown.
pub(super) const KEY: usize = 160;

/// A table; its first column is text.
#[derive(Serialize)]
pub(super) struct Table {
    pub title: String,
    pub note: String,
    pub columns: Vec<&'static str>,
    /// The class of its cells: numbers, or words that may break anywhere.
    pub cells: &'static str,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(title: &str, note: impl Into<String>) -> Table {
        let title = title.to_owned();
        Table { title, note: note.into(), columns: Vec::new(), cells: "n", rows: Vec::new() }
    }
}

/// A class by its name, or else its index.
pub(super) fn called(text: &Option<String>, class: Option<u32>) -> String {
    match (text, class) {
        (Some(text), _) => name(text),
        (None, Some(class)) => format!("class {class}"),
        (None, None) => NONE.to_owned(),
    }
}
