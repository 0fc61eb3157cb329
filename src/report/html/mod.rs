//! The report as a page: one file, which asks nothing of any network.
//!
//! Names of classes, keys, error messages and addresses are foreign data. The template engine escapes
//! all of it, the drawings escape their own, and a Content-Security-Policy forbids every script but the page's own, by
//! its hash: a text that came through nevertheless would not run.

mod attached;
mod gallery;
pub(crate) mod gates;
mod headline;
mod heatmap;
mod map;
pub(crate) mod page;
mod pictures;
mod plots;
pub(super) mod svg;
mod tables;
#[cfg(test)]
mod tests;
mod view;
pub(crate) mod words;

pub use attached::AttachedAudit;
pub use gallery::{Exhibit, Gallery, PICTURES, Picture, SIDE};

use std::borrow::Cow;

use super::error::ReportError;
use super::figures::Report;
use super::gate::Verdict;
use page::render;
use view::PageView;

/// A page is never larger.
pub const MOST_BYTES: usize = 5_000_000;

/// Sections that are files, at the comments that name them.
const SECTIONS: [(&str, &str); 3] = [
    ("{# map.html #}", include_str!("map.html")),
    ("{# audit.html #}", include_str!("audit.html")),
    ("{# dialog.html #}", include_str!("dialog.html")),
];

fn template() -> String {
    let page = include_str!("page.html").to_owned();
    SECTIONS.iter().fold(page, |page, (name, section)| page.replace(name, section))
}

impl Report {
    /// Renders the report as one HTML file of at most 5 MB. If it would be larger, examples are left out, then the map
    /// of embeddings; then the table of classes is cut after the worst ones, with a note; then all pictures are left
    /// out.
    ///
    /// # Errors
    /// None is known: the template is part of the program and its tests.
    pub fn to_html(&self, verdicts: &[Verdict], gallery: &Gallery) -> Result<String, ReportError> {
        let mut rows = self.classes.len();
        let mut gallery = Cow::Borrowed(gallery);
        loop {
            let page = self.page(verdicts, &gallery, rows)?;
            if page.len() <= MOST_BYTES {
                return Ok(page);
            }
            let shown = gallery.examples.len();
            if shown > 0 {
                gallery.to_mut().examples.truncate(if shown < 8 { 0 } else { shown / 2 });
            } else if gallery.map.is_some() {
                gallery.to_mut().map = None;
            } else if rows > 0 {
                rows = if rows < 64 { 0 } else { rows / 4 * 3 };
            } else {
                let bare = Gallery {
                    note: Some("The pictures are left out: the page would be larger than 5 MB.".to_owned()),
                    audit: gallery.audit.clone(),
                    ..Gallery::default()
                };
                return self.page(verdicts, &bare, 0);
            }
        }
    }

    fn page(
        &self,
        verdicts: &[Verdict],
        gallery: &Gallery,
        class_rows: usize,
    ) -> Result<String, ReportError> {
        render(&template(), PageView::of(self, verdicts, gallery, class_rows))
    }
}
