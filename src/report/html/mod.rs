//! The report as a page: one file, which asks nothing of any network.
//!
//! Names of classes, keys, error messages and addresses are foreign data. The template engine escapes
//! all of it, the drawings escape their own, and a Content-Security-Policy forbids every script but the page's own, by
//! its hash: a text that came through nevertheless would not run.

mod gallery;
pub(crate) mod gates;
mod headline;
mod heatmap;
pub(crate) mod page;
mod pictures;
mod plots;
mod svg;
mod tables;
#[cfg(test)]
mod tests;
mod view;
pub(crate) mod words;

pub use gallery::{Exhibit, Gallery, PICTURES, Picture, SIDE};

use super::error::ReportError;
use super::figures::Report;
use super::gate::Verdict;
use page::render;
use view::PageView;

/// A page is never larger.
pub const MOST_BYTES: usize = 5_000_000;

const TEMPLATE: &str = include_str!("page.html");

impl Report {
    /// The report as one HTML file of at most 5 MB: where it would be larger, the table of classes is cut, worst
    /// classes first, and says so; then pictures are left out.
    ///
    /// # Errors
    /// None is known: the template is part of the program and its tests.
    pub fn to_html(&self, verdicts: &[Verdict], gallery: &Gallery) -> Result<String, ReportError> {
        let mut rows = self.classes.len();
        loop {
            let page = self.page(verdicts, gallery, rows)?;
            if page.len() <= MOST_BYTES {
                return Ok(page);
            }
            if rows == 0 {
                let bare = Gallery {
                    note: Some("The pictures are left out: the page would be larger than 5 MB.".to_owned()),
                    ..Gallery::default()
                };
                return self.page(verdicts, &bare, 0);
            }
            rows = if rows < 64 { 0 } else { rows / 4 * 3 };
        }
    }

    fn page(
        &self,
        verdicts: &[Verdict],
        gallery: &Gallery,
        class_rows: usize,
    ) -> Result<String, ReportError> {
        render(TEMPLATE, PageView::of(self, verdicts, gallery, class_rows))
    }
}
